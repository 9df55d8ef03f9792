/* The target's state: places, sessions, statements kept, transactions. */
#include "unit.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "target/state.h"

static struct err e;

static bool check(const char *db, const char *password_file)
{
    struct state_opts o = {db, password_file, 4};

    e.text[0] = '\0';
    return state_check(&o, &e);
}

static void places(void **state)
{
    (void)state;
    assert_true(check("sqlite::memory:", NULL));
    assert_true(check("sqlite:/tmp/x.db", NULL));
    assert_true(check("postgres://user@127.0.0.1:5432/certctl", "/password"));
    assert_true(check("postgresql://127.0.0.1/certctl?sslmode=require", NULL));
    assert_false(check("sqlite:", NULL));
    assert_false(check("sqlite:x", "/password"));
    assert_false(check("mysql://127.0.0.1/x", NULL));
    assert_non_null(strstr(e.text, "mysql"));
    assert_false(check("nonsense", NULL));
}

/* A password in the place is refused, and not repeated. */
static void password(void **state)
{
    (void)state;
    assert_false(check("postgres://user:canary7@127.0.0.1/x", NULL));
    assert_null(strstr(e.text, "canary7"));
    assert_non_null(strstr(e.text, "--db-password-file"));
    assert_false(check("postgres://user@127.0.0.1/x?password=canary7", NULL));
    assert_null(strstr(e.text, "canary7"));
}

static struct state *open_memory(void)
{
    struct state_opts o = {"sqlite::memory:", NULL, 4};
    struct state_schema schema = {"test",
                                  "create table if not exists t (id text primary key, n int)",
                                  "no such thing", "create index if not exists t_n on t (n)"};
    struct state *s = state_open(&o, &e);

    assert_non_null(s);
    assert_int_equal(state_sessions(s), 1);
    assert_true(state_create(s, &schema, &e));
    assert_true(state_create(s, &schema, &e)); /* again: nothing is missing */
    return s;
}

static void add_row(void *arg, const char *const *values, int n)
{
    for (int i = 0; i < n; i++)
        buf_printf(arg, "%s,", values[i] ? values[i] : "NULL");
}

static const char select_all[] = "select id, n from t order by id";

static void expect_rows(struct session *se, const char *want)
{
    struct buf got = {0};
    struct db_sink to = {add_row, &got};

    assert_true(session_run(se, select_all, STATE_NONE, &to, NULL, &e));
    assert_string_equal(buf_text(&got), want);
    buf_free(&got);
}

static void statements(void **state)
{
    static const char insert[] = "insert into t (n, id) values ($2, $1)";
    static const char update[] = "update t set n = $2 where id = $1 or n = $2";
    struct state *s = open_memory();
    struct session *se = state_take(s, &e);
    uint64_t count;

    (void)state;
    assert_true(session_run(se, insert, STATE_VALUES("a", "1"), NULL, &count, &e));
    assert_int_equal(count, 1);
    assert_true(session_run(se, insert, STATE_VALUES("b", NULL), NULL, &count, &e));
    expect_rows(se, "a,1,b,NULL,");
    assert_true(session_run(se, update, STATE_VALUES("b", "1"), NULL, &count, &e));
    assert_int_equal(count, 2);
    assert_true(session_run(se, select_all, STATE_NONE, NULL, &count, &e));
    assert_int_equal(count, 2);

    /* What is refused spoils nothing. */
    assert_false(session_run(se, insert, STATE_VALUES("a", "1"), NULL, &count, &e));
    assert_non_null(strstr(e.text, "UNIQUE"));
    assert_false(session_run(se, "select nome from t", STATE_NONE, NULL, NULL, &e));
    assert_non_null(strstr(e.text, "nome"));
    assert_true(
        session_run(se, insert, STATE_VALUES("c'); drop table t; --", "7"), NULL, NULL, &e));
    expect_rows(se, "a,1,b,1,c'); drop table t; --,7,");
    state_give(se);
    state_close(s);
}

static void transactions(void **state)
{
    static const char insert[] = "insert into t (id) values ($1)";
    struct state *s = open_memory();
    struct session *se = state_take(s, &e);

    (void)state;
    assert_true(session_begin(se, &e));
    assert_true(session_run(se, insert, STATE_VALUES("a"), NULL, NULL, &e));
    assert_true(session_commit(se, &e));
    assert_true(session_begin(se, &e));
    assert_true(session_run(se, insert, STATE_VALUES("b"), NULL, NULL, &e));
    state_give(se); /* not committed */
    se = state_take(s, &e);
    expect_rows(se, "a,NULL,");
    state_give(se);
    state_close(s);
}

static void *add_many(void *arg)
{
    static const char insert[] = "insert into t (id, n) values ($1, 1)";
    static int number;
    struct err why;

    for (int i = 0; i < 200; i++) {
        struct session *se = state_take(arg, &why);
        char id[16];

        snprintf(id, sizeof(id), "%d", __atomic_add_fetch(&number, 1, __ATOMIC_RELAXED));
        if (!se || !session_run(se, insert, STATE_VALUES(id), NULL, NULL, &why))
            return "failed";
        state_give(se);
    }
    return NULL;
}

static void threads(void **state)
{
    struct state *s = open_memory();
    struct session *se;
    pthread_t t[4];
    uint64_t count;
    void *failed;

    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&t[i], NULL, add_many, s), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(t[i], &failed);
        assert_null(failed);
    }
    se = state_take(s, &e);
    assert_true(session_run(se, select_all, STATE_NONE, NULL, &count, &e));
    assert_int_equal(count, 800);
    state_give(se);
    state_close(s);
}

/* A file is what every process finds, at once. */
static void shared_file(void **state)
{
    char path[] = "/tmp/state-XXXXXX", url[64], other[64];
    int fd = mkstemp(path);
    struct state_opts o = {url, NULL, 4};
    struct state_schema schema = {"test", "create table t (id text primary key, n int)", NULL,
                                  NULL};
    struct state *a, *b;
    struct session *se;

    (void)state;
    assert_true(fd >= 0);
    close(fd);
    snprintf(url, sizeof(url), "sqlite:%s", path);
    a = state_open(&o, &e);
    b = state_open(&o, &e);
    assert_true(a && b && state_create(a, &schema, &e));
    se = state_take(a, &e);
    assert_true(session_run(se, "insert into t values ('a', 1)", STATE_NONE, NULL, NULL, &e));
    state_give(se);
    se = state_take(b, &e);
    expect_rows(se, "a,1,");
    state_give(se);
    state_close(a);
    state_close(b);
    unlink(path);
    snprintf(other, sizeof(other), "sqlite:%s.d/gone/x.db", path);
    o.db = other;
    assert_null(state_open(&o, &e));
    assert_non_null(strstr(e.text, "cannot be opened"));
}

static void broken_schema(void **state)
{
    struct state *s = open_memory();
    struct state_schema schema = {"tables.sql",
                                  "create table u (x int);\n\ncreate tabel v (x int);", NULL, NULL};
    struct session *se;

    (void)state;
    assert_false(state_create(s, &schema, &e));
    assert_non_null(strstr(e.text, "tables.sql:3"));
    se = state_take(s, &e);
    assert_false(session_run(se, "select * from u", STATE_NONE, NULL, NULL, &e));
    state_give(se);
    state_close(s);
}

UNIT_GROUP(state, cmocka_unit_test(places), cmocka_unit_test(password),
           cmocka_unit_test(statements), cmocka_unit_test(transactions), cmocka_unit_test(threads),
           cmocka_unit_test(shared_file), cmocka_unit_test(broken_schema))

/* SQL taken apart: where statements end, what is a parameter, which line it is. */
#include "unit.h"

#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "driver/sql_text.h"

static const char *const names[] = {"id", "name"};
static struct arena arena;
static struct err e;

static bool split(struct sql_script *s, const char *text, enum sql_dialect dialect)
{
    struct sql_input in = {"a.sql", text, strlen(text), dialect, names, 2};

    e.text[0] = '\0';
    return sql_split(s, &in, &arena, &e);
}

static void expect(const char *text, enum sql_dialect dialect, const char *const *want)
{
    struct sql_script s;
    int n = 0;

    assert_true(split(&s, text, dialect));
    for (; want[n]; n++) {
        assert_true(n < s.n);
        assert_string_equal(s.v[n].text, want[n]);
    }
    assert_int_equal(s.n, n);
}

#define EXPECT(text, dialect, ...) expect(text, dialect, (const char *const[]){__VA_ARGS__, NULL})

static int end(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static void statements_end_at_semicolons_outside_of_everything(void **state)
{
    (void)state;
    EXPECT("a;b", SQL_POSTGRES, "a", "b");
    EXPECT(" ;; a ; ", SQL_POSTGRES, "a ");
    EXPECT("a ';' b; c", SQL_POSTGRES, "a ';' b", "c");
    EXPECT("a 'x'';y'; c", SQL_POSTGRES, "a 'x'';y'", "c");
    EXPECT("a '\\'; c", SQL_SQLITE, "a '\\'", "c");
}

static void quotes_of_each_dialect(void **state)
{
    (void)state;
    EXPECT("a E'\\';' b; c", SQL_POSTGRES, "a E'\\';' b", "c");
    EXPECT("a \"x;\"\"y\"; c", SQL_POSTGRES, "a \"x;\"\"y\"", "c");
    EXPECT("do $$ a; b $$; c", SQL_POSTGRES, "do $$ a; b $$", "c");
    EXPECT("do $x$ a; $$ $y$ b $x$; c", SQL_POSTGRES, "do $x$ a; $$ $y$ b $x$", "c");
    EXPECT("a$x$; b$x$", SQL_POSTGRES, "a$x$", "b$x$");
    EXPECT("a `;`; b [;]", SQL_SQLITE, "a `;`", "b [;]");
    EXPECT("a /* ; /* ; */ ; */ b; c", SQL_POSTGRES, "a /* ; /* ; */ ; */ b", "c");
    EXPECT("a /* ; /* */ b; c", SQL_SQLITE, "a /* ; /* */ b", "c");
    EXPECT("-- x; y\na -- ;\n+ 1; b", SQL_POSTGRES, "a -- ;\n+ 1", "b");
    EXPECT("create rule r as on insert to t do (a; b); c", SQL_POSTGRES,
           "create rule r as on insert to t do (a; b)", "c");
}

static void bodies_of_routines_have_semicolons(void **state)
{
    const char *trigger = "create trigger x after insert on t begin a; select case 1 when 1 then 2 "
                          "end; b; end";
    char text[256];

    (void)state;
    strcpy(text, trigger);
    strcat(text, "; c");
    EXPECT(text, SQL_SQLITE, trigger, "c");
    EXPECT("create function f() returns int begin atomic select 1; end; c", SQL_POSTGRES,
           "create function f() returns int begin atomic select 1; end", "c");
    EXPECT("create table begin (a int); c", SQL_POSTGRES, "create table begin (a int)", "c");
}

static void params_are_numbered_and_never_inside_quotes(void **state)
{
    struct sql_script s;

    (void)state;
    assert_true(
        split(&s, "select :name, :id, ':id', \":id\", $$:id$$, :name -- :id", SQL_POSTGRES));
    assert_string_equal(s.v[0].text, "select $1, $2, ':id', \":id\", $$:id$$, $1 -- :id");
    assert_int_equal(s.v[0].param_count, 2);
    assert_int_equal(s.v[0].params[0], 1);
    assert_int_equal(s.v[0].params[1], 0);
    EXPECT("select :id; select :name", SQL_SQLITE, "select ?1", "select ?1");
    EXPECT("select x::text, a[1:id], a[n:id], '1'::id", SQL_POSTGRES,
           "select x::text, a[1:id], a[n:id], '1'::id");
    assert_false(split(&s, "a\nb :nobody", SQL_POSTGRES));
    assert_string_equal(e.text, "a.sql:2: no param \"nobody\" (declare it under `params:`)");
}

static void lines_are_those_of_the_source(void **state)
{
    struct sql_script s;

    (void)state;
    assert_true(split(&s, "-- x\n\na;\n/* \n */ b '\n'\n c;d", SQL_POSTGRES));
    assert_int_equal(s.n, 3);
    assert_int_equal(s.v[0].line, 3);
    assert_int_equal(s.v[1].line, 5);
    assert_int_equal(sql_line(&s.v[1], strcspn(s.v[1].text, "c")), 7);
    assert_int_equal(s.v[2].line, 7);
}

static void what_ends_a_transaction_is_known(void **state)
{
    static const char *const ending[] = {"begin",
                                         "COMMIT",
                                         "end",
                                         "abort",
                                         "rollback work",
                                         "start transaction",
                                         "prepare transaction 'x'",
                                         NULL};
    static const char *const others[] = {
        "rollback to s",         "savepoint s",
        "prepare x as select 1", "rollback transaction to savepoint s",
        "select 'commit'",       NULL};
    struct sql_script s;

    (void)state;
    for (int i = 0; ending[i]; i++)
        assert_true(split(&s, ending[i], SQL_POSTGRES) && s.v[0].transaction);
    for (int i = 0; others[i]; i++)
        assert_true(split(&s, others[i], SQL_POSTGRES) && !s.v[0].transaction);
}

static void what_cannot_be_sent_is_told_with_its_line(void **state)
{
    static const char *const cases[][2] = {
        {"a;\n\\copy t from x", "a.sql:2: \"\\copy\" is a command of psql, not SQL"},
        {"a;\ncopy t (a, stdin)\nfrom stdin with csv;\n1,'x",
         "a.sql:2: COPY from or to the client is not for a suite: use INSERT (pg_dump --inserts), "
         "or "
         "COPY with a file on the server"},
        {"a;\nb '\n\n", "a.sql:2: the quoted text that begins here does not end"},
        {"\n/* /* */", "a.sql:2: the comment that begins here does not end"},
        {"do $x$\n$y$", "a.sql:1: the dollar-quoted text that begins here does not end"},
    };
    struct sql_script s;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_false(split(&s, cases[i][0], SQL_POSTGRES));
        assert_string_equal(e.text, cases[i][1]);
    }
}

UNIT_GROUP(sql_text,
           cmocka_unit_test_teardown(statements_end_at_semicolons_outside_of_everything, end),
           cmocka_unit_test_teardown(quotes_of_each_dialect, end),
           cmocka_unit_test_teardown(bodies_of_routines_have_semicolons, end),
           cmocka_unit_test_teardown(params_are_numbered_and_never_inside_quotes, end),
           cmocka_unit_test_teardown(lines_are_those_of_the_source, end),
           cmocka_unit_test_teardown(what_ends_a_transaction_is_known, end),
           cmocka_unit_test_teardown(what_cannot_be_sent_is_told_with_its_line, end))

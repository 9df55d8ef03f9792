#include "target/state.h"

#include <ctype.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "driver/sql_text.h"
#include "net/url.h"

#define STATEMENT_NS (60 * NS_PER_S) /* at most, a wait for another process's lock included */
#define CONNECT_NS   (10 * NS_PER_S)
#define PASSWORD_MAX 4096

struct session {
    struct state *state;
    struct session *next; /* free, in the state's list */
    struct db *db;        /* NULL: to be opened */
    const char **prepared;
    int prepared_count, prepared_cap;
    bool begun;
    struct db_result result;
};

struct state {
    struct arena arena; /* texts of the place */
    const struct db_kind *kind;
    struct db_place place;
    char *password;
    pthread_mutex_t lock;
    pthread_cond_t given;
    struct session *free; /* under the lock; the one given last is taken first */
    struct session *sessions;
    int session_count;
    int cancelled;
};

static const char *lite_path(const char *url)
{
    return strncmp(url, "sqlite:", 7) == 0 ? url + 7 : NULL;
}

static bool parse_postgres(const char *text, struct db_place *place, struct arena *arena,
                           struct err *e)
{
    const char *colon;
    struct url u;

    if (!url_parse(&u, text, arena, e))
        return err_wrap(e, "db");
    if (strcmp(u.scheme, "postgres") != 0 && strcmp(u.scheme, "postgresql") != 0)
        return err_set(e, "db: \"%s\" is a %s: url; state is kept in sqlite: or postgres:",
                       u.clean ? u.clean : "", u.scheme);
    colon = u.userinfo ? strchr(u.userinfo, ':') : NULL;
    if ((colon && colon[1]) || strstr(u.path, "password="))
        return err_set(e, "db: a command line is no place for a password, which everybody can read "
                          "there (--db-password-file FILE, or PGPASSWORD in the environment)");
    place->url = u.clean;
    place->user = colon && colon > u.userinfo
                      ? arena_strndup(arena, u.userinfo, (size_t)(colon - u.userinfo))
                      : NULL;
    return true;
}

static bool parse(const char *text, struct db_place *place, struct arena *arena, struct err *e)
{
    const char *path = lite_path(text);

    *place = (struct db_place){0};
    if (!path)
        return parse_postgres(text, place, arena, e);
    place->path = arena_strdup(arena, path);
    return *path || err_set(e, "db: sqlite: needs a file, or :memory:");
}

bool state_check(const struct state_opts *o, struct err *e)
{
    struct arena arena = {0};
    struct db_place place;
    bool ok = parse(o->db, &place, &arena, e);

    if (ok && place.path && o->db_password_file)
        ok = err_set(e, "db_password_file: SQLite has no passwords");
    arena_free(&arena);
    return ok;
}

static bool read_password(struct state *s, const char *path, struct err *e)
{
    struct buf b = {0};
    bool ok = fs_read(path, PASSWORD_MAX, &b, e);

    while (ok && b.len > 0 && isspace((unsigned char)b.data[b.len - 1]))
        b.data[--b.len] = '\0';
    if (ok && b.len == 0)
        ok = err_set(e, "%s is empty", path);
    if (ok)
        s->place.password = s->password = mem_check(strdup(b.data));
    if (b.data)
        explicit_bzero(b.data, b.cap);
    buf_free(&b);
    return ok;
}

static struct db_limits limits_of(const struct state *s, uint64_t ns)
{
    return (struct db_limits){.deadline_ns = now_ns() + ns, .cancelled = &s->cancelled};
}

/* Without results that matter; for what a session is set up with. */
static bool run_plain(struct db *db, const struct state *s, const char *sql, struct db_error *e)
{
    const struct db_values none = {0};
    struct db_limits l = limits_of(s, STATEMENT_NS);
    struct db_result ignored = {0};
    bool ok = db->kind->run(db, sql, &none, &l, &ignored, e);

    buf_free(&ignored.value);
    return ok;
}

static void disconnect(struct session *se)
{
    if (se->db)
        se->db->kind->close(se->db);
    se->db = NULL;
    se->begun = false;
    se->prepared_count = 0;
}

static bool connect(struct session *se, struct err *e)
{
    static const char *const lite[] = {"pragma journal_mode = wal", "pragma synchronous = off",
                                       "pragma temp_store = memory", NULL};
    static const char *const pg[] = {"set timezone to 'UTC'", "set synchronous_commit to off",
                                     "set client_min_messages to warning", NULL};
    struct state *s = se->state;
    const char *const *settings = s->kind == &db_sqlite ? lite : pg;
    struct db_limits l = limits_of(s, CONNECT_NS);
    struct db_error why = {0};
    bool ok;

    se->db = s->kind->open(&s->place, &l, &why);
    ok = se->db != NULL;
    for (int i = 0; ok && settings[i]; i++)
        ok = run_plain(se->db, s, settings[i], &why);
    if (ok)
        return true;
    disconnect(se);
    return err_set(e, "%s: %s", s->kind->name, why.text);
}

/* Where the statement is among the prepared ones, or is now; -1: it is refused. */
static int prepare(struct session *se, const char *sql, struct err *e)
{
    struct db_limits l = limits_of(se->state, STATEMENT_NS);
    struct db_error why = {0};
    int at = 0;

    while (at < se->prepared_count && se->prepared[at] != sql)
        at++;
    if (at < se->prepared_count)
        return at;
    if (!se->db->kind->prepare(se->db, at, sql, &l, &why)) {
        err_set(e, "%s: %s", se->state->kind->name, why.text);
        return -1;
    }
    if (at == se->prepared_cap) {
        se->prepared_cap = at ? at * 2 : 16;
        se->prepared = xrealloc(se->prepared, (size_t)se->prepared_cap * sizeof(*se->prepared));
    }
    se->prepared[se->prepared_count++] = sql;
    return at;
}

bool session_run(struct session *se, const char *sql, const struct db_values *v,
                 const struct db_sink *to, uint64_t *count, struct err *e)
{
    struct db_limits l = limits_of(se->state, STATEMENT_NS);
    struct db_error why = {0};
    int at;

    if (!se->db)
        return err_set(e, "%s: the session is lost", se->state->kind->name);
    at = prepare(se, sql, e);
    if (at < 0)
        return false;
    db_result_clear(&se->result);
    if (!se->db->kind->execute(se->db, at, v, to, &l, &se->result, &why))
        return err_set(e, "%s: %s", se->state->kind->name, why.text);
    if (count)
        *count = se->result.rows ? se->result.rows : se->result.affected;
    return true;
}

bool session_begin(struct session *se, struct err *e)
{
    se->begun = session_run(se, se->state->kind->begin, STATE_NONE, NULL, NULL, e);
    return se->begun;
}

static void rollback(struct session *se)
{
    struct err e;

    if (se->begun && !session_run(se, "ROLLBACK", STATE_NONE, NULL, NULL, &e))
        disconnect(se);
    se->begun = false;
}

bool session_commit(struct session *se, struct err *e)
{
    if (!session_run(se, "COMMIT", STATE_NONE, NULL, NULL, e)) {
        rollback(se);
        return false;
    }
    se->begun = false;
    return true;
}

static struct session *take_free(struct state *s)
{
    struct session *se;

    pthread_mutex_lock(&s->lock);
    while (!s->free)
        pthread_cond_wait(&s->given, &s->lock);
    se = s->free;
    s->free = se->next;
    pthread_mutex_unlock(&s->lock);
    return se;
}

struct session *state_take(struct state *s, struct err *e)
{
    struct session *se = take_free(s);

    if (se->db && se->db->dead)
        disconnect(se);
    if (se->db || connect(se, e))
        return se;
    state_give(se);
    return NULL;
}

void state_give(struct session *se)
{
    struct state *s;

    if (!se)
        return;
    s = se->state;
    rollback(se);
    pthread_mutex_lock(&s->lock);
    se->next = s->free;
    s->free = se;
    pthread_cond_signal(&s->given);
    pthread_mutex_unlock(&s->lock);
}

int state_sessions(const struct state *s)
{
    return s->session_count;
}

static void make_sessions(struct state *s, int count)
{
    s->session_count = count;
    s->sessions = xcalloc((size_t)count, sizeof(*s->sessions));
    for (int i = 0; i < count; i++) {
        s->sessions[i].state = s;
        s->sessions[i].next = s->free;
        s->free = &s->sessions[i];
    }
}

struct state *state_open(const struct state_opts *o, struct err *e)
{
    struct state *s = xcalloc(1, sizeof(*s));
    struct session *se = NULL;

    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->given, NULL);
    if (parse(o->db, &s->place, &s->arena, e) &&
        (!o->db_password_file || read_password(s, o->db_password_file, e))) {
        s->kind = s->place.path ? &db_sqlite : &db_postgres;
        make_sessions(s, s->place.path ? 1 : (int)o->db_sessions);
        se = state_take(s, e);
    }
    state_give(se);
    if (se)
        return s;
    state_close(s);
    return NULL;
}

void state_close(struct state *s)
{
    if (!s)
        return;
    for (int i = 0; i < s->session_count; i++) {
        disconnect(&s->sessions[i]);
        free(s->sessions[i].prepared);
        buf_free(&s->sessions[i].result.value);
    }
    free(s->sessions);
    if (s->password)
        explicit_bzero(s->password, strlen(s->password));
    free(s->password);
    pthread_cond_destroy(&s->given);
    pthread_mutex_destroy(&s->lock);
    arena_free(&s->arena);
    free(s);
}

static bool run_script(struct session *se, const struct state_schema *schema, const char *text,
                       struct arena *arena, struct err *e)
{
    struct sql_input in = {.source = schema->source,
                           .text = text,
                           .len = text ? strlen(text) : 0,
                           .dialect = se->state->kind == &db_sqlite ? SQL_SQLITE : SQL_POSTGRES};
    struct sql_script script = {0};
    struct db_error why = {0};

    if (text && !sql_split(&script, &in, arena, e))
        return false;
    for (int i = 0; i < script.n; i++)
        if (!run_plain(se->db, se->state, script.v[i].text, &why))
            return err_set(e, "%s:%d: %s", schema->source, sql_line(&script.v[i], why.offset),
                           why.text);
    return true;
}

bool state_create(struct state *s, const struct state_schema *schema, struct err *e)
{
    struct arena arena = {0};
    struct session *se = state_take(s, e);
    bool ok = se && session_begin(se, e) && run_script(se, schema, schema->both, &arena, e) &&
              run_script(se, schema, s->kind == &db_sqlite ? schema->sqlite : schema->postgres,
                         &arena, e) &&
              session_commit(se, e);

    state_give(se);
    arena_free(&arena);
    return ok;
}

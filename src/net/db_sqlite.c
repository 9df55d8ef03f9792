/*
 * db_sqlite.c - SQLite, embedded.
 *
 * A statement that runs too long is ended by SQLite's own progress callback, and waiting for a lock
 * by its busy callback.  A session sees its own file and no other: ATTACH is refused, because what
 * a suite may touch is what its targets name.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sqlite3.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/units.h"
#include "net/db.h"

#define STEPS_PER_LOOK 10000 /* of SQLite's machine */
#define NAP_NS         1000000

struct db_lite {
    struct db db; /* first */
    sqlite3 *lite;
    const struct db_limits *limits; /* of the running statement */
    sqlite3_stmt **prepared;
    int prepared_count;
};

static bool is_over(const struct db_lite *d)
{
    return __atomic_load_n(d->limits->cancelled, __ATOMIC_RELAXED) ||
           now_ns() >= d->limits->deadline_ns;
}

static int on_progress(void *arg)
{
    return is_over(arg);
}

static int on_busy(void *arg, int tries)
{
    struct timespec nap = {0, NAP_NS};

    (void)tries;
    if (is_over(arg))
        return 0;
    nanosleep(&nap, NULL);
    return 1;
}

/* VACUUM attaches a nameless file of its own. */
static int on_authorize(void *arg, int action, const char *first, const char *second,
                        const char *database, const char *trigger)
{
    (void)arg;
    (void)second;
    (void)database;
    (void)trigger;
    return action == SQLITE_ATTACH && first && *first ? SQLITE_DENY : SQLITE_OK;
}

static bool refuse(const struct db_lite *d, struct db_error *e)
{
    int code = sqlite3_errcode(d->lite), offset = sqlite3_error_offset(d->lite);

    if (d->limits && __atomic_load_n(d->limits->cancelled, __ATOMIC_RELAXED))
        return db_fail(e, DB_INTERRUPTED, "interrupted");
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        db_fail(e, DB_TIMEOUT, "the database is locked by another session");
        break;
    case SQLITE_INTERRUPT:
        db_fail(e, DB_TIMEOUT, "no answer in time");
        break;
    case SQLITE_CANTOPEN:
        db_fail(e, DB_UNREACHABLE, "the file cannot be opened");
        break;
    case SQLITE_NOTADB:
        db_fail(e, DB_PROTOCOL, "the file is no SQLite database");
        break;
    case SQLITE_AUTH:
        db_fail(e, DB_STATEMENT, "ATTACH is refused: a suite touches what its targets name");
        break;
    default:
        db_fail(e, DB_STATEMENT, "%s", sqlite3_errmsg(d->lite));
    }
    e->offset = offset > 0 ? (size_t)offset : 0;
    return false;
}

/* Seconds since 1970 as a time in UTC, written as Postgres writes it. */
static void to_timestamp(sqlite3_context *ctx, int n, sqlite3_value **v)
{
    time_t seconds = (time_t)sqlite3_value_int64(v[0]);
    char text[64];
    struct tm tm;

    (void)n;
    if (sqlite3_value_type(v[0]) == SQLITE_NULL || !gmtime_r(&seconds, &tm)) {
        sqlite3_result_null(ctx);
        return;
    }
    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S+00", &tm);
    sqlite3_result_text(ctx, text, -1, SQLITE_TRANSIENT);
}

/* A text's parts as Postgres writes an array of them; those that would need quotes get them. */
static void string_to_array(sqlite3_context *ctx, int n, sqlite3_value **v)
{
    const char *text = (const char *)sqlite3_value_text(v[0]);
    const char *delimiter = (const char *)sqlite3_value_text(v[1]);
    struct buf out = {0};

    (void)n;
    if (!text || !delimiter || !*delimiter) {
        sqlite3_result_null(ctx);
        return;
    }
    buf_addc(&out, '{');
    for (bool more = *text; more;) {
        const char *end = strstr(text, delimiter);
        size_t len = end ? (size_t)(end - text) : strlen(text);
        bool quoted = len == 0 || strcspn(text, "{}\"\\, \t\n") < len;

        buf_adds(&out, quoted ? "\"" : "");
        for (size_t i = 0; i < len; i++) {
            if (text[i] == '"' || text[i] == '\\')
                buf_addc(&out, '\\');
            buf_addc(&out, text[i]);
        }
        buf_adds(&out, quoted ? "\"" : "");
        more = end != NULL;
        if (more) {
            buf_addc(&out, ',');
            text = end + strlen(delimiter);
        }
    }
    buf_addc(&out, '}');
    sqlite3_result_text64(ctx, out.data, out.len, SQLITE_TRANSIENT, SQLITE_UTF8);
    buf_free(&out);
}

/* Functions of Postgres without which a seed could not be one text for both. */
static void add_functions(sqlite3 *lite)
{
    int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC;

    sqlite3_create_function(lite, "to_timestamp", 1, flags, NULL, to_timestamp, NULL, NULL);
    sqlite3_create_function(lite, "string_to_array", 2, flags, NULL, string_to_array, NULL, NULL);
}

static void lite_close(struct db *db)
{
    struct db_lite *d = (struct db_lite *)db;

    for (int i = 0; i < d->prepared_count; i++)
        sqlite3_finalize(d->prepared[i]);
    free(d->prepared);
    sqlite3_close(d->lite);
    buf_free(&d->db.notices);
    free(d);
}

static struct db *lite_open(const struct db_place *p, const struct db_limits *l, struct db_error *e)
{
    struct db_lite *d = xcalloc(1, sizeof(*d));
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;

    (void)l;
    d->db.kind = &db_sqlite;
    if (sqlite3_open_v2(p->path, &d->lite, flags, NULL) != SQLITE_OK) {
        mem_check(d->lite);
        refuse(d, e);
        if (sqlite3_errcode(d->lite) == SQLITE_CANTOPEN) /* which file, and what the system said */
            db_fail(e, DB_UNREACHABLE, "the file \"%s\" cannot be opened: %s", p->path,
                    strerror(sqlite3_system_errno(d->lite)));
        lite_close(&d->db);
        return NULL;
    }
    sqlite3_progress_handler(d->lite, STEPS_PER_LOOK, on_progress, d);
    sqlite3_busy_handler(d->lite, on_busy, d);
    sqlite3_exec(d->lite, "pragma foreign_keys = on", NULL, NULL, NULL); /* as in Postgres */
    add_functions(d->lite);
    sqlite3_set_authorizer(d->lite, on_authorize, d);
    return &d->db;
}

/* A value that reads as a number, and is written in the only way to write it, is one. */
static int bind_value(sqlite3_stmt *s, int at, const char *text)
{
    char again[32];
    double real;
    int64_t n;

    if (!text)
        return sqlite3_bind_null(s, at);
    snprintf(again, sizeof(again), "%" PRId64, units_int(text, &n) ? n : 0);
    if (strcmp(again, text) == 0)
        return sqlite3_bind_int64(s, at, n);
    real = units_number(text, &real) ? real : 0;
    snprintf(again, sizeof(again), "%.15g", real);
    if (strcmp(again, text) == 0)
        return sqlite3_bind_double(s, at, real);
    return sqlite3_bind_text(s, at, text, -1, SQLITE_STATIC);
}

static void take_row(sqlite3_stmt *s, struct db_result *r)
{
    int columns = sqlite3_column_count(s), len;
    const char *text;

    for (int i = 0; i < columns; i++)
        r->received += (uint64_t)sqlite3_column_bytes(s, i);
    r->rows++;
    if (r->any || columns == 0)
        return;
    r->any = true;
    text = (const char *)sqlite3_column_text(s, 0);
    len = sqlite3_column_bytes(s, 0);
    r->null = !text;
    buf_clear(&r->value);
    if (text)
        buf_add(&r->value, text, len < DB_VALUE_MAX ? (size_t)len : DB_VALUE_MAX);
}

static void hand_row(sqlite3_stmt *s, const struct db_sink *to)
{
    const char *values[DB_COLUMNS_MAX];
    int n = sqlite3_column_count(s);

    n = n < DB_COLUMNS_MAX ? n : DB_COLUMNS_MAX;
    for (int i = 0; i < n; i++)
        values[i] = (const char *)sqlite3_column_text(s, i);
    to->row(to->arg, values, n);
}

/* To its end, and what came of it. */
static bool step(struct db_lite *d, sqlite3_stmt *s, const struct db_sink *to, struct db_result *r,
                 struct db_error *e)
{
    int64_t before = sqlite3_total_changes64(d->lite);
    int code = SQLITE_ROW;

    while (code == SQLITE_ROW) {
        code = s ? sqlite3_step(s) : SQLITE_DONE;
        if (code == SQLITE_ROW && to)
            hand_row(s, to);
        if (code == SQLITE_ROW)
            take_row(s, r);
    }
    if (code != SQLITE_DONE)
        return refuse(d, e);
    r->affected += (uint64_t)(sqlite3_total_changes64(d->lite) - before);
    return true;
}

static bool lite_run(struct db *db, const char *sql, const struct db_values *v,
                     const struct db_limits *l, struct db_result *r, struct db_error *e)
{
    struct db_lite *d = (struct db_lite *)db;
    sqlite3_stmt *s = NULL;
    int code;
    bool ok;

    d->limits = l;
    r->any = false;
    code = sqlite3_prepare_v2(d->lite, sql, -1, &s, NULL);
    for (int i = 0; code == SQLITE_OK && i < v->n; i++)
        code = bind_value(s, i + 1, v->v[i]);
    ok = code == SQLITE_OK ? step(d, s, NULL, r, e) : refuse(d, e);
    sqlite3_finalize(s);
    return ok;
}

static bool lite_prepare(struct db *db, int number, const char *sql, const struct db_limits *l,
                         struct db_error *e)
{
    struct db_lite *d = (struct db_lite *)db;
    int count = number + 1;

    d->limits = l;
    if (count > d->prepared_count) {
        d->prepared = xrealloc(d->prepared, (size_t)count * sizeof(*d->prepared));
        while (d->prepared_count < count)
            d->prepared[d->prepared_count++] = NULL;
    }
    return sqlite3_prepare_v3(d->lite, sql, -1, SQLITE_PREPARE_PERSISTENT, &d->prepared[number],
                              NULL) == SQLITE_OK ||
           refuse(d, e);
}

/* To SQLite, "$2" is a name, and its place is that of its first use. */
static int place_of(sqlite3_stmt *s, int number)
{
    char name[16];

    snprintf(name, sizeof(name), "$%d", number);
    return sqlite3_bind_parameter_index(s, name);
}

static bool lite_execute(struct db *db, int number, const struct db_values *v,
                         const struct db_sink *to, const struct db_limits *l, struct db_result *r,
                         struct db_error *e)
{
    struct db_lite *d = (struct db_lite *)db;
    sqlite3_stmt *s = d->prepared[number];
    int code = SQLITE_OK;
    bool ok;

    d->limits = l;
    r->any = false;
    for (int i = 0; code == SQLITE_OK && i < v->n; i++)
        code = bind_value(s, place_of(s, i + 1), v->v[i]);
    ok = code == SQLITE_OK ? step(d, s, to, r, e) : refuse(d, e);
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    return ok;
}

const struct db_kind db_sqlite = {
    .name = "SQLite",
    .begin = "BEGIN IMMEDIATE",
    .open = lite_open,
    .run = lite_run,
    .prepare = lite_prepare,
    .execute = lite_execute,
    .close = lite_close,
};

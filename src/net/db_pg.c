/* db_pg.c - Postgres for a thread that may wait: pg.h with poll() in between. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/pg.h"

#define LOOK_MS 50 /* how often a waiting thread looks whether it is cancelled */

struct db_pg {
    struct db db; /* first */
    struct pg *pg;
};

static bool await(const struct pg *c, enum pg_wait what, const struct db_limits *l,
                  struct db_error *e)
{
    struct pollfd p = {.fd = pg_fd(c), .events = what == PG_WRITE ? POLLIN | POLLOUT : POLLIN};

    while (poll(&p, 1, LOOK_MS) <= 0) {
        if (__atomic_load_n(l->cancelled, __ATOMIC_RELAXED))
            return db_fail(e, DB_INTERRUPTED, "interrupted");
        if (now_ns() >= l->deadline_ns)
            return db_fail(e, DB_TIMEOUT, "no answer in time");
    }
    return now_ns() < l->deadline_ns || db_fail(e, DB_TIMEOUT, "no answer in time");
}

static void pg_db_close(struct db *db)
{
    struct db_pg *d = (struct db_pg *)db;

    pg_close(d->pg);
    buf_free(&d->db.notices);
    free(d);
}

/* While connecting, readiness to write is waited for without the other direction. */
static bool await_connect(const struct pg *c, enum pg_wait what, const struct db_limits *l,
                          struct db_error *e)
{
    struct pollfd p = {.fd = pg_fd(c), .events = what == PG_WRITE ? POLLOUT : POLLIN};

    while (poll(&p, 1, LOOK_MS) <= 0) {
        if (__atomic_load_n(l->cancelled, __ATOMIC_RELAXED))
            return db_fail(e, DB_INTERRUPTED, "interrupted");
        if (now_ns() >= l->deadline_ns)
            return db_fail(e, DB_TIMEOUT, "no connection in time");
    }
    return true;
}

static struct db *pg_db_open(const struct db_place *p, const struct db_limits *l,
                             struct db_error *e)
{
    struct db_pg *d = xcalloc(1, sizeof(*d));
    enum pg_wait w = PG_WRITE;

    d->db.kind = &db_postgres;
    d->pg = pg_open(p);
    if (pg_fd(d->pg) < 0)
        w = pg_connect(d->pg, e);
    while (w == PG_READ || w == PG_WRITE) {
        if (!await_connect(d->pg, w, l, e))
            break;
        w = pg_connect(d->pg, e);
    }
    if (w == PG_DONE) {
        pg_secured(d->pg, d->db.secured);
        return &d->db;
    }
    pg_db_close(&d->db);
    return NULL;
}

static void give_up(struct db_pg *d)
{
    struct pg_cancel *cancel = pg_cancel_new(d->pg);

    if (cancel)
        pg_cancel_send(cancel, PG_PATIENCE_S);
    d->db.dead = true;
}

/* The answer to what has been sent. */
static bool await_result(struct db_pg *d, bool sent, const struct db_limits *l, struct db_result *r,
                         struct db_error *e)
{
    const struct buf *notices = pg_notices(d->pg);
    size_t before = notices->len;
    enum pg_wait w = PG_FAILED;

    r->any = false;
    if (sent)
        w = pg_receive(d->pg, r, e);
    while (w == PG_READ || w == PG_WRITE) {
        if (!await(d->pg, w, l, e)) {
            give_up(d);
            return false;
        }
        w = pg_receive(d->pg, r, e);
    }
    buf_add(&d->db.notices, notices->len > before ? notices->data + before : "",
            notices->len - before);
    d->db.dead = !pg_is_usable(d->pg);
    return w == PG_DONE;
}

static bool pg_db_run(struct db *db, const char *sql, const struct db_values *v,
                      const struct db_limits *l, struct db_result *r, struct db_error *e)
{
    struct db_pg *d = (struct db_pg *)db;

    return await_result(d, pg_send(d->pg, sql, v, e), l, r, e);
}

static const char *name_of(int number, char name[16])
{
    snprintf(name, 16, "s%d", number);
    return name;
}

static bool pg_db_prepare(struct db *db, int number, const char *sql, const struct db_limits *l,
                          struct db_error *e)
{
    struct db_pg *d = (struct db_pg *)db;
    struct db_result ignored = {0};
    char name[16];
    bool ok = pg_send_prepare(d->pg, name_of(number, name), sql, e);

    ok = await_result(d, ok, l, &ignored, e);
    buf_free(&ignored.value);
    return ok;
}

static bool pg_db_execute(struct db *db, int number, const struct db_values *v,
                          const struct db_sink *to, const struct db_limits *l, struct db_result *r,
                          struct db_error *e)
{
    struct db_pg *d = (struct db_pg *)db;
    char name[16];
    bool ok = pg_send_prepared(d->pg, name_of(number, name), v, to, e);

    return await_result(d, ok, l, r, e);
}

const struct db_kind db_postgres = {
    .name = "Postgres",
    .begin = "BEGIN",
    .open = pg_db_open,
    .run = pg_db_run,
    .prepare = pg_db_prepare,
    .execute = pg_db_execute,
    .close = pg_db_close,
};

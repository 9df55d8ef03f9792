/*
 * sql_pool.c - the lane's connections to Postgres, on its event loop.
 *
 *     CLOSED -> CONNECTING -> BUSY <-> IDLE        BUSY -> ROLLING_BACK -> IDLE
 *                    \-> CLOSED       BUSY -> CANCELLING -> CLOSED (too late, or lost)
 *
 * A connection is opened when there is an operation for it.  One whose operation ran out of time is
 * given up, and a thread tells the server to stop working for it: libpq can only wait for that.
 */
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "driver/sql.h"
#include "net/pg.h"

enum conn_state { CLOSED, CONNECTING, BUSY, IDLE, ROLLING_BACK, CANCELLING };

struct sql_conn {
    struct offload_task task; /* first: of cancelling */
    struct pg_cancel *cancel;
    struct sql_pool *pool;
    struct pg *pg;
    struct event event;
    short watched; /* what the event waits for; 0: nothing */
    int fd;
    enum conn_state state;
    struct sql_op *op;
    int step; /* the statement that runs; -1: BEGIN, their number: COMMIT */
    uint64_t since_ns;
    struct db_result ignored; /* of what belongs to no operation */
};

static const struct sql_unit *unit_of(const struct sql_conn *c)
{
    const struct sql_job *j = c->pool->lane->job->priv;

    return &j->units[j->unit_count - 1];
}

static bool has_transaction(const struct sql_conn *c)
{
    const struct sql_opts *o = c->pool->lane->job->opts;

    return o->transaction == TRANSACTION_FILE && unit_of(c)->script.n > 1;
}

static void unwatch(struct sql_conn *c)
{
    if (c->watched)
        event_del(&c->event);
    c->watched = 0;
}

static void on_event(evutil_socket_t fd, short what, void *arg);

static void watch(struct sql_conn *c, short what)
{
    int fd = pg_fd(c->pg);

    if (c->watched == what && c->fd == fd)
        return;
    unwatch(c);
    event_assign(&c->event, c->pool->lane->base, fd, (short)(what | EV_PERSIST), on_event, c);
    event_add(&c->event, NULL);
    c->watched = what;
    c->fd = fd;
}

static void close_conn(struct sql_conn *c)
{
    unwatch(c);
    if (c->pg)
        pg_close(c->pg);
    c->pg = NULL;
    c->state = CLOSED;
}

/* The operation and its connection part; what becomes of the connection is the caller's. */
static void part(struct sql_conn *c)
{
    struct sql_op *x = c->op;

    c->op = NULL;
    x->conn = NULL;
    timers_cancel(c->pool->lane->timers, &x->timer);
    sql_end(x);
}

static void on_cancelled(struct offload_task *t)
{
    struct sql_conn *c = (struct sql_conn *)t;

    c->state = CLOSED;
}

static void cancel_work(struct offload_task *t, void **slot)
{
    struct sql_conn *c = (struct sql_conn *)t;

    (void)slot;
    pg_cancel_send(c->cancel, PG_PATIENCE_S);
    c->cancel = NULL;
}

static void give_up(struct sql_conn *c)
{
    struct pg_cancel *cancel = c->state == BUSY ? pg_cancel_new(c->pg) : NULL;
    struct err e;

    close_conn(c);
    if (!cancel)
        return;
    c->cancel = cancel;
    c->state = CANCELLING;
    c->task.work = cancel_work;
    c->task.done = on_cancelled;
    if (!offload_submit(&c->pool->cancels, &c->task, &e)) {
        pg_cancel_send(cancel, 0);
        c->cancel = NULL;
        c->state = CLOSED;
    }
}

static void serve(struct sql_pool *p);

static void fail(struct sql_conn *c, const struct db_error *e)
{
    const struct sql_unit *u = unit_of(c);
    struct sql_found *f = &c->op->found;

    f->query_ns = now_ns() - c->since_ns;
    if (c->step >= 0 && c->step < u->script.n)
        sql_fail_statement(f, u, &u->script.v[c->step], e);
    else
        sql_fail(f, sql_outcome(e->failure), "%s: %s", c->step < 0 ? "BEGIN" : "COMMIT", e->text);
}

/* Sends what the step says; false if the connection cannot take it. */
static bool send_step(struct sql_conn *c, struct db_error *e)
{
    const struct sql_unit *u = unit_of(c);
    const char *room[SQL_PARAMS_MAX];
    struct db_values v = {0};
    const char *text = c->step < 0 ? "BEGIN" : "COMMIT";

    if (c->step >= 0 && c->step < u->script.n) {
        text = u->script.v[c->step].text;
        v = sql_values(c->op, &u->script.v[c->step], room);
        c->op->found.queries++;
    }
    c->op->found.sent += strlen(text);
    c->op->found.result.any = false;
    return pg_send(c->pg, text, &v, e);
}

static void roll_back(struct sql_conn *c)
{
    const struct db_values none = {0};
    bool open = pg_in_transaction(c->pg);
    struct db_error e;

    if (!pg_is_usable(c->pg) || (open && !pg_send(c->pg, "ROLLBACK", &none, &e))) {
        close_conn(c);
        return;
    }
    c->state = open ? ROLLING_BACK : IDLE;
    watch(c, EV_READ);
}

/* The result of what was sent is complete: the next step, or the end. */
static bool advance(struct sql_conn *c, struct db_error *e)
{
    int last = unit_of(c)->script.n - !has_transaction(c);

    if (c->step < last) {
        c->step++;
        return send_step(c, e);
    }
    c->op->found.query_ns = now_ns() - c->since_ns;
    c->state = IDLE;
    watch(c, EV_READ);
    part(c);
    return true;
}

static void work(struct sql_conn *c)
{
    struct db_error e = {0};

    while (c->state == BUSY) {
        enum pg_wait w = pg_receive(c->pg, &c->op->found.result, &e);

        if (w == PG_READ || w == PG_WRITE) {
            watch(c, w == PG_WRITE ? EV_READ | EV_WRITE : EV_READ);
            return;
        }
        if (w == PG_DONE && advance(c, &e))
            continue;
        fail(c, &e);
        roll_back(c);
        part(c);
    }
}

static void begin_work(struct sql_conn *c)
{
    struct db_error e = {0};

    c->state = BUSY;
    c->step = has_transaction(c) ? -1 : 0;
    c->since_ns = now_ns();
    if (send_step(c, &e)) {
        work(c);
        return;
    }
    fail(c, &e);
    close_conn(c);
    part(c);
}

static void connect_more(struct sql_conn *c)
{
    struct db_error e = {0};
    enum pg_wait w = pg_connect(c->pg, &e);
    struct sql_found *f = &c->op->found;

    if (w == PG_READ || w == PG_WRITE) {
        unwatch(c); /* the descriptor may be another one with the same number */
        watch(c, w == PG_WRITE ? EV_WRITE : EV_READ);
        return;
    }
    f->connected = true;
    f->connecting_ns = now_ns() - c->since_ns;
    if (w == PG_DONE) {
        char secured[DB_SECURED_MAX];

        pg_secured(c->pg, secured);
        sql_tell(c->pool->lane->job->priv, secured);
        unwatch(c);
        begin_work(c);
        return;
    }
    sql_fail(f, sql_outcome(e.failure), "could not connect: %s", e.text);
    close_conn(c);
    part(c);
}

/* Whatever comes without having been asked for: a notice, or the end of the connection. */
static void look(struct sql_conn *c)
{
    struct db_error e;
    enum pg_wait w = pg_receive(c->pg, &c->ignored, &e);

    if (w == PG_READ || w == PG_WRITE)
        watch(c, w == PG_WRITE ? EV_READ | EV_WRITE : EV_READ);
    else if (!pg_is_usable(c->pg))
        close_conn(c);
    else {
        c->state = IDLE;
        watch(c, EV_READ);
    }
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    struct sql_conn *c = arg;

    (void)fd;
    (void)what;
    if (c->state == CONNECTING)
        connect_more(c);
    else if (c->state == BUSY)
        work(c);
    else
        look(c);
    serve(c->pool);
}

static void start(struct sql_conn *c, struct sql_op *x)
{
    const struct sql_job *j = c->pool->lane->job->priv;

    c->op = x;
    x->conn = c;
    x->found.waited_ns = now_ns() - x->op->begun_ns;
    if (c->state == IDLE) {
        begin_work(c);
        return;
    }
    c->state = CONNECTING;
    c->since_ns = now_ns();
    c->pg = pg_open(&j->place);
    if (pg_fd(c->pg) < 0)
        connect_more(c);
    else
        watch(c, EV_WRITE);
}

static struct sql_conn *find_free(struct sql_pool *p)
{
    struct sql_conn *closed = NULL;

    for (int i = 0; i < p->count; i++) {
        if (p->conns[i].state == IDLE)
            return &p->conns[i];
        if (p->conns[i].state == CLOSED && !closed)
            closed = &p->conns[i];
    }
    return closed;
}

static void serve(struct sql_pool *p)
{
    struct sql_conn *c;

    while (p->first && (c = find_free(p)) != NULL) {
        struct sql_op *x = p->first;

        p->first = x->next;
        if (!p->first)
            p->last = NULL;
        start(c, x);
    }
}

static void forget(struct sql_pool *p, struct sql_op *x)
{
    struct sql_op *before = NULL;

    for (struct sql_op *o = p->first; o; before = o, o = o->next) {
        if (o != x)
            continue;
        if (before)
            before->next = x->next;
        else
            p->first = x->next;
        if (p->last == x)
            p->last = before;
        return;
    }
}

static void on_timeout(struct timer *t, uint64_t now)
{
    struct sql_op *x = (struct sql_op *)((char *)t - offsetof(struct sql_op, timer));
    struct sql_pool *p = &((struct sql_lane *)x->op->lane->priv)->pool;
    struct sql_conn *c = x->conn;

    (void)now;
    if (!c) {
        forget(p, x);
        sql_fail(&x->found, OP_TIMEOUT, "none of the lane's %d connections was free in time",
                 p->count);
        sql_end(x);
        return;
    }
    sql_fail(&x->found, OP_TIMEOUT,
             c->state == CONNECTING ? "no connection in time" : "no answer in time");
    give_up(c);
    part(c);
    serve(p);
}

bool sql_pool_start(struct sql_pool *p, struct lane *lane, int connections, struct err *e)
{
    p->lane = lane;
    p->count = connections;
    p->conns = xcalloc((size_t)connections, sizeof(*p->conns));
    for (int i = 0; i < connections; i++)
        p->conns[i].pool = p;
    return offload_start(&p->cancels, lane->base, 1, e);
}

void sql_pool_fire(struct sql_pool *p, struct sql_op *x)
{
    const struct sql_opts *o = p->lane->job->opts;

    x->conn = NULL;
    x->next = NULL;
    x->timer.fire = on_timeout;
    timers_set(p->lane->timers, &x->timer, x->op->begun_ns + (uint64_t)o->timeout);
    if (p->last)
        p->last->next = x;
    else
        p->first = x;
    p->last = x;
    serve(p);
}

void sql_pool_stop(struct sql_pool *p)
{
    unsigned patience_s = PG_PATIENCE_S; /* for all: a server that is stuck is so for each */

    if (!p->conns)
        return;
    offload_stop(&p->cancels);
    for (int i = 0; i < p->count; i++) {
        struct sql_conn *c = &p->conns[i];

        if (c->state == BUSY)
            c->cancel = pg_cancel_new(c->pg);
        close_conn(c);
        if (c->cancel && !pg_cancel_send(c->cancel, patience_s))
            patience_s = 0;
        buf_free(&c->ignored.value);
    }
    for (int i = 0; i < p->lane->op_count; i++)
        timers_cancel(p->lane->timers, &((struct sql_op *)p->lane->ops[i].priv)->timer);
    free(p->conns);
}

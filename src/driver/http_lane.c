/*
 * http_lane.c - the connections of a lane.
 *
 * There is a slot for every operation that can be in flight, so one is always to be had: an
 * operation holds one at most, and idle ones are used first.  The last used comes first, because
 * its memory and the server's are warm and the others may then time out.
 */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "driver/http.h"

static void unlink_idle(struct http_conn *c)
{
    if (c->prev)
        c->prev->next = c->next;
    else
        c->lane->idle = c->next;
    if (c->next)
        c->next->prev = c->prev;
    c->next = c->prev = NULL;
}

struct http_conn *http_take_closed(struct http_lane *l)
{
    struct http_conn *c = l->free;

    if (!c) { /* all slots are open and idle but for those of operations */
        c = l->idle;
        unlink_idle(c);
        conn_close(&c->conn);
        return c;
    }
    l->free = c->next;
    c->next = NULL;
    return c;
}

struct http_conn *http_take(struct http_lane *l, bool *open)
{
    struct http_conn *c = l->idle;

    *open = c != NULL;
    if (!c)
        return http_take_closed(l);
    unlink_idle(c);
    return c;
}

void http_keep(struct http_conn *c)
{
    c->op = NULL;
    c->prev = NULL;
    c->next = c->lane->idle;
    if (c->next)
        c->next->prev = c;
    c->lane->idle = c;
}

void http_drop(struct http_conn *c)
{
    conn_close(&c->conn);
    c->op = NULL;
    c->rest_len = 0;
    c->next = c->lane->free;
    c->lane->free = c;
}

/* A kept connection that the server closes while it is idle is no failure: it is just gone. */
static void on_ready(struct conn *conn)
{
    struct http_conn *c = (struct http_conn *)conn;

    if (c->op) {
        http_ready(conn);
    } else if (conn->peer_closed) {
        unlink_idle(c);
        http_drop(c);
    }
}

bool http_start(struct lane *lane, struct err *e)
{
    struct http_lane *l = lane->priv;

    (void)e;
    l->lane = lane;
    l->job = lane->job->priv;
    l->turn = (unsigned)lane->index;
    l->scratch = xcalloc(1, SCRATCH_BYTES);
    l->conns = xcalloc((size_t)lane->op_count, sizeof(*l->conns));
    for (int i = lane->op_count; i-- > 0;) {
        struct http_conn *c = &l->conns[i];
        struct http_op *h = lane->ops[i].priv;

        c->lane = l;
        c->conn.ready = on_ready;
        c->conn.base = lane->base;
        c->next = l->free;
        l->free = c;
        h->op = &lane->ops[i];
        h->timer.fire = http_expire;
    }
    return true;
}

static int choose(const struct http_job *j, uint64_t *rng)
{
    uint64_t ticket;
    int i = 0;

    if (j->count == 1)
        return 0;
    ticket = (uint64_t)rng_between(rng_next(rng), 0, (int64_t)j->shares[j->count - 1] - 1);
    while (j->shares[i] <= ticket)
        i++;
    return i;
}

static bool render(struct http_op *h, struct lane *lane, size_t bound)
{
    const struct op *op = h->op;
    struct template_values v = {op->iteration, op->vu, op->agent, &lane->rng, NULL};
    char why[WHY_MAX];

    if (h->request->bytes) {
        h->bytes = h->request->bytes;
        h->len = h->request->len;
        return true;
    }
    if (!h->rendered)
        h->rendered = xrealloc(NULL, bound);
    if (request_render(h->request, &v, h->rendered, &h->bytes, &h->len, why))
        return true;
    op_done(h->op, OP_LOCAL, why);
    return false;
}

void http_fire(struct lane *lane, struct op *op)
{
    struct http_lane *l = lane->priv;
    struct http_op *h = op->priv;
    int which = choose(l->job, &lane->rng);

    if (l->job->parts)
        op_part(op, which + 1);
    h->request = l->job->requests[which];
    h->retried = false;
    if (!render(h, lane, l->job->bound))
        return;
    h->deadline = op->begun_ns + (uint64_t)h->request->timeout;
    if (!timer_is_set(&h->timer) || h->timer_at > h->deadline) {
        h->timer_at = h->deadline;
        timers_set(lane->timers, &h->timer, h->deadline);
    }
    http_begin(h);
}

void http_stop(struct lane *lane)
{
    struct http_lane *l = lane->priv;

    for (int i = 0; l->conns && i < lane->op_count; i++) {
        struct http_op *h = lane->ops[i].priv;

        conn_free(&l->conns[i].conn);
        free(l->conns[i].rest);
        timers_cancel(lane->timers, &h->timer);
        free(h->rendered);
        free(h->kept);
        h->rendered = h->kept = NULL;
    }
    free(l->conns);
    free(l->scratch);
    l->conns = NULL;
    l->scratch = NULL;
}

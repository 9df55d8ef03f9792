/*
 * http_lane.c - the connections of a lane.
 *
 * There is a slot for every operation that can be in flight, so one is always to be had: an
 * operation uses one connection at most, and those with room are used first.  The last used comes
 * first, because its memory and the server's are warm and the others may then time out.  With
 * `connections:` there may be no connection to be had, and operations wait in line; they are placed
 * when the events that were at hand have been dealt with, and so is what HTTP/2 has to send.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "driver/http.h"
#include "net/h2_pool.h"

static void unlist(struct http_conn *c)
{
    if (c->listed)
        TAILQ_REMOVE(&c->lane->open, c, link);
    c->listed = false;
}

static void drop(struct http_conn *c)
{
    struct http_lane *l = c->lane;

    unlist(c);
    h2_free(c->h2);
    c->h2 = NULL;
    conn_close(&c->conn);
    c->protocol = NULL;
    c->rest_len = 0;
    c->ending = c->proven = false;
    c->goaway = NULL;
    c->sent = c->received = 0;
    TAILQ_INSERT_HEAD(&l->closed, c, link);
    l->opened--;
}

void http_settle(struct http_conn *c)
{
    bool takes;

    if (c->room == 0 && c->used == 0) /* the peer's settings forbid any further request */
        c->ending = true;
    takes = !c->ending && c->used < c->room;
    if (!takes)
        unlist(c);
    if (c->ending && c->used == 0 && !c->busy) {
        drop(c);
    } else if (takes && !c->listed) {
        TAILQ_INSERT_HEAD(&c->lane->open, c, link);
        c->listed = true;
    }
}

void http_leave(struct http_op *h)
{
    struct http_conn *c = h->conn;

    h->sent_bytes += c->sent;
    h->received += c->received;
    c->sent = c->received = 0;
    TAILQ_REMOVE(&c->ops, h, link);
    h->conn = NULL;
    c->used--;
    c->ending |= c->lane->job->connection != CONNECTION_KEEP;
    http_settle(c);
}

void http_dirty(struct http_conn *c)
{
    if (c->dirty)
        return;
    c->dirty = true;
    c->next_dirty = c->lane->dirty;
    c->lane->dirty = c;
}

/* A connection that can take a further operation; if it is sent again, one that has not failed it.
 */
static struct http_conn *find_open(struct http_lane *l, bool again)
{
    struct http_conn *c;

    TAILQ_FOREACH(c, &l->open, link)
    if (!again || !c->proven)
        return c;
    return NULL;
}

/* All slots may be open and idle but for those of operations. */
static struct http_conn *evict(struct http_lane *l)
{
    struct http_conn *c;

    TAILQ_FOREACH_REVERSE(c, &l->open, http_conns, link)
    if (c->used == 0 && !c->busy)
        break;
    if (!c)
        return NULL;
    c->ending = true;
    http_settle(c);
    return TAILQ_FIRST(&l->closed);
}

static struct http_conn *find_closed(struct http_lane *l)
{
    struct http_conn *c = l->opened < l->limit ? TAILQ_FIRST(&l->closed) : NULL;

    if (!c)
        c = evict(l);
    if (!c)
        return NULL;
    TAILQ_REMOVE(&l->closed, c, link);
    l->opened++;
    c->room = l->single_file ? 1 : l->job->streams;
    return c;
}

static void attach(struct http_op *h, struct http_conn *c)
{
    h->conn = c;
    TAILQ_INSERT_TAIL(&c->ops, h, link);
    c->used++;
}

static bool place(struct http_op *h, uint64_t now)
{
    struct http_lane *l = h->op->lane->priv;
    struct http_conn *c = find_open(l, h->retries > 0);
    bool fresh = false;

    if (!c) {
        c = find_closed(l);
        fresh = c != NULL;
    }
    if (!c && h->retries > 0)
        c = find_open(l, false);
    if (!c)
        return false;
    attach(h, c);
    http_settle(c);
    h->fresh = fresh;
    if (fresh)
        http_open(h, now);
    else if (c->protocol)
        c->protocol->send(h, now);
    return true;
}

void http_place(struct http_op *h, uint64_t now)
{
    struct http_lane *l = h->op->lane->priv;

    if (TAILQ_EMPTY(&l->waiting) && place(h, now))
        return;
    h->waiting = true;
    TAILQ_INSERT_TAIL(&l->waiting, h, link);
}

static void place_waiting(struct http_lane *l)
{
    struct http_op *h;

    while ((h = TAILQ_FIRST(&l->waiting))) {
        TAILQ_REMOVE(&l->waiting, h, link);
        h->waiting = false;
        if (place(h, now_ns()))
            continue;
        TAILQ_INSERT_HEAD(&l->waiting, h, link);
        h->waiting = true;
        return;
    }
}

void http_flush(struct lane *lane)
{
    struct http_lane *l = lane->priv;
    struct http_conn *c;

    place_waiting(l);
    if (l->dirty)
        l->flush_ns = now_ns();
    while ((c = l->dirty)) {
        l->dirty = c->next_dirty;
        c->dirty = false;
        if (c->protocol && c->protocol->flush)
            c->protocol->flush(c);
    }
}

/* This lane's share of the connections. */
static int limit_of(const struct lane *lane, const struct http_opts *o)
{
    int64_t n = o->connections, lanes = lane->job->lane_count;

    if (n == 0 || n / lanes >= lane->op_count)
        return lane->op_count;
    return (int)(n / lanes + (lane->index < n % lanes));
}

bool http_start(struct lane *lane, struct err *e)
{
    struct http_lane *l = lane->priv;

    (void)e;
    l->lane = lane;
    l->job = lane->job->priv;
    l->turn = (unsigned)lane->index;
    l->limit = limit_of(lane, l->job->opts);
    l->scratch = xcalloc(1, SCRATCH_BYTES);
    if (l->job->version != HTTP_1) {
        l->out = xcalloc(1, SEND_BYTES);
        l->pool = h2_pool_new();
    }
    l->conns = xcalloc((size_t)lane->op_count, sizeof(*l->conns));
    TAILQ_INIT(&l->closed);
    TAILQ_INIT(&l->open);
    TAILQ_INIT(&l->waiting);
    for (int i = 0; i < lane->op_count; i++) {
        struct http_conn *c = &l->conns[i];
        struct http_op *h = lane->ops[i].priv;

        c->lane = l;
        c->conn.ready = http_ready;
        c->conn.base = lane->base;
        TAILQ_INIT(&c->ops);
        TAILQ_INSERT_TAIL(&l->closed, c, link);
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

static bool render(struct http_op *h, struct lane *lane, const struct http_job *j)
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
        h->rendered = xrealloc(NULL, j->bound);
    if (!request_render(h->request, &v, h->rendered, &h->bytes, &h->len, why)) {
        op_done(h->op, OP_LOCAL, why);
        return false;
    }
    if (j->version == HTTP_1)
        return true;
    if (!h->own.fields)
        h->own.fields = xcalloc(H2_FIELDS_MAX, sizeof(*h->own.fields));
    http_list_make(&h->own, h->rendered + (h->bytes - h->rendered), h->len, j->route.ctx != NULL);
    h->list = &h->own;
    return true;
}

void http_fire(struct lane *lane, struct op *op)
{
    struct http_lane *l = lane->priv;
    struct http_op *h = op->priv;
    int which = choose(l->job, &lane->rng);

    if (l->job->parts)
        op_part(op, which + 1);
    h->request = l->job->requests[which];
    h->list = l->job->lists ? &l->job->lists[which] : NULL;
    h->retries = 0;
    if (!render(h, lane, l->job))
        return;
    h->deadline = op->begun_ns + (uint64_t)h->request->timeout;
    if (!timer_is_set(&h->timer) || h->timer_at > h->deadline) {
        h->timer_at = h->deadline;
        timers_set(lane->timers, &h->timer, h->deadline);
    }
    http_begin(h);
}

static void free_op(struct http_op *h)
{
    free(h->rendered);
    free(h->kept);
    free(h->own.fields);
    h->rendered = h->kept = NULL;
    h->own.fields = NULL;
}

void http_stop(struct lane *lane)
{
    struct http_lane *l = lane->priv;

    for (int i = 0; l->conns && i < lane->op_count; i++) {
        struct http_op *h = lane->ops[i].priv;

        h2_free(l->conns[i].h2);
        conn_free(&l->conns[i].conn);
        free(l->conns[i].rest);
        timers_cancel(lane->timers, &h->timer);
        free_op(h);
    }
    free(l->conns);
    free(l->scratch);
    free(l->out);
    h2_pool_free(l->pool);
    l->pool = NULL;
    l->conns = NULL;
    l->scratch = l->out = NULL;
}

/*
 * agent_link.c - from a socket to the streams of a connection and back.
 *
 * At a million agents there are twenty thousand of these, so a link has no buffers: bytes come in
 * through the one of its thread and go out through another, and only what a socket does not take is
 * kept.  Its session is nghttp2's, with memory from the thread's pool.
 */
#include "driver/agent_link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/units.h"
#include "driver/route.h"
#include "net/h2_pool.h"
#include "net/identity.h"

#define WINDOW            (64 << 10) /* of a stream; a message of 4 MiB comes in pieces */
#define CONNECTION_WINDOW (1 << 20)
#define BACKOFF_LAST_S    40 /* and half as much again: 60 */
#define DRAIN_NS          (2 * NS_PER_S)
#define TURN_NS           NS_PER_S

static void on_ready(struct conn *c);
static void on_timer(struct timer *t, uint64_t now);

void links_init(struct links *all, const struct link_config *c, struct event_base *base,
                struct timers *timers)
{
    all->config = c;
    all->base = base;
    all->timers = timers;
    all->pool = h2_pool_new();
    all->in = xcalloc(1, LINK_IN);
    all->out = xcalloc(1, LINK_OUT);
    all->step = 1;
    all->keepalive_ns = c->keepalive_ns;
}

void links_fini(struct links *all)
{
    h2_pool_free(all->pool);
    free(all->in);
    free(all->out);
    *all = (struct links){0};
}

void link_init(struct link *l, struct links *all, uint32_t number)
{
    l->all = all;
    l->number = number;
    l->conn.base = all->base;
    l->conn.ready = on_ready;
    l->timer.fire = on_timer;
}

uint64_t link_backoff(uint64_t *rng, uint8_t *tries)
{
    uint64_t s = *tries < 6 ? UINT64_C(1) << *tries : BACKOFF_LAST_S;

    if (*tries < 6)
        ++*tries;
    return (uint64_t)((double)(s * NS_PER_S) * (1 + rng_unit(rng_next(rng)) / 2));
}

uint32_t link_streams(const struct link *l)
{
    return l->h2 ? h2_peer_streams(l->h2) : UINT32_MAX;
}

void link_answered(struct link *l)
{
    l->tries = 0;
}

void link_dirty(struct link *l)
{
    if (l->dirty || !l->h2)
        return;
    l->dirty = true;
    l->next_dirty = l->all->dirty;
    l->all->dirty = l;
}

static void drop(struct link *l)
{
    identity_free(l->identity);
    l->identity = NULL;
    l->conn.identity = NULL;
    conn_close(&l->conn);
    h2_free(l->h2);
    free(l->rest);
    l->h2 = NULL;
    l->rest = NULL;
    l->rest_len = l->rest_cap = 0;
    l->unanswered = 0;
    l->goaway = NULL;
    l->pinged = false;
    l->unread = false;
}

static void pump(struct links *all);

void link_break(struct link *l, enum outcome outcome, const char *why)
{
    char text[200];
    const struct stream_end end = {outcome, -1, true, text};

    snprintf(text, sizeof(text), "%s%s%s", l->goaway ? l->goaway : "", l->goaway ? ": " : "", why);
    if (l->state == LINK_CONNECTING)
        l->all->connecting--;
    drop(l);
    l->turning = false;
    l->state = LINK_CLOSED;
    timers_set(l->all->timers, &l->timer, now_ns() + link_backoff(&l->all->rng, &l->tries));
    l->all->config->lost(l, &end);
    pump(l->all);
}

void link_drain(struct link *l)
{
    if (l->state != LINK_OPEN)
        return;
    l->state = LINK_DRAINING;
    timers_set(l->all->timers, &l->timer, now_ns() + DRAIN_NS);
}

void link_turn(struct link *l)
{
    if (l->state != LINK_OPEN || l->turning)
        return;
    l->turning = true;
    timers_set(l->all->timers, &l->timer, l->opened_ns + TURN_NS);
}

/* What was to be answered before the end has been, or its time is over. */
void link_drained(struct link *l)
{
    static const struct stream_end turned = {OP_OK, -1, true, "opened anew"};

    if (!l->turning || l->goaway || l->unanswered > 0) {
        link_break(l, OP_RESET,
                   l->turning && !l->goaway ? "closed for a new certificate"
                                            : "the server ended the connection (GOAWAY)");
        return;
    }
    drop(l);
    l->state = LINK_CLOSED;
    timers_set(l->all->timers, &l->timer, now_ns());
    l->all->config->lost(l, &turned);
}

void link_calm(struct link *l)
{
    struct links *all = l->all;

    if (all->keepalive_ns < 2 * l->keepalive_ns)
        all->keepalive_ns = 2 * l->keepalive_ns;
}

void link_free(struct link *l)
{
    timers_cancel(l->all->timers, &l->timer);
    drop(l);
    conn_free(&l->conn);
    free(l->cert);
    l->cert = NULL;
}

static void speak(struct link *l, uint64_t now)
{
    const struct h2_config config = {
        .window = WINDOW,
        .connection_window = CONNECTION_WINDOW,
        .pool = l->all->pool,
    };

    l->all->connecting--;
    l->state = LINK_OPEN;
    l->h2 = h2_new(&config, &link_events, l);
    tls_warm_find(&l->warm, l->conn.ssl);
    l->opened_ns = l->heard_ns = now;
    l->keepalive_ns = l->all->keepalive_ns;
    timers_set(l->all->timers, &l->timer, now + l->keepalive_ns);
    link_dirty(l);
    if (l->all->config->secured)
        l->all->config->secured(l);
    identity_free(l->identity);
    l->identity = NULL;
    l->conn.identity = NULL;
    l->all->config->opened(l);
    l->turning = false;
    pump(l->all);
}

/* A connection that is on its way has got further, or not. */
static void advance(struct link *l, enum conn_state state, const struct conn_error *e)
{
    if (state == CONN_CLOSED)
        link_break(l, route_outcome(e->fault), e->why);
    else if (state == CONN_OPEN && l->conn.ssl && !conn_speaks(&l->conn, "h2"))
        link_break(l, OP_TLS, "the server did not choose h2 by ALPN, which gRPC needs");
    else if (state == CONN_OPEN)
        speak(l, now_ns());
}

static void begin_connect(struct link *l)
{
    struct links *all = l->all;
    uint64_t now = now_ns();
    struct conn_error e;

    l->wanted = false;
    l->state = LINK_CONNECTING;
    all->connecting++;
    all->turn += all->step;
    if (all->config->identity && !all->config->identity(l)) {
        link_break(l, OP_LOCAL,
                   "the client certificate that came with the registration is unusable");
        return;
    }
    timers_set(all->timers, &l->timer, now + all->config->connect_timeout_ns);
    if (!conn_open(&l->conn, all->config->route, all->turn, now, &e))
        link_break(l, route_outcome(e.fault), e.why);
    else if (l->conn.state != CONN_CONNECTING)
        advance(l, conn_advance(&l->conn, all->turn, &e), &e);
}

/* Links connect in the order in which they were wanted, some at a time. */
static void pump(struct links *all)
{
    if (all->pumping)
        return;
    all->pumping = true;
    while (all->waiting && all->connecting < LINKS_CONNECTING) {
        struct link *l = all->waiting;

        all->waiting = l->next_waiting;
        l->listed = false;
        begin_connect(l);
    }
    all->pumping = false;
}

static void line_up(struct link *l)
{
    struct links *all = l->all;

    l->listed = true;
    l->next_waiting = NULL;
    if (all->waiting)
        all->last_waiting->next_waiting = l;
    else
        all->waiting = l;
    all->last_waiting = l;
    pump(all);
}

void link_want(struct link *l, uint64_t now)
{
    (void)now;
    if (l->state != LINK_CLOSED || l->listed)
        return;
    l->wanted = true;
    if (!timer_is_set(&l->timer))
        line_up(l);
}

static void keep_alive(struct link *l, uint64_t now)
{
    const struct link_config *c = l->all->config;
    char limit[UNITS_MAX], why[96];

    if (now < l->heard_ns + l->keepalive_ns) {
        l->pinged = false;
        timers_set(l->all->timers, &l->timer, l->heard_ns + l->keepalive_ns);
    } else if (!l->pinged) {
        l->pinged = true;
        h2_ping(l->h2);
        link_dirty(l);
        timers_set(l->all->timers, &l->timer, now + c->keepalive_timeout_ns);
    } else {
        snprintf(why, sizeof(why), "no answer to a ping within %s",
                 units_print_duration((double)c->keepalive_timeout_ns, limit));
        link_break(l, OP_TIMEOUT, why);
    }
}

static void turn(struct link *l)
{
    link_drain(l);
    if (l->unanswered == 0)
        link_drained(l);
}

static void on_timer(struct timer *t, uint64_t now)
{
    struct link *l = (struct link *)((char *)t - offsetof(struct link, timer));

    switch ((enum link_state)l->state) {
    case LINK_CLOSED:
        if (l->wanted)
            line_up(l);
        break;
    case LINK_CONNECTING:
        link_break(l, OP_TIMEOUT,
                   l->conn.state == CONN_SECURING ? "no TLS handshake in time"
                                                  : "no connection in time");
        break;
    case LINK_OPEN:
        if (l->turning)
            turn(l);
        else
            keep_alive(l, now);
        break;
    case LINK_DRAINING:
        link_drained(l);
        break;
    }
}

static void on_ready(struct conn *c)
{
    struct link *l = (struct link *)c;
    struct conn_error e;

    if (l->state == LINK_CONNECTING)
        advance(l, conn_advance(c, l->all->turn, &e), &e);
    if (l->state != LINK_OPEN && l->state != LINK_DRAINING)
        return;
    if (l->rest_len > 0)
        link_dirty(l);
    link_unread(l);
}

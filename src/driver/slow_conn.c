/*
 * slow_conn.c - the life of a held connection.
 *
 *     opening   connect and, unless the attack does without, handshake; `timeout` is for this
 *     begun     the attack has said what it says first; not yet held while `settle` lasts
 *     held      follow-ups at their times; ends when the server ends it, or with the load
 *
 * Edge-triggered events and one timer: nothing runs for a connection to which nothing happens.
 * First follow-ups are spread uniformly over one interval, so that a thousand connections opened
 * together do not speak together.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "driver/route.h"
#include "driver/slow.h"
#include "net/silence.h"
#include "net/tls.h"

#define UNSENT_MAX (128 << 10)
#define SILENCE_MS 5000 /* without an acknowledgement a connection is no pressure any more */

static struct lane *lane_of(const struct slow_conn *s)
{
    return s->op->lane;
}

/* What is large and rare is not kept for the next time. */
static void empty(struct buf *b)
{
    if (b->cap > 4096)
        buf_free(b);
    else
        buf_clear(b);
}

static void release(struct slow_conn *s)
{
    timers_cancel(lane_of(s)->timers, &s->timer);
    conn_close(&s->conn);
    tls_free(s->ssl);
    s->ssl = NULL;
    empty(&s->hello);
    empty(&s->unsent);
}

static void end(struct slow_conn *s, enum outcome outcome, const char *why, uint64_t now)
{
    struct op *op = s->op;

    op_bytes(op, s->sent, s->received);
    release(s);
    s->op = NULL;
    op_done_at(op, outcome, why, now);
}

/* It was never held.  A cause on this machine is no refusal. */
static void refuse(struct slow_conn *s, enum outcome outcome, const char *why)
{
    if (outcomes[outcome].fault != FAULT_CLIENT)
        lane_count(lane_of(s), SLOW_REFUSED, 1);
    end(s, outcome, why, now_ns());
}

static bool is_held(const struct slow_conn *s)
{
    return s->settled_ns == UINT64_MAX;
}

/* The server has not ended it: packets are dropped on the way, or its machine is gone. */
static void lose(struct slow_conn *s, uint64_t since, uint64_t now)
{
    char why[80];

    snprintf(why, sizeof(why), "held, and then nothing was acknowledged for %d s",
             (int)((now - since) / NS_PER_S));
    op_lost(s->op, since);
    op_count_now(s->op, SLOW_LOST, 1);
    end(s, OP_UNREACHABLE, why, now);
}

static bool is_silence(const struct conn_error *e)
{
    return e && (e->error == ETIMEDOUT || e->error == EHOSTUNREACH || e->error == ENETUNREACH);
}

void slow_ended(struct slow_conn *s, const struct conn_error *e)
{
    uint64_t now = now_ns();
    enum slow_metric closed_by;
    char why[240];

    if (!is_held(s)) {
        snprintf(why, sizeof(why), "ended before it counted as held: %s",
                 e ? e->why : "closed by the peer");
        refuse(s, e ? route_outcome(e->fault) : OP_RESET, why);
        return;
    }
    if (is_silence(e) && s->conn.state != CONN_CLOSED) {
        lose(s, silence_began(s->conn.fd, now), now);
        return;
    }
    op_part(s->op, slow_part(s, e, &closed_by));
    op_value(s->op, SLOW_EVICTED_AFTER, (double)(now - s->begun_ns));
    op_count_now(s->op, SLOW_EVICTED, 1);
    op_count_now(s->op, closed_by, 1);
    end(s, OP_OK, NULL, now);
}

static void arm(struct slow_conn *s)
{
    uint64_t when = s->next_ns < s->settled_ns ? s->next_ns : s->settled_ns;

    if (when != UINT64_MAX)
        timers_set(lane_of(s)->timers, &s->timer, when);
}

static void settle(struct slow_conn *s, uint64_t now)
{
    if (now < s->settled_ns || is_held(s))
        return;
    s->settled_ns = UINT64_MAX;
    op_held(s->op);
}

static void adopt(struct slow_conn *s)
{
    struct ssl_st *ssl = s->ssl;

    s->ssl = NULL;
    s->secure = false;
    conn_adopt(&s->conn, ssl);
}

static void flush(struct slow_conn *s)
{
    struct conn_error e;
    size_t done = 0;
    ssize_t n;

    while (s->conn.state == CONN_OPEN && done < s->unsent.len) {
        n = conn_send(&s->conn, s->unsent.data + done, s->unsent.len - done, &e);
        if (n == CONN_WAIT)
            break;
        if (n <= 0) {
            slow_ended(s, n == CONN_ERROR ? &e : NULL);
            return;
        }
        done += (size_t)n;
        s->sent += (size_t)n;
    }
    if (done == s->unsent.len) {
        empty(&s->unsent);
        if (s->secure)
            adopt(s);
    } else if (done > 0) {
        memmove(s->unsent.data, s->unsent.data + done, s->unsent.len - done);
        s->unsent.len -= done;
    }
}

void slow_say(struct slow_conn *s, const void *data, size_t len)
{
    struct conn_error e;
    ssize_t n = 0;

    if (s->unsent.len > UNSENT_MAX) /* a server that does not read has no claim to answers */
        return;
    if (s->unsent.len == 0) {
        n = conn_send(&s->conn, data, len, &e);
        if (n == CONN_ERROR || n == CONN_EOF) {
            slow_ended(s, n == CONN_ERROR ? &e : NULL);
            return;
        }
        n = n > 0 ? n : 0;
        s->sent += (size_t)n;
    }
    if ((size_t)n < len) {
        buf_add(&s->unsent, (const char *)data + n, len - (size_t)n);
        flush(s); /* TLS sends a record at a time: a short write is no full buffer */
    }
}

void slow_secure(struct slow_conn *s)
{
    s->secure = s->ssl != NULL;
    if (s->secure && s->unsent.len == 0)
        adopt(s);
}

static void note(struct slow_conn *s, const char *data, size_t len)
{
    size_t room = sizeof(s->head) - s->head_len;

    s->received += len;
    if (len < room)
        room = len;
    memcpy(s->head + s->head_len, data, room);
    s->head_len += (uint8_t)room;
}

/* False if there is no more for now, or the connection has ended. */
static bool listen_once(struct slow_conn *s, size_t most)
{
    const struct slow_attack *a = s->lane->job->attack;
    struct conn_error e;
    ssize_t n = conn_recv(&s->conn, s->lane->scratch, most, &e);

    if (n == CONN_WAIT)
        return false;
    if (n <= 0) {
        slow_ended(s, n == CONN_ERROR ? &e : NULL);
        return false;
    }
    if (a->reads)
        note(s, s->lane->scratch, (size_t)n);
    else
        s->received += (size_t)n;
    if (a->received)
        a->received(s, (const unsigned char *)s->lane->scratch, (size_t)n);
    return s->op != NULL;
}

void slow_listen(struct slow_conn *s, size_t most)
{
    listen_once(s, most < SLOW_SCRATCH ? most : SLOW_SCRATCH);
}

/* One that does not read learns of the end from the socket itself. */
static void look(struct slow_conn *s)
{
    struct conn_error e = {.fault = CONN_RESET, .why = "connection reset"};
    socklen_t len = sizeof(e.error);

    if (!s->conn.peer_closed)
        return;
    if (getsockopt(s->conn.fd, SOL_SOCKET, SO_ERROR, &e.error, &len) != 0)
        e.error = 0;
    if (is_silence(&e)) {
        e.fault = CONN_TIMED_OUT;
        snprintf(e.why, sizeof(e.why), "connection timed out");
    }
    slow_ended(s, e.error ? &e : NULL);
}

static void hear(struct slow_conn *s)
{
    if (!s->lane->job->attack->reads) {
        look(s);
        return;
    }
    while (listen_once(s, SLOW_SCRATCH))
        ;
}

static void go_on(struct slow_conn *s)
{
    struct conn_error e;

    if (s->conn.state == CONN_SECURING) {
        if (conn_advance(&s->conn, 0, &e) == CONN_CLOSED) {
            slow_ended(s, &e);
            return;
        }
        if (s->conn.state == CONN_OPEN)
            lane_count(lane_of(s), SLOW_ACCEPTED, 1);
    }
    if (s->conn.state != CONN_OPEN)
        return;
    if (s->unsent.len > 0)
        flush(s);
    if (s->op)
        hear(s);
}

static void begin(struct slow_conn *s)
{
    struct slow_job *j = s->lane->job;
    struct lane *lane = lane_of(s);
    uint64_t now = now_ns();

    lane_count(lane, SLOW_ESTABLISHED, 1);
    if (j->attack->alpn && s->conn.ssl && !conn_speaks(&s->conn, j->attack->alpn)) {
        refuse(s, OP_PROTOCOL, "the server does not offer h2 by ALPN");
        return;
    }
    timers_cancel(lane->timers, &s->timer);
    silence_limit(s->conn.fd, SILENCE_MS);
    s->begun_ns = now;
    s->settled_ns = now + (uint64_t)j->opts->settle;
    s->next_ns = UINT64_MAX;
    if (j->attack->follow)
        s->next_ns = now + (uint64_t)(rng_unit(rng_next(&lane->rng)) * (double)j->every);
    settle(s, now);
    if (j->attack->begin)
        j->attack->begin(s);
    if (s->op)
        arm(s);
    if (s->op) /* what came with the handshake is announced no more */
        go_on(s);
}

static void open_further(struct slow_conn *s)
{
    struct conn_error e;

    switch (conn_advance(&s->conn, s->lane->turn, &e)) {
    case CONN_CLOSED:
        refuse(s, route_outcome(e.fault), e.why);
        break;
    case CONN_OPEN:
        begin(s);
        break;
    default:
        break;
    }
}

static void on_ready(struct conn *c)
{
    struct slow_conn *s = (struct slow_conn *)c;

    if (!s->op)
        return;
    if (s->begun_ns)
        go_on(s);
    else
        open_further(s);
}

static void on_timer(struct timer *t, uint64_t now)
{
    struct slow_conn *s = (struct slow_conn *)((char *)t - offsetof(struct slow_conn, timer));

    if (!s->begun_ns) {
        refuse(s, OP_TIMEOUT,
               s->conn.state == CONN_SECURING ? "no end of the TLS handshake in time"
                                              : "no TCP connection in time");
        return;
    }
    settle(s, now);
    if (now >= s->next_ns) {
        s->next_ns += s->lane->job->every;
        if (s->next_ns <= now)
            s->next_ns = now + s->lane->job->every;
        s->lane->job->attack->follow(s);
    }
    if (s->op)
        arm(s);
}

bool slow_start(struct lane *lane, struct err *e)
{
    struct slow_lane *l = lane->priv;

    (void)e;
    l->job = lane->job->priv;
    l->turn = (unsigned)lane->index;
    l->scratch = xcalloc(1, SLOW_SCRATCH);
    for (int i = 0; i < lane->op_count; i++) {
        struct slow_conn *s = lane->ops[i].priv;

        s->lane = l;
        s->conn.ready = on_ready;
        s->conn.base = lane->base;
        s->timer.fire = on_timer;
    }
    return true;
}

void slow_fire(struct lane *lane, struct op *op)
{
    struct slow_lane *l = lane->priv;
    struct slow_conn *s = op->priv;
    struct conn_error e;

    s->op = op;
    s->at = 0;
    s->begun_ns = s->sent = s->received = 0;
    s->next_ns = s->settled_ns = 0;
    s->head_len = 0;
    s->secure = false;
    s->h2 = (struct slow_h2){0};
    lane_count(lane, SLOW_ATTEMPTED, 1);
    if (l->fired++ >= (uint64_t)lane->op_count)
        lane_count(lane, SLOW_REOPENED, 1);
    l->turn += (unsigned)lane->job->lane_count;
    timers_set(lane->timers, &s->timer, op->begun_ns + (uint64_t)l->job->opts->timeout);
    if (!conn_open(&s->conn, &l->job->route, l->turn, op->begun_ns, &e))
        refuse(s, route_outcome(e.fault), e.why);
    else if (s->conn.state != CONN_CONNECTING)
        open_further(s);
}

void slow_last_look(struct op *op, uint64_t now)
{
    struct slow_conn *s = op->priv;
    uint64_t since = s->conn.state != CONN_CLOSED ? silence_since(s->conn.fd, now) : UINT64_MAX;

    if (since < now)
        lose(s, since, now);
    else
        op_bytes(op, s->sent, s->received);
}

void slow_stop(struct lane *lane)
{
    struct slow_lane *l = lane->priv;

    for (int i = 0; l->scratch && i < lane->op_count; i++) {
        struct slow_conn *s = lane->ops[i].priv;

        timers_cancel(lane->timers, &s->timer);
        conn_free(&s->conn);
        tls_free(s->ssl);
        buf_free(&s->hello);
        buf_free(&s->unsent);
        s->ssl = NULL;
        s->op = NULL;
    }
    free(l->scratch);
    l->scratch = NULL;
}

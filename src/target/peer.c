/*
 * peer.c - the life of a connection.
 *
 *     HANDSHAKE -> READ -> WAIT [-> HEADED] -> WRITE -> READ -> ...  -> LINGER
 *              \-> H2 -> LINGER
 *
 * peer_advance() does whatever the state allows until it has to wait for the socket or for a timer,
 * and every event and timer simply calls it.  One request is served at a time: nothing is read
 * while an answer is pending, so that pipelined requests are answered in order and a peer that
 * sends without reading is stopped by TCP.  What was read too much waits in `in`, what could not be
 * written in `out`; both are bounded (a head and a read; a piece) and without memory while a
 * connection rests.
 */
#include "target/peer_state.h"

#include <event2/event.h>
#include <poll.h>

#include "base/clock.h"
#include "base/mem.h"

#define LINGER_NS          (2 * NS_PER_S)
#define LINGER_READS       256
#define BUDGET             64 /* reads and pieces until others have their turn */

#define PEER_OF(t, member) ((struct peer *)((char *)(t)-offsetof(struct peer, member)))

struct peer *peer_next(const struct peer *p)
{
    return p->next;
}

void peer_close(struct peer *p)
{
    struct worker *w = p->worker;

    peer_tell_bytes(p);
    ledger_disconnected(peer_ledger(p));
    event_del(&p->event);
    stream_close(&p->stream);
    timers_cancel(&w->dues, &p->due);
    timers_cancel(&w->deadlines, &p->deadline);
    peer_h2_free(p);
    exchange_clear(&p->exchange);
    buf_free(&p->in);
    buf_free(&p->out);
    *(p->prev ? &p->prev->next : &w->peers) = p->next;
    if (p->next)
        p->next->prev = p->prev;
    free(p);
    worker_room(w);
}

bool peer_yields(struct peer *p)
{
    if (p->budget-- > 0)
        return false;
    timers_set(&p->worker->dues, &p->due, now_ns() + 1);
    return true;
}

static enum flow step_handshake(struct peer *p)
{
    uint64_t now = now_ns(), awake = stall_end(&peer_config(p)->stall, now);

    if (p->stream.ssl && awake > now) {
        timers_set(&p->worker->dues, &p->due, awake);
        return FLOW_BLOCKED;
    }
    switch (stream_handshake(&p->stream)) {
    case STREAM_OK:
        break;
    case STREAM_AGAIN:
        return FLOW_BLOCKED;
    default:
        return peer_end_as(p, COUNT_HANDSHAKE_FAILED);
    }
    if (p->stream.ssl)
        ledger_count(peer_ledger(p), stream_resumed(&p->stream) ? COUNT_RESUMED : COUNT_FULL, 1);
    peer_deadline(p, now + peer_config(p)->header_timeout);
    p->state = PEER_READ;
    p->readable = true;
    if (stream_speaks(&p->stream, "h2") ||
        (!p->stream.ssl && peer_config(p)->protocol == SERVER_H2))
        peer_h2_begin(p, NULL, 0);
    return FLOW_ON;
}

static enum flow step_read(struct peer *p)
{
    while (p->state == PEER_READ) {
        if (peer_flush(p) == FLOW_ENDED)
            return FLOW_ENDED;
        if (peer_yields(p))
            return FLOW_BLOCKED;
        if (p->fresh)
            peer_parse(p, p->in.data, p->in.len);
        else if (!p->readable)
            return FLOW_BLOCKED;
        else if (peer_read(p) == FLOW_ENDED)
            return FLOW_ENDED;
    }
    return FLOW_ON;
}

/* True when it is time; else the timer is set, and the peer need do nothing until then. */
static bool is_time(struct peer *p, uint64_t when, uint64_t now)
{
    if (when <= now)
        return true;
    if (!p->out.len)
        peer_deadline(p, NEVER);
    timers_set(&p->worker->dues, &p->due, when);
    return false;
}

static enum flow reset(struct peer *p)
{
    exchange_answered(&p->exchange, now_ns());
    stream_reset(&p->stream);
    return peer_end(p);
}

static void render_head(struct peer *p, uint64_t now)
{
    struct worker *w = p->worker;

    buf_clear(&w->out);
    if (w->draining)
        p->exchange.reply.close = true;
    exchange_reply_head(&p->exchange, worker_date(w, now), now, &w->out);
}

/* Head and first piece in one write, unless the head is to come earlier. */
static enum flow step_wait(struct peer *p)
{
    const struct plan *plan = &p->exchange.plan;
    bool split = plan->first_ns && plan->first_ns < plan->due_ns;
    uint64_t now = now_ns();

    if (peer_flush(p) == FLOW_ENDED)
        return FLOW_ENDED;
    if (p->exchange.state == EXCHANGE_ASKED)
        return FLOW_BLOCKED;
    if (!is_time(p, split ? plan->first_ns : plan->due_ns, now))
        return FLOW_BLOCKED;
    if (plan->reset && !split)
        return reset(p);
    render_head(p, now);
    p->state = split ? PEER_HEADED : PEER_WRITE;
    if (!split)
        p->rendered = reply_body(&p->exchange.reply, &p->worker->out);
    return peer_push(p) == FLOW_ENDED ? FLOW_ENDED : FLOW_ON;
}

static enum flow step_headed(struct peer *p)
{
    if (peer_flush(p) == FLOW_ENDED)
        return FLOW_ENDED;
    if (!is_time(p, p->exchange.plan.due_ns, now_ns()))
        return FLOW_BLOCKED;
    if (p->exchange.plan.reset)
        return reset(p);
    p->state = PEER_WRITE;
    return FLOW_ON;
}

enum flow peer_linger(struct peer *p)
{
    stream_finish(&p->stream);
    buf_free(&p->in);
    p->state = PEER_LINGER;
    p->readable = true;
    peer_deadline(p, now_ns() + LINGER_NS);
    return FLOW_ON;
}

/* The last byte has been handed to the kernel. */
static enum flow finish(struct peer *p)
{
    struct exchange *x = &p->exchange;
    bool closes = x->reply.close || reply_closes(&x->reply) || p->worker->draining;
    bool refused = x->refused;
    uint64_t now = now_ns();

    exchange_answered(x, now);
    exchange_clear(x);
    peer_tell_bytes(p);
    p->begun = p->rendered = false;
    p->fresh = p->in.len > 0;
    p->state = PEER_READ;
    peer_deadline(p,
                  now + (p->fresh ? peer_config(p)->header_timeout : peer_config(p)->idle_timeout));
    if (!closes)
        return FLOW_ON;
    /* A close with bytes unread is a reset, which could overtake the answer. */
    if (refused || p->fresh)
        return peer_linger(p);
    stream_finish(&p->stream);
    return peer_end(p);
}

static enum flow step_write(struct peer *p)
{
    enum flow f;

    while ((f = peer_flush(p)) == FLOW_ON && !p->rendered) {
        if (peer_yields(p))
            return FLOW_BLOCKED;
        buf_clear(&p->worker->out);
        p->rendered = reply_body(&p->exchange.reply, &p->worker->out);
        if (peer_push(p) == FLOW_ENDED)
            return FLOW_ENDED;
    }
    return f == FLOW_ON ? finish(p) : f;
}

static enum flow step_linger(struct peer *p)
{
    bool drained;
    size_t n;

    while (p->readable) {
        enum stream_result r = stream_read(&p->stream, p->worker->in, WORKER_READ, &n, &drained);

        if (r == STREAM_AGAIN)
            return FLOW_BLOCKED;
        if (r != STREAM_OK || ++p->lingered > LINGER_READS)
            return peer_end(p);
        if (peer_yields(p))
            return FLOW_BLOCKED;
    }
    return FLOW_BLOCKED;
}

void peer_advance(struct peer *p)
{
    static enum flow (*const steps[])(struct peer *) = {
        [PEER_HANDSHAKE] = step_handshake, [PEER_READ] = step_read,   [PEER_WAIT] = step_wait,
        [PEER_HEADED] = step_headed,       [PEER_WRITE] = step_write, [PEER_H2] = peer_h2_step,
        [PEER_LINGER] = step_linger,
    };
    enum flow f;

    p->budget = BUDGET;
    do
        f = steps[p->state](p);
    while (f == FLOW_ON);
}

/* Ended in both directions: who only says no more may still be waiting for an answer. */
static bool is_gone(int fd)
{
    struct pollfd poller = {.fd = fd};

    return poll(&poller, 1, 0) > 0 && (poller.revents & (POLLHUP | POLLERR));
}

static void on_event(evutil_socket_t fd, short what, void *ctx)
{
    struct peer *p = ctx;

    p->readable |= (what & (EV_READ | EV_CLOSED)) != 0;
    p->half_closed |= (what & EV_CLOSED) != 0;
    if ((p->state == PEER_WAIT || p->state == PEER_HEADED) && is_gone(fd))
        peer_end_as(p, COUNT_ABANDONED);
    else
        peer_advance(p);
}

static void on_due(struct timer *t, uint64_t now)
{
    (void)now;
    peer_advance(PEER_OF(t, due));
}

/* A connection that rests has a right to be closed quietly; anything else gets a word, or a count.
 */
static void time_out(struct peer *p, uint64_t now)
{
    if (p->state == PEER_H2) {
        peer_h2_late(p, now);
        return;
    }
    if (p->state == PEER_LINGER || (p->state == PEER_READ && p->served && !p->begun)) {
        stream_finish(&p->stream);
        peer_close(p);
        return;
    }
    ledger_count(peer_ledger(p), COUNT_TIMED_OUT, 1);
    if (p->state != PEER_READ || !p->begun) {
        peer_close(p);
        return;
    }
    exchange_refuse(&p->exchange, 408, "the request took too long", now);
    p->state = PEER_WAIT;
    peer_advance(p);
}

static void on_deadline(struct timer *t, uint64_t now)
{
    struct peer *p = PEER_OF(t, deadline);
    uint64_t when = p->deadline_ns;

    p->alarm_ns = NEVER;
    if (when <= now)
        time_out(p, now);
    else if (when != NEVER)
        peer_deadline(p, when);
}

void peer_new(struct worker *w, int fd, struct ssl_ctx_st *tls)
{
    struct peer *p = xcalloc(1, sizeof(*p));

    p->worker = w;
    p->alarm_ns = p->deadline_ns = NEVER;
    p->due.fire = on_due;
    p->deadline.fire = on_deadline;
    p->next = w->peers;
    if (w->peers)
        w->peers->prev = p;
    w->peers = p;
    ledger_connected(peer_ledger(p));
    exchange_init(&p->exchange, w->server);
    stream_accept(&p->stream, fd, tls);
    peer_deadline(p, now_ns() + peer_config(p)->header_timeout);
    event_assign(&p->event, w->base, fd, EV_READ | EV_WRITE | EV_CLOSED | EV_ET | EV_PERSIST,
                 on_event, p);
    event_add(&p->event, NULL);
}

void peer_wake(struct peer *p)
{
    peer_advance(p);
}

void peer_drop(struct peer *p)
{
    p->dropped = true;
}

void peer_drain(struct peer *p)
{
    if (p->state == PEER_H2) {
        peer_h2_drain(p);
        peer_advance(p);
        return;
    }
    if (p->state == PEER_HANDSHAKE ||
        (p->state == PEER_READ && p->exchange.state == EXCHANGE_HEAD)) {
        stream_finish(&p->stream);
        peer_close(p);
    }
}

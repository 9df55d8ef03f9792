/*
 * peer_h2.c - a connection that speaks HTTP/2.
 *
 * Each stream is a visit: a request, the exchange that answers it and a timer for when.  What is
 * said over it is HTTP/1.1's: a request's fields are put together to a head, and an answer's head
 * is taken apart to fields, so that pages and programs know one form.  A visit ends with its
 * stream, or when it is answered before its request was complete.
 */
#include "target/peer_state.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/h2.h"
#include "net/h2_fields.h"
#include "target/errand.h"

#define STREAMS           250
#define WINDOW            (256 << 10)
#define CONNECTION_WINDOW (1 << 20)
#define SEND_BYTES        (64 << 10)
#define SURPLUS           (16 << 20)

enum visit_state { VISIT_READ, VISIT_WAIT, VISIT_HEADED, VISIT_WRITE };

struct visit {
    struct peer *peer;
    struct visit *next, *prev;
    struct timer due;
    int32_t id;
    enum visit_state state;
    bool answered;  /* as far as we are concerned */
    bool rendered;  /* all of the answer's body */
    size_t surplus; /* bytes of the request that came when it had been answered */
    struct buf method, path, authority, fields; /* of the request */
    struct buf piece;                           /* of the answer's body */
    size_t piece_at;
    struct exchange exchange;
};

struct peer_h2 {
    struct h2 *session;
    struct visit *visits;
    bool parting; /* GOAWAY has been said */
};

static struct h2 *session_of(const struct visit *v)
{
    return v->peer->h2->session;
}

static void visit_free(struct visit *v)
{
    struct peer *p = v->peer;

    timers_cancel(&p->worker->dues, &v->due);
    exchange_clear(&v->exchange);
    buf_free(&v->method);
    buf_free(&v->path);
    buf_free(&v->authority);
    buf_free(&v->fields);
    buf_free(&v->piece);
    *(v->prev ? &v->prev->next : &p->h2->visits) = v->next;
    if (v->next)
        v->next->prev = v->prev;
    free(v);
}

static void part(struct peer *p)
{
    if (!p->h2->parting)
        h2_shutdown(p->h2->session);
    p->h2->parting = true;
}

static void answered(struct visit *v)
{
    if (!v->answered)
        exchange_answered(&v->exchange, now_ns());
    v->answered = true;
}

static void reset(struct visit *v)
{
    answered(v);
    h2_cancel(session_of(v), v->id, H2_CANCEL_INTERNAL);
    visit_free(v);
}

/* True when it is time; else the timer is set. */
static bool is_time(struct visit *v, uint64_t when, uint64_t now)
{
    if (when <= now)
        return true;
    timers_set(&v->peer->worker->dues, &v->due, when);
    return false;
}

static void respond(struct visit *v, uint64_t now)
{
    struct worker *w = v->peer->worker;
    struct exchange *x = &v->exchange;
    struct h2_field fields[H2_FIELDS_MAX];
    bool split = v->state == VISIT_HEADED;
    int n;

    buf_clear(&w->out);
    exchange_reply_head(x, worker_date(w, now), now, &w->out);
    n = h2_fields_response(w->out.data, w->out.len, fields, H2_FIELDS_MAX);
    if (!split)
        v->rendered = reply_body(&x->reply, &v->piece);
    h2_respond(session_of(v), v->id, fields, n, split || !v->rendered || v->piece.len > 0);
    if (x->reply.close && !x->refused)
        part(v->peer);
}

/* The answer, or its head, or the reset in its place, if it is time. */
static void visit_step(struct visit *v)
{
    const struct plan *plan = &v->exchange.plan;
    bool split = plan->first_ns && plan->first_ns < plan->due_ns;
    uint64_t now = now_ns();

    if (v->exchange.state == EXCHANGE_ASKED)
        return;
    if (v->state == VISIT_WAIT) {
        if (!is_time(v, split ? plan->first_ns : plan->due_ns, now))
            return;
        if (plan->reset && !split) {
            reset(v);
            return;
        }
        v->state = split ? VISIT_HEADED : VISIT_WRITE;
        respond(v, now);
    }
    if (v->state != VISIT_HEADED || !is_time(v, plan->due_ns, now))
        return;
    if (plan->reset) {
        reset(v);
        return;
    }
    v->state = VISIT_WRITE;
    h2_resume(session_of(v), v->id);
}

static void on_due(struct timer *t, uint64_t now)
{
    struct visit *v = (struct visit *)((char *)t - offsetof(struct visit, due));
    struct peer *p = v->peer;

    (void)now;
    visit_step(v);
    peer_advance(p);
}

static void *on_open(void *owner, int32_t id)
{
    struct peer *p = owner;
    struct visit *v = xcalloc(1, sizeof(*v));

    v->peer = p;
    v->id = id;
    v->due.fire = on_due;
    v->next = p->h2->visits;
    if (v->next)
        v->next->prev = v;
    p->h2->visits = v;
    exchange_init(&v->exchange, p->worker->server);
    return v;
}

static void on_field(void *owner, void *stream, const struct h2_field *f)
{
    struct visit *v = stream;
    struct buf *to = NULL;

    (void)owner;
    if (v->state != VISIT_READ || v->exchange.state != EXCHANGE_HEAD)
        return;
    if (f->name[0] == ':')
        to = f->name[1] == 'm' ? &v->method : f->name[1] == 'p' ? &v->path : &v->authority;
    if (!to) {
        buf_add(&v->fields, f->name, f->name_len);
        buf_add(&v->fields, ": ", 2);
        buf_add(&v->fields, f->value, f->value_len);
        buf_add(&v->fields, "\r\n", 2);
    } else if (f->name[1] != 's') {
        buf_add(to, f->value, f->value_len);
    }
}

/* Interim answers, which the exchange writes one behind another. */
static void send_interim(struct visit *v, struct buf *heads)
{
    struct h2_field fields[H2_FIELDS_MAX];
    char *at = heads->data, *end;

    for (; at; at = end) {
        end = memmem(at, heads->len - (size_t)(at - heads->data), "\r\n\r\n", 4);
        end = end ? end + 4 : NULL;
        if (end)
            h2_interim(session_of(v), v->id, fields,
                       h2_fields_response(at, (size_t)(end - at), fields, H2_FIELDS_MAX));
    }
}

static void on_answer(void *owner)
{
    struct visit *v = owner;
    struct peer *p = v->peer;

    visit_step(v);
    peer_advance(p);
}

/* A reply that is ready before the request has ended is one that refuses it. */
static void when_ready(struct visit *v)
{
    if (v->state != VISIT_READ || v->exchange.state < EXCHANGE_ASKED)
        return;
    v->state = VISIT_WAIT;
    if (v->exchange.state == EXCHANGE_ASKED)
        errand_send(v->peer->worker, &v->exchange, on_answer, v);
    visit_step(v);
}

static void on_head(void *owner, void *stream, enum h2_part what)
{
    struct peer *p = owner;
    struct visit *v = stream;
    struct buf head = {0}, interim = {0};

    if (what != H2_HEAD)
        return;
    buf_printf(&head, "%s %s HTTP/1.1\r\n", buf_text(&v->method), buf_text(&v->path));
    if (v->authority.len)
        buf_printf(&head, "host: %s\r\n", buf_text(&v->authority));
    buf_add(&head, buf_text(&v->fields), v->fields.len);
    buf_add(&head, "\r\n", 2);
    exchange_head(&v->exchange, head.data, head.len, p->read_ns, &interim);
    send_interim(v, &interim);
    buf_free(&interim);
    buf_free(&head);
    buf_free(&v->fields);
    when_ready(v);
}

static void on_data(void *owner, void *stream, const char *data, size_t len)
{
    struct peer *p = owner;
    struct visit *v = stream;

    exchange_body(&v->exchange, data, len, p->read_ns);
    when_ready(v);
    if (!v->answered)
        return;
    /* RFC 9113 8.1 allows a reset at once, but there are clients that drop the answer then. */
    v->surplus += len;
    if (v->surplus <= SURPLUS)
        return;
    h2_cancel(session_of(v), v->id, H2_CANCEL_NONE);
    visit_free(v);
}

static void on_end(void *owner, void *stream)
{
    struct peer *p = owner;
    struct visit *v = stream;

    exchange_end(&v->exchange, p->read_ns);
    when_ready(v);
}

static ssize_t on_read(void *owner, void *stream, char *out, size_t size, bool *last)
{
    struct visit *v = stream;
    struct reply *re = &v->exchange.reply;
    size_t left = v->piece.len - v->piece_at, n;

    (void)owner;
    if (v->state == VISIT_HEADED)
        return H2_LATER;
    if (left == 0 && !v->rendered) {
        buf_clear(&v->piece);
        v->piece_at = 0;
        v->rendered = reply_body(re, &v->piece);
        left = v->piece.len;
    }
    n = left < size ? left : size;
    if (n == 0 && re->truncate) {
        answered(v);
        return H2_ABORT;
    }
    memcpy(out, buf_text(&v->piece) + v->piece_at, n);
    v->piece_at += n;
    *last = n == left && v->rendered && !re->truncate;
    return (ssize_t)n;
}

static void on_sent(void *owner, void *stream)
{
    (void)owner;
    answered(stream);
}

static void on_closed(void *owner, void *stream, enum h2_end end, const char *why)
{
    struct peer *p = owner;
    struct visit *v = stream;

    (void)why;
    if (!v->answered)
        ledger_count(peer_ledger(p), end == H2_BROKEN ? COUNT_BAD : COUNT_ABANDONED, 1);
    visit_free(v);
}

static void receive(struct peer *p, const char *data, size_t len)
{
    p->begun = p->served = true;
    p->received += len;
    peer_deadline(p, p->read_ns + peer_config(p)->idle_timeout);
    h2_receive(p->h2->session, data, len);
}

void peer_h2_begin(struct peer *p, const char *data, size_t len)
{
    static const struct h2_config config = {
        .server = true,
        .streams = STREAMS,
        .window = WINDOW,
        .connection_window = CONNECTION_WINDOW,
    };
    static const struct h2_events events = {
        .open = on_open,
        .field = on_field,
        .head = on_head,
        .data = on_data,
        .end = on_end,
        .sent = on_sent,
        .read = on_read,
        .closed = on_closed,
    };

    p->state = PEER_H2;
    p->h2 = xcalloc(1, sizeof(*p->h2));
    p->h2->session = h2_new(&config, &events, p);
    if (len > 0)
        h2_receive(p->h2->session, data, len);
    buf_free(&p->in);
}

void peer_h2_free(struct peer *p)
{
    if (!p->h2)
        return;
    while (p->h2->visits) {
        ledger_count(peer_ledger(p), COUNT_ABANDONED, 1);
        visit_free(p->h2->visits);
    }
    h2_free(p->h2->session);
    free(p->h2);
    p->h2 = NULL;
}

/* Everything that there is to send and that the peer takes; its own slowness stops its requests. */
static enum flow send_all(struct peer *p)
{
    struct buf *out = &p->worker->out;
    enum flow f = peer_flush(p);

    while (f == FLOW_ON) {
        buf_clear(out);
        buf_reserve(out, SEND_BYTES);
        out->len = h2_send(p->h2->session, out->data, SEND_BYTES);
        if (out->len == 0)
            break;
        f = peer_push(p);
    }
    return f;
}

static enum flow read_some(struct peer *p)
{
    enum stream_result r;
    bool drained;
    size_t n;

    r = stream_read(&p->stream, p->worker->in, WORKER_READ, &n, &drained);
    if (r == STREAM_AGAIN || (drained && !p->half_closed))
        p->readable = false;
    if (r == STREAM_AGAIN)
        return FLOW_ON;
    if (r != STREAM_OK)
        return peer_end(p);
    p->read_ns = now_ns();
    receive(p, p->worker->in, n);
    return FLOW_ON;
}

enum flow peer_h2_step(struct peer *p)
{
    for (;;) {
        enum flow f = send_all(p);

        if (f == FLOW_ENDED)
            return f;
        peer_tell_bytes(p);
        if (f == FLOW_BLOCKED)
            return f;
        if (h2_failure(p->h2->session))
            ledger_count(peer_ledger(p), COUNT_BAD, 1);
        if (h2_failure(p->h2->session) || h2_over(p->h2->session))
            return peer_linger(p);
        if (!p->readable || peer_yields(p))
            return FLOW_BLOCKED;
        if (read_some(p) == FLOW_ENDED)
            return FLOW_ENDED;
    }
}

void peer_h2_drain(struct peer *p)
{
    part(p);
}

/* Waiting for the time of its answers is not the peer's fault, and neither is having no request. */
void peer_h2_late(struct peer *p, uint64_t now)
{
    bool waits = p->h2->visits != NULL && p->out.len == 0;

    if (!p->h2->visits && p->out.len == 0 && !p->h2->parting) {
        peer_deadline(p, now + peer_config(p)->idle_timeout);
        part(p);
        peer_advance(p);
        return;
    }
    for (const struct visit *v = p->h2->visits; v; v = v->next)
        waits &= v->state == VISIT_WAIT || v->state == VISIT_HEADED;
    if (waits) {
        peer_deadline(p, now + peer_config(p)->idle_timeout);
        return;
    }
    ledger_count(peer_ledger(p), COUNT_TIMED_OUT, 1);
    peer_close(p);
}

/*
 * peer_visit.c - one request over HTTP/2 that a page answers.
 *
 * What is said over it is HTTP/1.1's: a request's fields are put together to a head, and an
 * answer's head is taken apart to fields, so that pages and programs know one form.  A visit ends
 * with its stream, or when it is answered before its request was complete.
 */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/h2_fields.h"
#include "target/errand.h"
#include "target/peer_h2.h"

#define SURPLUS (16 << 20)

static struct h2 *session_of(const struct visit *v)
{
    return v->peer->h2->session;
}

void visit_free(struct visit *v)
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
        peer_h2_part(v->peer);
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

struct visit *visit_open(struct peer *p, int32_t id)
{
    struct visit *v = xcalloc(1, sizeof(*v));

    v->strand = STRAND_VISIT;
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

void visit_field(struct visit *v, const struct h2_field *f)
{
    struct buf *to = NULL;

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

void visit_head(struct visit *v)
{
    struct buf head = {0}, interim = {0};

    buf_printf(&head, "%s %s HTTP/1.1\r\n", buf_text(&v->method), buf_text(&v->path));
    if (v->authority.len)
        buf_printf(&head, "host: %s\r\n", buf_text(&v->authority));
    buf_add(&head, buf_text(&v->fields), v->fields.len);
    buf_add(&head, "\r\n", 2);
    exchange_head(&v->exchange, head.data, head.len, v->peer->arrived_ns, &interim);
    send_interim(v, &interim);
    buf_free(&interim);
    buf_free(&head);
    buf_free(&v->fields);
    when_ready(v);
}

void visit_data(struct visit *v, const char *data, size_t len)
{
    exchange_body(&v->exchange, data, len, v->peer->arrived_ns);
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

void visit_end(struct visit *v)
{
    exchange_end(&v->exchange, v->peer->arrived_ns);
    when_ready(v);
}

ssize_t visit_read(struct visit *v, char *out, size_t size, bool *last)
{
    struct reply *re = &v->exchange.reply;
    size_t left = v->piece.len - v->piece_at, n;

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

void visit_sent(struct visit *v)
{
    answered(v);
}

void visit_closed(struct visit *v, enum h2_end end)
{
    if (!v->answered)
        ledger_count(peer_ledger(v->peer), end == H2_BROKEN ? COUNT_BAD : COUNT_ABANDONED, 1);
    visit_free(v);
}

void visits_free(struct peer *p)
{
    while (p->h2->visits) {
        ledger_count(peer_ledger(p), COUNT_ABANDONED, 1);
        visit_free(p->h2->visits);
    }
}

bool visits_wait(const struct peer *p)
{
    for (const struct visit *v = p->h2->visits; v; v = v->next)
        if (v->state != VISIT_WAIT && v->state != VISIT_HEADED)
            return false;
    return true;
}

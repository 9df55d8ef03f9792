#include "target/exchange.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "target/errand.h"
#include "target/ledger.h"
#include "target/request.h"
#include "target/route.h"
#include "target/server.h"

static const struct program unprogrammed;

void exchange_init(struct exchange *x, struct server *s)
{
    *x = (struct exchange){.server = s, .fill = -1};
    http1_init(&x->parser, HTTP1_REQUEST, 0);
}

void exchange_clear(struct exchange *x)
{
    errand_forget(x->errand);
    x->errand = NULL;
    reply_free(&x->reply);
    buf_free(&x->kept);
    x->state = EXCHANGE_HEAD;
    x->body_len = 0;
    x->fill = -1;
    x->status = 0;
    x->counted = x->stamps = x->refused = false;
}

void exchange_refuse(struct exchange *x, uint16_t status, const char *text, uint64_t now)
{
    bool head_only = x->reply.head_only, old = x->reply.old;
    struct buf line = {0};

    reply_free(&x->reply);
    x->reply.head_only = head_only;
    x->reply.old = old;
    x->reply.streamed = x->streamed;
    buf_printf(&line, "%s\n", text);
    reply_text(&x->reply, status, line.data);
    x->reply.owned = line.data;
    x->reply.close = true;
    x->plan = (struct plan){.due_ns = now};
    x->arrival_ns = now;
    x->counted = x->stamps = false;
    x->refused = true;
    x->state = EXCHANGE_READY;
    ledger_count(x->server->ledger, COUNT_BAD, 1);
}

void exchange_request(const char *kept, size_t head, size_t len, const struct http1 *p,
                      struct request *rq)
{
    request_init(rq, p, (struct http1_span){kept, head});
    rq->body = (struct http1_span){kept + head, len - head};
}

/* Changes the reply that the page gave to what the program asks for. */
static void change(struct exchange *x)
{
    struct reply *re = &x->reply;

    if (x->fill >= 0)
        reply_fill(re, (uint64_t)x->fill);
    if (x->status)
        re->status = (uint16_t)x->status;
}

static void answer(struct exchange *x, const struct request *rq)
{
    x->route->answer(rq, x->server, &x->reply);
    change(x);
}

static void apply(struct exchange *x, const struct program *p)
{
    struct reply *re = &x->reply;

    re->chunked = p->chunked;
    re->truncate = p->truncate;
    re->close = p->close || !x->parser.keep_alive;
    x->stamps = p->stamps;
    x->status = p->status;
    if (p->sized)
        x->fill = p->size;
    if (x->plan.error) {
        x->status = p->error_status;
        x->fill = -1;
    }
}

/* What has to be right before a request counts as one; NULL if it is. */
static const char *fault_of(const struct request *rq, uint16_t *status)
{
    *status = 400;
    if (rq->minor >= 1 && !rq->host) /* RFC 9112 3.2 */
        return "a request has to have one host field";
    if (span_is(rq->method, "CONNECT")) {
        *status = 405;
        return "this is no proxy";
    }
    return NULL;
}

static void add_interim(const struct exchange *x, const struct program *p, const struct request *rq,
                        struct buf *out)
{
    /* RFC 9110 15.2: never to an HTTP/1.0 client. */
    if (rq->minor == 0)
        return;
    if (p->early)
        reply_interim(p->early, out);
    if (rq->expects && (x->parser.chunked || x->parser.length > 0)) /* RFC 9110 10.1.1 */
        reply_interim(100, out);
}

static void begin(struct exchange *x, const struct program *p, const struct request *rq,
                  struct buf *out)
{
    const struct server_config *c = &x->server->config;
    uint64_t number = 0;

    x->counted = !(x->route->flags & ROUTE_ADMIN);
    if (x->counted)
        number = ledger_arrived(x->server->ledger, x->arrival_ns);
    x->plan = program_plan(p, &c->stall, c->seed, number, x->arrival_ns);
    apply(x, p);
    add_interim(x, p, rq, out);
    x->state = EXCHANGE_BODY;
    if (x->route->flags & ROUTE_BODY) {
        buf_add(&x->kept, rq->head.data, rq->head.len);
        x->kept_head = (uint32_t)rq->head.len;
    } else {
        answer(x, rq);
    }
}

static void take_head(struct exchange *x, struct http1_span head, uint64_t now, struct buf *out)
{
    struct server *s = x->server;
    const struct program *p = &unprogrammed;
    struct program own;
    struct request rq;
    struct err e;
    const char *fault;
    uint16_t status;

    request_init(&rq, &x->parser, head);
    x->arrival_ns = now;
    x->reply.head_only = rq.head_only;
    x->reply.old = rq.minor == 0;
    x->reply.streamed = x->streamed;
    fault = fault_of(&rq, &status);
    if (fault) {
        exchange_refuse(x, status, fault, now);
        return;
    }
    x->route = route_get(s, rq.path);
    if (!(x->route->flags & ROUTE_ADMIN))
        p = program_for(&s->config.program, x->route, &rq, &own, &e);
    if (!p)
        exchange_refuse(x, 400, e.text, now);
    else if (x->parser.length > 0 && (uint64_t)x->parser.length > s->config.max_body)
        exchange_refuse(x, 413, "the body is larger than allowed", now);
    else
        begin(x, p, &rq, out);
}

static void take_body(struct exchange *x, struct http1_span span, uint64_t now)
{
    x->body_len += span.len;
    if (x->body_len > x->server->config.max_body)
        exchange_refuse(x, 413, "the body is larger than allowed", now);
    else if (x->route->flags & ROUTE_BODY)
        buf_add(&x->kept, span.data, span.len);
}

/* A reply cannot be late while its request is still on the way. */
static void ready(struct exchange *x, uint64_t now)
{
    if (x->plan.due_ns < now)
        x->plan.due_ns = now;
    x->state = EXCHANGE_READY;
}

static void take_end(struct exchange *x, uint64_t now)
{
    const struct route *r = x->route;
    struct request rq;

    if (r->flags & ROUTE_BODY) {
        exchange_request(x->kept.data, x->kept_head, x->kept.len, &x->parser, &rq);
        if (!(r->flags & ROUTE_WAITS)) {
            answer(x, &rq);
        } else if (!r->admit || r->admit(&rq, x->server, &x->reply)) {
            x->state = EXCHANGE_ASKED;
            return;
        } else {
            change(x);
        }
        buf_free(&x->kept);
    }
    ready(x, now);
}

void exchange_take(struct exchange *x, struct reply *from, uint64_t now)
{
    struct reply *re = &x->reply;

    re->status = from->status;
    re->type = from->type;
    re->text = from->text;
    re->size = from->size;
    re->owned = from->owned;
    re->fields = from->fields;
    *from = (struct reply){0};
    x->errand = NULL;
    change(x);
    ready(x, now);
}

size_t exchange_read(struct exchange *x, const char *data, size_t len, uint64_t now,
                     struct buf *out)
{
    struct http1_span span = {0};
    size_t at = 0, used;

    while (x->state < EXCHANGE_ASKED) {
        enum http1_event ev = http1_next(&x->parser, data + at, len - at, &used, &span);

        at += used;
        if (ev == HTTP1_HEAD)
            take_head(x, span, now, out);
        else if (ev == HTTP1_BODY)
            take_body(x, span, now);
        else if (ev == HTTP1_END)
            take_end(x, now);
        else if (ev == HTTP1_BAD)
            exchange_refuse(x, 400, x->parser.why, now);
        else
            break;
    }
    return at;
}

void exchange_head(struct exchange *x, const char *head, size_t len, uint64_t now,
                   struct buf *interim)
{
    struct http1_span span = {0};
    size_t used;

    x->streamed = true;
    if (http1_next(&x->parser, head, len, &used, &span) != HTTP1_HEAD) {
        exchange_refuse(x, 400, x->parser.why ? x->parser.why : "the head is incomplete", now);
        return;
    }
    /* Without a length nobody knows whether a body follows, and "expect:" says that one does. */
    x->parser.chunked = x->parser.length < 0;
    take_head(x, span, now, interim);
}

void exchange_body(struct exchange *x, const char *data, size_t len, uint64_t now)
{
    if (x->state == EXCHANGE_BODY)
        take_body(x, (struct http1_span){data, len}, now);
}

void exchange_end(struct exchange *x, uint64_t now)
{
    if (x->state == EXCHANGE_BODY)
        take_end(x, now);
}

void exchange_reply_head(const struct exchange *x, const char *date, uint64_t now, struct buf *out)
{
    char stamps[128] = "";

    if (x->stamps)
        snprintf(stamps, sizeof(stamps),
                 "X-Target-Arrival-Ns: %" PRIu64 "\r\nX-Target-Service-Ns: %" PRIu64 "\r\n",
                 x->arrival_ns, now - x->arrival_ns);
    reply_head(&x->reply, date, stamps, out);
}

void exchange_answered(const struct exchange *x, uint64_t now)
{
    struct answered a = {
        .arrival_ns = x->arrival_ns,
        .due_ns = x->plan.due_ns,
        .departure_ns = now,
        .status = x->reply.status,
        .error = x->plan.error,
        .reset = x->plan.reset,
    };

    if (x->counted)
        ledger_answered(x->server->ledger, &a);
}

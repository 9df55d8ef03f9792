/*
 * http_h1.c - HTTP/1.1: one request at a time on a connection.
 *
 * The answer is read into the lane's one buffer and parsed there; only an unfinished line or head
 * is carried over in the connection.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "driver/http.h"
#include "driver/route.h"

static bool receive(struct http_conn *c);

/* An answer may come, and be worth having, before all of the request was taken. */
static void send_more(struct http_op *h)
{
    struct http_conn *c = h->conn;
    struct conn_error e;

    while (h->sent < h->len) {
        ssize_t n = conn_send(&c->conn, h->bytes + h->sent, h->len - h->sent, &e);

        if (n == CONN_WAIT)
            return;
        if (n < 0) {
            c->conn.peer_closed = true;
            if (receive(c))
                http_break(c, route_outcome(e.fault), e.why);
            return;
        }
        h->sent += (size_t)n;
        h->sent_bytes += (uint64_t)n;
    }
    h->sent_ns = now_ns();
}

static void h1_open(struct http_conn *c)
{
    c->room = 1;
}

static void h1_send(struct http_op *h, uint64_t now)
{
    struct http_conn *c = h->conn;

    http1_init(&c->parser, HTTP1_RESPONSE, HEAD_BYTES);
    c->parser.no_body = h->request->head;
    c->rest_len = 0;
    http_sending(h, now);
    send_more(h);
}

/* What of the answer is still to come would be taken for that of the next request. */
static void h1_cancel(struct http_op *h)
{
    h->conn->ending = true;
}

/* The answer is complete; `surplus` bytes came behind it that nobody asked for. */
static void complete(struct http_op *h, size_t surplus)
{
    struct http_conn *c = h->conn;

    c->ending |= !c->parser.keep_alive || surplus > 0 || h->sent < h->len || c->conn.peer_closed ||
                 conn_has_unread(&c->conn);
    h->status = c->parser.status;
    http_complete(h);
}

/*
 * Parses what was received: `*left` bytes at the end of it have to be presented again.  False if
 * that ended the operation.
 */
static bool feed(struct http_op *h, char *data, size_t len, size_t *left)
{
    struct http1 *p = &h->conn->parser;
    size_t used;
    struct http1_span span;

    for (;;) {
        enum http1_event event = http1_next(p, data, len, &used, &span);

        data += used;
        len -= used;
        if (event == HTTP1_MORE) {
            *left = len;
            return true;
        }
        if (event == HTTP1_BAD) {
            http_fail(h, OP_PROTOCOL, p->why, h->last_ns);
            return false;
        }
        if (event == HTTP1_END) {
            complete(h, len);
            return false;
        }
        if (event == HTTP1_HEAD && h->request->answer_needed) {
            http_keep(h, span.data, span.len, HTTP_KEEP_HEAD);
            h->kept_head = h->kept_len;
        } else if (event == HTTP1_BODY && h->request->body_needed) {
            http_keep(h, span.data, span.len, HTTP_KEEP_BODY);
        }
    }
}

static void end_of_stream(struct http_conn *c)
{
    struct http1 *p = &c->parser;

    switch (http1_eof(p)) {
    case HTTP1_END:
        complete(TAILQ_FIRST(&c->ops), 0);
        break;
    case HTTP1_MORE:
        http_break(c, OP_RESET, "closed before any answer");
        break;
    default:
        http_break(c, OP_RESET, p->why);
        break;
    }
}

static void carry_over(struct http_conn *c, const char *data, size_t len)
{
    if (len > c->rest_cap) {
        c->rest_cap = (uint32_t)len * 2;
        c->rest = xrealloc(c->rest, c->rest_cap);
    }
    if (len > 0)
        memcpy(c->rest, data, len);
    c->rest_len = (uint32_t)len;
}

/* What a receive that moved nothing means. */
static void stalled(struct http_conn *c, ssize_t n, const struct conn_error *e)
{
    if (n == CONN_EOF)
        end_of_stream(c);
    else if (n == CONN_ERROR)
        http_break(c, route_outcome(e->fault), e->why);
}

static void stamp(struct http_op *h, size_t n)
{
    h->last_ns = h->conn->conn.received_ns;
    if (!h->first_ns)
        h->first_ns = h->last_ns;
    h->received += n;
}

/* True if there is nothing more to receive for now, and the operation goes on. */
static bool receive(struct http_conn *c)
{
    struct http_op *h = TAILQ_FIRST(&c->ops);
    char *scratch = c->lane->scratch;
    size_t left = c->rest_len, room, len;
    struct conn_error e;
    ssize_t n;

    if (left > 0)
        memcpy(scratch, c->rest, left);
    do {
        room = SCRATCH_BYTES - left;
        n = conn_recv(&c->conn, scratch + left, room, &e);
        if (n <= 0) {
            carry_over(c, scratch, left);
            stalled(c, n, &e);
            return n == CONN_WAIT;
        }
        stamp(h, (size_t)n);
        room -= (size_t)n;
        len = left + (size_t)n;
        if (!feed(h, scratch, len, &left))
            return false;
        memmove(scratch, scratch + len - left, left);
    } while (true); /* until there is no more: a reset right behind the bytes makes no event of its
                       own */
}

/*
 * A kept connection that the server closes or resets while it is idle is no failure: it is just
 * gone. So is one on which it says something unasked: that must not become the answer to what is
 * asked next.
 */
static void h1_ready(struct http_conn *c)
{
    struct http_op *h = TAILQ_FIRST(&c->ops);

    if (!h) {
        c->ending |= !conn_is_quiet(&c->conn);
        http_settle(c);
        return;
    }
    if (h->sent < h->len)
        send_more(h);
    if (h->conn == c && c->conn.state == CONN_OPEN)
        receive(c);
}

const struct http_protocol http_h1 = {
    .open = h1_open,
    .send = h1_send,
    .ready = h1_ready,
    .cancel = h1_cancel,
};

/*
 * http_h2.c - HTTP/2: many requests at a time on a connection.
 *
 * Requests are handed to the connection's session and only gathered there.  When all events and
 * arrivals that were at hand have been dealt with, http_flush() writes what each connection has,
 * all its frames in one go.  An answer's times are those of the read that brought its first and its
 * last frame; a request counts as sent when its last frame goes to the kernel.
 *
 * A session's events run inside h2_receive() and h2_send(), where it cannot be freed, so meanwhile
 * its connection is `busy`.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "driver/http.h"
#include "driver/route.h"
#include "net/h2_fields.h"

#define WINDOW            (1 << 20) /* of a stream: bodies are read as they come */
#define CONNECTION_WINDOW (16 << 20)

void http_list_make(struct http_list *list, char *bytes, size_t len, bool secure)
{
    const char *end = memmem(bytes, len, "\r\n\r\n", 4);
    size_t head = end ? (size_t)(end + 4 - bytes) : len;

    list->n = h2_fields_request(bytes, head, secure, list->fields, H2_FIELDS_MAX);
    list->body = bytes + head;
    list->body_len = len - head;
}

/* As HTTP/1.1 has it, which is what expectations and captures read. */
static void keep_field(struct http_op *h, const struct h2_field *f)
{
    char line[32];

    if (f->name[0] == ':') {
        int n = snprintf(line, sizeof(line), "HTTP/2 %.3s \r\n", f->value);

        http_keep(h, line, (size_t)n, HTTP_KEEP_HEAD);
        return;
    }
    http_keep(h, f->name, f->name_len, HTTP_KEEP_HEAD);
    http_keep(h, ": ", 2, HTTP_KEEP_HEAD);
    http_keep(h, f->value, f->value_len, HTTP_KEEP_HEAD);
    http_keep(h, "\r\n", 2, HTTP_KEEP_HEAD);
}

static void on_field(void *owner, void *stream, const struct h2_field *f)
{
    struct http_conn *c = owner;
    struct http_op *h = stream;

    if (!h->first_ns)
        h->first_ns = c->conn.received_ns;
    if (h->headed)
        return;
    if (f->name[0] == ':')
        h->status =
            (uint16_t)((f->value[0] - '0') * 100 + (f->value[1] - '0') * 10 + (f->value[2] - '0'));
    if (h->request->answer_needed)
        keep_field(h, f);
}

static void on_head(void *owner, void *stream, enum h2_part part)
{
    struct http_op *h = stream;

    (void)owner;
    if (part == H2_INTERIM)
        h->kept_len = 0;
    if (part != H2_HEAD)
        return;
    h->headed = true;
    if (!h->request->answer_needed)
        return;
    http_keep(h, "\r\n", 2, HTTP_KEEP_HEAD);
    h->kept_head = h->kept_len;
}

static void on_data(void *owner, void *stream, const char *data, size_t len)
{
    struct http_op *h = stream;

    (void)owner;
    if (h->request->body_needed)
        http_keep(h, data, len, HTTP_KEEP_BODY);
}

static void complete(struct http_conn *c, struct http_op *h)
{
    h->last_ns = c->conn.received_ns;
    h->stream = 0;
    http_complete(h);
}

/* RFC 9113 8.1: an answer may be complete while its request is not, and the rest is not needed. */
static void on_end(void *owner, void *stream)
{
    struct http_conn *c = owner;
    struct http_op *h = stream;

    if (h->sent_ns)
        return;
    h2_cancel(c->h2, h->stream, H2_CANCEL_NONE);
    complete(c, h);
}

static void on_sent(void *owner, void *stream)
{
    struct http_conn *c = owner;

    ((struct http_op *)stream)->sent_ns = c->lane->flush_ns;
}

static ssize_t on_read(void *owner, void *stream, char *out, size_t size, bool *last)
{
    struct http_op *h = stream;
    size_t left = h->list->body_len - h->sent, n = left < size ? left : size;

    (void)owner;
    memcpy(out, h->list->body + h->sent, n);
    h->sent += n;
    *last = n == left;
    return (ssize_t)n;
}

static void on_closed(void *owner, void *stream, enum h2_end end, const char *why)
{
    struct http_conn *c = owner;
    struct http_op *h = stream;
    char text[WHY_MAX];

    h->stream = 0;
    switch (end) {
    case H2_DONE:
        complete(c, h);
        break;
    case H2_REFUSED:
        http_refused(h, "not processed by the peer (REFUSED_STREAM or GOAWAY)");
        break;
    case H2_RESET:
        snprintf(text, sizeof(text), "stream reset by the peer: %s", why);
        http_fail(h, OP_RESET, text, c->conn.received_ns);
        break;
    case H2_BROKEN:
        http_fail(h, OP_PROTOCOL, why, c->conn.received_ns);
        break;
    }
}

static void fit_room(struct http_conn *c)
{
    uint32_t peer = h2_peer_streams(c->h2);

    c->room = c->lane->job->streams;
    if (peer < (uint32_t)c->room)
        c->room = (int)peer;
    http_settle(c);
}

static void on_settings(void *owner)
{
    fit_room(owner);
}

static void on_goaway(void *owner, const char *code)
{
    struct http_conn *c = owner;

    c->goaway = code;
    c->ending = true;
    http_settle(c);
}

static void h2_conn_open(struct http_conn *c)
{
    const struct h2_config config = {
        .window = WINDOW,
        .connection_window = CONNECTION_WINDOW,
        .pool = c->lane->pool,
    };
    static const struct h2_events events = {
        .field = on_field,
        .head = on_head,
        .data = on_data,
        .end = on_end,
        .sent = on_sent,
        .read = on_read,
        .closed = on_closed,
        .settings = on_settings,
        .goaway = on_goaway,
    };

    c->h2 = h2_new(&config, &events, c);
    http_dirty(c);
    fit_room(c);
}

static void h2_conn_send(struct http_op *h, uint64_t now)
{
    struct http_conn *c = h->conn;

    http_sending(h, now);
    h->stream = h2_request(c->h2, h->list->fields, h->list->n, h->list->body_len > 0, h);
    if (h->stream < 0) { /* 2^30 requests on one connection */
        h->stream = 0;
        c->ending = true;
        http_refused(h, "the connection has run out of stream numbers");
        return;
    }
    http_dirty(c);
}

static void h2_conn_cancel(struct http_op *h)
{
    if (h->stream == 0)
        return;
    h2_cancel(h->conn->h2, h->stream, H2_CANCEL);
    h->stream = 0;
    http_dirty(h->conn);
}

static void ended(struct http_conn *c, enum outcome outcome, const char *why)
{
    char text[WHY_MAX];

    if (!c->goaway) {
        http_break(c, outcome, why);
        return;
    }
    snprintf(text, sizeof(text), "the peer ended the connection: %s", c->goaway);
    http_break(c, outcome, text);
}

/* True if the connection is still there. */
static bool receive(struct http_conn *c)
{
    struct conn_error e;
    ssize_t n;

    do {
        n = conn_recv(&c->conn, c->lane->scratch, SCRATCH_BYTES, &e);
        if (n == CONN_WAIT)
            break;
        if (n == CONN_EOF)
            ended(c, OP_RESET, "closed before the answer was complete");
        else if (n < 0)
            ended(c, route_outcome(e.fault), e.why);
        if (n <= 0)
            return false;
        c->received += (uint64_t)n;
        c->busy = true;
        h2_receive(c->h2, c->lane->scratch, (size_t)n);
        c->busy = false;
        if (h2_failure(c->h2)) {
            http_break(c, OP_PROTOCOL, h2_failure(c->h2));
            return false;
        }
        /* A reset right behind the bytes makes no event of its own, so while an answer is missing
         * the end is looked for; otherwise the next request finds it. */
    } while (c->used > 0 || !conn_is_drained(&c->conn));
    if (h2_wants_send(c->h2))
        http_dirty(c);
    http_settle(c);
    return c->h2 != NULL;
}

/* False if nothing further can be sent for now, or ever. */
static bool put(struct http_conn *c, const char *data, size_t len)
{
    size_t done = 0;
    struct conn_error e;

    while (done < len) {
        ssize_t n = conn_send(&c->conn, data + done, len - done, &e);

        if (n == CONN_WAIT)
            break;
        if (n < 0) { /* what the peer said before may explain it */
            c->conn.peer_closed = true;
            c->rest_len = 0;
            if (receive(c))
                ended(c, route_outcome(e.fault), e.why);
            return false;
        }
        done += (size_t)n;
    }
    c->sent += done;
    if (len - done > c->rest_cap) {
        c->rest_cap = (uint32_t)(len - done);
        c->rest = xrealloc(c->rest, c->rest_cap);
    }
    memmove(c->rest ? c->rest : c->lane->out, data + done, len - done);
    c->rest_len = (uint32_t)(len - done);
    return done == len;
}

static void h2_conn_flush(struct http_conn *c)
{
    size_t n;

    if (c->rest_len > 0 && !put(c, c->rest, c->rest_len))
        return;
    do {
        c->busy = true;
        n = h2_send(c->h2, c->lane->out, SEND_BYTES);
        c->busy = false;
        if (n > 0 && !put(c, c->lane->out, n))
            return;
    } while (n > SEND_BYTES - H2_SEND_ROOM);
    if (h2_failure(c->h2))
        http_break(c, OP_PROTOCOL, h2_failure(c->h2));
    else if (h2_over(c->h2))
        ended(c, OP_RESET, "closed before the answer was complete");
    else
        http_settle(c);
}

static void h2_conn_ready(struct http_conn *c)
{
    if (c->rest_len > 0)
        http_dirty(c);
    receive(c);
}

const struct http_protocol http_h2 = {
    .open = h2_conn_open,
    .send = h2_conn_send,
    .ready = h2_conn_ready,
    .flush = h2_conn_flush,
    .cancel = h2_conn_cancel,
};

/*
 * http_exchange.c - one request and its answer, on one connection.
 *
 * The request is written as soon as it can be.  The answer is read into the lane's one buffer and
 * parsed there; only an unfinished line or head is carried over in the connection, and the answer
 * itself is kept only if something will look into it.  A request that finds its kept connection
 * dead before any byte of an answer goes out once more on a new one, if its method may be repeated
 * (RFC 9112 9.3.1); the clock it is measured by goes on.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/units.h"
#include "driver/http.h"

static void advance(struct http_op *h);
static bool receive(struct http_op *h);

static struct http_lane *lane_of(const struct http_op *h)
{
    return h->op->lane->priv;
}

static enum outcome outcome_of(enum conn_fault fault)
{
    static const enum outcome table[] = {
        [CONN_REFUSED] = OP_REFUSED,   [CONN_UNREACHABLE] = OP_UNREACHABLE,
        [CONN_TIMED_OUT] = OP_TIMEOUT, [CONN_LOCAL] = OP_LOCAL,
        [CONN_RESET] = OP_RESET,       [CONN_TLS] = OP_TLS,
    };

    return table[fault];
}

/* Connecting and handshaking have a sample only where there was a connection made for this request.
 */
static void report_connection(struct http_op *h)
{
    const struct conn *c = &h->conn->conn;
    uint64_t begun = h->op->begun_ns, start = h->fresh ? c->opened_ns : begun;

    op_value(h->op, HTTP_BLOCKED, start > begun ? (double)(start - begun) : 0);
    if (h->retried)
        op_count(h->op, HTTP_RETRIES, 1);
    if (!h->fresh || !c->connected_ns)
        return;
    op_count(h->op, HTTP_OPENED, 1);
    op_value(h->op, HTTP_CONNECTING, (double)(c->connected_ns - c->opened_ns));
    if (c->secured_ns)
        op_value(h->op, HTTP_TLS, (double)(c->secured_ns - c->connected_ns));
    if (c->resumed)
        op_count(h->op, HTTP_RESUMED, 1);
}

/* The end of every operation; the connection has been reported and is the caller's no more. */
static void finish(struct http_op *h, enum outcome outcome, const char *why, uint64_t end)
{
    op_count(h->op, HTTP_REQS, 1);
    op_rate(h->op, HTTP_FAILED, outcome != OP_OK);
    op_bytes(h->op, h->sent, h->received);
    h->conn = NULL;
    op_done_at(h->op, outcome, why, end);
}

static void fail(struct http_op *h, enum outcome outcome, const char *why, uint64_t now)
{
    report_connection(h);
    http_drop(h->conn);
    finish(h, outcome, why, now);
}

static void open_connection(struct http_op *h, uint64_t now)
{
    struct http_lane *l = lane_of(h);
    struct conn *c = &h->conn->conn;
    struct conn_error e;

    h->fresh = true;
    h->turn = l->turn;
    l->turn += (unsigned)h->op->lane->job->lane_count;
    if (!conn_open(c, &l->job->route, h->turn, now, &e))
        fail(h, outcome_of(e.fault), e.why, now);
    else if (c->state != CONN_CONNECTING)
        advance(h);
}

static bool may_retry(const struct http_op *h)
{
    return !h->fresh && !h->retried && h->received == 0 && h->request->idempotent;
}

/* The connection ended before the answer did. */
static void broken(struct http_op *h, enum outcome outcome, const char *why)
{
    uint64_t now = now_ns();

    if (outcome != OP_RESET || !may_retry(h)) {
        fail(h, outcome, why, now);
        return;
    }
    http_drop(h->conn);
    h->conn = http_take_closed(lane_of(h));
    h->conn->op = h;
    h->retried = true;
    h->sent = 0;
    open_connection(h, now);
}

/* An answer may come, and be worth having, before all of the request was taken. */
static void send_more(struct http_op *h)
{
    struct conn *c = &h->conn->conn;
    struct conn_error e;

    while (h->sent < h->len) {
        ssize_t n = conn_send(c, h->bytes + h->sent, h->len - h->sent, &e);

        if (n == CONN_WAIT)
            return;
        if (n < 0) {
            c->peer_closed = true;
            if (receive(h))
                broken(h, outcome_of(e.fault), e.why);
            return;
        }
        h->sent += (size_t)n;
    }
    h->sent_ns = now_ns();
}

static void begin_sending(struct http_op *h, uint64_t now)
{
    struct http_conn *c = h->conn;

    http1_init(&c->parser, HTTP1_RESPONSE, HEAD_BYTES);
    c->parser.no_body = h->request->head;
    c->rest_len = 0;
    h->sent = 0;
    h->send_ns = now;
    h->sent_ns = h->first_ns = h->last_ns = 0;
    h->kept_head = h->kept_len = 0;
    h->cut = false;
    send_more(h);
}

void http_begin(struct http_op *h)
{
    struct http_lane *l = lane_of(h);
    bool open;

    h->sent = h->received = 0;
    h->conn = http_take(l, &open);
    h->conn->op = h;
    h->fresh = !open;
    if (open)
        begin_sending(h, h->op->begun_ns);
    else
        open_connection(h, h->op->begun_ns);
}

static void keep(struct http_op *h, const struct http1_span *span, size_t max)
{
    size_t room = max > h->kept_len ? max - h->kept_len : 0;
    size_t n = span->len < room ? span->len : room;

    h->cut |= n < span->len;
    if (h->kept_len + n > h->kept_cap) {
        h->kept_cap = (h->kept_len + n) * 2;
        h->kept = xrealloc(h->kept, h->kept_cap);
    }
    if (n > 0)
        memcpy(h->kept + h->kept_len, span->data, n);
    h->kept_len += n;
}

static void keep_captures(struct http_op *h, struct answer *a)
{
    struct http_job *j = lane_of(h)->job;

    for (int i = 0; j->captured && i < h->request->capture_count; i++)
        if (!source_text(&h->request->captures[i].from, a, j->captured[i], CAPTURED_MAX))
            j->captured[i][0] = '\0';
}

static bool judge(struct http_op *h, char why[WHY_MAX])
{
    struct answer a = {
        .status = h->conn->parser.status,
        .head = h->kept,
        .head_len = h->kept_head,
        .body = h->kept + h->kept_head,
        .body_len = h->kept_len - h->kept_head,
        .cut = h->cut,
    };
    bool ok = request_judge(h->request, &a, h->op, HTTP_METRICS, why);

    keep_captures(h, &a);
    answer_release(&a);
    return ok;
}

static void report_times(struct http_op *h)
{
    uint64_t sent = h->sent_ns && h->sent_ns < h->first_ns ? h->sent_ns : h->first_ns;

    op_value(h->op, HTTP_DURATION, (double)(h->last_ns - h->send_ns));
    op_value(h->op, HTTP_SENDING, (double)(sent - h->send_ns));
    op_value(h->op, HTTP_WAITING, (double)(h->first_ns - sent));
    op_value(h->op, HTTP_RECEIVING, (double)(h->last_ns - h->first_ns));
}

/* The answer is complete; `surplus` bytes came behind it that nobody asked for. */
static void complete(struct http_op *h, size_t surplus)
{
    struct http_conn *c = h->conn;
    bool reuse = lane_of(h)->job->connection == CONNECTION_KEEP && c->parser.keep_alive &&
                 surplus == 0 && h->sent == h->len && !c->conn.peer_closed &&
                 !conn_has_unread(&c->conn);
    bool resumed = c->conn.resumed && lane_of(h)->job->connection == CONNECTION_NEW;
    char why[WHY_MAX] = "";
    bool ok = judge(h, why);

    report_connection(h);
    report_times(h);
    if (reuse)
        http_keep(c);
    else
        http_drop(c);
    if (resumed)
        finish(h, OP_TLS, "the handshake was resumed, and a full one was asked for", h->last_ns);
    else
        finish(h, ok ? OP_OK : OP_UNEXPECTED, ok ? NULL : why, h->last_ns);
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
            fail(h, OP_PROTOCOL, p->why, h->last_ns);
            return false;
        }
        if (event == HTTP1_END) {
            complete(h, len);
            return false;
        }
        if (event == HTTP1_HEAD && h->request->answer_needed) {
            keep(h, &span, HEAD_BYTES);
            h->kept_head = h->kept_len;
        } else if (event == HTTP1_BODY && h->request->body_needed) {
            keep(h, &span, h->kept_head + (size_t)lane_of(h)->job->opts->max_body);
        }
    }
}

static void end_of_stream(struct http_op *h)
{
    struct http1 *p = &h->conn->parser;

    switch (http1_eof(p)) {
    case HTTP1_END:
        complete(h, 0);
        break;
    case HTTP1_MORE:
        broken(h, OP_RESET, "closed before any answer");
        break;
    default:
        broken(h, OP_RESET, p->why);
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
static void stalled(struct http_op *h, ssize_t n, const struct conn_error *e)
{
    if (n == CONN_EOF)
        end_of_stream(h);
    else if (n == CONN_ERROR)
        broken(h, outcome_of(e->fault), e->why);
}

/* True if there is nothing more to receive for now, and the operation goes on. */
static bool receive(struct http_op *h)
{
    struct http_conn *c = h->conn;
    char *scratch = lane_of(h)->scratch;
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
            stalled(h, n, &e);
            return n == CONN_WAIT;
        }
        h->last_ns = now_ns();
        if (!h->first_ns)
            h->first_ns = h->last_ns;
        h->received += (uint64_t)n;
        room -= (size_t)n;
        len = left + (size_t)n;
        if (!feed(h, scratch, len, &left))
            return false;
        memmove(scratch, scratch + len - left, left);
    } while (room == 0 || c->conn.ssl || c->conn.peer_closed);
    carry_over(c, scratch, left);
    return true;
}

static void advance(struct http_op *h)
{
    struct conn *c = &h->conn->conn;
    struct conn_error e;

    switch (conn_advance(c, h->turn, &e)) {
    case CONN_OPEN:
        begin_sending(h, c->secured_ns ? c->secured_ns : c->connected_ns);
        /* What came with the event that opened the connection is not announced again. */
        if (c->readable && h->conn && &h->conn->conn == c && c->state == CONN_OPEN)
            receive(h);
        break;
    case CONN_CLOSED:
        fail(h, outcome_of(e.fault), e.why, now_ns());
        break;
    default:
        break;
    }
}

void http_ready(struct conn *conn)
{
    struct http_op *h = ((struct http_conn *)conn)->op;

    if (conn->state != CONN_OPEN) {
        advance(h);
        return;
    }
    if (h->sent < h->len)
        send_more(h);
    if (h->conn == (struct http_conn *)conn && conn->state == CONN_OPEN)
        receive(h);
}

/* How far it had come says what did not come in time. */
static void describe_timeout(const struct http_op *h, char why[WHY_MAX])
{
    static const char *const missing[] = {
        [CONN_CLOSED] = "connection",
        [CONN_CONNECTING] = "connection",
        [CONN_SECURING] = "TLS handshake",
        [CONN_OPEN] = "first byte of an answer",
    };
    char limit[UNITS_MAX];

    units_print_duration((double)h->request->timeout, limit);
    if (h->received > 0)
        snprintf(why, WHY_MAX, "answer incomplete after %s", limit);
    else if (h->conn->conn.state == CONN_OPEN && h->sent < h->len)
        snprintf(why, WHY_MAX, "request not taken within %s", limit);
    else
        snprintf(why, WHY_MAX, "no %s within %s", missing[h->conn->conn.state], limit);
}

void http_expire(struct timer *t, uint64_t now)
{
    struct http_op *h = (struct http_op *)((char *)t - offsetof(struct http_op, timer));
    char why[WHY_MAX];

    if (!h->conn)
        return;
    if (now < h->deadline) {
        h->timer_at = h->deadline;
        timers_set(h->op->lane->timers, t, h->deadline);
        return;
    }
    describe_timeout(h, why);
    fail(h, OP_TIMEOUT, why, now);
}

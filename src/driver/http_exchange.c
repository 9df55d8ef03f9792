/*
 * http_exchange.c - one request and its answer, whatever version of HTTP carries them.
 *
 * The request is begun as soon as its connection is open.  The answer itself is kept only if
 * something will look into it.  A request that finds its kept connection dead before any byte of an
 * answer goes out again, if its method may be repeated (RFC 9110 9.2.2), and so does any request
 * that the peer says it has not processed (RFC 9113 8.7); the clock it is measured by goes on.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/units.h"
#include "driver/http.h"
#include "driver/route.h"

#define RETRIES_MAX 3

static void advance(struct http_conn *c);

static struct http_lane *lane_of(const struct http_op *h)
{
    return h->op->lane->priv;
}

/* From its turn until a connection was begun for it, or had room for it. */
static uint64_t blocked(const struct http_op *h)
{
    uint64_t begun = h->op->begun_ns, end = h->send_ns;

    if (h->conn && h->fresh)
        end = h->conn->conn.opened_ns;
    return end > begun ? end - begun : 0;
}

/* Connecting and handshaking have a sample only where there was a connection made for this request.
 */
static void report_connection(struct http_op *h)
{
    const struct conn *c = h->conn ? &h->conn->conn : NULL;

    op_value(h->op, HTTP_BLOCKED, (double)blocked(h));
    if (h->retries > 0)
        op_count(h->op, HTTP_RETRIES, h->retries);
    if (!c || !h->fresh || !c->connected_ns)
        return;
    op_count(h->op, HTTP_OPENED, 1);
    op_value(h->op, HTTP_CONNECTING, (double)(c->connected_ns - c->opened_ns));
    if (c->secured_ns)
        op_value(h->op, HTTP_TLS, (double)c->securing_ns);
    if (c->resumed)
        op_count(h->op, HTTP_RESUMED, 1);
}

/* The end of every operation; it has been reported and has left its connection. */
static void finish(struct http_op *h, enum outcome outcome, const char *why, uint64_t end)
{
    op_count(h->op, HTTP_REQS, 1);
    op_rate(h->op, HTTP_FAILED, outcome != OP_OK);
    op_bytes(h->op, h->sent_bytes, h->received);
    h->active = false;
    op_done_at(h->op, outcome, why, end);
}

/* A connection that has not come about has nothing else to live for than what waits for it. */
static void abandon(struct http_op *h)
{
    struct http_conn *c = h->conn;

    if (c->protocol)
        c->protocol->cancel(h);
    else if (c->used == 1)
        c->ending = true;
    http_leave(h);
}

void http_fail(struct http_op *h, enum outcome outcome, const char *why, uint64_t now)
{
    report_connection(h);
    if (h->conn)
        abandon(h);
    finish(h, outcome, why, now);
}

void http_open(struct http_op *h, uint64_t now)
{
    struct http_lane *l = lane_of(h);
    struct http_conn *c = h->conn;
    struct conn_error e;

    c->turn = l->turn;
    l->turn += (unsigned)h->op->lane->job->lane_count;
    if (!conn_open(&c->conn, &l->job->route, c->turn, now, &e))
        http_fail(h, route_outcome(e.fault), e.why, now);
    else if (c->conn.state != CONN_CONNECTING)
        advance(c);
}

/* RFC 9110 9.2.2; a connection that never worked is no kept one that the peer gave up. */
static bool may_retry(const struct http_op *h)
{
    return h->conn->proven && h->retries < RETRIES_MAX && h->first_ns == 0 &&
           h->request->idempotent;
}

static void again(struct http_op *h)
{
    http_leave(h);
    h->retries++;
    h->send_ns = h->sent_ns = h->first_ns = h->last_ns = 0;
}

void http_refused(struct http_op *h, const char *why)
{
    uint64_t now = now_ns();

    if (h->retries == RETRIES_MAX) {
        http_fail(h, OP_RESET, why, now);
        return;
    }
    again(h);
    http_place(h, now);
}

void http_break(struct http_conn *c, enum outcome outcome, const char *why)
{
    struct http_ops repeated = TAILQ_HEAD_INITIALIZER(repeated);
    uint64_t now = now_ns();
    struct http_op *h, *next;
    int left = c->used;

    c->ending = true;
    if (left == 0)
        http_settle(c);
    for (h = TAILQ_FIRST(&c->ops); left-- > 0; h = next) {
        next = TAILQ_NEXT(h, link);
        h->stream = 0;
        if (outcome == OP_RESET && may_retry(h)) {
            again(h);
            TAILQ_INSERT_TAIL(&repeated, h, link);
        } else {
            http_fail(h, outcome, why, now);
        }
    }
    while ((h = TAILQ_FIRST(&repeated))) {
        TAILQ_REMOVE(&repeated, h, link);
        http_place(h, now);
    }
}

void http_sending(struct http_op *h, uint64_t now)
{
    h->sent = 0;
    h->send_ns = now;
    h->sent_ns = h->first_ns = h->last_ns = 0;
    h->kept_head = h->kept_len = 0;
    h->cut = h->headed = false;
}

void http_begin(struct http_op *h)
{
    h->sent_bytes = h->received = 0;
    h->send_ns = h->sent_ns = h->first_ns = h->last_ns = 0;
    h->stream = 0;
    h->active = true;
    http_place(h, h->op->begun_ns);
}

void http_keep(struct http_op *h, const char *data, size_t len, enum http_kept part)
{
    size_t max = part == HTTP_KEEP_HEAD ? HEAD_BYTES
                                        : h->kept_head + (size_t)lane_of(h)->job->opts->max_body;
    size_t room = max > h->kept_len ? max - h->kept_len : 0, n = len < room ? len : room;

    h->cut |= n < len;
    if (h->kept_len + n > h->kept_cap) {
        h->kept_cap = (h->kept_len + n) * 2;
        h->kept = xrealloc(h->kept, h->kept_cap);
    }
    if (n > 0)
        memcpy(h->kept + h->kept_len, data, n);
    h->kept_len += n;
}

/* A step that promises a value to later phases and does not find it has failed. */
static bool keep_captures(struct http_op *h, struct answer *a, char why[WHY_MAX])
{
    struct http_job *j = lane_of(h)->job;

    for (int i = 0; j->captured && i < h->request->capture_count; i++) {
        const struct capture *c = &h->request->captures[i];
        char missing[80];

        if (source_text(&c->from, a, j->captured[i], CAPTURED_MAX))
            continue;
        j->captured[i][0] = '\0';
        source_missing(&c->from, a, CAPTURED_MAX, missing);
        snprintf(why, WHY_MAX, "nothing to capture as %.60s: %s", c->name, missing);
        return false;
    }
    return true;
}

static bool judge(struct http_op *h, char why[WHY_MAX])
{
    struct answer a = {
        .status = h->status,
        .head = h->kept,
        .head_len = h->kept_head,
        .body = h->kept + h->kept_head,
        .body_len = h->kept_len - h->kept_head,
        .cut = h->cut,
        .quote = h->op->lane->job->verify,
    };
    bool ok = request_judge(h->request, &a, h->op, HTTP_METRICS, why) && keep_captures(h, &a, why);

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
    op_value(h->op, HTTP_LAG, (double)(h->conn->conn.read_ns - h->conn->conn.received_ns));
}

/* What `connection:` asked for is asserted; the first handshake of a slot has nothing to resume. */
static const char *wrong_handshake(const struct http_conn *c, enum connection mode)
{
    if (mode == CONNECTION_NEW && c->conn.resumed)
        return "the handshake was resumed, and a full one was asked for";
    if (mode == CONNECTION_RESUME && c->primed && !c->conn.resumed)
        return c->conn.session ? "the handshake was a full one, and a resumed one was asked for"
                               : "the server gave no session to resume";
    return NULL;
}

void http_complete(struct http_op *h)
{
    struct http_conn *c = h->conn;
    enum connection mode = lane_of(h)->job->connection;
    const char *wrong = wrong_handshake(c, mode);
    char why[WHY_MAX] = "";
    bool ok = judge(h, why);

    op_status(h->op, h->status);
    report_connection(h);
    report_times(h);
    c->proven = c->primed = true;
    http_leave(h);
    if (wrong)
        finish(h, OP_TLS, wrong, h->last_ns);
    else
        finish(h, ok ? OP_OK : OP_UNEXPECTED, ok ? NULL : why, h->last_ns);
}

static const struct http_protocol *agreed(const struct http_conn *c)
{
    switch (c->lane->job->version) {
    case HTTP_2:
        return conn_speaks(&c->conn, "h2") ? &http_h2 : NULL;
    case HTTP_2_CLEAR:
        return &http_h2;
    case HTTP_AUTO:
        return conn_speaks(&c->conn, "h2") ? &http_h2 : &http_h1;
    default:
        return &http_h1;
    }
}

/* What joined a connection that turned out to take one operation at a time goes elsewhere. */
static void part_with_surplus(struct http_conn *c)
{
    struct http_op *h = TAILQ_NEXT(TAILQ_FIRST(&c->ops), link), *next;
    struct http_ops surplus = TAILQ_HEAD_INITIALIZER(surplus);

    for (; h; h = next) {
        next = TAILQ_NEXT(h, link);
        http_leave(h);
        TAILQ_INSERT_TAIL(&surplus, h, link);
    }
    while ((h = TAILQ_FIRST(&surplus))) {
        TAILQ_REMOVE(&surplus, h, link);
        http_place(h, now_ns());
    }
}

static void opened(struct http_conn *c)
{
    uint64_t now = c->conn.secured_ns ? c->conn.secured_ns : c->conn.connected_ns;
    struct http_op *h, *next;

    c->protocol = agreed(c);
    if (!c->protocol) {
        http_break(c, OP_TLS, "the server did not choose h2, which protocol: h2 asks for (ALPN)");
        return;
    }
    c->lane->single_file = c->protocol == &http_h1;
    c->protocol->open(c);
    if (c->lane->single_file && c->used > 1)
        part_with_surplus(c);
    http_settle(c);
    for (h = TAILQ_FIRST(&c->ops); h; h = next) {
        next = TAILQ_NEXT(h, link);
        c->protocol->send(h, now);
    }
}

static void advance(struct http_conn *c)
{
    struct conn_error e;

    switch (conn_advance(&c->conn, c->turn, &e)) {
    case CONN_OPEN:
        opened(c);
        /* What came with the event that opened the connection is not announced again. */
        if (c->conn.readable && c->protocol && c->conn.state == CONN_OPEN)
            c->protocol->ready(c);
        break;
    case CONN_CLOSED:
        http_break(c, route_outcome(e.fault), e.why);
        break;
    default:
        break;
    }
}

void http_ready(struct conn *conn)
{
    struct http_conn *c = (struct http_conn *)conn;

    if (conn->state == CONN_OPEN)
        c->protocol->ready(c);
    else
        advance(c);
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
    enum conn_state state = h->conn ? (enum conn_state)h->conn->conn.state : CONN_CLOSED;
    char limit[UNITS_MAX];

    units_print_duration((double)h->request->timeout, limit);
    if (!h->conn)
        snprintf(why, WHY_MAX, "no free connection within %s", limit);
    else if (h->first_ns > 0)
        snprintf(why, WHY_MAX, "answer incomplete after %s", limit);
    else if (state == CONN_OPEN && !h->sent_ns)
        snprintf(why, WHY_MAX, "request not taken within %s", limit);
    else
        snprintf(why, WHY_MAX, "no %s within %s", missing[state], limit);
}

void http_expire(struct timer *t, uint64_t now)
{
    struct http_op *h = (struct http_op *)((char *)t - offsetof(struct http_op, timer));
    struct http_conn *c = h->conn;
    char why[WHY_MAX];

    if (!h->active)
        return;
    if (now < h->deadline) {
        h->timer_at = h->deadline;
        timers_set(h->op->lane->timers, t, h->deadline);
        return;
    }
    describe_timeout(h, why);
    if (h->waiting)
        TAILQ_REMOVE(&lane_of(h)->waiting, h, link);
    h->waiting = false;
    /* A connection on which nothing at all has come meanwhile takes nothing further. */
    if (c && c->protocol && c->conn.read_ns < h->send_ns)
        c->ending = true;
    http_fail(h, OP_TIMEOUT, why, now);
}

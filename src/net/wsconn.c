/*
 * wsconn.c - what a WebSocket client does with its connection.
 *
 * Bytes are read into the scratch memory of the thread and parsed there; only an unfinished head or
 * message is kept.  An event may close the connection, so after each one the state is looked at
 * before anything else is touched.
 */
#include "net/wsconn.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/rng.h"

#define HEAD_MAX  16384
#define PONGS_MAX 65536 /* bytes that wait for a peer beyond which its pings are not answered */

enum { S_CLOSED, S_CONNECTING, S_UPGRADING, S_OPEN, S_CLOSING };

static void tell(struct wsconn *c, enum wsconn_event what, const char *data, size_t len)
{
    struct http1_span span = {data, len};

    c->event(c, what, &span);
}

bool wsconn_is_open(const struct wsconn *c)
{
    return c->state == S_OPEN;
}

size_t wsconn_waiting(const struct wsconn *c)
{
    return c->out.len;
}

static void release(struct wsconn *c)
{
    c->state = S_CLOSED;
    conn_close(&c->conn);
    buf_free(&c->head);
    buf_free(&c->message);
    buf_free(&c->out);
    c->blocked = false;
}

void wsconn_drop(struct wsconn *c)
{
    release(c);
}

void wsconn_free(struct wsconn *c)
{
    release(c);
    conn_free(&c->conn);
}

static void end_failed(struct wsconn *c)
{
    release(c);
    tell(c, WSCONN_FAILED, NULL, 0);
}

static void end_closed(struct wsconn *c)
{
    release(c);
    tell(c, WSCONN_CLOSED, NULL, 0);
}

static void broken(struct wsconn *c, const char *why)
{
    c->broke = true;
    c->error.fault = CONN_RESET;
    snprintf(c->error.why, sizeof(c->error.why), "%s", why);
    end_failed(c);
}

/*
 * What cannot be written is dropped, and what ended the connection is left for the next read to
 * tell: a close frame that came before the end says more about it than a broken pipe.
 */
static void flush(struct wsconn *c)
{
    struct conn_error ignored;
    size_t done = 0;
    ssize_t n = 0;

    while (done < c->out.len && n >= 0) {
        n = conn_send(&c->conn, c->out.data + done, c->out.len - done, &ignored);
        if (n > 0)
            done += (size_t)n;
    }
    c->sent += done;
    if (n == CONN_ERROR)
        done = c->out.len;
    c->blocked = done < c->out.len;
    if (!c->blocked) {
        buf_free(&c->out);
        return;
    }
    memmove(c->out.data, c->out.data + done, c->out.len - done);
    c->out.len -= done;
}

static void add_frame(struct wsconn *c, enum ws_opcode opcode, const void *data, size_t len)
{
    uint32_t bits = (uint32_t)rng_next(&c->rng);
    uint8_t mask[4];

    memcpy(mask, &bits, sizeof(mask));
    ws_frame(&c->out, opcode, true, data, len, mask);
}

void wsconn_send(struct wsconn *c, enum ws_opcode opcode, const void *data, size_t len)
{
    if (c->state != S_OPEN)
        return;
    c->messages_sent += opcode == WS_TEXT || opcode == WS_BINARY;
    add_frame(c, opcode, data, len);
    if (!c->blocked)
        flush(c);
}

void wsconn_finish(struct wsconn *c, uint16_t code, const char *reason)
{
    char payload[WS_CONTROL_MAX];
    size_t len = ws_close_payload(payload, code, reason);

    if (c->state != S_OPEN)
        return;
    add_frame(c, WS_CLOSE, payload, len);
    c->state = S_CLOSING;
    c->code = code;
    snprintf(c->reason, sizeof(c->reason), "%s", reason ? reason : "");
    if (!c->blocked)
        flush(c);
}

/* The peer's close frame: it is answered with the same code, and the peer then ends the connection
 * (RFC 6455 5.5.1); nothing is left to wait for here. */
static void take_close(struct wsconn *c, const struct http1_span *payload)
{
    if (c->state == S_OPEN) {
        c->code = c->ws.code;
        snprintf(c->reason, sizeof(c->reason), "%.*s", payload->len > 2 ? (int)payload->len - 2 : 0,
                 payload->len > 2 ? payload->data + 2 : "");
        add_frame(c, WS_CLOSE, payload->data, payload->len);
        if (!c->blocked)
            flush(c);
    }
    end_closed(c);
}

static void take_control(struct wsconn *c, const struct http1_span *payload)
{
    if (c->ws.opcode == WS_CLOSE) {
        take_close(c, payload);
    } else if (c->ws.opcode == WS_PONG) {
        tell(c, WSCONN_PONG, payload->data, payload->len);
    } else if (c->state == S_OPEN && c->out.len < PONGS_MAX) {
        add_frame(c, WS_PONG, payload->data, payload->len);
        if (!c->blocked)
            flush(c);
    }
}

static void take_message(struct wsconn *c)
{
    struct buf whole = c->message;

    c->message = (struct buf){0};
    c->messages_received++;
    if (c->state == S_OPEN)
        tell(c, c->ws.opcode == WS_TEXT ? WSCONN_TEXT : WSCONN_BINARY, buf_text(&whole), whole.len);
    buf_free(&whole);
}

static void read_frames(struct wsconn *c, char *data, size_t len)
{
    struct http1_span span;
    enum ws_event event;
    size_t used;

    while (c->state >= S_OPEN) {
        event = ws_next(&c->ws, data, len, &used, &span);
        data += used;
        len -= used;
        if (event == WS_MORE)
            return;
        if (event == WS_BAD)
            broken(c, c->ws.why);
        else if (event == WS_DATA)
            buf_add(&c->message, span.data, span.len);
        else if (event == WS_END)
            take_message(c);
        else
            take_control(c, &span);
    }
}

static void take_answer(struct wsconn *c, const struct http1_span *head, char *rest, size_t len)
{
    const char *why = ws_refusal(&c->parser, head, c->key);

    if (c->parser.status != 101)
        c->status = c->parser.status;
    if (why) {
        broken(c, why);
        return;
    }
    buf_free(&c->head);
    c->state = S_OPEN;
    c->upgraded_ns = now_ns();
    ws_init(&c->ws, WS_CLIENT, c->peer->frame_max, c->peer->message_max);
    tell(c, WSCONN_OPEN, NULL, 0);
    read_frames(c, rest, len);
}

/* The head is kept in `head` until all of it is there; what follows it are frames. */
static void read_answer(struct wsconn *c, const char *data, size_t len)
{
    struct buf all = c->head;
    struct http1_span span;
    enum http1_event event;
    size_t used;

    buf_add(&all, data, len);
    c->head = (struct buf){0};
    event = http1_next(&c->parser, all.data, all.len, &used, &span);
    while (event == HTTP1_INFO) {
        all.len -= used;
        memmove(all.data, all.data + used, all.len);
        event = http1_next(&c->parser, all.data, all.len, &used, &span);
    }
    if (event == HTTP1_MORE) {
        c->head = all;
        return;
    }
    if (event == HTTP1_HEAD)
        take_answer(c, &span, all.data + used, all.len - used);
    else
        broken(c, c->parser.why ? c->parser.why : "the upgrade was not answered");
    buf_free(&all);
}

static void end_of_stream(struct wsconn *c)
{
    if (c->state == S_CLOSING) {
        end_closed(c);
        return;
    }
    c->code = c->state == S_OPEN ? WS_CODE_UNSENT : 0;
    c->error.fault = CONN_RESET;
    snprintf(c->error.why, sizeof(c->error.why), "%s",
             c->state == S_OPEN ? "closed without a close frame" : "closed before the upgrade");
    end_failed(c);
}

static void receive(struct wsconn *c)
{
    size_t room = WSCONN_SCRATCH;
    ssize_t n;

    do {
        n = conn_recv(&c->conn, c->scratch, room, &c->error);
        if (n == CONN_EOF)
            end_of_stream(c);
        else if (n == CONN_ERROR && c->state == S_CLOSING)
            end_closed(c);
        else if (n == CONN_ERROR)
            end_failed(c);
        if (n <= 0)
            return;
        c->received += (uint64_t)n;
        if (c->state == S_UPGRADING)
            read_answer(c, c->scratch, (size_t)n);
        else
            read_frames(c, c->scratch, (size_t)n);
    } while (c->state != S_CLOSED && ((size_t)n == room || c->conn.ssl || c->conn.peer_closed));
}

/* RFC 6455 4.1. */
static void ask(struct wsconn *c)
{
    uint64_t nonce[2] = {rng_next(&c->rng), rng_next(&c->rng)};

    ws_key(c->key, (const uint8_t *)nonce);
    buf_printf(&c->out,
               "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n%s\r\n",
               c->peer->path, c->peer->host, c->key, c->peer->fields ? c->peer->fields : "");
    c->state = S_UPGRADING;
    http1_init(&c->parser, HTTP1_RESPONSE, HEAD_MAX);
}

static void advance(struct wsconn *c)
{
    switch (conn_advance(&c->conn, c->turn, &c->error)) {
    case CONN_OPEN:
        ask(c);
        flush(c);
        receive(c);
        break;
    case CONN_CLOSED:
        end_failed(c);
        break;
    default:
        break;
    }
}

static void on_ready(struct conn *conn)
{
    struct wsconn *c = (struct wsconn *)conn;

    if (c->state == S_CONNECTING) {
        advance(c);
        return;
    }
    if (c->blocked) {
        flush(c);
        if (!c->blocked)
            tell(c, WSCONN_WRITABLE, NULL, 0);
    }
    if (c->state != S_CLOSED)
        receive(c);
}

void wsconn_open(struct wsconn *c, unsigned turn, uint64_t now)
{
    c->conn.ready = on_ready;
    c->state = S_CONNECTING;
    c->turn = turn;
    c->sent = c->received = c->messages_sent = c->messages_received = c->upgraded_ns = 0;
    c->code = 0;
    c->status = 0;
    c->reason[0] = '\0';
    c->broke = false;
    c->error = (struct conn_error){0};
    if (!conn_open(&c->conn, &c->peer->route, turn, now, &c->error))
        end_failed(c);
    else if (c->conn.state != CONN_CONNECTING)
        advance(c);
}

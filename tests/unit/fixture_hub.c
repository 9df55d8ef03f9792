#include "fixture_hub.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#include "unit.h"

static bool fill(struct hub *h)
{
    char data[4096];
    ssize_t n = recv(h->peer, data, sizeof(data), 0);

    if (n > 0)
        buf_add(&h->in, data, (size_t)n);
    return n > 0;
}

static void drop(struct buf *b, size_t n)
{
    b->len -= n;
    memmove(b->data, b->data + n, b->len);
}

/* The next text, ping or close; false at the end of the connection. */
static bool read_one(struct hub *h, char want)
{
    for (;;) {
        struct http1_span span;
        size_t used;
        enum ws_event event = ws_next(&h->ws, h->in.data, h->in.len, &used, &span);

        if (event == WS_DATA)
            buf_add(&h->message, span.data, span.len);
        if (event == WS_CONTROL && h->ws.opcode == WS_PING && want == 'P')
            buf_add(&h->message, span.data, span.len);
        drop(&h->in, used);
        if (event == WS_BAD || (event == WS_CONTROL && h->ws.opcode == WS_CLOSE))
            return false;
        if (event == WS_END ? want == 'T' : event == WS_CONTROL && want == 'P')
            return true;
        if (event == WS_MORE && !fill(h))
            return false;
    }
}

static void put(struct hub *h, enum ws_opcode opcode, const void *data, size_t len)
{
    struct buf out = {0};

    ws_frame(&out, opcode, true, data, len, NULL);
    send(h->peer, out.data, out.len, MSG_NOSIGNAL); /* a client that is gone ends the next read */
    buf_free(&out);
}

static bool upgrade(struct hub *h, bool take)
{
    char accept[WS_ACCEPT_MAX], answer[256], key[WS_KEY_MAX], *at;

    do
        if (!fill(h))
            return false;
    while (!strstr(h->in.data, "\r\n\r\n"));
    at = strstr(h->in.data, "Sec-WebSocket-Key: ");
    assert_non_null(at);
    snprintf(key, sizeof(key), "%.24s", at + 19);
    ws_accept(accept, key);
    snprintf(answer, sizeof(answer),
             take ? "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    "Sec-WebSocket-Accept: %s\r\n\r\n"
                  : "HTTP/1.1 403 x\r\nX-Accept: %s\r\nContent-Length: 0\r\n\r\n",
             accept);
    send(h->peer, answer, strlen(answer), MSG_NOSIGNAL);
    drop(&h->in, h->in.len);
    ws_init(&h->ws, WS_SERVER, 4096, 4096);
    return true;
}

static const uint8_t visitor[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

static bool put_control(struct hub *h, const char *event, const char *more)
{
    struct buf b = {0};

    buf_printf(&b,
               "\x02{\"event\":\"%s\",\"client_id\":\"01020304-0506-0708-090a-0b0c0d0e0f10\"%s}",
               event, more);
    put(h, WS_BINARY, b.data, b.len);
    buf_free(&b);
    return true;
}

static bool put_data(struct hub *h, const char *text)
{
    struct buf b = {0};

    buf_addc(&b, 1);
    buf_add(&b, visitor, sizeof(visitor));
    buf_adds(&b, text);
    put(h, WS_BINARY, b.data, b.len);
    buf_free(&b);
    return true;
}

static bool put_raw(struct hub *h, const char *data, size_t len)
{
    send(h->peer, data, len, MSG_NOSIGNAL);
    return true;
}

/* Frames that no server may send. */
static bool put_fault(struct hub *h, char c)
{
    switch (c) {
    case 'O':
        return put_raw(h, "\x82\x7f\x00\x00\x00\x01\x00\x00\x00\x00", 10);
    case 'Z':
        return put_raw(h, "\xc1\x01x", 3);
    case '8':
        return put_raw(h, "\x81\x02\xc3\x28", 4);
    case 'K':
        return put_raw(h, "\x09\x01x", 3);
    default:
        return put_raw(h, "\x88\x02\x03\xed", 4); /* 1005 */
    }
}

static bool answer_endlessly(struct hub *h)
{
    static const char head[] = "HTTP/1.1 101 x\r\nX: ";
    char filler[4096];

    memset(filler, 'a', sizeof(filler));
    if (!fill(h))
        return false;
    put_raw(h, head, sizeof(head) - 1);
    for (int i = 0; i < 256; i++)
        if (send(h->peer, filler, sizeof(filler), MSG_NOSIGNAL) < 0)
            return false;
    return true;
}

static bool answer_slowly(struct hub *h)
{
    static const char head[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n";
    struct timespec gap = {0, 10000000};

    if (!fill(h))
        return false;
    for (size_t i = 0; i < sizeof(head) - 1; i++) {
        if (send(h->peer, head + i, 1, MSG_NOSIGNAL) < 0)
            return false;
        nanosleep(&gap, NULL);
    }
    return true;
}

static bool flood(struct hub *h, enum ws_opcode opcode, const char *data, size_t len, int times)
{
    struct buf out = {0};
    bool taken = true;

    for (int i = 0; i < 64; i++)
        ws_frame(&out, opcode, true, data, len, NULL);
    for (int i = 0; taken && i < times; i += 64)
        taken = send(h->peer, out.data, out.len, MSG_NOSIGNAL) == (ssize_t)out.len;
    buf_free(&out);
    return taken;
}

static bool answer_ping(struct hub *h)
{
    if (!read_one(h, 'P'))
        return false;
    atomic_fetch_add(&h->pings, 1);
    put(h, WS_PONG, h->message.data, h->message.len);
    return true;
}

static const char ask[] =
    "\x02{\"event\":\"ping_client\",\"client_id\":\"01020304-0506-0708-090a-0b0c0d0e0f10\"}";

static bool act(struct hub *h, char c)
{
    static const char challenge[] = "{\"type\":\"handshake_challenge\",\"nonce\":\"abc\"}";
    static const char again[] = "{\"type\":\"reauth_challenge\",\"nonce\":\"abc\"}";

    buf_clear(&h->message);
    switch (c) {
    case 'U':
    case 'R':
        return upgrade(h, c == 'U');
    case 'T':
        return read_one(h, 'T');
    case 'P':
        return answer_ping(h);
    case 'S':
        while (answer_ping(h))
            buf_clear(&h->message);
        return false;
    case 'C':
        put(h, WS_TEXT, challenge, sizeof(challenge) - 1);
        return true;
    case 'A':
        put(h, WS_TEXT, again, sizeof(again) - 1);
        return true;
    case 'X':
        put(h, WS_CLOSE, "\x03\xf0not you", 9);
        return true;
    case 'M':
        send(h->peer, "\x81\x81\x01\x02\x03\x04x", 7, MSG_NOSIGNAL);
        return true;
    case 'O':
    case 'Z':
    case '8':
    case 'K':
    case 'B':
        return put_fault(h, c);
    case 'H':
        return answer_endlessly(h);
    case 'h':
        return answer_slowly(h);
    case 'F':
        return flood(h, WS_PING, "0123456789", 10, 1 << 15);
    case 'Q':
        return flood(h, WS_BINARY, ask, sizeof(ask) - 1, 500000);
    case 'J':
        put(h, WS_TEXT, "welcome", 7);
        return true;
    case 'V':
        return put_control(h, "connect", ",\"transport\":\"tcp\",\"is_tls\":false,\"credits\":64");
    case 'G':
        return put_data(h, "GET /?latency=60s HTTP/1.1\r\nHost: x\r\n\r\n");
    case 'D':
        return put_control(h, "disconnect", "");
    case 'W':
        while (fill(h))
            ;
        return false;
    default:
        return false;
    }
}

static void *serve(void *arg)
{
    struct hub *h = arg;

    while ((h->peer = accept(h->fd, NULL, NULL)) >= 0) {
        int n = atomic_load(&h->tries);

        if (n < HUB_TRIES)
            h->tried_ns[n] = now_ns();
        atomic_store(&h->tries, n + 1);
        for (const char *p = h->script; *p && act(h, *p); p++)
            ;
        close(h->peer);
        buf_free(&h->in);
        buf_free(&h->message);
    }
    return NULL;
}

void hub_start(struct hub *h, const char *script)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);

    *h = (struct hub){.fd = socket(AF_INET, SOCK_STREAM, 0), .script = script};
    assert_int_equal(bind(h->fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(h->fd, 16), 0);
    getsockname(h->fd, (struct sockaddr *)&a, &len);
    h->port = ntohs(a.sin_port);
    assert_int_equal(pthread_create(&h->thread, NULL, serve, h), 0);
}

void hub_stop(struct hub *h)
{
    shutdown(h->fd, SHUT_RDWR);
    pthread_join(h->thread, NULL);
    close(h->fd);
}

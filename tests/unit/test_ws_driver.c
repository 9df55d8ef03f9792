/*
 * The ws driver against a hub that does exactly what a script says, letter by letter:
 *
 *     U take up the upgrade   R refuse it with 403    T read a token     P read a ping, answer it
 *     C send a challenge      A challenge again       X close with 1008  E just end
 *     M send a masked frame   J send other text       W wait for the client's end
 *
 * Each connection starts the script again.
 */
#include "unit.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "driver/target.h"
#include "fixture_step.h"
#include "net/ws.h"
#include "spec/diag.h"
#include "spec/opt.h"
#include "spec/yaml.h"

extern const struct driver driver_ws;

struct hub {
    int fd, peer;
    uint16_t port;
    const char *script;
    struct ws ws;
    struct buf in, message;
    pthread_t thread;
    bool stop;
};

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
    assert_int_equal(send(h->peer, out.data, out.len, MSG_NOSIGNAL), out.len);
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
        if (read_one(h, 'P'))
            put(h, WS_PONG, h->message.data, h->message.len);
        return true;
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
    case 'J':
        put(h, WS_TEXT, "welcome", 7);
        return true;
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
        for (const char *p = h->script; *p && act(h, *p); p++)
            ;
        close(h->peer);
        buf_free(&h->in);
        buf_free(&h->message);
    }
    return NULL;
}

static void start(struct hub *h, const char *script)
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

static void stop(struct hub *h)
{
    shutdown(h->fd, SHUT_RDWR);
    pthread_join(h->thread, NULL);
    close(h->fd);
}

static const struct target *find_target(const void *ctx, const char *name, const char **nearest)
{
    (void)name;
    (void)nearest;
    return ctx;
}

/* `n` operations of a step with these options against a hub with this script. */
static void play(struct bench *b, const char *script, const char *options, int n)
{
    struct target_opts to = {.tls = {.verify = true}};
    struct target target = {0};
    struct diags d;
    struct bind bind = {.arena = &b->arena, .diags = &d, .target = find_target, .ctx = &target};
    void *opts = arena_alloc(&b->arena, driver_ws.opts_size);
    const struct node *map;
    struct hub h;

    start(&h, script);
    diags_init(&d, "test", &b->arena);
    to.url = arena_printf(&b->arena, "ws://127.0.0.1:%u/connect", (unsigned)h.port);
    assert_true(target_init(&target, "hub", &to, &(struct node){.type = NODE_MAP}, &d));
    map = yaml_parse(options, strlen(options), &b->arena, &d);
    if (!map || !opt_bind(driver_ws.opts, NULL, map, "ws", opts, &bind) ||
        !driver_ws.check(opts, map, "ws", &d))
        fail_msg("%s", d.first ? d.first->text : "no options");
    bench_run(b, &driver_ws, opts, n);
    stop(&h);
}

#define TOKEN  "attest: {secret: some secret, hostnames: [a.test]}"
#define ACCEPT "{target: hub, hold: 20ms, " TOKEN "}"
#define LONG   "{target: hub, hold: 1h, " TOKEN ", expect: {close: 1008}}"
#define CLOSE  "{target: hub, hold: 20ms, " TOKEN ", expect: {close: 1008, reason: \"^not\"}}"

enum { CONNECTING, SESSIONS, DURATION, SENT, RECEIVED, ATTESTING, REFUSED, REAUTHS, REAUTH_RTT };

static void what_happens_decides(void **state)
{
    static const struct {
        const char *script, *options;
        enum outcome outcome;
        const char *why;
    } samples[] = {
        {"UTCTPW", ACCEPT, OP_OK, ""},
        {"UTCTPATPW", ACCEPT, OP_OK, ""},
        {"UW", "{target: hub, hold: 0}", OP_OK, ""},
        {"UTX", CLOSE, OP_OK, ""},
        {"UTCTX", CLOSE, OP_OK, ""},
        {"UTCTPX", CLOSE, OP_OK, ""},
        {"UTX", ACCEPT, OP_UNEXPECTED, "closed with 1008 (not you)"},
        {"UTCTPX", ACCEPT, OP_UNEXPECTED, "accepted, then closed with 1008 (not you)"},
        {"UTE", ACCEPT, OP_RESET, "closed without a close frame"},
        {"UTE", CLOSE, OP_UNEXPECTED,
         "closed without a close frame: a close with 1008 was expected"},
        {"UTCTPW", CLOSE, OP_UNEXPECTED,
         "accepted, and still open after 20ms: a close with 1008 was expected"},
        {"R", ACCEPT, OP_UNEXPECTED, "the upgrade was answered with status 403"},
        {"UTM", ACCEPT, OP_PROTOCOL, "a frame from the server is masked"},
        {"UTJW", ACCEPT, OP_PROTOCOL, "the hub sent text that is no challenge"},
        {"UTAW", ACCEPT, OP_PROTOCOL, "the hub sent a challenge out of turn"},
        {"UTW", "{target: hub, timeout: 50ms, " TOKEN "}", OP_TIMEOUT,
         "neither accepted nor closed within 50ms"},
        {"W", "{target: hub, timeout: 50ms, " TOKEN "}", OP_TIMEOUT,
         "no answer to the upgrade within 50ms"},
        {"UTCTX", "{target: hub, " TOKEN ", expect: {close: 1008, reason: late}}", OP_UNEXPECTED,
         "closed with 1008 (not you): the reason is another one"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        struct bench b = {0};

        play(&b, samples[i].script, samples[i].options, 0);
        if (b.outcome != samples[i].outcome || strcmp(b.why, samples[i].why) != 0)
            fail_msg("%s: outcome %d, %s", samples[i].script, (int)b.outcome, b.why);
        assert_int_equal(b.ok, samples[i].outcome == OP_OK);
        bench_free(&b);
    }
}

static void conversations_are_counted(void **state)
{
    struct bench b = {0};

    (void)state;
    play(&b, "UTCTPATPATPX", LONG, 3);
    assert_int_equal(b.ok, 3);
    assert_int_equal(b.sum[SESSIONS], 3);
    assert_int_equal(b.samples[CONNECTING], 3);
    assert_int_equal(b.samples[ATTESTING], 3);
    assert_int_equal(b.samples[DURATION], 3);
    assert_int_equal(b.sum[SENT], 12);
    assert_int_equal(b.sum[RECEIVED], 9);
    assert_int_equal(b.sum[REAUTHS], 6);
    assert_int_equal(b.samples[REAUTH_RTT], 6);
    assert_int_equal(b.sum[REFUSED], 3);
    assert_int_equal(b.checks_met, 3);
    bench_free(&b);
    b = (struct bench){0};
    play(&b, "UTCTPW", ACCEPT, 2);
    assert_int_equal(b.sum[REFUSED], 0);
    assert_int_equal(b.checks, 0);
    assert_true(b.sum[DURATION] >= 2 * 20e6);
    bench_free(&b);
}

UNIT_GROUP(ws_driver, cmocka_unit_test(what_happens_decides),
           cmocka_unit_test(conversations_are_counted))

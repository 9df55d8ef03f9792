/*
 * The http driver over HTTP/2 without TLS, against a server that does what a test tells it to: the
 * n-th request that it reads, over all connections, meets the n-th act.
 */
#include "unit.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "driver/http.h"
#include "fixture_listener.h"
#include "fixture_step.h"
#include "net/h2.h"

struct act {
    const char *status; /* of an answer; NULL: none */
    const char *body;
    const char *raw; /* bytes to send in its place */
    size_t raw_len;
    bool close, interim;
};

struct server {
    struct listener at;
    int peer;
    const struct act *acts;
    int count;
    _Atomic int requests;
    struct h2 *h2;
    const struct act *act; /* of the stream being answered */
    int32_t id;
    size_t body_at, received;
    bool over;
    char path[64], method[16];
};

static void *on_open(void *owner, int32_t id)
{
    struct server *s = owner;

    s->id = id;
    return s;
}

static void on_field(void *owner, void *stream, const struct h2_field *f)
{
    struct server *s = owner;

    (void)stream;
    if (f->name_len == 5 && memcmp(f->name, ":path", 5) == 0)
        snprintf(s->path, sizeof(s->path), "%s", f->value);
    if (f->name_len == 7 && memcmp(f->name, ":method", 7) == 0)
        snprintf(s->method, sizeof(s->method), "%s", f->value);
}

static void on_data(void *owner, void *stream, const char *data, size_t len)
{
    (void)stream;
    (void)data;
    ((struct server *)owner)->received += len;
}

static ssize_t on_read(void *owner, void *stream, char *out, size_t size, bool *last)
{
    struct server *s = owner;
    size_t left = strlen(s->act->body) - s->body_at, n = left < size ? left : size;

    (void)stream;
    memcpy(out, s->act->body + s->body_at, n);
    s->body_at += n;
    *last = n == left;
    return (ssize_t)n;
}

/* A RST_STREAM is for the stream at hand. */
static void send_raw(struct server *s, const struct act *a)
{
    char frame[64];

    memcpy(frame, a->raw, a->raw_len);
    if (frame[3] == 3)
        frame[8] = (char)s->id;
    if (send(s->peer, frame, a->raw_len, MSG_NOSIGNAL) < 0)
        s->over = true;
}

static void on_end(void *owner, void *stream)
{
    static const struct h2_field hint = {":status", "103", 7, 3, false};
    struct server *s = owner;
    int n = atomic_fetch_add(&s->requests, 1);
    const struct act *a = &s->acts[n < s->count ? n : s->count - 1];
    struct h2_field fields[] = {{":status", a->status, 7, 3, false}, {"x-n", "7", 3, 1, false}};

    (void)stream;
    s->act = a;
    s->body_at = 0;
    if (a->interim)
        h2_interim(s->h2, s->id, &hint, 1);
    if (a->status)
        h2_respond(s->h2, s->id, fields, 2, a->body != NULL);
    if (a->raw)
        send_raw(s, a);
    s->over |= a->close;
}

static const struct h2_events server_events = {
    .open = on_open, .field = on_field, .data = on_data, .end = on_end, .read = on_read};

/* A close with bytes unread would be a reset. */
static void linger(int fd)
{
    char byte;

    shutdown(fd, SHUT_WR);
    while (recv(fd, &byte, 1, 0) > 0)
        continue;
}

static void serve(void *owner, int fd)
{
    struct server *s = owner;
    static const struct h2_config config = {true, 100, 1 << 20, 1 << 20, NULL};
    static char in[16384], out[64 << 10];
    ssize_t n = 0;

    s->peer = fd;
    s->h2 = h2_new(&config, &server_events, s);
    s->over = false;
    do {
        size_t len = h2_send(s->h2, out, sizeof(out));

        if (len > 0 && send(s->peer, out, len, MSG_NOSIGNAL) < 0)
            break;
        n = s->over ? 0 : recv(s->peer, in, sizeof(in), 0);
        if (n > 0)
            h2_receive(s->h2, in, (size_t)n);
    } while (n > 0);
    h2_free(s->h2);
    linger(fd);
}

static void server_start(struct server *s, const struct act *acts, int count)
{
    *s = (struct server){.acts = acts, .count = count};
    listener_start(&s->at, serve, s);
}

static struct http_opts options(struct bench *b, uint16_t port)
{
    struct target *t = arena_new(&b->arena, struct target);

    signal(SIGPIPE, SIG_IGN);
    *t = (struct target){
        .name = "t", .scheme = "http", .host = "127.0.0.1", .port = port, .path = "/x"};
    return (struct http_opts){.request = {.target = t, .timeout = (int64_t)(5 * NS_PER_S)},
                              .protocol = HTTP_2_CLEAR,
                              .streams = 100,
                              .max_body = 1 << 20};
}

static const struct act fine[] = {{"200", .body = "ok"}};

static void one_connection_serves_them_all(void **state)
{
    struct bench b = {0};
    struct server s;
    struct http_opts o;

    (void)state;
    server_start(&s, fine, 1);
    o = options(&b, s.at.port);
    bench_run(&b, &driver_http, &o, 20);
    listener_stop(&s.at);
    assert_int_equal(b.ok, 20);
    assert_int_equal(s.at.accepted, 1);
    assert_string_equal(s.path, "/x");
    assert_int_equal((int)b.sum[HTTP_OPENED], 1);
    assert_int_equal((int)b.samples[HTTP_CONNECTING], 1);
    assert_int_equal((int)b.samples[HTTP_WAITING], 20);
    bench_free(&b);
}

static void new_is_one_connection_for_each(void **state)
{
    struct bench b = {0};
    struct server s;
    struct http_opts o;

    (void)state;
    server_start(&s, fine, 1);
    o = options(&b, s.at.port);
    o.connection = CONNECTION_NEW;
    bench_run(&b, &driver_http, &o, 4);
    listener_stop(&s.at);
    assert_int_equal(b.ok, 4);
    assert_int_equal(s.at.accepted, 4);
    assert_int_equal((int)b.sum[HTTP_OPENED], 4);
    bench_free(&b);
}

static void heads_and_bodies_are_looked_into(void **state)
{
    static const struct act acts[] = {{"429", .body = "{\"n\": 3}", .interim = true}};
    static const char *codes[] = {"429"};
    struct bench b = {0};
    struct server s;
    struct http_opts o;

    (void)state;
    server_start(&s, acts, 1);
    o = options(&b, s.at.port);
    o.request.expect = (struct expect_opts){.status = {codes, 1}, .body = "\"n\": [0-9]"};
    bench_run(&b, &driver_http, &o, 2);
    assert_int_equal(b.ok, 2);
    assert_int_equal(b.checks_met, 4);
    o.request.expect.body = "nothing";
    bench_run(&b, &driver_http, &o, 1);
    listener_stop(&s.at);
    assert_int_equal(b.outcome, OP_UNEXPECTED);
    assert_non_null(strstr(b.why, "\"nothing\" is not in the body"));
    bench_free(&b);
}

static void bodies_are_sent(void **state)
{
    struct bench b = {0};
    struct server s;
    struct http_opts o;
    char *body = malloc(300001);
    struct err e;

    (void)state;
    memset(body, 'b', 300000);
    body[300000] = '\0';
    server_start(&s, fine, 1);
    o = options(&b, s.at.port);
    o.request.body = template_compile(body, 0, &b.arena, &e);
    bench_run(&b, &driver_http, &o, 2);
    listener_stop(&s.at);
    assert_int_equal(b.ok, 2);
    assert_string_equal(s.method, "POST");
    assert_int_equal(s.received, 600000);
    free(body);
    bench_free(&b);
}

#define RAW(bytes)         .raw = bytes, .raw_len = sizeof(bytes) - 1
#define GOAWAY(last, code) "\0\0\10\7\0\0\0\0\0\0\0\0" last "\0\0\0" code
#define RESET(code)        "\0\0\4\3\0\0\0\0\1\0\0\0" code

struct failure {
    struct act act;
    enum outcome outcome;
    const char *why;
};

static void failures_are_classed(void **state)
{
    static const struct failure cases[] = {
        {{"503"}, OP_UNEXPECTED, "status 503, expected"},
        {{RAW(RESET("\2"))}, OP_RESET, "stream reset by the peer: INTERNAL_ERROR"},
        {{RAW(RESET("\7"))}, OP_RESET, "not processed by the peer"},
        {{.close = true}, OP_RESET, "closed before the answer was complete"},
        {{RAW(GOAWAY("\1", "\13")), .close = true}, OP_RESET, "ENHANCE_YOUR_CALM"},
        {{RAW(GOAWAY("\0", "\0")), .close = true}, OP_RESET, "not processed by the peer"},
        {{RAW("HTTP/1.1 400 Bad Request\r\n\r\n")}, OP_PROTOCOL, NULL},
        {{RAW("\0\0\1\1\5\0\0\0\1\204")}, OP_PROTOCOL, NULL},
        {{RAW("\0\0\1\0\1\0\0\0\1x")}, OP_PROTOCOL, NULL},
        {{"302"}, OP_OK, NULL},
        {{"204", .interim = true}, OP_OK, NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bench b = {0};
        struct server s;
        struct http_opts o;

        server_start(&s, &cases[i].act, 1);
        o = options(&b, s.at.port);
        bench_run(&b, &driver_http, &o, 1);
        listener_stop(&s.at);
        if (b.outcome != cases[i].outcome || (cases[i].why && !strstr(b.why, cases[i].why)))
            fail_msg("case %zu: %s: \"%s\"", i, outcomes[b.outcome].name, b.why);
        bench_free(&b);
    }
}

static void new_is_new_after_a_failure(void **state)
{
    static const struct act acts[] = {{RAW(RESET("\10"))}};
    struct bench b = {0};
    struct server s;
    struct http_opts o;

    (void)state;
    server_start(&s, acts, 1);
    o = options(&b, s.at.port);
    o.connection = CONNECTION_NEW;
    bench_run(&b, &driver_http, &o, 3);
    listener_stop(&s.at);
    assert_int_equal(b.failed, 3);
    assert_int_equal(s.at.accepted, 3);
    bench_free(&b);
}

/* Each of these says that the request was not processed, so that even a POST may go out again. */
static void what_was_not_processed_goes_out_once_more(void **state)
{
    static const struct act refusals[] = {
        {RAW(RESET("\7"))}, {RAW(GOAWAY("\0", "\0"))}, {RAW(GOAWAY("\0", "\0")), .close = true}};

    (void)state;
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        struct act acts[] = {refusals[i], {"200", .body = "ok"}};
        struct bench b = {0};
        struct server s;
        struct http_opts o;

        server_start(&s, acts, 2);
        o = options(&b, s.at.port);
        o.request.method = "POST";
        bench_run(&b, &driver_http, &o, 1);
        listener_stop(&s.at);
        assert_int_equal(b.ok, 1);
        assert_int_equal(s.requests, 2);
        assert_int_equal((int)b.sum[HTTP_RETRIES], 1);
        bench_free(&b);
    }
}

static void a_dead_kept_connection_is_replaced_once(void **state)
{
    static const struct act acts[] = {{"200"}, {.close = true}, {"200"}};

    (void)state;
    for (int post = 0; post < 2; post++) {
        struct bench b = {0};
        struct server s;
        struct http_opts o;

        server_start(&s, acts, 3);
        o = options(&b, s.at.port);
        o.request.method = post ? "POST" : "GET";
        bench_run(&b, &driver_http, &o, 2);
        listener_stop(&s.at);
        assert_int_equal(b.ok, post ? 1 : 2);
        assert_int_equal((int)b.sum[HTTP_RETRIES], post ? 0 : 1);
        bench_free(&b);
    }
}

/* The connection outlives a stream that took too long. */
static void a_timeout_ends_the_stream_alone(void **state)
{
    static const struct act acts[] = {{NULL}, {"200"}};
    struct bench b = {0};
    struct server s;
    struct http_opts o;

    (void)state;
    server_start(&s, acts, 2);
    o = options(&b, s.at.port);
    o.request.timeout = (int64_t)(50 * NS_PER_MS);
    bench_run(&b, &driver_http, &o, 1);
    assert_int_equal(b.outcome, OP_TIMEOUT);
    assert_non_null(strstr(b.why, "no first byte of an answer within"));
    listener_stop(&s.at);
    bench_free(&b);
}

static const struct target *the_target(const void *ctx, const char *name, const char **nearest)
{
    (void)name;
    (void)nearest;
    return ctx;
}

static void mistakes_are_reported(void **state)
{
    static const char *const cases[][3] = {
        {"https", "{target: t, protocol: h2c}", "h2c needs an http: target"},
        {"http", "{target: t, protocol: h2}", "h2 needs an https: target"},
        {"https", "{target: t, protocol: h2, streams: 0}", "streams"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bench b = {0};
        struct http_opts o = options(&b, 1), bound = {0};
        struct target t = *o.request.target;
        struct diags d;
        struct bind bind = {.arena = &b.arena, .diags = &d, .target = the_target, .ctx = &t};
        struct node *n;

        t.scheme = cases[i][0];
        diags_init(&d, "suite.yaml", &b.arena);
        n = yaml_parse(cases[i][1], strlen(cases[i][1]), &b.arena, &d);
        if (opt_bind(driver_http.opts, NULL, n, "http", &bound, &bind))
            driver_http.check(&bound, n, "http", &d);
        if (!d.first || !strstr(d.first->text, cases[i][2]))
            fail_msg("%s: %s", cases[i][1], d.first ? d.first->text : "no mistake");
        bench_free(&b);
    }
}

UNIT_GROUP(http_h2, cmocka_unit_test(one_connection_serves_them_all),
           cmocka_unit_test(new_is_one_connection_for_each),
           cmocka_unit_test(heads_and_bodies_are_looked_into), cmocka_unit_test(bodies_are_sent),
           cmocka_unit_test(failures_are_classed), cmocka_unit_test(new_is_new_after_a_failure),
           cmocka_unit_test(what_was_not_processed_goes_out_once_more),
           cmocka_unit_test(a_dead_kept_connection_is_replaced_once),
           cmocka_unit_test(a_timeout_ends_the_stream_alone),
           cmocka_unit_test(mistakes_are_reported))

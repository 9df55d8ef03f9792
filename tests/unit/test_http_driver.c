/*
 * The http driver against a server that does exactly what a test tells it to: each accepted
 * connection serves requests by the acts of a script.  The real engine runs the driver, and what it
 * counted is looked at.
 */
#include "unit.h"

#include <arpa/inet.h>
#include <event2/event.h>
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

struct act { /* what the server does with the n-th request that it reads, over all connections */
    const char *answer; /* NULL: none */
    bool close, reset;
    const char *second; /* sent a while after the answer's first part */
};

struct server {
    struct listener at;
    const struct act *acts;
    int count;
    _Atomic int requests;
    char last[4096];
};

static void reset(int fd)
{
    struct linger l = {1, 0};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
}

/* One request without a body; false when the client has closed. */
static bool read_request(struct server *s, int fd)
{
    size_t len = 0;

    while (len < sizeof(s->last) - 1) {
        ssize_t n = recv(fd, s->last + len, sizeof(s->last) - 1 - len, 0);

        if (n <= 0)
            return false;
        len += (size_t)n;
        s->last[len] = '\0';
        if (strstr(s->last, "\r\n\r\n"))
            return true;
    }
    return false;
}

static void serve(void *owner, int fd)
{
    struct server *s = owner;

    while (read_request(s, fd)) {
        int n = atomic_fetch_add(&s->requests, 1);
        const struct act *a = &s->acts[n < s->count ? n : s->count - 1];

        if (a->answer && send(fd, a->answer, strlen(a->answer), MSG_NOSIGNAL) < 0)
            return;
        if (a->second) {
            usleep(2000);
            if (send(fd, a->second, strlen(a->second), MSG_NOSIGNAL) < 0)
                return;
        }
        if (a->reset)
            reset(fd);
        if (a->close || a->reset)
            return;
    }
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
                              .max_body = 1 << 20};
}

#define OK_ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static void kept_connections_are_used_again(void **state)
{
    static const struct act acts[] = {{OK_ANSWER}};
    struct bench b = {0};
    struct server s;
    struct http_opts o;

    (void)state;
    server_start(&s, acts, 1);
    o = options(&b, s.at.port);
    bench_run(&b, &driver_http, &o, 5);
    listener_stop(&s.at);
    assert_int_equal(b.ok, 5);
    assert_int_equal(s.at.accepted, 1);
    assert_int_equal((int)b.sum[HTTP_OPENED], 1);
    assert_int_equal((int)b.samples[HTTP_CONNECTING], 1);
    assert_int_equal((int)b.samples[HTTP_DURATION], 5);
    assert_memory_equal(s.last, "GET /x HTTP/1.1\r\nHost: 127.0.0.1:", 33);
    bench_free(&b);
}

static void new_connections_are_new(void **state)
{
    static const struct act acts[] = {{OK_ANSWER, .close = true}};
    struct bench b = {0};
    struct server s;
    struct http_opts o;

    (void)state;
    server_start(&s, acts, 1);
    o = options(&b, s.at.port);
    o.connection = CONNECTION_NEW;
    bench_run(&b, &driver_http, &o, 4);
    listener_stop(&s.at);
    assert_int_equal(b.ok, 4);
    assert_int_equal(s.at.accepted, 4);
    assert_int_equal((int)b.sum[HTTP_OPENED], 4);
    assert_non_null(strstr(s.last, "\r\nConnection: close\r\n"));
    bench_free(&b);
}

struct failure {
    struct act act;
    enum outcome outcome;
    const char *why;
};

/* Each on a connection of its own, so that none is retried. */
static void failures_are_classed(void **state)
{
    static const struct failure cases[] = {
        {{"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"}, OP_UNEXPECTED, "status 503, expected"},
        {{NULL, .reset = true}, OP_RESET, "connection reset by peer"},
        {{NULL, .close = true}, OP_RESET, "closed before any answer"},
        {{"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", .close = true},
         OP_RESET,
         "inside the body"},
        {{"HTTP/1.1 200 OK\r\nContent-Le", .close = true}, OP_RESET, "inside the head"},
        {{"SSH-2.0-OpenSSH_9.2\r\n"}, OP_PROTOCOL, "does not begin with HTTP/1.x"},
        {{"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"},
         OP_PROTOCOL,
         "repeated"},
        {{"HTTP/1.1 302 Found\r\nLocation: /y\r\nContent-Length: 0\r\n\r\n"}, OP_OK, NULL},
        {{"HTTP/1.1 100 Continue\r\n\r\n", .second = OK_ANSWER}, OP_OK, NULL},
        {{"HTTP/1.1 200 O", .second = "K\r\nContent-Length: 2\r\n\r\nok"}, OP_OK, NULL},
        {{"HTTP/1.1 200 OK\r\n\r\nuntil the end", .close = true}, OP_OK, NULL},
        {{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
          .second = "0\r\n\r\n"},
         OP_OK,
         NULL},
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

static void nobody_listens(void **state)
{
    struct bench b = {0};
    struct server s = {0};
    struct http_opts o;

    (void)state;
    listener_bind(&s.at);
    o = options(&b, s.at.port);
    bench_run(&b, &driver_http, &o, 1);
    close(s.at.fd);
    assert_int_equal(b.outcome, OP_REFUSED);
    assert_non_null(strstr(b.why, "connection refused"));
    bench_free(&b);
}

static void the_timeout_says_what_was_missing(void **state)
{
    static const struct act acts[] = {{NULL}, {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"}};
    static const char *const whys[] = {"no first byte of an answer within",
                                       "answer incomplete after"};

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct bench b = {0};
        struct server s;
        struct http_opts o;

        server_start(&s, &acts[i], 1);
        o = options(&b, s.at.port);
        o.request.timeout = (int64_t)(20 * NS_PER_MS);
        bench_run(&b, &driver_http, &o, 1);
        listener_stop(&s.at);
        assert_int_equal(b.outcome, OP_TIMEOUT);
        assert_non_null(strstr(b.why, whys[i]));
        bench_free(&b);
    }
}

/* The server resets the kept connection instead of answering the second request on it. */
static void a_dead_kept_connection_is_replaced_once(void **state)
{
    static const struct act acts[] = {{OK_ANSWER}, {NULL, .reset = true}, {OK_ANSWER}};
    struct bench b = {0};
    struct server s;
    struct http_opts o;

    (void)state;
    server_start(&s, acts, 3);
    o = options(&b, s.at.port);
    bench_run(&b, &driver_http, &o, 2);
    listener_stop(&s.at);
    assert_int_equal(b.ok, 2);
    assert_int_equal(s.requests, 3);
    assert_int_equal((int)b.sum[HTTP_RETRIES], 1);
    bench_free(&b);
}

static void what_may_not_be_repeated_is_not(void **state)
{
    static const struct act acts[] = {{OK_ANSWER}, {NULL, .reset = true}, {OK_ANSWER}};
    struct bench b = {0};
    struct server s;
    struct http_opts o;

    (void)state;
    server_start(&s, acts, 3);
    o = options(&b, s.at.port);
    o.request.method = "POST";
    bench_run(&b, &driver_http, &o, 2);
    listener_stop(&s.at);
    assert_int_equal(b.ok, 1);
    assert_int_equal(b.outcome, OP_RESET);
    assert_int_equal(s.requests, 2);
    bench_free(&b);
}

static void expectations_are_held_against_the_answer(void **state)
{
    static const struct act acts[] = {
        {"HTTP/1.1 429 Slow\r\nX-A: b\r\nContent-Length: 15\r\n\r\n{\"n\": 3, \"m\":1}"}};
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
    assert_int_equal(b.checks_met, 1);
    assert_non_null(strstr(b.why, "\"nothing\" is not in the body"));
    bench_free(&b);
}

static const struct target *the_target(const void *ctx, const char *name, const char **nearest)
{
    (void)name;
    (void)nearest;
    return ctx;
}

/* Binds options as a suite does; the text of the first mistake, or NULL. */
static const char *bind_yaml(struct bench *b, struct http_opts *o, const char *yaml)
{
    struct http_opts base = *o;
    struct diags d;
    struct bind bind = {
        .arena = &b->arena, .diags = &d, .target = the_target, .ctx = base.request.target};
    struct node *n;

    diags_init(&d, "suite.yaml", &b->arena);
    n = yaml_parse(yaml, strlen(yaml), &b->arena, &d);
    *o = (struct http_opts){0};
    if (n && opt_bind(driver_http.opts, NULL, n, "http", o, &bind))
        driver_http.check(o, n, "http", &d);
    return d.first ? d.first->text : NULL;
}

static void a_mix_goes_by_weight_and_inherits(void **state)
{
    static const struct act acts[] = {
        {"HTTP/1.1 200 OK\r\nX-N: 2\r\nContent-Length: 8\r\n\r\n{\"n\": 5}"}};
    struct bench b = {0};
    struct server s;
    struct http_opts o;
    const char *why;

    (void)state;
    server_start(&s, acts, 1);
    o = options(&b, s.at.port);
    why = bind_yaml(
        &b, &o,
        "target: t\n"
        "record: {n: 'json:/n'}\n"
        "requests:\n"
        "- {name: often, path: '/o/%{iteration}', weight: 9, count: {fine: {status: 2xx}}}\n"
        "- {name: seldom, record: {x: {from: 'header:x-n', as: trend}}}\n");
    assert_null(why);
    bench_run(&b, &driver_http, &o, 200);
    listener_stop(&s.at);
    assert_int_equal(b.ok, 200);
    assert_int_equal((int)b.samples[HTTP_METRICS + 1], (int)b.sum[HTTP_METRICS + 1]);
    assert_in_range((int)b.sum[HTTP_METRICS + 1], 150, 198);
    assert_int_equal((int)(b.sum[HTTP_METRICS] + 5 * b.samples[HTTP_METRICS + 2]), 1000);
    assert_int_equal((int)b.sum[HTTP_METRICS + 2], 2 * (int)b.samples[HTTP_METRICS + 2]);
    bench_free(&b);
}

static void mistakes_are_reported(void **state)
{
    static const char *const cases[][2] = {
        {"{target: t, connection: resume}", "resume needs an https: target"},
        {"{target: t, requests: []}", "expected a list of requests"},
        {"{target: t, requests: [{name: a}, {name: a}]}", "there is another request \"a\""},
        {"{target: t, requests: [{name: a, path: b}]}", "http.requests[0].path: \"b\""},
        {"{target: t, body: x, requests: [{name: a}]}", "a body belongs to one of them"},
        {"{target: t, record: {http_reqs: 'json:/n'}}", "is a metric of this driver already"},
        {"{target: t, protocol: h2}", "h2 needs an https: target"},
        {"{target: t, protocol: h3}", "is not one of"},
        {"{target: t, streams: 2}", "HTTP/1.1 carries one request at a time"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bench b = {0};
        struct http_opts o = options(&b, 1);
        const char *why = bind_yaml(&b, &o, cases[i][0]);

        if (!why || !strstr(why, cases[i][1]))
            fail_msg("%s: %s", cases[i][0], why ? why : "no mistake");
        bench_free(&b);
    }
}

UNIT_GROUP(http_driver, cmocka_unit_test(kept_connections_are_used_again),
           cmocka_unit_test(new_connections_are_new), cmocka_unit_test(failures_are_classed),
           cmocka_unit_test(nobody_listens), cmocka_unit_test(the_timeout_says_what_was_missing),
           cmocka_unit_test(a_dead_kept_connection_is_replaced_once),
           cmocka_unit_test(what_may_not_be_repeated_is_not),
           cmocka_unit_test(expectations_are_held_against_the_answer),
           cmocka_unit_test(a_mix_goes_by_weight_and_inherits),
           cmocka_unit_test(mistakes_are_reported))

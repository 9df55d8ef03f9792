/* test_target_exchange.c - requests in, replies out, without a socket. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "target/exchange.h"
#include "target/ledger.h"
#include "target/server.h"

#define HOST "Host: x\r\n"
#define DATE "Sun, 06 Nov 1994 08:49:37 GMT"
#define NOW  UINT64_C(1000000000)

struct fixture {
    struct server server;
    struct exchange exchange;
    struct buf out;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    f->server.config.max_body = 100;
    f->server.ledger = ledger_new(NULL, 0);
    exchange_init(&f->exchange, &f->server);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    exchange_clear(&f->exchange);
    ledger_free(f->server.ledger);
    buf_free(&f->out);
    free(f);
    return 0;
}

/* The whole reply, appended to f->out behind any interim answers. */
static void render(struct fixture *f)
{
    assert_int_equal(f->exchange.state, EXCHANGE_READY);
    exchange_reply_head(&f->exchange, DATE, f->exchange.plan.due_ns, &f->out);
    while (!reply_body(&f->exchange.reply, &f->out))
        continue;
}

static const char *ask(struct fixture *f, const char *request)
{
    size_t len = strlen(request);

    exchange_clear(&f->exchange);
    exchange_init(&f->exchange, &f->server);
    buf_clear(&f->out);
    exchange_read(&f->exchange, request, len, NOW, &f->out);
    render(f);
    return buf_text(&f->out);
}

static void says(const char *reply, const char *text)
{
    if (!strstr(reply, text))
        fail_msg("\"%s\" does not say \"%s\"", reply, text);
}

static void says_not(const char *reply, const char *text)
{
    if (strstr(reply, text))
        fail_msg("\"%s\" says \"%s\"", reply, text);
}

static void begins(const char *reply, const char *text)
{
    if (strncmp(reply, text, strlen(text)) != 0)
        fail_msg("\"%s\" does not begin with \"%s\"", reply, text);
}

static void any_path_is_ok(void **state)
{
    assert_string_equal(ask(*state, "GET /any/where HTTP/1.1\r\n" HOST "\r\n"),
                        "HTTP/1.1 200 OK\r\nDate: " DATE "\r\n"
                        "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 3\r\n\r\nok\n");
}

static void bodies_are_framed(void **state)
{
    says(ask(*state, "GET /bytes/5 HTTP/1.1\r\n" HOST "\r\n"), "Content-Length: 5\r\n\r\n01234");
    says(ask(*state, "GET /chunked/5 HTTP/1.1\r\n" HOST "\r\n"),
         "Transfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n0\r\n\r\n");
    says(ask(*state, "GET /chunked/16385 HTTP/1.1\r\n" HOST "\r\n"), "\r\n1\r\n");
    says(ask(*state, "GET /?size=0 HTTP/1.1\r\n" HOST "\r\n"), "Content-Length: 0\r\n\r\n");
    says(ask(*state, "GET /?truncate=1&size=10 HTTP/1.1\r\n" HOST "\r\n"),
         "Content-Length: 10\r\n\r\n01234");
    says_not(buf_text(&((struct fixture *)*state)->out), "012345");
}

static void some_answers_have_no_body(void **state)
{
    const char *reply = ask(*state, "HEAD /bytes/5 HTTP/1.1\r\n" HOST "\r\n");

    says(reply, "Content-Length: 5\r\n\r\n");
    says_not(reply, "01234");
    reply = ask(*state, "GET /status/204 HTTP/1.1\r\n" HOST "\r\n");
    says(reply, "HTTP/1.1 204 No Content\r\n");
    says_not(reply, "Content-");
    assert_true(strcmp(reply + strlen(reply) - 4, "\r\n\r\n") == 0);
}

static void old_clients_get_no_chunks(void **state)
{
    struct fixture *f = *state;
    const char *reply = ask(f, "GET /chunked/5 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");

    says_not(reply, "Transfer-Encoding");
    says_not(reply, "Content-Length");
    says(reply, "\r\n\r\n01234");
    assert_true(reply_closes(&f->exchange.reply));
    says(ask(f, "GET / HTTP/1.0\r\n\r\n"), "Connection: close\r\n");
    says(ask(f, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), "Connection: keep-alive\r\n");
}

static void knobs_by_query_and_by_field(void **state)
{
    struct fixture *f = *state;

    says(ask(f, "GET /?status=418&other=1 HTTP/1.1\r\n" HOST "\r\n"), "HTTP/1.1 418 \r\n");
    says(ask(f, "GET /?status=418 HTTP/1.1\r\n" HOST "x-target-STATUS: 503\r\n\r\n"),
         "HTTP/1.1 503 Service Unavailable\r\n");
    ask(f, "GET /?latency=uniform(5ms,5ms) HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(f->exchange.plan.due_ns, NOW + 5000000);
    ask(f, "GET /?latency=mix(100%25+5ms) HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(f->exchange.plan.due_ns, NOW + 5000000);
    ask(f, "GET /delay/7ms HTTP/1.1\r\n" HOST "X-Target-First-Byte: 2ms\r\n\r\n");
    assert_int_equal(f->exchange.plan.first_ns, NOW + 2000000);
    assert_int_equal(f->exchange.plan.due_ns, NOW + 7000000);
    ask(f, "GET /?reset=1 HTTP/1.1\r\n" HOST "\r\n");
    assert_true(f->exchange.plan.reset);
    says(ask(f, "GET /?stamps=1 HTTP/1.1\r\n" HOST "\r\n"), "X-Target-Service-Ns: 0\r\n");
    says(ask(f, "GET /close HTTP/1.1\r\n" HOST "\r\n"), "Connection: close\r\n");
}

static void start_options_are_the_default(void **state)
{
    struct fixture *f = *state;
    struct err e;

    assert_true(program_set(&f->server.config.program, "latency", "3ms", &e));
    assert_true(program_set(&f->server.config.program, "errors", "100% 500", &e));
    says(ask(f, "GET / HTTP/1.1\r\n" HOST "\r\n"), "HTTP/1.1 500 ");
    assert_int_equal(f->exchange.plan.due_ns, NOW + 3000000);
    says(ask(f, "GET /healthz HTTP/1.1\r\n" HOST "\r\n"), "HTTP/1.1 200 ");
    assert_int_equal(f->exchange.plan.due_ns, NOW);
}

static void a_stall_holds_everything(void **state)
{
    struct fixture *f = *state;

    f->server.config.stall = (struct stall){.length = 300000000, .period = 1000000000};
    ask(f, "GET /?latency=15ms HTTP/1.1\r\n" HOST "\r\n"); /* arrives as it begins */
    assert_int_equal(f->exchange.plan.due_ns, NOW + 315000000);
    ask(f, "GET /healthz HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(f->exchange.plan.due_ns, NOW + 300000000);
    ask(f, "GET /?latency=1s HTTP/1.1\r\n" HOST "\r\n"); /* 2.3 s lies after the second one */
    assert_int_equal(f->exchange.plan.due_ns, NOW + 1300000000);
    ask(f, "GET /?latency=800ms HTTP/1.1\r\n" HOST "\r\n"); /* 2.1 s lies in it, 100 ms deep */
    assert_int_equal(f->exchange.plan.due_ns, NOW + 1300000000 + 100000000 / 65536);
}

static void interim_answers_come_first(void **state)
{
    struct fixture *f = *state;

    begins(ask(f, "POST /echo HTTP/1.1\r\n" HOST
                  "Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello"),
           "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n");
    says(buf_text(&f->out), "\"body\":\"hello\"");
    begins(ask(f, "GET /?early=103 HTTP/1.1\r\n" HOST "\r\n"), "HTTP/1.1 103 Early Hints\r\n");
    says(buf_text(&f->out), "HTTP/1.1 200 OK\r\n");
    begins(ask(f, "GET /?early=103 HTTP/1.0\r\n\r\n"), "HTTP/1.1 200 ");
    begins(ask(f, "GET / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n\r\n"), "HTTP/1.1 200 ");
}

static void mistakes_are_refused(void **state)
{
    static const struct {
        const char *request, *says;
    } cases[] = {
        {"GET / HTTP/1.1\r\n\r\n", "one host field"},
        {"GET / HTTP/1.1\r\n" HOST HOST "\r\n", "one host field"},
        {"garbage\r\n\r\n", "HTTP/1.1 400 Bad Request"},
        {"CONNECT x:1 HTTP/1.1\r\n" HOST "\r\n", "HTTP/1.1 405 "},
        {"GET /status/99 HTTP/1.1\r\n" HOST "\r\n", "status: \"99\" is not a status"},
        {"GET /?latency=5 HTTP/1.1\r\n" HOST "\r\n", "latency: \"5\" is not a duration"},
        {"GET /?latency=%zz HTTP/1.1\r\n" HOST "\r\n", "latency: the value cannot be decoded"},
        {"GET / HTTP/1.1\r\n" HOST "X-Target-Latancy: 5ms\r\n\r\n", "there is no such knob"},
        {"POST / HTTP/1.1\r\n" HOST "Content-Length: 101\r\n\r\n", "HTTP/1.1 413 "},
        {"POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
         "HTTP/1.1 400 "},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *reply = ask(f, cases[i].request);

        says(reply, cases[i].says);
        says(reply, "Connection: close\r\n");
        assert_true(f->exchange.refused);
        assert_int_equal(ledger_get(f->server.ledger, COUNT_BAD), i + 1);
    }
    assert_int_equal(ledger_get(f->server.ledger, COUNT_REQUESTS), 0);
}

static void a_body_is_bounded_as_it_comes(void **state)
{
    struct fixture *f = *state;
    char request[512];

    snprintf(request, sizeof(request),
             "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n65\r\n%0101d\r\n",
             0);
    says(ask(f, request), "HTTP/1.1 413 ");
    snprintf(request, sizeof(request),
             "POST /echo HTTP/1.1\r\n" HOST
             "Transfer-Encoding: chunked\r\n\r\n64\r\n%0100d\r\n0\r\n\r\n",
             0);
    says(ask(f, request), "\"body_bytes\":100");
}

static void a_redirect_cannot_smuggle(void **state)
{
    says(ask(*state, "GET /redirect?to=/a%20b HTTP/1.1\r\n" HOST "\r\n"), "Location: /a b\r\n");
    says(ask(*state, "GET /redirect?to=/a%0d%0aX:1 HTTP/1.1\r\n" HOST "\r\n"), "HTTP/1.1 400 ");
    says(ask(*state, "GET /redirect HTTP/1.1\r\n" HOST "\r\n"), "HTTP/1.1 400 ");
}

static void mirrors_show_what_came(void **state)
{
    const char *reply = ask(*state, "PUT http://h:1/echo?a=b HTTP/1.1\r\n" HOST
                                    "X-A: 1\r\nx-a: 2\r\nContent-Length: 2\r\n\r\n\xff\x01");

    says(reply, "\"method\":\"PUT\",\"path\":\"/echo\",\"query\":\"a=b\"");
    says(reply, "\"x-a\":\"1, 2\"");
    says(reply, "\"body\":\"\xc3\xbf\\u0001\"");
    says(reply, "\"body_encoding\":\"latin1\"");
}

static void pieces_and_neighbours_do_not_matter(void **state)
{
    static const char two[] =
        "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabcGET / HTTP/1.1";
    struct fixture *f = *state;
    size_t at = 0;

    for (size_t len = 1; f->exchange.state != EXCHANGE_READY; len++)
        at += exchange_read(&f->exchange, two + at, len - at, NOW + len, &f->out);
    assert_int_equal(at, strlen(two) - strlen("GET / HTTP/1.1"));
    assert_int_equal(f->exchange.arrival_ns,
                     NOW + at - 3); /* the stamp is that of the head's end */
    assert_int_equal(f->exchange.plan.due_ns, NOW + at);
    render(f);
    says(buf_text(&f->out), "\"body\":\"abc\"");
}

UNIT_GROUP(target_exchange, cmocka_unit_test_setup_teardown(any_path_is_ok, set_up, tear_down),
           cmocka_unit_test_setup_teardown(bodies_are_framed, set_up, tear_down),
           cmocka_unit_test_setup_teardown(some_answers_have_no_body, set_up, tear_down),
           cmocka_unit_test_setup_teardown(old_clients_get_no_chunks, set_up, tear_down),
           cmocka_unit_test_setup_teardown(knobs_by_query_and_by_field, set_up, tear_down),
           cmocka_unit_test_setup_teardown(start_options_are_the_default, set_up, tear_down),
           cmocka_unit_test_setup_teardown(a_stall_holds_everything, set_up, tear_down),
           cmocka_unit_test_setup_teardown(interim_answers_come_first, set_up, tear_down),
           cmocka_unit_test_setup_teardown(mistakes_are_refused, set_up, tear_down),
           cmocka_unit_test_setup_teardown(a_body_is_bounded_as_it_comes, set_up, tear_down),
           cmocka_unit_test_setup_teardown(a_redirect_cannot_smuggle, set_up, tear_down),
           cmocka_unit_test_setup_teardown(mirrors_show_what_came, set_up, tear_down),
           cmocka_unit_test_setup_teardown(pieces_and_neighbours_do_not_matter, set_up, tear_down))

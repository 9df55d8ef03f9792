/* test_target_server.c - the target over loopback, and the ledger that it keeps. */
#include "unit.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "target/dispersion.h"
#include "target/ledger.h"
#include "target/server.h"

#define HOST "Host: x\r\n"

struct fixture {
    struct server *server;
    pthread_t thread;
};

static void *serve(void *server)
{
    server_run(server);
    return NULL;
}

static struct fixture *start(struct server_config c)
{
    static const char *const loopback[] = {"127.0.0.1:0"};
    struct fixture *f = calloc(1, sizeof(*f));
    struct err e;

    c.listen = loopback;
    c.listen_count = 1;
    c.header_timeout = c.idle_timeout = c.grace = c.grace ? c.grace : 60 * NS_PER_S;
    c.max_connections = 1000;
    c.threads = c.threads ? c.threads : 1;
    f->server = server_open(&c, &e);
    assert_non_null(f->server);
    assert_int_equal(pthread_create(&f->thread, NULL, serve, f->server), 0);
    return f;
}

static void stop(struct fixture *f)
{
    server_stop(f->server);
    pthread_join(f->thread, NULL);
    server_free(f->server);
    free(f);
}

static int dial(const struct fixture *f)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(f->server->ports[0])};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Reads until the connection ends or `until` has come; false if it ended by a reset. */
static bool hear(int fd, const char *until, struct buf *out)
{
    char piece[4096];
    ssize_t n = 1;

    while (n > 0 && !(until && strstr(buf_text(out), until))) {
        n = recv(fd, piece, sizeof(piece), 0);
        if (n > 0)
            buf_add(out, piece, (size_t)n);
    }
    return n >= 0;
}

static int count_of(const char *text, const char *what)
{
    int n = 0;

    while ((text = strstr(text, what))) {
        text += strlen(what);
        n++;
    }
    return n;
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    struct fixture *f = start((struct server_config){0});
    struct buf got = {0};
    int fd = dial(f);

    (void)state;
    say(fd, "GET /status/201?latency=2ms HTTP/1.1\r\n" HOST "\r\nGET /status/202 HTTP/1.1\r\n" HOST
            "\r\nGET /status/203 HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    assert_true(hear(fd, NULL, &got));
    assert_int_equal(count_of(got.data, "HTTP/1.1 20"), 3);
    assert_true(strstr(got.data, " 201 ") < strstr(got.data, " 202 "));
    assert_true(strstr(got.data, " 202 ") < strstr(got.data, " 203 "));
    close(fd);
    buf_free(&got);
    stop(f);
}

/* The counts are exact whatever the threads; the least service time shows that none left early. */
static void what_was_programmed_is_what_was_done(void **state)
{
    struct server_config c = {.threads = 2, .seed = 1};
    struct fixture *f;
    struct buf got = {0};
    struct err e;
    json_t *stats;
    char *text;

    (void)state;
    assert_true(program_set(&c.program, "latency", "mix(90% 0, 10% 1ms)", &e));
    assert_true(program_set(&c.program, "errors", "2.5% 503", &e));
    f = start(c);
    for (int i = 0; i < 4; i++) {
        int fd = dial(f);

        for (int n = 0; n < 250; n++)
            say(fd, n < 249 ? "GET / HTTP/1.1\r\n" HOST "\r\n"
                            : "GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
        assert_true(hear(fd, NULL, &got));
        close(fd);
    }
    assert_int_equal(count_of(got.data, "HTTP/1.1 200 "), 975);
    assert_int_equal(count_of(got.data, "HTTP/1.1 503 "), 25);
    buf_free(&got);
    text = ledger_json(f->server->ledger);
    stats = json_loads(text, 0, NULL);
    assert_int_equal(json_integer_value(json_object_get(stats, "requests")), 1000);
    assert_int_equal(json_integer_value(json_object_get(stats, "errors_injected")), 25);
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(stats, "programmed_ns"), "max")),
        1000000);
    assert_true(json_integer_value(json_object_get(json_object_get(stats, "service_ns"), "max")) >=
                1000000);
    json_decref(stats);
    free(text);
    stop(f);
}

static void a_reset_is_a_reset(void **state)
{
    struct fixture *f = start((struct server_config){0});
    struct buf got = {0};
    int fd = dial(f);

    (void)state;
    say(fd, "GET /?reset=1 HTTP/1.1\r\n" HOST "\r\n");
    assert_false(hear(fd, NULL, &got));
    assert_int_equal(got.len, 0);
    assert_int_equal(ledger_get(f->server->ledger, COUNT_RESET), 1);
    close(fd);
    stop(f);
}

/* More than the socket buffers hold: a close that leaves it unread would break the sending off. */
static void a_refusal_arrives(void **state)
{
    static const char head[] = "POST / HTTP/1.1\r\n" HOST "Content-Length: 3000000\r\n\r\n";
    struct fixture *f = start((struct server_config){.max_body = 10});
    struct buf request = {0}, got = {0};
    int fd = dial(f), small = 4096;

    (void)state;
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    buf_adds(&request, head);
    for (int i = 0; i < 3000; i++)
        buf_printf(&request, "%01000d", 0);
    say(fd, request.data);
    shutdown(fd, SHUT_WR);
    assert_true(hear(fd, NULL, &got));
    assert_int_equal(strncmp(got.data, "HTTP/1.1 413 ", 13), 0);
    close(fd);
    buf_free(&request);
    buf_free(&got);
    stop(f);
}

static void stopping_finishes_what_has_begun(void **state)
{
    struct fixture *f = start((struct server_config){0});
    struct buf got = {0}, none = {0};
    int busy = dial(f), idle = dial(f);

    (void)state;
    say(idle, "GET / HTTP/1.1\r\n" HOST "\r\n");
    assert_true(hear(idle, "ok\n", &none));
    say(busy, "GET /?early=103&latency=30ms HTTP/1.1\r\n" HOST "\r\n");
    assert_true(hear(busy, "\r\n\r\n", &got)); /* the interim answer: it has begun */
    server_stop(f->server);
    assert_true(hear(busy, NULL, &got));
    assert_non_null(strstr(got.data, "HTTP/1.1 200 "));
    assert_non_null(strstr(got.data, "Connection: close\r\n"));
    buf_clear(&none);
    assert_true(hear(idle, NULL, &none));
    assert_int_equal(none.len, 0);
    pthread_join(f->thread, NULL);
    server_free(f->server);
    free(f);
    close(busy);
    close(idle);
    buf_free(&got);
    buf_free(&none);
}

/* Nothing is written to it until the answer is due: only its going can be noticed. */
static void who_is_gone_is_let_go_before_the_answer(void **state)
{
    static const char *const asked[] = {"/?early=103&latency=1h", "/?first_byte=1ms&latency=1h"};
    const struct linger now = {.l_onoff = 1};
    struct fixture *f = start((struct server_config){.grace = NS_PER_MS});
    uint64_t until = now_ns() + 30 * NS_PER_S;

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct buf request = {0}, got = {0};
        int fd = dial(f);

        buf_printf(&request, "GET %s HTTP/1.1\r\n" HOST "\r\n", asked[i]);
        say(fd, request.data);
        assert_true(hear(fd, "\r\n\r\n", &got));
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
        close(fd);
        buf_free(&request);
        buf_free(&got);
    }
    while (ledger_get(f->server->ledger, COUNT_ABANDONED) < 2 && now_ns() < until)
        usleep(1000);
    assert_int_equal(ledger_get(f->server->ledger, COUNT_ABANDONED), 2);
    stop(f);
}

/* With nothing else to wake it, the end of the grace itself has to. */
static void the_grace_ends(void **state)
{
    struct fixture *f = start((struct server_config){.grace = NS_PER_MS});
    struct buf got = {0};
    int fd = dial(f);

    (void)state;
    say(fd, "GET /?early=103&latency=1h HTTP/1.1\r\n" HOST "\r\n");
    assert_true(hear(fd, "\r\n\r\n", &got));
    stop(f);
    buf_clear(&got);
    hear(fd, NULL, &got);
    assert_int_equal(got.len, 0);
    close(fd);
    buf_free(&got);
}

static void a_port_that_is_taken_is_not_shared(void **state)
{
    struct fixture *f = start((struct server_config){.threads = 2});
    const char *again = f->server->urls[0] + strlen("http://");
    struct server_config c = {.threads = 2, .listen_count = 1};
    char address[64];
    const char *list[] = {address};
    struct err e;

    (void)state;
    snprintf(address, sizeof(address), "%.*s", (int)strcspn(again, "/"), again);
    c.listen = list;
    assert_null(server_open(&c, &e));
    assert_non_null(strstr(e.text, "cannot listen: 127.0.0.1:"));
    stop(f);
}

static void addresses_are_checked(void **state)
{
    static const char *const bad[] = {"",        ":80",    "80",   "h:", "h:x",
                                      "h:65536", "::1:80", "[]:1", NULL};
    struct err e;

    (void)state;
    assert_true(server_check_address("127.0.0.1:0", &e));
    assert_true(server_check_address("[::1]:65535", &e));
    for (int i = 0; bad[i]; i++)
        assert_false(server_check_address(bad[i], &e));
}

/*
 * Arrivals that come `burst` at a time and every 100 us on average, long after the clock's start;
 * `late` of them are told of in the reverse order, from the second lot on.
 */
static double index_of(uint64_t burst, uint64_t late)
{
    struct ledger *l = ledger_new(NULL, 0);
    double index;

    for (uint64_t i = 0; i < 10000; i++) {
        uint64_t nth = i < late ? i : i / late * late + (late - 1 - i % late);

        ledger_arrived(l, 1000 * NS_PER_S + nth / burst * burst * 100000);
    }
    index = dispersion_index(&l->tally.fine);
    ledger_free(l);
    return index;
}

static void dispersion_tells_clocks_from_bursts(void **state)
{
    (void)state;
    assert_true(index_of(1, 1) < 0.001);                          /* ten in every window */
    assert_true(index_of(20, 1) > 9.9 && index_of(20, 1) < 10.2); /* mean 10, variance 100 */
    assert_true(index_of(1, 500) < 0.001); /* the order in which they are told of is none */
    assert_true(dispersion_index(&(struct dispersion){.width = 1}) <= 0);
}

static void a_reset_of_the_ledger_keeps_what_is_open(void **state)
{
    struct ledger *l = ledger_new(NULL, 0);

    (void)state;
    ledger_connected(l);
    ledger_connected(l);
    ledger_disconnected(l);
    assert_int_equal(ledger_arrived(l, 10), 0);
    assert_int_equal(ledger_arrived(l, 20), 1);
    ledger_reset(l);
    assert_int_equal(ledger_open(l), 1);
    assert_int_equal(l->tally.open_max, 1);
    assert_int_equal(ledger_get(l, COUNT_ACCEPTED), 0);
    assert_int_equal(ledger_arrived(l, 30), 0);
    assert_int_equal(l->tally.first, 30);
    ledger_free(l);
}

UNIT_GROUP(target_server, cmocka_unit_test(pipelined_requests_are_answered_in_order),
           cmocka_unit_test(what_was_programmed_is_what_was_done),
           cmocka_unit_test(a_reset_is_a_reset), cmocka_unit_test(a_refusal_arrives),
           cmocka_unit_test(stopping_finishes_what_has_begun), cmocka_unit_test(the_grace_ends),
           cmocka_unit_test(who_is_gone_is_let_go_before_the_answer),
           cmocka_unit_test(a_port_that_is_taken_is_not_shared),
           cmocka_unit_test(addresses_are_checked),
           cmocka_unit_test(dispersion_tells_clocks_from_bursts),
           cmocka_unit_test(a_reset_of_the_ledger_keeps_what_is_open))

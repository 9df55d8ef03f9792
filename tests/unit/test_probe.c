/* One attempt of net/attempt.h, and the probe driver that retries it. */
#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "fixture_run.h"
#include "net/attempt.h"
#include "run/result.h"

#define LONG (30 * NS_PER_S)
#define OK   "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
#define BUSY "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"

struct server { /* answers the n-th connection with the n-th text, the last one for ever */
    const char *const
        *answers; /* NULL-terminated; "" says nothing, "!..." does not wait to be asked */
    int fd;
    uint16_t port;
    pthread_t thread;
    _Atomic int accepted;
    char last[8192]; /* request; read it after server_stop() */
    char peer[INET_ADDRSTRLEN];
};

static bool is_whole(const char *request)
{
    const char *end = strstr(request, "\r\n\r\n"), *length = strcasestr(request, "content-length:");

    return end && (!length || strlen(end + 4) >= strtoul(length + 15, NULL, 10));
}

static void serve(struct server *s, int fd, const char *answer)
{
    bool at_once = *answer == '!';
    char rest[512];
    size_t len = 0;
    ssize_t got;

    s->last[0] = '\0';
    while (!at_once && !is_whole(s->last) && len < sizeof(s->last) - 1 &&
           (got = recv(fd, s->last + len, sizeof(s->last) - 1 - len, 0)) > 0)
        s->last[len += (size_t)got] = '\0';
    if (*answer) {
        send(fd, answer + at_once, strlen(answer + at_once), MSG_NOSIGNAL);
        shutdown(fd, SHUT_WR);
    }
    while (recv(fd, rest, sizeof(rest), 0) > 0)
        ;
}

static void *run_server(void *arg)
{
    struct server *s = arg;

    for (int i = 0;;) {
        struct sockaddr_in peer;
        socklen_t len = sizeof(peer);
        int fd = accept4(s->fd, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC);

        if (fd < 0)
            return NULL;
        inet_ntop(AF_INET, &peer.sin_addr, s->peer, sizeof(s->peer));
        atomic_fetch_add(&s->accepted, 1);
        serve(s, fd, s->answers[i]);
        close(fd);
        if (s->answers[i + 1])
            i++;
    }
}

static void server_start(struct server *s, const char *const *answers)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);

    *s = (struct server){.answers = answers};
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(s->fd, 16), 0);
    assert_int_equal(getsockname(s->fd, (struct sockaddr *)&a, &len), 0);
    s->port = ntohs(a.sin_port);
    assert_int_equal(pthread_create(&s->thread, NULL, run_server, s), 0);
}

static void server_stop(struct server *s)
{
    shutdown(s->fd, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->fd);
}

static uint16_t closed_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    return ntohs(a.sin_port); /* stays bound, never listens: nobody else gets it */
}

static void a_request_goes_out_as_asked(void **state)
{
    static const char *const headers[] = {"X-One: 1", "content-type: text/x", NULL};
    struct buf head = {0}, body = {0};
    struct attempt_answer a = {.head = &head, .body = &body};
    struct attempt_request r = {.method = "PUT",
                                .headers = headers,
                                .body = "data",
                                .body_len = 4,
                                .timeout_ns = LONG,
                                .source = "127.0.0.7",
                                .userinfo = "u:p"};
    struct server s;
    char url[64];
    struct err e;

    (void)state;
    setenv("http_proxy", "http://127.0.0.1:1/", 1); /* not to be used */
    server_start(&s, (const char *const[]){OK, NULL});
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/a?b=c", (unsigned)s.port);
    r.url = url;
    assert_true(attempt_http(&r, &a, &e));
    server_stop(&s);
    unsetenv("http_proxy");
    assert_int_equal(a.status, 200);
    assert_string_equal(body.data, "hi");
    assert_non_null(strstr(head.data, "HTTP/1.1 200 OK\r\n"));
    assert_int_equal(strncmp(s.last, "PUT /a?b=c HTTP/1.1\r\n", 21), 0);
    assert_non_null(strstr(s.last, "X-One: 1\r\n"));
    assert_non_null(strstr(s.last, "content-type: text/x\r\n"));
    assert_null(strstr(s.last, "urlencoded"));
    assert_null(strstr(s.last, "Expect"));
    assert_non_null(strstr(s.last, "Authorization: Basic dTpw\r\n"));
    assert_non_null(strstr(s.last, "\r\n\r\ndata"));
    assert_string_equal(s.peer, "127.0.0.7");
    buf_free(&head);
    buf_free(&body);
}

static void connect_to_and_server_name_leave_the_host_field_alone(void **state)
{
    struct attempt_request r = {.url = "http://api.test:8080/x", .timeout_ns = LONG};
    struct attempt_answer a = {0};
    struct server s;
    char to[64];
    struct err e;

    (void)state;
    server_start(&s, (const char *const[]){OK, NULL});
    snprintf(to, sizeof(to), "127.0.0.1:%u", (unsigned)s.port);
    r.connect_to = to;
    assert_true(attempt_http(&r, &a, &e));
    r.server_name = "other.test";
    assert_true(attempt_http(&r, &a, &e));
    server_stop(&s);
    assert_non_null(strstr(s.last, "Host: api.test:8080\r\n"));
}

static void redirects_are_answers(void **state)
{
    struct attempt_request r = {.timeout_ns = LONG};
    struct attempt_answer a = {0};
    struct server s;
    char url[64];
    struct err e;

    (void)state;
    server_start(&s, (const char *const[]){"HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\n"
                                           "Content-Length: 0\r\n\r\n",
                                           NULL});
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/", (unsigned)s.port);
    r.url = url;
    assert_true(attempt_http(&r, &a, &e));
    assert_int_equal(a.status, 302);
    server_stop(&s);
}

static void faults_are_told_apart(void **state)
{
    struct attempt_request r = {.timeout_ns = LONG};
    struct attempt_answer a = {0};
    volatile int interrupted = 1;
    struct server s;
    char url[64];
    struct err e;

    (void)state;
    r.url = url;
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/", (unsigned)closed_port());
    assert_false(attempt_http(&r, &a, &e));
    assert_int_equal(a.failure, ATTEMPT_REFUSED);
    assert_non_null(strstr(e.text, "/: connection refused"));

    server_start(&s, (const char *const[]){"", NULL});
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/", (unsigned)s.port);
    r.timeout_ns = 200 * NS_PER_MS;
    assert_false(attempt_http(&r, &a, &e));
    assert_int_equal(a.failure, ATTEMPT_TIMEOUT);
    assert_non_null(strstr(e.text, "no answer within 200ms"));
    r.timeout_ns = LONG;
    r.interrupted = &interrupted;
    assert_false(attempt_http(&r, &a, &e));
    assert_int_equal(a.failure, ATTEMPT_INTERRUPTED);
    r.interrupted = NULL;
    server_stop(&s);

    server_start(&s, (const char *const[]){"!SSH-2.0-no-http\r\n", NULL});
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/", (unsigned)s.port);
    assert_false(attempt_http(&r, &a, &e));
    assert_int_equal(a.failure, ATTEMPT_PROTOCOL);
    snprintf(url, sizeof(url), "https://127.0.0.1:%u/", (unsigned)s.port);
    assert_false(attempt_http(&r, &a, &e));
    assert_int_equal(a.failure, ATTEMPT_TLS);
    server_stop(&s);
}

static void a_port_accepts_or_not(void **state)
{
    enum attempt_failure failure;
    struct server s;
    struct err e;

    (void)state;
    server_start(&s, (const char *const[]){OK, NULL});
    assert_true(attempt_tcp("127.0.0.1", s.port, LONG, NULL, &failure, &e));
    assert_int_equal(failure, ATTEMPT_OK);
    server_stop(&s);
    assert_false(attempt_tcp("127.0.0.1", closed_port(), LONG, NULL, &failure, &e));
    assert_int_equal(failure, ATTEMPT_REFUSED);
    assert_non_null(strstr(e.text, "Connection refused"));
    assert_false(attempt_tcp("no-such-host.invalid", 1, LONG, NULL, &failure, &e));
    assert_int_equal(failure, ATTEMPT_UNREACHABLE);
}

static struct fixture_run f;

static void run_step(const char *url_format, unsigned port, const char *options)
{
    char *yaml = NULL, url[128];

    snprintf(url, sizeof(url), "%s%u/", url_format, port);
    assert_true(asprintf(&yaml,
                         "suite: t\n"
                         "targets:\n"
                         "  it: {url: '%s'}\n"
                         "phases:\n"
                         "  - name: p\n"
                         "    probe: {target: it, %s}\n",
                         url, options) > 0);
    fixture_run(&f, yaml, false);
    free(yaml);
}

static const struct step_result *step(void)
{
    return &f.result->phases[0].steps[0];
}

static void the_driver_retries_until_it_is_as_expected(void **state)
{
    struct server s;

    (void)state;
    server_start(&s, (const char *const[]){BUSY, BUSY, OK, NULL});
    run_step("http://127.0.0.1:", s.port,
             "path: /ready, every: 10ms, within: 30s, expect: {status: 200, body: ^hi$}");
    server_stop(&s);
    assert_int_equal(f.result->exit_code, 0);
    assert_int_equal(step()->ok, 1);
    assert_int_equal(s.accepted, 3);
    assert_int_equal(strncmp(s.last, "GET /ready HTTP/1.1\r\n", 21), 0);
    fixture_end(&f);
}

static void the_last_reason_and_the_time_are_told(void **state)
{
    struct server s;
    const char *why;

    (void)state;
    server_start(&s, (const char *const[]){BUSY, NULL});
    run_step("http://127.0.0.1:", s.port, "every: 10ms, within: 300ms, expect: {status: 2xx}");
    server_stop(&s);
    assert_int_equal(f.result->exit_code, 3); /* a probe that fails could not tell: no breach */
    assert_int_equal(step()->errors[0].outcome, OP_UNEXPECTED);
    why = step()->errors[0].why;
    assert_int_equal(strncmp(why, "status 503, expected 2xx (", 26), 0);
    assert_non_null(strstr(why, "tries in "));
    fixture_end(&f);

    run_step("http://127.0.0.1:", closed_port(), "every: 10s, within: 100ms");
    assert_int_equal(step()->errors[0].outcome, OP_REFUSED);
    assert_non_null(strstr(step()->errors[0].why, "connection refused (1 try in "));
    fixture_end(&f);
}

static void a_tcp_target_is_connected_to(void **state)
{
    struct server s;

    (void)state;
    server_start(&s, (const char *const[]){OK, NULL});
    run_step("tcp://127.0.0.1:", s.port, "within: 30s");
    server_stop(&s);
    assert_int_equal(f.result->exit_code, 0);
    fixture_end(&f);
    run_step("tcp://127.0.0.1:", closed_port(), "every: 10ms, within: 50ms");
    assert_int_equal(step()->errors[0].outcome, OP_REFUSED);
    fixture_end(&f);
}

static void an_end_of_the_load_does_not_wait_for_a_hanging_try(void **state)
{
    struct server s;
    char yaml[512];

    (void)state;
    server_start(&s, (const char *const[]){"", NULL});
    snprintf(yaml, sizeof(yaml),
             "suite: t\n"
             "targets: {it: {url: 'http://127.0.0.1:%u/'}}\n"
             "phases:\n"
             "  - name: p\n"
             "    probe: {target: it, timeout: 1h, within: 1h}\n"
             "    load: {executor: constant-vus, vus: 2, duration: 1s, graceful_stop: 0s}\n",
             (unsigned)s.port);
    fixture_run(&f, yaml, false); /* hangs, if the driver does */
    assert_int_equal(step()->unfinished, 2);
    fixture_end(&f);
    server_stop(&s);
}

UNIT_GROUP(probe, cmocka_unit_test(a_request_goes_out_as_asked),
           cmocka_unit_test(connect_to_and_server_name_leave_the_host_field_alone),
           cmocka_unit_test(redirects_are_answers), cmocka_unit_test(faults_are_told_apart),
           cmocka_unit_test(a_port_accepts_or_not),
           cmocka_unit_test(the_driver_retries_until_it_is_as_expected),
           cmocka_unit_test(the_last_reason_and_the_time_are_told),
           cmocka_unit_test(a_tcp_target_is_connected_to),
           cmocka_unit_test(an_end_of_the_load_does_not_wait_for_a_hanging_try))

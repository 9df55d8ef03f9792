/*
 * The flow driver against a server in this process that answers by path; the real engine runs the
 * driver, and what it counted is looked at.
 */
#include "unit.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "driver/flow.h"
#include "fixture_step.h"
#include "spec/yaml.h"

#define CONNS_MAX 16

struct server {
    struct pollfd fds[CONNS_MAX + 1]; /* the first one listens */
    int count;
    uint16_t port;
    pthread_t thread;
    _Atomic bool stop;
    _Atomic int requests, accepted, looks;
    char last[512]; /* the path asked for last */
};

static const char *const said[] = {
    "{\"id\":null}",
    "{\"id\":\"\"}",
    "{\"id\":\"a",
    "{\"id\":\"a b?c#\u00fc%41\"}",
    "{\"id\":\"a\\u0000b\"}",
    "{\"id\":\"a\\r\\nX: y\"}",
    "{\"other\":1}",
};

static void answer(struct server *s, int fd, const char *path)
{
    const char *status = strncmp(path, "/fail", 5) == 0    ? "500 No"
                         : strncmp(path, "/order", 6) == 0 ? "201 Created"
                                                           : "200 OK";
    char body[256] = "plain", out[1024];

    if (strncmp(path, "/order", 6) == 0)
        snprintf(body, sizeof(body), "{\"id\":\"c-7\",\"note\":\"ticket=<42>\"}");
    else if (strncmp(path, "/look", 5) == 0)
        snprintf(body, sizeof(body), "{\"status\":\"%s\"}",
                 atomic_fetch_add(&s->looks, 1) < 2 ? "pending" : "deployed");
    else if (strncmp(path, "/say", 4) == 0)
        snprintf(body, sizeof(body), "%s", said[path[4] - '0']);
    snprintf(out, sizeof(out), "HTTP/1.1 %s\r\nX-Zone: eu\r\nContent-Length: %zu\r\n\r\n%s", status,
             strlen(body), body);
    if (send(fd, out, strlen(out), MSG_NOSIGNAL) < 0)
        return;
}

/* Requests here are small and have no body: each arrives in one piece. */
static void serve(struct server *s, struct pollfd *p)
{
    char text[2048], path[512];
    ssize_t n = recv(p->fd, text, sizeof(text) - 1, 0);

    if (n <= 0) {
        close(p->fd);
        p->fd = -1;
        return;
    }
    text[n] = '\0';
    if (sscanf(text, "%*s %511s", path) != 1)
        return;
    snprintf(s->last, sizeof(s->last), "%s", path);
    atomic_fetch_add(&s->requests, 1);
    answer(s, p->fd, path);
}

static void *server_run(void *arg)
{
    struct server *s = arg;

    while (!atomic_load(&s->stop)) {
        if (poll(s->fds, (nfds_t)s->count, 20) <= 0)
            continue;
        for (int i = 1; i < s->count; i++)
            if (s->fds[i].fd >= 0 && s->fds[i].revents)
                serve(s, &s->fds[i]);
        if (s->fds[0].revents && s->count <= CONNS_MAX) {
            s->fds[s->count++] = (struct pollfd){accept(s->fds[0].fd, NULL, NULL), POLLIN, 0};
            atomic_fetch_add(&s->accepted, 1);
        }
    }
    return NULL;
}

static void server_start(struct server *s)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(a);

    signal(SIGPIPE, SIG_IGN);
    *s = (struct server){.count = 1};
    s->fds[0] = (struct pollfd){socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), POLLIN, 0};
    assert_int_equal(bind(s->fds[0].fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(s->fds[0].fd, 16), 0);
    getsockname(s->fds[0].fd, (struct sockaddr *)&a, &len);
    s->port = ntohs(a.sin_port);
    assert_int_equal(pthread_create(&s->thread, NULL, server_run, s), 0);
}

static void server_stop(struct server *s)
{
    atomic_store(&s->stop, true);
    pthread_join(s->thread, NULL);
    for (int i = 0; i < s->count; i++)
        if (s->fds[i].fd >= 0)
            close(s->fds[i].fd);
}

static const struct target *find_target(const void *ctx, const char *name, const char **nearest)
{
    (void)name;
    *nearest = NULL;
    return ctx;
}

/* The options as a suite would give them; false with the mistakes in `d`. */
static bool options(struct arena *arena, uint16_t port, const char *yaml, struct flow_opts *o,
                    struct diags *d)
{
    struct target *t = arena_new(arena, struct target);
    struct bind b = {.arena = arena, .diags = d, .target = find_target, .ctx = t};
    struct node *n;

    *t = (struct target){
        .name = "t", .scheme = "http", .host = "127.0.0.1", .port = port, .path = "/"};
    diags_init(d, "suite.yaml", arena);
    n = yaml_parse(yaml, strlen(yaml), arena, d);
    assert_non_null(n);
    return opt_bind(driver_flow.opts, NULL, n, "flow", o, &b) && driver_flow.check(o, n, "flow", d);
}

static void run(struct bench *b, struct server *s, const char *yaml, int n)
{
    struct flow_opts o = {0};
    struct diags d;

    server_start(s);
    if (!options(&b->arena, s->port, yaml, &o, &d))
        fail_msg("%s", d.first->text);
    bench_run(b, &driver_flow, &o, n);
    server_stop(s);
}

#define ORDER \
    "parts:\n" \
    "  - name: order\n" \
    "    http: {target: t, path: /order, expect: {status: 201},\n" \
    "           capture: {id: 'json:/id', zone: 'header:x-zone', ticket: 'regex:<(\\d+)>'}}\n"

static void captures_reach_later_parts(void **state)
{
    struct bench b = {0};
    struct server s;

    (void)state;
    run(&b, &s,
        ORDER "  - name: use\n"
              "    http: {target: t, path: '/x/%{id}/%{zone}/%{ticket}/%{iteration}'}\n",
        3);
    assert_int_equal(b.ok, 3);
    assert_string_equal(s.last, "/x/c-7/eu/42/2");
    assert_int_equal(s.accepted, 1);
    assert_true(b.sum[FLOW_HTTP + FETCH_REQS] == 6);
    assert_true(b.sum[FLOW_HTTP + FETCH_OPENED] == 1);
    assert_int_equal(b.tagged[FLOW_PART_DURATION][1][TAG_OK], 3);
    assert_int_equal(b.tagged[FLOW_PART_DURATION][2][TAG_OK], 3);
    assert_int_equal(b.tagged[FLOW_PART_DURATION][0][TAG_OK], 0);
    bench_free(&b);
}

static void a_new_connection_is_one_of_its_own(void **state)
{
    struct bench b = {0};
    struct server s;

    (void)state;
    run(&b, &s,
        "parts:\n"
        "  - {name: kept, http: {target: t}}\n"
        "  - {name: own, http: {target: t, connection: new}}\n",
        3);
    assert_int_equal(b.ok, 3);
    assert_int_equal(s.accepted, 4);
    assert_int_equal(b.tagged[FLOW_HTTP + FETCH_CONNECTING][1][TAG_OK], 1);
    assert_int_equal(b.tagged[FLOW_HTTP + FETCH_CONNECTING][2][TAG_OK], 3);
    bench_free(&b);
}

static void the_first_failure_ends_the_pass(void **state)
{
    struct bench b = {0};
    struct server s;

    (void)state;
    run(&b, &s,
        "parts:\n"
        "  - {name: first, http: {target: t}}\n"
        "  - {name: order, http: {target: t, path: /fail, expect: {status: 201}}}\n"
        "  - {name: never, http: {target: t}}\n",
        2);
    assert_int_equal(b.failed, 2);
    assert_string_equal(b.why, "part order: status 500, expected 201");
    assert_int_equal(s.requests, 4);
    assert_int_equal(b.tagged[FLOW_HTTP + FETCH_DURATION][1][TAG_OK], 2);
    assert_int_equal(b.tagged[FLOW_HTTP + FETCH_DURATION][1][TAG_FAILED], 0);
    assert_int_equal(b.tagged[FLOW_HTTP + FETCH_DURATION][2][TAG_FAILED], 2);
    assert_int_equal(b.tagged[FLOW_PART_FAILED][3][TAG_OK], 0);
    bench_free(&b);
}

/* One pass that captures from what was `said` and uses it in `use` of another request. */
static void capture_and_use(struct bench *b, struct server *s, int what, const char *use)
{
    char yaml[512];

    snprintf(yaml, sizeof(yaml),
             "parts:\n"
             "  - {name: get, http: {target: t, path: /say%d, capture: {id: 'json:/id'}}}\n"
             "  - {name: use, http: {target: t, %s}}\n",
             what, use);
    run(b, s, yaml, 1);
}

static void a_missing_capture_shows_what_came(void **state)
{
    static const struct {
        int what;
        const char *why;
    } cases[] = {
        {0, "part get: nothing to capture as id: json /id is null; status 200: {\"id\":null}"},
        {1, "part get: nothing to capture as id: json /id is empty; status 200: {\"id\":\"\"}"},
        {2, "part get: nothing to capture as id: the body is not JSON; status 200: {\"id\":\"a"},
        {4,
         "part get: nothing to capture as id: json /id has a NUL or more than 1024 bytes; status "
         "200: {\"id\":\"a\\u0000b\"}"},
        {6, "part get: nothing to capture as id: no json /id; status 200: {\"other\":1}"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bench b = {0};
        struct server s;

        capture_and_use(&b, &s, cases[i].what, "path: '/%{id}'");
        assert_int_equal(b.failed, 1);
        assert_int_equal(s.requests, 1);
        assert_string_equal(b.why, cases[i].why);
        bench_free(&b);
    }
}

/* What a server says may not become another path, query, field or request. */
static void a_capture_stays_where_it_is_put(void **state)
{
    struct bench b = {0};
    struct server s;

    (void)state;
    capture_and_use(&b, &s, 3, "path: '/u/%{id}?x=1'");
    assert_int_equal(b.ok, 1);
    assert_string_equal(s.last, "/u/a%20b?c%23%C3%BC%41?x=1");
    bench_free(&b);
    b = (struct bench){0};
    capture_and_use(&b, &s, 5, "path: '/u/%{id}'");
    assert_string_equal(s.last, "/u/a%0D%0AX:%20y");
    bench_free(&b);
    b = (struct bench){0};
    capture_and_use(&b, &s, 5, "headers: {X-Id: '%{id}'}");
    assert_int_equal(b.outcome, OP_UNEXPECTED);
    assert_string_equal(b.why, "part use: a header value has a line end in it");
    assert_int_equal(s.requests, 1);
    bench_free(&b);
}

static void a_poll_goes_on_until_it_is_met(void **state)
{
    struct bench b = {0};
    struct server s;

    (void)state;
    run(&b, &s,
        "parts:\n"
        "  - name: look\n"
        "    http: {target: t, path: /look, expect: {json: {/status: deployed}}}\n"
        "    until: {every: 1ms, within: 30s}\n",
        1);
    assert_int_equal(b.ok, 1);
    assert_int_equal(s.looks, 3);
    assert_true(b.sum[FLOW_PART_TRIES] == 3);
    assert_true(b.sum[FLOW_HTTP + FETCH_FAILED] == 0);
    assert_int_equal(b.tagged[FLOW_HTTP + FETCH_REQS][1][TAG_OK], 3);
    assert_int_equal(b.checks, 1);
    assert_int_equal(b.checks_met, 1);
    bench_free(&b);
}

static void a_poll_ends_within_its_limit(void **state)
{
    struct bench b = {0};
    struct server s;

    (void)state;
    run(&b, &s,
        "parts:\n"
        "  - name: look\n"
        "    http: {target: t, path: /never, expect: {status: 201}}\n"
        "    until: {every: 20ms, within: 1s}\n",
        1);
    assert_int_equal(b.failed, 1);
    assert_non_null(strstr(b.why, "part look: status 200, expected 201 ("));
    assert_int_equal(b.tagged[FLOW_PART_FAILED][1][TAG_FAILED], 1);
    assert_int_equal(b.tagged[FLOW_HTTP + FETCH_REQS][1][TAG_FAILED], 1);
    bench_free(&b);
}

static void thinking_is_no_part_of_a_part(void **state)
{
    struct bench b = {0};
    struct server s;
    uint64_t start = now_ns();

    (void)state;
    run(&b, &s, "parts: [{name: one, http: {target: t}, think: 300ms}]", 1);
    assert_int_equal(b.ok, 1);
    assert_true(now_ns() - start >= 300 * NS_PER_MS);
    assert_true(b.sum[FLOW_PART_DURATION] + 300e6 <= (double)(now_ns() - start));
    bench_free(&b);
}

static void refuses(const char *yaml, const char *why)
{
    struct arena arena = {0};
    struct flow_opts o = {0};
    struct diags d;

    assert_false(options(&arena, 1, yaml, &o, &d));
    if (!strstr(d.first->text, why))
        fail_msg("\"%s\" is not in \"%s\"", why, d.first->text);
    arena_free(&arena);
}

static void mistakes_are_found_before_any_traffic(void **state)
{
    (void)state;
    refuses("parts: []", "expected a list of parts");
    refuses("parts: [{name: a}]", "a part is either http or tls");
    refuses("parts: [{name: a, http: {target: t, path: '/%{id}'}}]", "nothing is called \"id\"");
    refuses("parts: [{name: a, http: {target: t, capture: {vu: 'json:/id'}}}]",
            "%{vu} has a meaning of its own");
    refuses("parts: [{name: a, http: {target: t, capture: {x: 'jason:/id'}}}]",
            "none of json:/pointer, header:Name and regex:pattern");
    refuses("parts: [{name: a, http: {target: t}}, {name: a, http: {target: t}}]",
            "there is another part \"a\"");
    refuses("parts: [{name: a, http: {target: t, capture: {x: 'json:/x'}}},"
            " {name: b, http: {target: t, capture: {x: 'json:/x'}}}]",
            "an earlier part captures \"x\"");
    refuses("parts: [{name: a, tls: {target: t}}]", "neither https: nor wss:");
}

UNIT_GROUP(flow, cmocka_unit_test(captures_reach_later_parts),
           cmocka_unit_test(a_new_connection_is_one_of_its_own),
           cmocka_unit_test(the_first_failure_ends_the_pass),
           cmocka_unit_test(a_missing_capture_shows_what_came),
           cmocka_unit_test(a_capture_stays_where_it_is_put),
           cmocka_unit_test(a_poll_goes_on_until_it_is_met),
           cmocka_unit_test(a_poll_ends_within_its_limit),
           cmocka_unit_test(thinking_is_no_part_of_a_part),
           cmocka_unit_test(mistakes_are_found_before_any_traffic))

/* test_target_h2.c - the target over HTTP/2, without TLS, by a client session on a socket. */
#include "unit.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "fixture_h2.h"
#include "target/ledger.h"
#include "target/server.h"

struct visit {
    struct server *server;
    pthread_t thread;
    struct side client;
    int fd;
};

static void *serve(void *server)
{
    server_run(server);
    return NULL;
}

static void dial(struct visit *v)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(v->server->ports[0])};

    v->fd = socket(AF_INET, SOCK_STREAM, 0);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(v->fd, (struct sockaddr *)&to, sizeof(to)), 0);
    side_init(&v->client, false, NULL);
}

static int set_up(void **state)
{
    struct visit *v = calloc(1, sizeof(*v));

    v->server = h2_target();
    assert_int_equal(pthread_create(&v->thread, NULL, serve, v->server), 0);
    dial(v);
    *state = v;
    return 0;
}

static void hang_up(struct visit *v)
{
    if (v->fd >= 0)
        close(v->fd);
    v->fd = -1;
    h2_free(v->client.h2);
    v->client.h2 = NULL;
    buf_free(&v->client.said);
}

static int tear_down(void **state)
{
    struct visit *v = *state;

    hang_up(v);
    server_stop(v->server);
    pthread_join(v->thread, NULL);
    server_free(v->server);
    free(v);
    return 0;
}

static void say(struct visit *v)
{
    static char out[H2_OUT];
    size_t len = h2_send(v->client.h2, out, sizeof(out));

    assert_int_equal(send(v->fd, out, len, MSG_NOSIGNAL), (ssize_t)len);
}

static void ask(struct visit *v, const char *path, const char *body)
{
    const struct h2_field fields[] = {
        {":method", body ? "POST" : "GET", 7, body ? 4 : 3, false},
        {":scheme", "http", 7, 4, false},
        {":authority", "x", 10, 1, false},
        {":path", path, 5, strlen(path), false},
    };

    v->client.body = body;
    v->client.body_at = 0;
    h2_request(v->client.h2, fields, 4, body != NULL, &v->client.stream);
    say(v);
}

/* Until the client has heard `text`, or the connection has ended. */
static void hear(struct visit *v, const char *text)
{
    char in[16384];
    ssize_t n = 1;

    while (n > 0 && !strstr(buf_text(&v->client.said), text)) {
        n = recv(v->fd, in, sizeof(in), 0);
        if (n > 0)
            h2_receive(v->client.h2, in, (size_t)n);
        if (n > 0)
            say(v);
    }
    side_says(&v->client, text);
}

static void pages_answer(void **state)
{
    struct visit *v = *state;

    ask(v, "/?early=103&stamps=1", NULL);
    hear(v, "done ");
    side_says(&v->client, ":status=103 link=</early>; rel=preload interim :status=200 ");
    side_says(&v->client, "content-length=3 x-target-arrival-ns=");
    side_says(&v->client, "data(ok\n) end ");
    ask(v, "/echo", "hello");
    hear(v, "\"body\":\"hello\"");
    ask(v, "/bytes/300000?first_byte=1ms&latency=2ms", NULL);
    v->client.data = 1000; /* enough was said */
    buf_clear(&v->client.said);
    hear(v, "done ");
    assert_int_equal(v->client.data, 301000);
}

static void faults_are_of_the_stream(void **state)
{
    struct visit *v = *state;

    ask(v, "/?reset=100%25", NULL);
    hear(v, "reset:INTERNAL_ERROR ");
    ask(v, "/bytes/10?truncate=1", NULL);
    hear(v, "data(01234) reset:INTERNAL_ERROR ");
    ask(v, "/echo",
        "more than 100 bytes: .........................................................."
        "..................................................");
    hear(v, ":status=413 ");
    buf_clear(&v->client.said);
    ask(v, "/status/204", NULL);
    hear(v, ":status=204 ");
    assert_int_equal(ledger_get(v->server->ledger, COUNT_RESET), 1);
}

static void close_is_goaway(void **state)
{
    struct visit *v = *state;

    ask(v, "/close", NULL);
    hear(v, "done ");
    hear(v, "goaway() ");
}

static void a_stop_lets_what_has_begun_finish(void **state)
{
    struct visit *v = *state;

    ask(v, "/early?early=103&latency=50ms", NULL);
    hear(v, "interim ");
    server_stop(v->server);
    hear(v, "goaway() ");
    hear(v, "data(ok\n) end ");
}

/* Away in the middle of an answer that is still being written; others are served on. */
static void peers_that_go_are_forgotten(void **state)
{
    struct linger now = {.l_onoff = 1};
    struct visit *v = *state;

    for (int i = 0; i < 5; i++) {
        ask(v, "/bytes/1MiB", NULL);
        ask(v, "/?latency=1s", NULL);
        hear(v, "head ");
        setsockopt(v->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
        hang_up(v);
        dial(v);
    }
    ask(v, "/", NULL);
    hear(v, "done ");
}

/* Nothing is written to it until the page is due, in a minute: only its going can be noticed. */
static void a_peer_that_is_gone_is_let_go_before_its_answer(void **state)
{
    const struct linger now = {.l_onoff = 1};
    struct visit *v = *state;
    uint64_t until = now_ns() + 30 * NS_PER_S;

    for (int i = 0; i < 2; i++) {
        ask(v, "/?early=103&latency=60s", NULL);
        hear(v, "interim ");
        if (i > 0)
            setsockopt(v->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
        hang_up(v);
        dial(v);
    }
    while (ledger_get(v->server->ledger, COUNT_ABANDONED) < 2 && now_ns() < until)
        usleep(1000);
    assert_int_equal(ledger_get(v->server->ledger, COUNT_ABANDONED), 2);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

UNIT_GROUP(target_h2, WITH(pages_answer), WITH(faults_are_of_the_stream), WITH(close_is_goaway),
           WITH(a_stop_lets_what_has_begun_finish), WITH(peers_that_go_are_forgotten),
           WITH(a_peer_that_is_gone_is_let_go_before_its_answer))

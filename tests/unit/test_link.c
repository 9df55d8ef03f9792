/* A backend and its hub: how it comes back, when it gives up, and what it does without being told.
 */
#include "unit.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "fixture_hub.h"
#include "target/ledger.h"
#include "target/nexus.h"
#include "target/server.h"

#define MS NS_PER_MS

struct fixture {
    struct hub hub;
    struct nexus nexus;
    struct server *server;
    struct arena arena;
    pthread_t thread;
};

static void ignore(const char *line)
{
    (void)line;
}

static void *serve(void *server)
{
    server_run(server);
    return NULL;
}

/* A backend that pauses for `retry` to `retry_max` and pings every `beat`. */
static void start(struct fixture *f, const char *script, uint64_t retry, uint64_t retry_max,
                  uint64_t beat)
{
    static const char *const loopback[] = {"127.0.0.1:0"};
    static const char *names[] = {"app.test"};
    struct nexus_opts o = {.backends = 1, .retry = (int64_t)retry, .retry_max = (int64_t)retry_max};
    struct server_config c = {.listen = loopback,
                              .listen_count = 1,
                              .header_timeout = 60 * NS_PER_S,
                              .idle_timeout = 60 * NS_PER_S,
                              .max_connections = 10,
                              .threads = 1,
                              .nexus = &f->nexus};
    struct err e;

    *f = (struct fixture){0};
    hub_start(&f->hub, script);
    o.url = arena_printf(&f->arena, "ws://127.0.0.1:%u/connect", (unsigned)f->hub.port);
    o.attest = (struct attest_opts){.secret = "some secret",
                                    .name = "backend",
                                    .issuer = "authorizer",
                                    .audience = "nexus",
                                    .hostnames = {names, 1},
                                    .ttl = 60 * (int64_t)NS_PER_S};
    f->nexus.tell = ignore;
    assert_true(nexus_init(&f->nexus, &o, &f->arena, &e));
    f->nexus.beat = beat;
    f->server = server_open(&c, &e);
    assert_non_null(f->server);
    assert_int_equal(pthread_create(&f->thread, NULL, serve, f->server), 0);
}

static void release(struct fixture *f)
{
    server_free(f->server);
    hub_stop(&f->hub);
    nexus_fini(&f->nexus);
    arena_free(&f->arena);
}

static void stop(struct fixture *f)
{
    server_stop(f->server);
    server_stop(f->server);
    pthread_join(f->thread, NULL);
    release(f);
}

static void pause_a_little(void)
{
    nanosleep(&(struct timespec){0, 2000000}, NULL);
}

static void await_tries(struct fixture *f, int n)
{
    while (atomic_load(&f->hub.tries) < n)
        pause_a_little();
}

static uint64_t gap(const struct fixture *f, int i)
{
    return f->hub.tried_ns[i + 1] - f->hub.tried_ns[i];
}

static void five_refusals_end_it(void **state)
{
    struct fixture f;

    (void)state;
    start(&f, "UTX", 10 * MS, 1000 * MS, NS_PER_S);
    pthread_join(f.thread, NULL); /* it stops by itself */
    assert_true(atomic_load(&f.nexus.gave_up));
    assert_int_equal(atomic_load(&f.hub.tries), 5);
    for (int i = 0; i < 4; i++) /* pauses double, and sway by a quarter */
        assert_true(gap(&f, i) >= (uint64_t)(7.5 * (1 << i)) * MS);
    release(&f);
}

static void what_is_no_refusal_is_tried_for_ever(void **state)
{
    struct fixture f;

    (void)state;
    start(&f, "UTE", 4 * MS, 16 * MS, NS_PER_S);
    await_tries(&f, 9);
    assert_false(atomic_load(&f.nexus.gave_up));
    for (int i = 2; i < 8; i++)
        assert_true(gap(&f, i) >= 12 * MS);
    stop(&f);
}

static void a_hub_that_answers_pings_is_kept(void **state)
{
    struct fixture f;

    (void)state;
    start(&f, "UTCTPPPPPPPPPPPPPW", MS, MS, 10 * MS);
    while (atomic_load(&f.hub.pings) < 12)
        pause_a_little();
    assert_int_equal(atomic_load(&f.nexus.registered), 1);
    await_tries(&f, 2); /* and one that does no more is left */
    stop(&f);
}

/* The page takes a minute, and the visitor is gone: two seconds are what its end is given. */
static void a_visitor_who_is_gone_is_let_go(void **state)
{
    struct fixture f;
    uint64_t began = now_ns();

    (void)state;
    start(&f, "UTCTPVGPDS", MS, MS, 20 * MS); /* by the first ping, long before the page */
    while (ledger_open(f.server->ledger) == 0)
        pause_a_little();
    while (ledger_open(f.server->ledger) > 0)
        pause_a_little();
    assert_true(now_ns() - began < 30 * NS_PER_S);
    stop(&f);
}

/* Half a million questions and nobody who reads the answers: they are not kept for ever. */
static void a_hub_that_only_asks_is_left(void **state)
{
    struct fixture f;

    (void)state;
    start(&f, "UTCTPQW", MS, MS, 60 * NS_PER_S);
    await_tries(&f, 2);
    stop(&f);
}

UNIT_GROUP(link, cmocka_unit_test(five_refusals_end_it),
           cmocka_unit_test(what_is_no_refusal_is_tried_for_ever),
           cmocka_unit_test(a_hub_that_answers_pings_is_kept),
           cmocka_unit_test(a_visitor_who_is_gone_is_let_go),
           cmocka_unit_test(a_hub_that_only_asks_is_left))

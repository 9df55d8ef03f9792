/* The ws driver against hubs that do exactly what a script says: fixture_hub.h. */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "driver/target.h"
#include "fixture_hub.h"
#include "fixture_step.h"
#include "spec/diag.h"
#include "spec/opt.h"
#include "spec/yaml.h"

extern const struct driver driver_ws;

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

    hub_start(&h, script);
    diags_init(&d, "test", &b->arena);
    to.url = arena_printf(&b->arena, "ws://127.0.0.1:%u/connect", (unsigned)h.port);
    assert_true(target_init(&target, "hub", &to, &(struct node){.type = NODE_MAP}, &d));
    map = yaml_parse(options, strlen(options), &b->arena, &d);
    if (!map || !opt_bind(driver_ws.opts, NULL, map, "ws", opts, &bind) ||
        !driver_ws.check(opts, map, "ws", &d))
        fail_msg("%s", d.first ? d.first->text : "no options");
    bench_run(b, &driver_ws, opts, n);
    hub_stop(&h);
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
        {"UTO", ACCEPT, OP_PROTOCOL, "a frame is larger than allowed"},
        {"UTZ", ACCEPT, OP_PROTOCOL,
         "a reserved bit is set in a frame, and no extension was agreed on"},
        {"UT8", ACCEPT, OP_PROTOCOL, "text is not UTF-8"},
        {"UTK", ACCEPT, OP_PROTOCOL, "a control frame is fragmented"},
        {"UTB", ACCEPT, OP_PROTOCOL, "a close frame has a code that must not be sent"},
        {"H", ACCEPT, OP_PROTOCOL, "the head is larger than allowed"},
        {"h", "{target: hub, timeout: 100ms, " TOKEN "}", OP_TIMEOUT,
         "no answer to the upgrade within 100ms"},
        {"UTFCTPW", ACCEPT, OP_OK, ""},
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

/* test_h2_abuse.c - a client session and what a hostile server may say to it. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "fixture_h2.h"

/* A client that has asked, and a hostile server's bytes. */
struct bad {
    const char *bytes;
    size_t len;
    const char *failure; /* of the connection; NULL: of the stream */
    const char *said;
};

#define SETTINGS "\0\0\0\4\0\0\0\0\0"
#define BYTES(s) s, sizeof(s) - 1

static void broken_rules_are_failures(void **state)
{
    static const struct bad cases[] = {
        {BYTES("HTTP/1.1 400 Bad Request\r\n\r\n"), "", NULL},
        {BYTES("\0\0\0\6\0\0\0\0\0"), "", NULL},                                /* PING first */
        {BYTES(SETTINGS "\0\100\1\0\0\0\0\0\1"), "", NULL},                     /* too large */
        {BYTES(SETTINGS "\0\0\1\0\0\0\0\0\3x"), "", NULL},                      /* idle stream */
        {BYTES(SETTINGS "\0\0\1\1\4\0\0\0\1\377"), "", NULL},                   /* HPACK */
        {BYTES(SETTINGS "\0\0\1\1\4\0\0\0\2\210"), "", NULL},                   /* even stream */
        {BYTES(SETTINGS "\0\0\4\10\0\0\0\0\0\0\0\0\0"), "", NULL},              /* increment 0 */
        {BYTES(SETTINGS "\0\0\4\10\0\0\0\0\0\177\377\377\377"), "", NULL},      /* overflow */
        {BYTES(SETTINGS "\0\0\1\11\4\0\0\0\1\210"), "", NULL},                  /* CONTINUATION */
        {BYTES(SETTINGS "\0\0\1\1\0\0\0\0\1\210\0\0\0\6\0\0\0\0\0"), "", NULL}, /* in between */
        {BYTES(SETTINGS "\0\0\0\4\1\0\0\0\0\0\0\5\5\4\0\0\0\1\0\0\0\2\202"), "",
         NULL},                                                /* PUSH_PROMISE */
        {BYTES("\0\0\6\4\0\0\0\0\0\0\4\200\0\0\0"), "", NULL}, /* window 2^31 */
        {BYTES(SETTINGS "\0\0\4\3\0\0\0\0\1\0\0\0\7"), NULL, "refused:"},
        {BYTES(SETTINGS "\0\0\4\3\0\0\0\0\1\0\0\0\2"), NULL, "reset:INTERNAL_ERROR"},
        {BYTES(SETTINGS "\0\0\1\1\5\0\0\0\1\204"), NULL, "broken:"}, /* :path in an answer */
        {BYTES(SETTINGS "\0\0\1\0\1\0\0\0\1x"), "", NULL},           /* DATA before a head */
        {BYTES(SETTINGS "\0\0\5\1\4\0\0\0\1\210\17\15\1\065\0\0\2\0\1\0\0\0\1xx"), NULL,
         "broken:"}, /* not its content-length */
        {BYTES(SETTINGS "\0\0\10\7\0\0\0\0\0\0\0\0\0\0\0\0\13"), NULL, "goaway(ENHANCE_YOUR_CALM)"},
    };
    static char out[H2_OUT];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct bad *bad = &cases[i];
        struct pair *p;
        const char *failure;

        pair_set_up((void **)&p);
        pair_ask(p, NULL);
        h2_send(p->client.h2, out, sizeof(out));
        h2_receive(p->client.h2, bad->bytes, bad->len);
        h2_send(p->client.h2, out, sizeof(out));
        failure = h2_failure(p->client.h2);
        if ((failure != NULL) != (bad->failure != NULL))
            fail_msg("case %zu: failure \"%s\"", i, failure ? failure : "none");
        if (bad->said)
            side_says(&p->client, bad->said);
        pair_tear_down((void **)&p);
    }
}

struct flood {
    const char *frame;
    size_t len;
};

/* However long it goes on, and although every answer to it can be sent. */
static void floods_end(void **state)
{
    static const struct flood floods[] = {
        {BYTES("\0\0\0\4\0\0\0\0\0")},           /* SETTINGS */
        {BYTES("\0\0\10\6\0\0\0\0\0........")},  /* PING */
        {BYTES("\0\0\0\0\0\0\0\0\1")},           /* empty DATA */
        {BYTES("\0\0\5\2\0\0\0\0\1\0\0\0\0\1")}, /* PRIORITY */
        {BYTES("\0\0\5\1\4\0\0\0\1\10\003103")}, /* interim */
        {BYTES("\0\0\0\11\0\0\0\0\1")},          /* CONTINUATION, after a HEADERS */
    };
    static char out[H2_OUT];

    (void)state;
    for (size_t i = 0; i < sizeof(floods) / sizeof(floods[0]); i++) {
        bool continues = floods[i].frame[3] == 9, data = floods[i].frame[3] == 0;
        struct pair *p;
        int n = 0;

        pair_set_up((void **)&p);
        pair_ask(p, NULL);
        h2_receive(p->client.h2, BYTES(SETTINGS));
        if (continues)
            h2_receive(p->client.h2, BYTES("\0\0\1\1\0\0\0\0\1\210"));
        if (data)
            h2_receive(p->client.h2, BYTES("\0\0\1\1\4\0\0\0\1\210"));
        for (; n < 2 * H2_IDLE_MAX && !h2_failure(p->client.h2); n++) {
            h2_send(p->client.h2, out, sizeof(out));
            h2_receive(p->client.h2, floods[i].frame, floods[i].len);
        }
        if (!h2_failure(p->client.h2))
            fail_msg("flood %zu does not end", i);
        pair_tear_down((void **)&p);
    }
}

/* A long body takes as many window updates as the peer likes to send. */
static void a_body_in_small_windows_is_no_flood(void **state)
{
    static char body[H2_IDLE_MAX + 1000 + 1], out[H2_OUT];
    struct pair *p = *state;

    memset(body, 'b', sizeof(body) - 1);
    pair_ask(p, body);
    h2_receive(p->client.h2, BYTES("\0\0\6\4\0\0\0\0\0\0\4\0\0\0\0")); /* window 0 */
    h2_send(p->client.h2, out, sizeof(out));
    for (size_t n = 1; n < sizeof(body); n++) {
        h2_receive(p->client.h2, BYTES("\0\0\4\10\0\0\0\0\1\0\0\0\1"));
        h2_send(p->client.h2, out, sizeof(out));
        assert_null(h2_failure(p->client.h2));
    }
    assert_int_equal(p->client.body_at, sizeof(body) - 1);
}

static void bytes_that_mean_nothing_end_it(void **state)
{
    static const char frame[9 + 16384] = "\0\100\0\300"; /* of an unknown type */
    struct pair *p = *state;
    int n = 0;

    h2_receive(p->client.h2, BYTES(SETTINGS));
    for (; n < 5000 && !h2_failure(p->client.h2); n++)
        h2_receive(p->client.h2, frame, sizeof(frame));
    assert_in_range(n, 1024, 4999);
}

/* Acknowledgements that the peer does not read do not pile up. */
static void unread_acknowledgements_end_it(void **state)
{
    struct pair *p = *state;

    h2_receive(p->client.h2, BYTES(SETTINGS));
    for (int n = 0; n < 5000 && !h2_failure(p->client.h2); n++)
        h2_receive(p->client.h2, BYTES("\0\0\10\6\0\0\0\0\0........"));
    assert_non_null(h2_failure(p->client.h2));
}

/* One entry of the table, named again and again: 4 KiB of head for each byte. */
static void header_bombs_are_bounded(void **state)
{
    struct pair *p = *state;
    static char out[H2_OUT], frame[9 + 4 + 4000 + 200];
    size_t len = 9;

    pair_ask(p, NULL);
    h2_send(p->client.h2, out, sizeof(out));
    h2_receive(p->client.h2, BYTES(SETTINGS));
    frame[len++] = (char)0x88;                    /* :status 200 */
    memcpy(frame + len, "\100\1a\177\241\36", 6); /* literal, indexed: a, 4000 bytes of value */
    len += 6;
    memset(frame + len, 'v', 4000);
    len += 4000;
    memset(frame + len, 0xbe, 100); /* entry 62 */
    len += 100;
    frame[1] = (char)((len - 9) >> 8);
    frame[2] = (char)(len - 9);
    frame[3] = 1;
    frame[4] = 5;
    frame[8] = 1;
    h2_receive(p->client.h2, frame, len);
    side_says(&p->client, "broken:a head of more than 64 KiB");
    assert_true(p->client.said.len < 2 * H2_HEAD_MAX);
    h2_send(p->client.h2, out, sizeof(out));
    assert_null(h2_failure(p->client.h2));
}

/* DATA beyond the window that was given. */
static void the_window_is_kept(void **state)
{
    struct pair *p = *state;
    static char out[H2_OUT], frame[9 + 16384];

    pair_ask(p, NULL);
    h2_send(p->client.h2, out, sizeof(out));
    h2_receive(p->client.h2, BYTES(SETTINGS "\0\0\1\1\4\0\0\0\1\210"));
    memcpy(frame, "\0\100\0\0\0\0\0\0\1", 9);
    for (int i = 0; i < 10; i++) /* without sending the updates in between */
        h2_receive(p->client.h2, frame, sizeof(frame));
    h2_send(p->client.h2, out, sizeof(out));
    assert_non_null(h2_failure(p->client.h2));
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, pair_set_up, pair_tear_down)

UNIT_GROUP(h2_abuse, cmocka_unit_test(broken_rules_are_failures), cmocka_unit_test(floods_end),
           cmocka_unit_test_setup_teardown(a_body_in_small_windows_is_no_flood, pair_set_up,
                                           pair_tear_down),
           WITH(bytes_that_mean_nothing_end_it), WITH(unread_acknowledgements_end_it),
           WITH(header_bombs_are_bounded), WITH(the_window_is_kept))

/* test_h2.c - requests and answers between two sessions. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "fixture_h2.h"
#include "base/mem.h"
#include "net/h2_fields.h"

static void a_request_is_answered(void **state)
{
    struct pair *p = *state;

    assert_int_equal(pair_ask(p, NULL), 1);
    pair_talk(p, 0);
    assert_string_equal(p->server.said.data,
                        "settings(4294967295) open(1) :method=GET :scheme=http :authority=x:80 "
                        ":path=/a cookie=secret head end sent done ");
    side_says(&p->client, "settings(3) ");
    side_says(&p->client, ":status=200 x-a=b head data(hello) end done ");
    assert_null(h2_failure(p->client.h2));
    assert_false(h2_wants_send(p->client.h2));
}

static void bodies_go_both_ways_in_any_pieces(void **state)
{
    struct pair *p = *state;
    struct buf body = {0};

    for (int i = 0; i < 30000; i++)
        buf_adds(&body, "0123456789");
    p->server.answer = body.data;
    pair_ask(p, body.data);
    pair_talk(p, 7);
    assert_int_equal(p->server.data, body.len);
    assert_int_equal(p->client.data, body.len);
    side_says(&p->client, "end done ");
    buf_free(&body);
}

static void it_does_not_matter_how_bytes_are_cut(void **state)
{
    for (size_t step = 0; step < 80; step++) {
        struct pair *p;

        pair_set_up((void **)&p);
        pair_ask(p, "question");
        pair_talk(p, step);
        side_says(&p->client, "end done ");
        side_says(&p->server, "end ");
        assert_int_equal(p->client.data, 5);
        assert_int_equal(p->server.data, 8);
        pair_tear_down((void **)&p);
    }
    (void)state;
}

static void a_cancelled_request_has_no_further_events(void **state)
{
    struct pair *p = *state;
    int32_t id = pair_ask(p, NULL);

    h2_cancel(p->client.h2, id, H2_CANCEL); /* before it was sent */
    pair_talk(p, 0);
    id = pair_ask(p, NULL);
    pair_carry(&p->client, &p->server, 0);
    buf_clear(&p->client.said);
    h2_cancel(p->client.h2, id, H2_CANCEL); /* while the answer is on its way */
    pair_talk(p, 0);
    assert_string_equal(buf_text(&p->client.said), "");
    assert_null(h2_failure(p->client.h2));
}

static void goaway_tells_what_was_not_processed(void **state)
{
    struct pair *p = *state;

    p->server.answer = NULL;
    pair_ask(p, NULL);
    pair_talk(p, 0);
    h2_shutdown(p->server.h2);
    pair_ask(p, NULL); /* on its way while the other says GOAWAY */
    pair_talk(p, 0);
    side_says(&p->client, "goaway() ");
    side_says(&p->client, "refused:not processed by the peer ");
    p->server.answer = "late";
    p->server.id = 1;
    side_answer(&p->server);
    pair_talk(p, 0);
    side_says(&p->client, "data(late) end done ");
    assert_true(h2_over(p->server.h2));
    assert_true(h2_over(p->client.h2));
}

static void resets_are_told_apart(void **state)
{
    struct pair *p = *state;

    p->server.answer = NULL;
    pair_ask(p, NULL);
    pair_talk(p, 0);
    h2_cancel(p->server.h2, p->server.id, H2_CANCEL_INTERNAL);
    pair_talk(p, 0);
    side_says(&p->client, "reset:INTERNAL_ERROR ");
}

static void streams_wait_for_the_peers_limit(void **state)
{
    struct pair *p = *state;

    p->server.answer = NULL;
    for (int i = 0; i < 5; i++)
        pair_ask(p, NULL);
    pair_talk(p, 0);
    assert_int_equal(h2_peer_streams(p->client.h2), 3);
    for (int i = 0; i < 3; i++)
        pair_ask(p, NULL);
    pair_talk(p, 0);
    assert_int_equal(p->server.id, 5); /* the first three, or refused ones beyond them */
}

static const struct h2_field ok_head[] = {{":status", "200", 7, 3, false}},
                             trailer[] = {{"grpc-status", "0", 11, 1, false}};

/* Both sessions make their frames in the same memory. */
static void an_answer_comes_in_parts(void **state)
{
    struct pair *p = *state;
    char other;
    int32_t id;

    h2_free(p->server.h2);
    side_init(&p->server, true, p->pool);
    p->server.answer = NULL;
    id = pair_ask(p, NULL);
    pair_talk(p, 0);
    h2_set_stream(p->server.h2, id, &p->server.stream);
    h2_respond_open(p->server.h2, id, ok_head, 1);
    pair_talk(p, 0);
    side_says(&p->client, ":status=200 head ");
    for (int i = 0; i < 3; i++) {
        p->server.body = i == 1 ? "two" : "one";
        p->server.body_at = 0;
        assert_true(h2_data(p->server.h2, id));
        assert_false(h2_data(p->server.h2, id));
        pair_talk(p, 0);
    }
    side_says(&p->client, "head data(one) data(two) data(one) ");
    assert_null(strstr(buf_text(&p->client.said), "end"));
    h2_trailers(p->server.h2, id, trailer, 1);
    pair_talk(p, 0);
    side_says(&p->client, "data(one) grpc-status=0 trailers end done");
    h2_set_stream(p->server.h2, id, &other); /* of a stream that has gone: nothing */
}

/* What a session is about to say is not lost when another of the pool speaks first. */
static void sessions_of_a_pool_do_not_mix(void **state)
{
    struct pair *p = *state;
    struct side second = {0};

    side_init(&second, false, p->pool);
    pair_ask(p, NULL);
    pair_talk(p, 0);
    side_says(&p->client, "done ");
    h2_free(p->client.h2);
    h2_free(p->server.h2);
    p->client.h2 = second.h2;
    side_init(&p->server, true, p->pool);
    pair_talk(p, 0);
    assert_null(h2_failure(p->server.h2));
    side_says(&second, "settings(3) ");
    p->client.h2 = NULL;
    h2_free(second.h2);
    buf_free(&second.said);
}

static void a_server_speaks_of_the_connection(void **state)
{
    struct pair *p = *state;

    h2_ping(p->client.h2);
    pair_talk(p, 0);
    side_says(&p->server, "ping ");
    h2_goaway(p->server.h2, H2_GOAWAY_CALM, "too_many_pings");
    pair_talk(p, 0);
    side_says(&p->client, "goaway(ENHANCE_YOUR_CALM)");
    assert_non_null(h2_failure(p->server.h2));
}

static void heads_become_fields(void **state)
{
    char request[] = "GET /a?b HTTP/1.1\r\nHost: x:1\r\nUser-Agent:  me \r\nConnection: close\r\n"
                     "TE: gzip\r\nCookie: c\r\n\r\n";
    char response[] = "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\nX-Y: z\r\n\r\n";
    struct h2_field f[H2_FIELDS_MAX];

    (void)state;
    assert_int_equal(h2_fields_request(request, strlen(request), true, f, H2_FIELDS_MAX), 6);
    assert_memory_equal(f[0].value, "GET", 4 - 1);
    assert_memory_equal(f[1].value, "https", 5);
    assert_memory_equal(f[2].value, "x:1", f[2].value_len);
    assert_memory_equal(f[3].value, "/a?b", f[3].value_len);
    assert_memory_equal(f[4].name, "user-agent", f[4].name_len);
    assert_int_equal(f[4].value_len, 2);
    assert_false(f[4].secret);
    assert_true(f[5].secret);
    assert_int_equal(h2_fields_request(request, strlen(request), true, f, 4), 4);
    assert_int_equal(h2_fields_response(response, strlen(response), f, H2_FIELDS_MAX), 2);
    assert_memory_equal(f[0].value, "204", f[0].value_len);
    assert_memory_equal(f[1].name, "x-y", f[1].name_len);
    assert_int_equal(h2_fields_request(request, 5, true, f, H2_FIELDS_MAX), 0);
}

/* Into the part of a pool that is made of huge pages: no two pieces share a byte. */
static void a_pool_may_grow_large(void **state)
{
    enum { PIECES = 6000, SIZE = 1500 };
    struct h2_pool *p = h2_pool_new();
    char **pieces = xcalloc(PIECES, sizeof(*pieces));

    (void)state;
    for (int i = 0; i < PIECES; i++) {
        pieces[i] = h2_pool_alloc(SIZE, p);
        memset(pieces[i], i & 0x7f, SIZE);
    }
    for (int i = 0; i < PIECES; i++) {
        assert_int_equal(pieces[i][0], i & 0x7f);
        assert_int_equal(pieces[i][SIZE - 1], i & 0x7f);
    }
    for (int i = 0; i < PIECES; i++)
        h2_pool_release(pieces[i], p);
    assert_ptr_equal(h2_pool_alloc(SIZE, p), pieces[PIECES - 1]);
    h2_pool_free(p);
    free(pieces);
}

static void released_memory_is_used_again(void **state)
{
    struct h2_pool *p = h2_pool_new();
    char *a = h2_pool_alloc(100, p), *b = h2_pool_calloc(3, 1000, p), *c;

    (void)state;
    memset(a, 1, 100);
    assert_int_equal(b[2999], 0);
    a = h2_pool_realloc(a, 2000, p);
    assert_int_equal(a[99], 1);
    c = h2_pool_alloc(97, p);
    h2_pool_release(c, p);
    assert_ptr_equal(h2_pool_alloc(112, p), c);
    h2_pool_release(a, p);
    h2_pool_release(b, p);
    h2_pool_free(p);
}

struct talker { /* a client whose request comes in pieces */
    struct h2 *h2;
    int32_t id;
    const char *piece;
    int opened;
};

static void talker_opened(void *owner, void *stream)
{
    struct talker *t = owner;

    assert_ptr_equal(stream, t);
    t->opened++;
    h2_data(t->h2, t->id);
}

static ssize_t talker_read(void *owner, void *stream, char *out, size_t size, bool *last)
{
    struct talker *t = owner;
    size_t len = strlen(t->piece);

    (void)stream;
    assert_true(size >= len);
    memcpy(out, t->piece, len);
    *last = true;
    return (ssize_t)len;
}

static void a_request_comes_in_pieces(void **state)
{
    static const struct h2_events events = {.opened = talker_opened, .read = talker_read};
    static const struct h2_field fields[] = {{":method", "POST", 7, 4, false},
                                             {":scheme", "http", 7, 4, false},
                                             {":path", "/", 5, 1, false},
                                             {":authority", "a", 10, 1, false}};
    const struct h2_config c = {.window = 65535, .connection_window = 65535, .pool = h2_pool_new()};
    struct talker t = {.piece = "one "};
    char *out = malloc(H2_OUT);
    struct side server = {0};
    int i;

    (void)state;
    side_init(&server, true, c.pool);
    t.h2 = h2_new(&c, &events, &t);
    t.id = h2_open(t.h2, fields, 4, &t);
    h2_data(t.h2, t.id); /* too early: there is no stream yet, and nothing happens */
    for (i = 0; i < 2; i++) {
        size_t n = h2_send(t.h2, out, H2_OUT);

        assert_int_equal(t.opened, 1);
        h2_receive(server.h2, out, n);
        t.piece = "two ";
        h2_data(t.h2, t.id);
        h2_data(t.h2, t.id); /* again: the same piece */
    }
    assert_int_equal(server.data, 8);
    h2_cancel(t.h2, t.id, H2_CANCEL);
    h2_free(t.h2);
    h2_free(server.h2);
    buf_free(&server.said);
    h2_pool_free(c.pool);
    free(out);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, pair_set_up, pair_tear_down)

UNIT_GROUP(h2, WITH(a_request_is_answered), WITH(bodies_go_both_ways_in_any_pieces),
           cmocka_unit_test(it_does_not_matter_how_bytes_are_cut),
           WITH(a_cancelled_request_has_no_further_events),
           WITH(goaway_tells_what_was_not_processed), WITH(resets_are_told_apart),
           WITH(streams_wait_for_the_peers_limit), WITH(an_answer_comes_in_parts),
           WITH(a_server_speaks_of_the_connection), WITH(sessions_of_a_pool_do_not_mix),
           cmocka_unit_test(heads_become_fields), cmocka_unit_test(released_memory_is_used_again),
           cmocka_unit_test(a_pool_may_grow_large), cmocka_unit_test(a_request_comes_in_pieces))

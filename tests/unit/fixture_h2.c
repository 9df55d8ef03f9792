#include "fixture_h2.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

#include "base/clock.h"
#include "base/err.h"
#include "target/server.h"

/* Nothing but what a test does makes it end a connection. */
struct server *h2_target(void)
{
    static const char *const loopback[] = {"127.0.0.1:0"};
    struct server_config c = {.listen = loopback,
                              .listen_count = 1,
                              .header_timeout = 60 * NS_PER_S,
                              .idle_timeout = 60 * NS_PER_S,
                              .grace = 60 * NS_PER_S,
                              .max_body = 100,
                              .max_connections = 100,
                              .threads = 1};
    struct server *server;
    struct err e;

    server = server_open(&c, &e);
    assert_non_null(server);
    return server;
}

static void *on_open(void *owner, int32_t id)
{
    struct side *s = owner;

    s->id = id;
    buf_printf(&s->said, "open(%d) ", id);
    return &s->stream;
}

static void on_field(void *owner, void *stream, const struct h2_field *f)
{
    struct side *s = owner;

    assert_ptr_equal(stream, &s->stream);
    buf_printf(&s->said, "%.*s=%.*s ", (int)f->name_len, f->name, (int)f->value_len, f->value);
}

static void on_head(void *owner, void *stream, enum h2_part part)
{
    static const char *const names[] = {"interim", "head", "trailers"};

    (void)stream;
    buf_printf(&((struct side *)owner)->said, "%s ", names[part]);
}

static void on_data(void *owner, void *stream, const char *data, size_t len)
{
    struct side *s = owner;

    (void)stream;
    s->data += len;
    if (s->data < 1000)
        buf_printf(&s->said, "data(%.*s) ", (int)len, data);
}

void side_answer(struct side *s)
{
    static const struct h2_field status[] = {{":status", "200", 7, 3, false},
                                             {"x-a", "b", 3, 1, false}};

    h2_respond(s->h2, s->id, status, 2, *s->answer != '\0');
}

static void on_end(void *owner, void *stream)
{
    struct side *s = owner;

    (void)stream;
    buf_adds(&s->said, "end ");
    if (s->answer)
        side_answer(s);
}

static void on_sent(void *owner, void *stream)
{
    (void)stream;
    buf_adds(&((struct side *)owner)->said, "sent ");
}

static ssize_t on_read(void *owner, void *stream, char *out, size_t size, bool *last)
{
    struct side *s = owner;
    const char *body = s->answer ? s->answer : s->body;
    size_t left = strlen(body) - s->body_at, n = left < size ? left : size;

    (void)stream;
    memcpy(out, body + s->body_at, n);
    s->body_at += n;
    *last = n == left;
    return (ssize_t)n;
}

static void on_closed(void *owner, void *stream, enum h2_end end, const char *why)
{
    static const char *const names[] = {"done", "refused", "reset", "broken"};

    (void)stream;
    buf_printf(&((struct side *)owner)->said, "%s%s%s ", names[end], why ? ":" : "",
               why ? why : "");
}

static void on_settings(void *owner)
{
    struct side *s = owner;

    buf_printf(&s->said, "settings(%u) ", h2_peer_streams(s->h2));
}

static void on_goaway(void *owner, const char *code)
{
    buf_printf(&((struct side *)owner)->said, "goaway(%s) ", code ? code : "");
}

static void on_ping(void *owner)
{
    buf_adds(&((struct side *)owner)->said, "ping ");
}

static const struct h2_events events = {on_open,   on_field,    on_head,   on_data,
                                        on_end,    on_sent,     NULL,      on_read,
                                        on_closed, on_settings, on_goaway, on_ping};

void side_init(struct side *s, bool server, struct h2_pool *pool)
{
    const struct h2_config c = {server, 3, 65535, 65535, pool};

    s->h2 = h2_new(&c, &events, s);
}

int pair_set_up(void **state)
{
    struct pair *p = calloc(1, sizeof(*p));

    p->pool = h2_pool_new();
    p->server.answer = "hello";
    side_init(&p->client, false, p->pool);
    side_init(&p->server, true, NULL);
    *state = p;
    return 0;
}

int pair_tear_down(void **state)
{
    struct pair *p = *state;

    h2_free(p->client.h2);
    h2_free(p->server.h2);
    h2_pool_free(p->pool);
    buf_free(&p->client.said);
    buf_free(&p->server.said);
    free(p);
    return 0;
}

size_t pair_carry(struct side *from, struct side *to, size_t step)
{
    static char out[H2_OUT];
    size_t len = h2_send(from->h2, out, sizeof(out)), n;

    for (size_t at = 0; at < len; at += n) {
        char *copy;

        n = step && step < len - at ? step : len - at;
        copy = malloc(n);
        memcpy(copy, out + at, n);
        h2_receive(to->h2, copy, n);
        free(copy);
    }
    return len;
}

void pair_talk(struct pair *p, size_t step)
{
    while (pair_carry(&p->client, &p->server, step) + pair_carry(&p->server, &p->client, step) > 0)
        continue;
}

static const struct h2_field get[] = {
    {":method", "GET", 7, 3, false},      {":scheme", "http", 7, 4, false},
    {":authority", "x:80", 10, 4, false}, {":path", "/a", 5, 2, false},
    {"cookie", "secret", 6, 6, true},
};

int32_t pair_ask(struct pair *p, const char *body)
{
    p->client.body = body;
    return h2_request(p->client.h2, get, 5, body != NULL, &p->client.stream);
}

void side_says(const struct side *s, const char *text)
{
    if (!strstr(buf_text(&s->said), text))
        fail_msg("\"%s\" does not say \"%s\"", buf_text(&s->said), text);
}

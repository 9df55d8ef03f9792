/*
 * The first byte chooses a client or a server session and how the rest is cut.  However it is cut,
 * the connection ends or not, and if it does not, the same streams begin, say as much and end
 * alike; what the session answers is bounded.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/h2.h"

#define OUT     (64 << 10)
#define STREAMS 4

struct trace {
    struct h2 *h2;
    uint64_t hash, data, fields;
    int open;
    bool ended, goaway;
    char stream;
    int32_t id;
};

static void note(struct trace *t, uint64_t what)
{
    t->hash = t->hash * 31 + what;
}

static void *on_open(void *owner, int32_t id)
{
    struct trace *t = owner;

    t->open++;
    t->id = id;
    note(t, 1);
    return &t->stream;
}

static void on_field(void *owner, void *stream, const struct h2_field *f)
{
    struct trace *t = owner;

    if (stream != &t->stream || f->name[f->name_len] != '\0' || f->value[f->value_len] != '\0')
        abort();
    t->fields += f->name_len + f->value_len;
    note(t, f->name_len * 7 + f->value_len);
}

static void on_head(void *owner, void *stream, enum h2_part part)
{
    (void)stream;
    note(owner, 10 + part);
}

static void on_data(void *owner, void *stream, const char *data, size_t len)
{
    struct trace *t = owner;

    (void)stream;
    for (size_t i = 0; i < len; i++)
        t->data += (unsigned char)data[i] + 1;
}

static void on_end(void *owner, void *stream)
{
    static const struct h2_field status = {":status", "200", 7, 3, false};
    struct trace *t = owner;

    (void)stream;
    note(t, 2);
    if (t->id)
        h2_respond(t->h2, t->id, &status, 1, false);
}

static void on_closed(void *owner, void *stream, enum h2_end end, const char *why)
{
    struct trace *t = owner;

    (void)stream;
    if (--t->open < 0 || (why && strlen(why) > 200))
        abort();
    note(t, 20 + end);
}

static void on_goaway(void *owner, const char *code)
{
    (void)code;
    ((struct trace *)owner)->goaway = true;
}

static const struct h2_events events = {
    .open = on_open,
    .field = on_field,
    .head = on_head,
    .data = on_data,
    .end = on_end,
    .closed = on_closed,
    .goaway = on_goaway,
};

static void drain(struct h2 *h, size_t size)
{
    static char out[OUT];
    size_t all = 0, n;

    while ((n = h2_send(h, out, sizeof(out))) > 0) {
        all += n;
        if (n > sizeof(out) || all > OUT + 64 * size)
            abort();
    }
}

static struct trace run(const uint8_t *data, size_t size, uint8_t mode, size_t step)
{
    static const struct h2_field get[] = {{":method", "GET", 7, 3, false},
                                          {":scheme", "http", 7, 4, false},
                                          {":authority", "x", 10, 1, false},
                                          {":path", "/", 5, 1, false}};
    const struct h2_config c = {mode & 1, 8, 65535, 65535, NULL};
    struct trace t = {0};

    t.h2 = h2_new(&c, &events, &t);
    for (int i = 0; !(mode & 1) && i < STREAMS; i++, t.open++)
        h2_request(t.h2, get, 4, false, &t.stream);
    drain(t.h2, 1);
    if (mode & 1 && !(mode & 2)) /* mostly past the preface and the first settings */
        h2_receive(t.h2, H2_PREFACE "\0\0\0\4\0\0\0\0\0", H2_PREFACE_LEN + 9);
    else if (!(mode & 2))
        h2_receive(t.h2, "\0\0\0\4\0\0\0\0\0", 9);
    for (size_t at = 0; at < size; at += step) {
        size_t n = step < size - at ? step : size - at;
        char *copy = malloc(n);

        memcpy(copy, data + at, n);
        h2_receive(t.h2, copy, n);
        free(copy);
    }
    drain(t.h2, size);
    t.ended = h2_failure(t.h2) || h2_over(t.h2);
    h2_free(t.h2);
    return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct trace whole, cut;

    if (size == 0)
        return 0;
    whole = run(data + 1, size - 1, data[0], size);
    cut = run(data + 1, size - 1, data[0], 1 + (data[0] >> 2) % 16);
    /* What comes behind GOAWAY is read no more once no stream is left, which a cut may show. */
    if (whole.goaway || cut.goaway)
        return 0;
    if (whole.ended != cut.ended)
        abort();
    /* How far the streams of one that ended had come depends on when its end was seen. */
    if (!whole.ended &&
        (whole.hash != cut.hash || whole.data != cut.data || whole.fields != cut.fields))
        abort();
    return 0;
}

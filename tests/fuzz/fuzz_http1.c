/*
 * The first byte chooses requests or responses and how the rest is cut.  However it is cut, the
 * events must be the same, every span must lie within the input and the parser must come to an end.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/http1.h"

struct trace {
    uint64_t hash;
    uint64_t body;
    int events;
};

static void note(struct trace *t, enum http1_event event, const struct http1 *p,
                 const struct http1_span *span)
{
    struct http1_span value;

    if (event == HTTP1_BODY) {
        t->body += span->len;
        return;
    }
    t->events++;
    t->hash = t->hash * 31 + (uint64_t)event * 7 + p->status + t->body;
    if ((event == HTTP1_HEAD || event == HTTP1_INFO) && http1_field(span, "x-a", &value) &&
        (value.data < span->data || value.data + value.len > span->data + span->len))
        abort();
}

static struct trace run(const uint8_t *data, size_t size, uint8_t mode, size_t step)
{
    size_t given = step < size ? step : size, done = 0;
    struct http1_span span;
    struct trace t = {0};
    struct http1 p;

    http1_init(&p, mode & 1 ? HTTP1_REQUEST : HTTP1_RESPONSE, 512);
    p.no_body = mode & 2;
    for (;;) {
        char *copy = malloc(given - done + 1);
        size_t len = given - done, at = 0, used;
        enum http1_event event;

        memcpy(copy, data + done, len);
        do {
            event = http1_next(&p, copy + at, len - at, &used, &span);
            if (used > len - at)
                abort();
            if (event != HTTP1_MORE)
                note(&t, event, &p, &span);
            at += used;
        } while (event != HTTP1_MORE && event != HTTP1_BAD);
        done += at;
        free(copy);
        if (event == HTTP1_BAD || given == size)
            break;
        given = given + step < size ? given + step : size;
    }
    if (!p.why)
        note(&t, http1_eof(&p), &p, &span);
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
    if (whole.hash != cut.hash || whole.body != cut.body || whole.events != cut.events)
        abort();
    return 0;
}

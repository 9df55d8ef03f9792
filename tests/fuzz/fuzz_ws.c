/*
 * The first byte chooses the end that reads and how the rest is cut.  However it is cut, the events
 * must be the same, spans must lie within the input and messages within their bound; and what was
 * read is written again and must come back.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "net/ws.h"

#define FRAME_MAX   300
#define MESSAGE_MAX 500

struct trace {
    uint64_t hash;
    struct buf message; /* that is being read */
    struct buf again;   /* all that was read, as frames */
    int events;
};

static void note(struct trace *t, enum ws_event event, const struct ws *w, const char *data,
                 size_t len)
{
    t->events++;
    t->hash = t->hash * 31 + (uint64_t)event * 7 + w->opcode + w->code + len;
    for (size_t i = 0; i < len; i++)
        t->hash = t->hash * 131 + (uint8_t)data[i];
    if (event == WS_BAD)
        return;
    ws_frame(&t->again, (enum ws_opcode)w->opcode, true, data, len, NULL);
}

static bool step(struct trace *t, struct ws *w, char *data, size_t len, size_t *at)
{
    struct http1_span span;
    size_t used;
    enum ws_event event = ws_next(w, data + *at, len - *at, &used, &span);

    if (used > len - *at)
        abort();
    if (event == WS_DATA) {
        if (span.data < data + *at || span.data + span.len > data + *at + used)
            abort();
        buf_add(&t->message, span.data, span.len);
        if (t->message.len > MESSAGE_MAX)
            abort();
    } else if (event == WS_END) {
        note(t, event, w, buf_text(&t->message), t->message.len);
        buf_clear(&t->message);
    } else if (event == WS_CONTROL) {
        note(t, event, w, span.data, span.len);
    } else if (event == WS_BAD) {
        note(t, event, w, w->why, strlen(w->why));
    }
    *at += used;
    return event != WS_MORE && event != WS_BAD;
}

static void run(struct trace *t, const uint8_t *data, size_t size, enum ws_role role, size_t cut,
                uint32_t frame_max)
{
    struct ws w;

    ws_init(&w, role, frame_max, MESSAGE_MAX);
    for (size_t done = 0; done < size && !w.why; done += cut) {
        size_t len = size - done < cut ? size - done : cut, at = 0;
        char *copy = malloc(len);

        memcpy(copy, data + done, len);
        while (step(t, &w, copy, len, &at))
            ;
        if (!w.why && at != len)
            abort();
        free(copy);
    }
}

static void end(struct trace *t)
{
    buf_free(&t->message);
    buf_free(&t->again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct trace whole = {0}, cut = {0}, back = {0};
    enum ws_role role;

    if (size == 0)
        return 0;
    role = data[0] & 1 ? WS_SERVER : WS_CLIENT;
    run(&whole, data + 1, size - 1, role, size, FRAME_MAX);
    run(&cut, data + 1, size - 1, role, 1 + (data[0] >> 1) % 16, FRAME_MAX);
    if (whole.hash != cut.hash || whole.events != cut.events)
        abort();
    /* Fragments may make a message that is longer than any frame of them. */
    run(&back, (const uint8_t *)whole.again.data, whole.again.len, WS_CLIENT, 7, MESSAGE_MAX);
    if (back.again.len != whole.again.len ||
        (back.again.len && memcmp(back.again.data, whole.again.data, back.again.len) != 0))
        abort();
    end(&whole);
    end(&cut);
    end(&back);
    return 0;
}

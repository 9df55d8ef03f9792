/*
 * ingest_call.c - one call: from the bytes of a stream to messages, and from messages and a status
 * to bytes.
 *
 * What goes out stands in two places: `more->out` holds messages that are this call's alone, and
 * behind them `owed` counts replies that are the same for everybody and need not be copied until
 * they leave.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "net/h2.h"
#include "net/h2_pool.h"
#include "target/ingest_state.h"
#include "target/peer.h"
#include "target/worker.h"

#define HELD_MAX (64 << 20) /* bytes of unfinished messages on one connection */
#define OWED_MAX (1 << 20)  /* bytes that a client may leave unread when something else follows */

static const struct method other = {"", NULL, NULL, NULL};
static const struct method *const methods[METHODS] = {
    [METHOD_REGISTER] = &ingest_register, [METHOD_HEARTBEAT] = &ingest_heartbeat,
    [METHOD_TERMINAL] = &ingest_terminal, [METHOD_INVENTORY] = &ingest_inventory,
    [METHOD_RENEW] = &ingest_renew,       [METHOD_OTHER] = &other};

struct call_more *call_more(struct call *c)
{
    if (!c->more) {
        c->more = xcalloc(1, sizeof(*c->more));
        c->more->call = c;
    }
    return c->more;
}

void call_hold(struct call *c, size_t bytes)
{
    c->calls->held += bytes - c->held;
    c->held = (uint32_t)bytes;
    if (c->calls->held > HELD_MAX)
        call_finish(c, GRPC_RESOURCE_EXHAUSTED, "too much of unfinished messages");
}

struct call *call_new(struct calls *cs, int32_t id, const char *method, const char *path,
                      const char *fields)
{
    struct call *c = h2_pool_calloc(1, sizeof(*c), cs->worker->pool);

    c->strand = STRAND_CALL;
    c->id = id;
    c->calls = cs;
    c->next = cs->first;
    if (c->next)
        c->next->prev = c;
    cs->first = c;
    c->number = (uint8_t)call_method(path);
    c->method = methods[c->number];
    call_judge(c, method, path, fields);
    return c;
}

/* True if a fault of the script has met this call. */
static bool meets_fault(struct call *c)
{
    struct ingest *g = c->calls->ingest;

    for (int i = 0; i < g->script.fault_count; i++) {
        const struct script_fault *f = &g->script.faults[i];
        uint64_t seen;

        if (f->method != c->number)
            continue;
        seen = atomic_fetch_add(&g->faulted[i], 1) + 1;
        if (seen % (uint64_t)f->every != 0 ||
            (f->times && seen / (uint64_t)f->every > (uint64_t)f->times))
            continue;
        call_finish(c, (enum grpc_code)f->code, "%s", f->message);
        return true;
    }
    return false;
}

void call_begin(struct call *c)
{
    enum ingest_generation g = (enum ingest_generation)c->calls->ingest->opts.ingest_generation;

    if (c->phase == CALL_FINISHED || meets_fault(c))
        return;
    if ((c->number == METHOD_TERMINAL && g >= INGEST_MTLS) ||
        (c->number == METHOD_RENEW && g == INGEST_TLS))
        call_finish(c, GRPC_UNIMPLEMENTED, "unknown method %s for service " INGEST_SERVICE,
                    c->method->name);
    else if (c->number != METHOD_REGISTER)
        call_admitted(c);
}

static void release(struct call *c)
{
    struct call_more *m = c->more;
    struct calls *cs = c->calls;

    if (c->phase != CALL_FINISHED && c->method->closed)
        c->method->closed(c);
    call_forget(c);
    cs->held -= c->held;
    if (cs->current == c)
        cs->current = NULL;
    *(c->prev ? &c->prev->next : &cs->first) = c->next;
    if (c->next)
        c->next->prev = c->prev;
    grpc_reader_free(&c->in);
    if (m) {
        ingest_late_free(c);
        timers_cancel(&cs->worker->deadlines, &m->timer);
        buf_free(&m->out);
        buf_free(&m->waiting);
        free(m->authorization);
        free(m->session);
        free(m->scan.id);
        free(m);
    }
    h2_pool_release(c, cs->worker->pool);
}

static void add_field(struct h2_field *f, const char *name, const char *value)
{
    *f = (struct h2_field){name, value, strlen(name), strlen(value), false};
}

static int status_fields(const struct call *c, struct h2_field *f, char number[4],
                         char text[sizeof(c->more->message) * 3])
{
    snprintf(number, 4, "%d", (int)c->more->code);
    add_field(&f[0], "grpc-status", number);
    if (!c->more->message[0])
        return 1;
    grpc_message_encode(c->more->message, strlen(c->more->message), text,
                        sizeof(c->more->message) * 3);
    add_field(&f[1], "grpc-message", text);
    return 2;
}

static void send_status(struct call *c)
{
    struct h2_field f[4];
    char number[4], text[sizeof(c->more->message) * 3];

    if (c->trailed)
        return;
    c->trailed = true;
    c->calls->spoke = true;
    if (!c->headed) { /* there never was a message */
        add_field(&f[0], ":status", c->more->unsupported ? "415" : "200");
        add_field(&f[1], "content-type", "application/grpc");
        h2_respond(c->calls->h2, c->id, f, 2 + status_fields(c, f + 2, number, text), false);
    } else {
        h2_trailers(c->calls->h2, c->id, f, status_fields(c, f, number, text));
    }
}

static bool has_bytes(const struct call *c)
{
    return c->owed > 0 || (c->more && c->more->out_at < c->more->out.len);
}

/* Sees to it that what is there goes out. */
static void kick(struct call *c)
{
    static const struct h2_field head[] = {{":status", "200", 7, 3, false},
                                           {"content-type", "application/grpc", 12, 16, false}};

    if (c->sending || c->trailed)
        return;
    if (!has_bytes(c)) {
        if (c->phase == CALL_FINISHED)
            send_status(c);
        return;
    }
    if (!c->headed)
        h2_respond_open(c->calls->h2, c->id, head, 2);
    c->headed = true;
    c->sending = h2_data(c->calls->h2, c->id);
    c->calls->again |= !c->sending;
}

bool calls_again(struct calls *cs)
{
    if (!cs->again)
        return false;
    cs->again = false;
    for (struct call *c = cs->first; c; c = c->next)
        kick(c);
    return true;
}

/*
 * Replies that are owed become bytes, so that something else may follow them; false if there are
 * too many, and then the call is finished.
 */
static bool spell_out(struct call *c)
{
    const struct buf *reply = &c->calls->ingest->reply[c->variant];
    uint64_t unread = c->owed * (uint64_t)reply->len;

    if (c->more)
        unread += c->more->out.len - c->more->out_at;
    if (unread > OWED_MAX) {
        call_finish(c, GRPC_RESOURCE_EXHAUSTED, "the client does not read its replies");
        return false;
    }
    for (; c->owed > 0; c->owed--)
        buf_add(&call_more(c)->out, reply->data, reply->len);
    return true;
}

void call_send(struct call *c, const void *message, size_t len)
{
    char prefix[GRPC_PREFIX];

    if (c->phase == CALL_FINISHED)
        return;
    if (!spell_out(c))
        return;
    grpc_prefix(prefix, len);
    buf_add(&call_more(c)->out, prefix, sizeof(prefix));
    buf_add(&c->more->out, message, len);
    kick(c);
}

void call_reply(struct call *c, uint8_t variant)
{
    if (c->phase == CALL_FINISHED)
        return;
    if (c->owed && c->variant != variant && !spell_out(c))
        return;
    c->variant = variant;
    c->owed++;
    kick(c);
}

void call_finish(struct call *c, enum grpc_code code, const char *fmt, ...)
{
    struct call_more *m = call_more(c);
    va_list ap;

    if (c->phase == CALL_FINISHED)
        return;
    if (c->method->closed)
        c->method->closed(c);
    call_forget(c);
    c->phase = CALL_FINISHED;
    m->code = code;
    va_start(ap, fmt);
    vsnprintf(m->message, sizeof(m->message), fmt, ap);
    va_end(ap);
    ingest_add(&c->calls->own->ended[c->number][code], 1);
    kick(c);
}

void call_malformed(struct call *c)
{
    call_finish(c, GRPC_INTERNAL,
                "grpc: failed to unmarshal the received message: proto: cannot "
                "parse invalid wire-format data");
}

void call_reset(struct call *c)
{
    if (c->phase != CALL_FINISHED)
        ingest_add(&c->calls->own->ended[c->number][GRPC_CANCELLED], 1);
    h2_cancel(c->calls->h2, c->id, H2_CANCEL_INTERNAL);
    release(c);
}

/* After `len` bytes of which some may be the beginning of a message. */
static void hold_rest(struct call *c, size_t len)
{
    size_t kept = call_kept(c);

    if (!grpc_reader_is_clean(&c->in))
        call_hold(c, c->held + len);
    else if (c->held != kept)
        call_hold(c, kept);
}

void call_data(struct call *c, const char *data, size_t len, uint64_t now)
{
    struct grpc_span in = {data, len}, message;
    struct calls *cs = c->calls;
    bool waits;

    cs->current = c;
    if (c->phase == CALL_WAITING) {
        call_keep(c, data, len);
        return;
    }
    while (cs->current == c && c->phase == CALL_OPEN) {
        enum grpc_event what = grpc_next(&c->in, &in, GRPC_MESSAGE_MAX, &message);

        if (what == GRPC_MESSAGE) {
            c->method->message(c, message, now);
            continue;
        }
        if (what == GRPC_COMPRESSED)
            call_finish(c, GRPC_INTERNAL,
                        "grpc: compressed flag set with identity or empty "
                        "encoding");
        else if (what == GRPC_TOO_LARGE)
            call_finish(c, GRPC_RESOURCE_EXHAUSTED, "grpc: received message larger than max (%d)",
                        GRPC_MESSAGE_MAX);
        else
            hold_rest(c, len);
        break;
    }
    waits = cs->current == c && c->phase == CALL_WAITING;
    ingest_add(&cs->own->count[INGEST_BYTES], waits ? len - in.len : len);
    if (waits && in.len > 0)
        call_keep(c, in.data, in.len);
}

void call_end(struct call *c, uint64_t now)
{
    c->half_closed = true;
    if (c->phase != CALL_OPEN)
        return;
    if (!grpc_reader_is_clean(&c->in))
        call_finish(c, GRPC_INTERNAL, "unexpected EOF");
    else
        c->method->end(c, now);
}

ssize_t call_read(struct call *c, char *out, size_t size, bool *last)
{
    const struct buf *reply = &c->calls->ingest->reply[c->variant];
    struct call_more *m = c->more;
    size_t n = 0, left = m ? m->out.len - m->out_at : 0;

    if (left > 0) {
        n = left < size ? left : size;
        memcpy(out, m->out.data + m->out_at, n);
        m->out_at += n;
        if (n == left) {
            buf_free(&m->out);
            m->out_at = 0;
        }
    }
    while (n >= left && c->owed > 0 && size - n >= reply->len) {
        memcpy(out + n, reply->data, reply->len);
        n += reply->len;
        c->owed--;
    }
    if (n == 0 && c->owed > 0) { /* it does not fit: in pieces */
        buf_add(&call_more(c)->out, reply->data, reply->len);
        c->owed--;
        return call_read(c, out, size, last);
    }
    *last = !has_bytes(c);
    c->sending = !*last;
    c->calls->spoke = true;
    if (*last && c->phase == CALL_FINISHED)
        send_status(c);
    return (ssize_t)n;
}

/* RFC 9113 8.1: a server that has said all may ask the client not to go on. */
void call_sent(struct call *c)
{
    if (c->half_closed)
        return;
    h2_cancel(c->calls->h2, c->id, H2_CANCEL_NONE);
    release(c);
}

void call_closed(struct call *c)
{
    if (c->phase != CALL_FINISHED)
        ingest_add(&c->calls->own->ended[c->number][GRPC_CANCELLED], 1);
    release(c);
}

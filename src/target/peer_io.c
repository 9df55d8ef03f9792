/*
 * peer_io.c - the bytes of a connection: what is read beyond a request, and what is not yet
 * written.
 */
#include "target/peer_state.h"

#include <string.h>

#include "base/clock.h"
#include "net/h2.h"
#include "target/errand.h"

#define HEAD_STEP 1024 /* how an incomplete head's memory grows: slow ones come by the thousand */

/* The timer is only ever moved forward; most deadlines move back before it fires. */
void peer_deadline(struct peer *p, uint64_t when)
{
    p->deadline_ns = when;
    if (when >= p->alarm_ns)
        return;
    p->alarm_ns = when;
    timers_set(&p->worker->deadlines, &p->deadline, when);
}

void peer_tell_bytes(struct peer *p)
{
    ledger_bytes(peer_ledger(p), p->received, p->sent);
    p->received = p->sent = 0;
}

enum flow peer_end(struct peer *p)
{
    peer_close(p);
    return FLOW_ENDED;
}

enum flow peer_end_as(struct peer *p, enum count why)
{
    ledger_count(peer_ledger(p), why, 1);
    return peer_end(p);
}

/* The peer went away while something of its request was still to be done. */
static enum flow abandon(struct peer *p)
{
    if (p->h2) /* counts each request by itself */
        return peer_end(p);
    return peer_end_as(p, COUNT_ABANDONED);
}

/* Writes what the peer takes of it now; how much. */
static enum flow write_some(struct peer *p, const char *data, size_t len, size_t *done)
{
    enum stream_result r = STREAM_OK;
    size_t n;

    for (*done = 0; *done < len && r == STREAM_OK; *done += n)
        r = stream_write(&p->stream, data + *done, len - *done, &n);
    p->sent += *done;
    if (r != STREAM_OK && r != STREAM_AGAIN)
        return abandon(p);
    if (*done)
        peer_deadline(p, now_ns() + peer_config(p)->idle_timeout);
    return r == STREAM_OK ? FLOW_ON : FLOW_BLOCKED;
}

enum flow peer_flush(struct peer *p)
{
    size_t done;
    enum flow f;

    if (!p->out.len)
        return FLOW_ON;
    f = write_some(p, p->out.data, p->out.len, &done);
    if (f == FLOW_ENDED)
        return f;
    p->out.len -= done;
    if (p->out.len)
        memmove(p->out.data, p->out.data + done, p->out.len);
    else
        buf_free(&p->out);
    return f;
}

enum flow peer_push(struct peer *p)
{
    struct buf *bytes = &p->worker->out;
    enum flow f = peer_flush(p);
    size_t done = 0;

    if (f == FLOW_ON)
        f = write_some(p, bytes->data, bytes->len, &done);
    if (f == FLOW_BLOCKED)
        buf_add(&p->out, bytes->data + done, bytes->len - done);
    return f;
}

static void on_answer(void *owner)
{
    peer_advance(owner);
}

/* Keeps what the exchange could not use, and knows what is expected next, and when. */
static void keep(struct peer *p, const char *data, size_t len)
{
    struct exchange *x = &p->exchange;
    bool own = p->in.len > 0;

    if (own && len)
        memmove(p->in.data, data, len);
    else if (len)
        buf_add(&p->in, data, len);
    p->in.len = len;
    if (!len && own)
        buf_free(&p->in);
    if (x->state == EXCHANGE_HEAD) {
        if (len && !p->begun && p->served)
            peer_deadline(p, p->read_ns + peer_config(p)->header_timeout);
        p->begun = len > 0;
        return;
    }
    peer_deadline(p, x->state == EXCHANGE_BODY ? p->read_ns + peer_config(p)->idle_timeout : NEVER);
    p->begun = p->served = true;
    p->fresh = len > 0;
    if (x->state == EXCHANGE_ASKED)
        errand_send(p->worker, x, on_answer, p);
    if (x->state != EXCHANGE_BODY)
        p->state = PEER_WAIT;
}

/* RFC 9113 3.3: a client that knows begins with the preface, and nothing else begins like that. */
static bool may_be_preface(const struct peer *p, const char *data, size_t len)
{
    size_t n = len < H2_PREFACE_LEN ? len : H2_PREFACE_LEN;

    if (p->stream.ssl || p->served || p->exchange.state != EXCHANGE_HEAD)
        return false;
    if (peer_config(p)->protocol == SERVER_HTTP1)
        return false;
    return memcmp(data, H2_PREFACE, n) == 0;
}

void peer_parse(struct peer *p, const char *data, size_t len)
{
    size_t used;

    p->fresh = false;
    if (may_be_preface(p, data, len)) {
        if (len < H2_PREFACE_LEN)
            keep(p, data, len);
        else
            peer_h2_begin(p, data, len);
        return;
    }
    used = exchange_read(&p->exchange, data, len, p->arrived_ns, &p->out);
    keep(p, data + used, len - used);
}

static enum flow peer_gone(struct peer *p)
{
    if (p->begun)
        return abandon(p);
    return peer_end(p);
}

enum flow peer_read(struct peer *p)
{
    char *to = p->worker->in;
    size_t cap = WORKER_READ, n;
    enum stream_result r;
    bool drained;

    if (p->in.len) {
        buf_reserve(&p->in, HEAD_STEP);
        to = p->in.data + p->in.len;
        cap = p->in.cap - p->in.len - 1;
    }
    r = stream_read(&p->stream, to, cap, &n, &drained);
    if (r == STREAM_AGAIN || (drained && !p->half_closed))
        p->readable = false;
    if (r == STREAM_AGAIN)
        return FLOW_ON;
    if (r != STREAM_OK)
        return peer_gone(p);
    p->read_ns = p->stream.read_ns;
    p->arrived_ns = p->stream.received_ns;
    p->received += n;
    if (p->in.len) {
        p->in.len += n;
        peer_parse(p, p->in.data, p->in.len);
    } else {
        peer_parse(p, to, n);
    }
    return FLOW_ON;
}

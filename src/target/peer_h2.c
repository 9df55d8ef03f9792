/*
 * peer_h2.c - a connection that speaks HTTP/2.
 *
 * Each stream is a visit (peer_visit.c) until its head is complete; one that speaks gRPC becomes a
 * call then, where there is a service (ingest_call.h).  A connection with such a service behind it
 * is kept open however long it rests, as gRPC servers do: a peer that is silent is asked for a sign
 * of life.
 */
#include "target/peer_h2.h"

#include "base/clock.h"
#include "base/mem.h"

#define STREAMS           250
#define CALL_STREAMS      65536 /* gRPC servers set no limit; this one bounds what a peer can cost */
#define WINDOW            (256 << 10)
#define CONNECTION_WINDOW (1 << 20)
#define SEND_BYTES        (64 << 10)
#define PROBE_NS          (20 * NS_PER_S) /* for the answer to a sign of life asked for */

static bool is_call(const void *stream)
{
    return *(const enum strand *)stream == STRAND_CALL;
}

void peer_h2_part(struct peer *p)
{
    if (!p->h2->parting)
        h2_shutdown(p->h2->session);
    p->h2->parting = true;
}

static void *on_open(void *owner, int32_t id)
{
    return visit_open(owner, id);
}

static void on_field(void *owner, void *stream, const struct h2_field *f)
{
    (void)owner;
    if (!is_call(stream))
        visit_field(stream, f);
}

/* A visit that turns out to be a call is one from now on. */
static void on_head(void *owner, void *stream, enum h2_part what)
{
    struct peer *p = owner;
    struct visit *v = stream;
    struct call *c;

    if (what != H2_HEAD)
        return;
    if (p->h2->calls && call_wanted(buf_text(&v->path), buf_text(&v->fields))) {
        c = call_new(p->h2->calls, v->id, buf_text(&v->method), buf_text(&v->path),
                     buf_text(&v->fields));
        h2_set_stream(p->h2->session, v->id, c);
        visit_free(v);
        call_begin(c);
    } else {
        visit_head(v);
    }
}

static void on_data(void *owner, void *stream, const char *data, size_t len)
{
    struct peer *p = owner;

    if (is_call(stream))
        call_data(stream, data, len, p->read_ns);
    else
        visit_data(stream, data, len);
}

static void on_end(void *owner, void *stream)
{
    struct peer *p = owner;

    if (is_call(stream))
        call_end(stream, p->read_ns);
    else
        visit_end(stream);
}

static ssize_t on_read(void *owner, void *stream, char *out, size_t size, bool *last)
{
    (void)owner;
    return is_call(stream) ? call_read(stream, out, size, last)
                           : visit_read(stream, out, size, last);
}

static void on_sent(void *owner, void *stream)
{
    (void)owner;
    if (is_call(stream))
        call_sent(stream);
    else
        visit_sent(stream);
}

static void on_closed(void *owner, void *stream, enum h2_end end, const char *why)
{
    (void)owner;
    (void)why;
    if (is_call(stream))
        call_closed(stream);
    else
        visit_closed(stream, end);
}

static void on_ping(void *owner)
{
    struct peer *p = owner;

    if (p->h2->calls)
        calls_pinged(p->h2->calls, p->read_ns);
}

static void receive(struct peer *p, const char *data, size_t len)
{
    p->begun = p->served = true;
    p->h2->probed = false;
    p->received += len;
    peer_deadline(p, p->read_ns + peer_config(p)->idle_timeout);
    h2_receive(p->h2->session, data, len);
}

void peer_h2_begin(struct peer *p, const char *data, size_t len)
{
    struct ingest *ingest = peer_config(p)->ingest;
    const struct h2_config config = {
        .server = true,
        .streams = ingest ? CALL_STREAMS : STREAMS,
        .window = WINDOW,
        .connection_window = CONNECTION_WINDOW,
        .pool = p->worker->pool,
    };
    static const struct h2_events events = {
        .open = on_open,
        .field = on_field,
        .head = on_head,
        .data = on_data,
        .end = on_end,
        .sent = on_sent,
        .read = on_read,
        .closed = on_closed,
        .ping = on_ping,
    };

    p->state = PEER_H2;
    p->h2 = xcalloc(1, sizeof(*p->h2));
    p->h2->session = h2_new(&config, &events, p);
    if (ingest)
        p->h2->calls = calls_new(ingest, p, p->worker, p->h2->session, p->stream.ssl);
    if (len > 0)
        h2_receive(p->h2->session, data, len);
    buf_free(&p->in);
}

void peer_h2_free(struct peer *p)
{
    if (!p->h2)
        return;
    visits_free(p);
    calls_free(p->h2->calls);
    h2_free(p->h2->session);
    free(p->h2);
    p->h2 = NULL;
}

/* Everything that there is to send and that the peer takes; its own slowness stops its requests. */
static enum flow send_all(struct peer *p)
{
    struct buf *out = &p->worker->out;
    enum flow f = peer_flush(p);

    while (f == FLOW_ON) {
        buf_clear(out);
        buf_reserve(out, SEND_BYTES);
        out->len = h2_send(p->h2->session, out->data, SEND_BYTES);
        if (out->len == 0)
            break;
        f = peer_push(p);
    }
    return f;
}

/*
 * Also where the socket was thought to be drained: a record that has come since may have brought
 * others, which are in OpenSSL's buffer now, and no event tells of those.
 */
static enum flow read_some(struct peer *p)
{
    enum stream_result r;
    bool drained;
    size_t n;

    r = stream_read(&p->stream, p->worker->in, WORKER_READ, &n, &drained);
    p->readable = r == STREAM_OK && (!drained || p->half_closed);
    if (r == STREAM_AGAIN)
        return FLOW_ON;
    if (r != STREAM_OK)
        return peer_end(p);
    p->read_ns = p->stream.read_ns;
    p->arrived_ns = p->stream.received_ns;
    receive(p, p->worker->in, n);
    return FLOW_ON;
}

/* A reset that came together with bytes has no event of its own: only a further read tells of it,
 * and that is made where nothing else would before the answer is due. */
enum flow peer_h2_step(struct peer *p)
{
    bool behind = false;

    for (;;) {
        enum flow f;

        if (p->dropped) {
            stream_reset(&p->stream);
            return peer_end(p);
        }
        f = send_all(p);
        if (f == FLOW_ENDED)
            return f;
        if (f == FLOW_ON && p->h2->calls && calls_again(p->h2->calls))
            continue;
        peer_tell_bytes(p);
        if (f == FLOW_BLOCKED)
            return f;
        if (h2_failure(p->h2->session))
            ledger_count(peer_ledger(p), COUNT_BAD, 1);
        if (h2_failure(p->h2->session) || h2_over(p->h2->session))
            return peer_linger(p);
        if ((!p->readable && !(behind && p->h2->visits)) || peer_yields(p))
            return FLOW_BLOCKED;
        behind = p->readable;
        if (read_some(p) == FLOW_ENDED)
            return FLOW_ENDED;
    }
}

void peer_h2_drain(struct peer *p)
{
    peer_h2_part(p);
}

/* True if the peer is given more time, for a sign of life. */
static bool probe(struct peer *p, uint64_t now)
{
    if (!p->h2->calls || p->h2->probed || p->out.len > 0)
        return false;
    p->h2->probed = true;
    h2_ping(p->h2->session);
    peer_deadline(p, now + PROBE_NS);
    peer_advance(p);
    return true;
}

/* Waiting for the time of its answers is not the peer's fault, and neither is having no request. */
void peer_h2_late(struct peer *p, uint64_t now)
{
    if (probe(p, now))
        return;
    if (!p->h2->calls && !p->h2->visits && p->out.len == 0 && !p->h2->parting) {
        peer_deadline(p, now + peer_config(p)->idle_timeout);
        peer_h2_part(p);
        peer_advance(p);
        return;
    }
    if (!p->h2->calls && p->h2->visits && p->out.len == 0 && visits_wait(p)) {
        peer_deadline(p, now + peer_config(p)->idle_timeout);
        return;
    }
    ledger_count(peer_ledger(p), COUNT_TIMED_OUT, 1);
    peer_close(p);
}

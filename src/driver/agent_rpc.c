#include "driver/agent_rpc.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

#define ANSWER_MAX (256 << 10) /* an answer of one message, with certificates in it */

static void on_timer(struct timer *t, uint64_t now);

static struct rpc *of(struct stream *s)
{
    return (struct rpc *)s;
}

static void release(struct rpc *c)
{
    struct fleet *f = c->fleet;

    timers_cancel(f->links.timers, &c->timer);
    timers_cancel(f->links.timers, &c->pause);
    stream_free(&c->stream);
    c->running = false;
    c->next = f->free_calls;
    f->free_calls = c;
}

static void count(struct rpc *c, const struct stream_end *end)
{
    bool ok = end->outcome == OP_OK;

    fleet_rpc(c->fleet, c->kind->method, end);
    if (c->kind->duration == AM_METRICS)
        return;
    fleet_trend(c->fleet, c->kind->duration, ok, now_ns() - c->begun_ns);
    if (c->kind->duration != AM_UNARY_DURATION)
        fleet_trend(c->fleet, AM_UNARY_DURATION, ok, now_ns() - c->begun_ns);
}

static void conclude(struct rpc *c, const struct stream_end *end)
{
    struct stream_end missing = {OP_PROTOCOL, GRPC_INTERNAL, false, "OK, but no answer"};

    c->link->unanswered--;
    if (end->outcome == OP_OK && !c->answered && !c->kind->message)
        end = &missing;
    if (end->outcome == OP_OK)
        link_answered(c->link);
    count(c, end);
    c->kind->done(c, end);
    release(c);
}

static void ended(struct link *l, struct stream *s, const struct stream_end *end)
{
    (void)l;
    conclude(of(s), end);
}

static ssize_t read_request(struct link *l, struct stream *s, char *out, size_t size, bool *last)
{
    struct rpc *c = of(s);
    size_t left = c->request.len - c->sent, n;

    (void)l;
    if (left == 0 && c->more) {
        buf_clear(&c->request);
        c->sent = 0;
        c->more = c->kind->make(c, &c->request);
        left = c->request.len;
        c->waits = left == 0 && c->more;
        if (c->waits)
            return H2_LATER;
    }
    n = left < size ? left : size;
    if (n > 0)
        memcpy(out, c->request.data + c->sent, n);
    c->sent += n;
    *last = n == left && !c->more;
    return (ssize_t)n;
}

static const char *take(struct link *l, struct stream *s, struct grpc_span m)
{
    struct rpc *c = of(s);

    (void)l;
    if (c->kind->message) {
        c->kind->message(c, m);
        return NULL;
    }
    if (c->answered)
        return "a second message in the answer to a unary call";
    if (m.len > ANSWER_MAX)
        return "an answer of more than 256 KiB";
    c->answered = true;
    buf_add(&c->answer, m.data, m.len);
    return NULL;
}

static const struct stream_kind call_stream = {
    .read = read_request,
    .message = take,
    .ended = ended,
};

struct rpc *rpc_new(struct fleet *f, struct agent *a, const struct rpc_kind *kind)
{
    struct rpc *c = f->free_calls;

    if (c) {
        f->free_calls = c->next;
    } else {
        c = xcalloc(1, sizeof(*c));
        c->all = f->calls;
        f->calls = c;
    }
    buf_clear(&c->request);
    buf_clear(&c->answer);
    buf_clear(&c->token);
    c->stream = (struct stream){.kind = &call_stream};
    c->kind = kind;
    c->fleet = f;
    c->link = NULL;
    c->agent = a;
    c->sent = 0;
    c->more = kind->make != NULL;
    c->answered = c->quiet = c->waits = false;
    c->stage = 0;
    c->begun_ns = 0;
    c->errand = NULL;
    c->running = true;
    return c;
}

static struct h2_field field(const char *name, const char *value, bool secret)
{
    return (struct h2_field){name, value, strlen(name), strlen(value), secret};
}

/* The fields stay where they are until the stream's first event: see h2_request(). */
bool rpc_begin(struct rpc *c, struct link *l, uint64_t timeout_ns)
{
    const struct agent_job *j = c->fleet->job;
    bool secure = j->route.ctx != NULL;
    struct h2_field fields[10];
    int n = 0;

    snprintf(c->path, sizeof(c->path), SERVICE "%s", c->kind->method);
    grpc_timeout_print((int64_t)timeout_ns, c->timeout);
    fields[n++] = field(":method", "POST", false);
    fields[n++] = field(":scheme", secure ? "https" : "http", false);
    fields[n++] = field(":path", c->path, false);
    fields[n++] = field(":authority", j->authority, false);
    fields[n++] = field("te", "trailers", false);
    fields[n++] = field("content-type", "application/grpc", false);
    fields[n++] = field("user-agent", "shakedown", false);
    fields[n++] = field("grpc-timeout", c->timeout, false);
    if (c->kind->authorized) {
        if (c->token.len == 0)
            buf_printf(&c->token, "Bearer %s", c->agent && c->agent->token ? c->agent->token : "");
        fields[n++] = field("authorization", buf_text(&c->token), true);
    }
    c->link = l;
    if (!stream_call(l, &c->stream, fields, n))
        return false;
    l->unanswered++;
    c->begun_ns = now_ns();
    c->timer.fire = on_timer;
    timers_set(c->fleet->links.timers, &c->timer, c->begun_ns + timeout_ns);
    return true;
}

bool rpc_is_certain(const struct stream_end *end)
{
    if (end->outcome == OP_OK)
        return true;
    if (end->outcome != OP_UNEXPECTED || end->code < 0)
        return false;
    switch (end->code) {
    case GRPC_CANCELLED:
    case GRPC_UNKNOWN:
    case GRPC_DEADLINE_EXCEEDED:
    case GRPC_ABORTED:
    case GRPC_INTERNAL:
    case GRPC_UNAVAILABLE:
    case GRPC_DATA_LOSS:
        return false;
    default:
        return true;
    }
}

void rpc_go_on(struct rpc *c)
{
    if (c->waits && c->stream.id)
        stream_resume(c->link, &c->stream);
}

static void on_timer(struct timer *t, uint64_t now)
{
    struct rpc *c = (struct rpc *)((char *)t - offsetof(struct rpc, timer));
    const struct stream_end end = {OP_TIMEOUT, GRPC_DEADLINE_EXCEEDED, false, "no answer in time"};

    (void)now;
    stream_cancel(c->link, &c->stream);
    conclude(c, &end);
}

void rpc_abandon(struct rpc *c)
{
    if (c->link && c->stream.id) {
        c->link->unanswered--;
        stream_cancel(c->link, &c->stream);
    }
    release(c);
}

void rpcs_lost(struct fleet *f, struct link *l, const struct stream_end *end)
{
    for (struct rpc *c = f->calls; c; c = c->all) {
        if (!c->running || c->link != l || c->stream.id == 0)
            continue;
        c->stream.id = 0;
        l->unanswered++; /* the link has forgotten, and conclude() takes off one */
        conclude(c, end);
    }
}

void rpcs_free(struct fleet *f)
{
    struct rpc *next;

    for (struct rpc *c = f->calls; c; c = next) {
        next = c->all;
        timers_cancel(f->links.timers, &c->timer);
        timers_cancel(f->links.timers, &c->pause);
        stream_free(&c->stream);
        buf_free(&c->request);
        buf_free(&c->answer);
        buf_free(&c->token);
        free(c);
    }
    f->calls = f->free_calls = NULL;
}

size_t message_begin(struct buf *out)
{
    char prefix[GRPC_PREFIX] = {0};
    size_t at = out->len;

    buf_add(out, prefix, sizeof(prefix));
    return at;
}

void message_end(struct buf *out, size_t at)
{
    grpc_prefix(out->data + at, out->len - at - GRPC_PREFIX);
}

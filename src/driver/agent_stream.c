/*
 * agent_stream.c - an agent's Heartbeat stream.
 *
 * The server answers each message with exactly one reply, in order, so the first reply belongs to
 * the oldest message that has none; what the server says on its own in between is told apart by its
 * contents (agent_push.c).  A message out of turn (after a reconnect, with a task's progress)
 * stands in the same line as the beats of the schedule.
 *
 * A beat that falls due while its agent has no stream waits for the next attempt to get one, and
 * shares its fate; if that succeeds, it is late, and its wait counts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/rng.h"
#include "driver/agent.h"

static void opened(struct link *l, struct stream *s);
static ssize_t read_beat(struct link *l, struct stream *s, char *out, size_t size, bool *last);
static const char *message(struct link *l, struct stream *s, struct grpc_span m);
static void ended(struct link *l, struct stream *s, const struct stream_end *end);

static const struct stream_kind heartbeat = {
    .read = read_beat,
    .opened = opened,
    .message = message,
    .ended = ended,
};

static struct agent *of(struct stream *s)
{
    return (struct agent *)s;
}

static struct beat *first_unsent(const struct agent *a)
{
    struct beat *b = a->first;

    while (b && b->sent_ns)
        b = b->next;
    return b;
}

void agent_send(struct fleet *f, struct agent *a)
{
    struct link *l = fleet_link(f, a);

    if (a->ready_to_send && a->stream.id && l->state == LINK_OPEN && first_unsent(a))
        stream_put(l, &a->stream);
}

void agent_extra(struct fleet *f, struct agent *a)
{
    if (!first_unsent(a))
        beat_new(f, a, NULL);
    agent_send(f, a);
}

#define FIELDS 7

static void set_fields(const struct agent_job *j, struct h2_field out[FIELDS])
{
    static const char path[] = SERVICE "Heartbeat";
    const char *scheme = j->route.ctx ? "https" : "http";

    out[0] = (struct h2_field){":method", "POST", 7, 4, false};
    out[1] = (struct h2_field){":scheme", scheme, 7, strlen(scheme), false};
    out[2] = (struct h2_field){":path", path, 5, sizeof(path) - 1, false};
    out[3] = (struct h2_field){":authority", j->authority, 10, strlen(j->authority), false};
    out[4] = (struct h2_field){"te", "trailers", 2, 8, false};
    out[5] = (struct h2_field){"content-type", "application/grpc", 12, 16, false};
    out[6] = (struct h2_field){"user-agent", "shakedown", 10, 9, false};
}

void agent_open(struct fleet *f, struct agent *a)
{
    struct link *l = fleet_link(f, a);
    struct h2_field fields[FIELDS];

    if (!a->token) {
        register_enqueue(f, a);
        return;
    }
    a->stream.kind = &heartbeat;
    set_fields(f->job, fields);
    if (!stream_open(l, &a->stream, fields, FIELDS))
        return;
    if (a->opened && !l->turning)
        fleet_count(f, AM_RECONNECTS, 1);
    a->state = AGENT_OPENING;
    a->ready_to_send = false;
    a->fresh_stream = true;
}

void agent_ready(struct fleet *f, struct agent *a)
{
    struct link *l = fleet_link(f, a);

    a->state = AGENT_READY;
    if (l->state == LINK_OPEN)
        agent_open(f, a);
    else
        link_want(l, 0);
}

/* A new agent's first message is its first beat; one that was there before reports back at once. */
static void opened(struct link *l, struct stream *s)
{
    struct fleet *f = fleet_of(l);
    struct agent *a = of(s);

    a->ready_to_send = true;
    if (a->opened)
        agent_extra(f, a);
    else
        agent_send(f, a);
    a->opened = true;
}

static void count_sent(struct fleet *f, struct beat *b)
{
    const struct op *op = b->op;

    b->sent_ns = f->links.flush_ns;
    fleet_count(f, op ? AM_BEATS_SENT : AM_BEATS_EXTRA, 1);
    if (op && b->sent_ns > op->due_ns + (uint64_t)f->job->opts->late)
        fleet_count(f, AM_BEATS_LATE, 1);
}

static size_t encode(struct fleet *f, struct agent *a, char *out)
{
    char id[AGENT_NAME_MAX];
    size_t len;

    beat_walk(f, a);
    if (!a->fresh_stream) {
        len = agent_id_text(a, id);
        return beat_encode(f, a, id, len, out);
    }
    len = beat_encode(f, a, a->token, strlen(a->token), out);
    a->fresh_stream = false;
    if (!f->job->keep_tokens) {
        free(a->token);
        a->token = NULL;
    }
    return len;
}

/* A message that does not fit goes into the agent's own memory and out of it in pieces. */
static size_t encode_large(struct fleet *f, struct agent *a)
{
    size_t len = encode(f, a, f->scratch);

    len += duty_take_extra(a, f->scratch + len, SCRATCH_BYTES - len);
    grpc_prefix(f->scratch, len - GRPC_PREFIX);
    return len;
}

static ssize_t read_beat(struct link *l, struct stream *s, char *out, size_t size, bool *last)
{
    struct fleet *f = fleet_of(l);
    struct agent *a = of(s);
    struct beat *b;
    size_t len;

    if (duty_has_spill(a))
        return (ssize_t)duty_take_spill(a, out, size, last);
    b = first_unsent(a);
    if (!b) {
        *last = true;
        return 0;
    }
    count_sent(f, b);
    l->unanswered++;
    duty_before_beat(f, a);
    if (size >= BEAT_MAX && !duty_has_extra(a) && !a->fresh_stream) {
        len = encode(f, a, out);
        *last = !first_unsent(a);
        return (ssize_t)len;
    }
    len = encode_large(f, a);
    if (len <= size) {
        memcpy(out, f->scratch, len);
        *last = !first_unsent(a);
        return (ssize_t)len;
    }
    duty_spill(a, f->scratch, len);
    return (ssize_t)duty_take_spill(a, out, size, last);
}

static void now_up(struct fleet *f, struct agent *a, struct link *l)
{
    a->state = AGENT_UP;
    a->tries = 0;
    f->up++;
    link_answered(l);
}

static void maybe_renew(struct fleet *f, struct agent *a)
{
    const struct agent_opts *o = f->job->opts;
    double share;

    if (!o->renew || !f->lane || fleet_link(f, a)->state != LINK_OPEN)
        return;
    share = (double)f->lane->job->fleet.interval / (double)o->renew;
    if (rng_unit(rng_next(&f->rng)) < share)
        renew_begin(f, a);
}

static void answered(struct fleet *f, struct agent *a, struct link *l, bool ok)
{
    struct beat *b = a->first;
    uint64_t at = l->conn.received_ns, rtt;

    if (!b || !b->sent_ns) {
        if (!a->loose)
            fleet_fault(f, OP_PROTOCOL, "Heartbeat: a reply that no beat had asked for");
        a->loose = false;
        return;
    }
    rtt = at > b->sent_ns ? at - b->sent_ns : 0;
    l->unanswered--;
    if (a->state == AGENT_OPENING)
        now_up(f, a, l);
    if (a->answered_ns)
        fleet_trend(f, AM_STALENESS, true, at - a->answered_ns);
    a->answered_ns = at;
    if (b->op) {
        struct op *op = b->op;

        b->op = NULL;
        fleet_count(f, AM_BEATS_ANSWERED, 1);
        op_value(op, AM_BEAT_RTT, (double)rtt);
        op_done_at(op, ok ? OP_OK : OP_UNEXPECTED, ok ? NULL : "Heartbeat: the reply is not ok",
                   at);
        if (ok)
            maybe_renew(f, a);
    } else {
        fleet_trend(f, AM_BEAT_RTT, true, rtt);
    }
    beat_free(f, b);
    if (a->stormed)
        storm_answered(f, a, at);
}

static const char *message(struct link *l, struct stream *s, struct grpc_span m)
{
    struct fleet *f = fleet_of(l);
    struct agent *a = of(s);

    switch (push_take(f, a, m)) {
    case PUSH_REPLY:
        answered(f, a, l, true);
        break;
    case PUSH_REFUSED_REPLY:
        answered(f, a, l, false);
        break;
    case PUSH_EITHER:
        if (!a->first || !a->first->sent_ns)
            break;
        answered(f, a, l, true);
        a->loose = true;
        break;
    case PUSH_ONLY:
        break;
    case PUSH_MALFORMED:
        return "a message that is no HeartbeatResponse";
    }
    return NULL;
}

/* Ends the operation of each beat that `unsent` lets in; how many had one. */
static int fail_beats(struct fleet *f, struct agent *a, bool unsent, enum outcome outcome,
                      const char *why)
{
    struct beat *b, *next;
    int n = 0;

    for (b = a->first; b; b = next) {
        next = b->next;
        if (!b->sent_ns && !unsent)
            continue;
        if (b->op) {
            struct op *op = b->op;

            b->op = NULL;
            op_done(op, outcome, why);
            n++;
        }
        beat_free(f, b);
    }
    return n;
}

void agent_fail_beats(struct fleet *f, struct agent *a, enum outcome outcome, const char *why)
{
    fail_beats(f, a, true, outcome, why);
}

static bool is_id(const char *word, size_t len)
{
    static const char digits[] = "0123456789", hex[] = "0123456789abcdefABCDEF-";

    return strcspn(word, digits) < len || (len >= 8 && strspn(word, hex) >= len);
}

void stream_mask(char *words)
{
    static const char in_a_word[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                    "0123456789-_.";
    char *out = words;

    for (const char *in = words; *in;) {
        size_t len = strspn(in, in_a_word), dots = 0;

        while (dots < len && in[len - dots - 1] == '.') /* the end of a sentence */
            dots++;
        if (len > dots && is_id(in, len - dots)) {
            *out++ = '#';
            in += len - dots;
        } else {
            len = len ? len : 1;
            memmove(out, in, len);
            out += len;
            in += len;
        }
    }
    *out = '\0';
}

/* A broken rule is told in our words, and has no status of the server's. */
void stream_explain(const char *method, const struct stream_end *end, char out[AGENT_WHY])
{
    if (end->transport)
        snprintf(out, AGENT_WHY, "%.190s", end->why);
    else if (end->outcome == OP_OK)
        snprintf(out, AGENT_WHY, "%s: the server ended the stream", method);
    else if (end->outcome != OP_UNEXPECTED)
        snprintf(out, AGENT_WHY, "%s: %.150s", method, end->why);
    else
        snprintf(out, AGENT_WHY, "%s: %s%s%.140s", method, grpc_code_names[end->code],
                 *end->why ? ": " : "", end->why);
    if (end->quoted)
        stream_mask(out);
}

void agent_lost(struct fleet *f, struct agent *a, const struct stream_end *end)
{
    enum outcome outcome = end->outcome == OP_OK ? OP_RESET : end->outcome;
    bool was_up = a->state == AGENT_UP;
    char why[AGENT_WHY];

    f->up -= was_up;
    a->state = AGENT_READY;
    a->ready_to_send = false;
    duty_drop_spill(a);
    if (end->transport && end->outcome == OP_OK) /* link_turn(): nothing has gone wrong */
        return;
    stream_explain("Heartbeat", end, why);
    fleet_rpc(f, "Heartbeat", end);
    if (fail_beats(f, a, !was_up, outcome, why) == 0)
        fleet_fault(f, outcome, why);
    if (end->code == GRPC_UNAUTHENTICATED || end->code == GRPC_NOT_FOUND) {
        free(a->token); /* it has expired, or the agent was deleted: registering says which */
        a->token = NULL;
    }
    if (end->transport)
        link_want(fleet_link(f, a), 0);
    else
        fleet_rest(f, a, fleet_backoff(f, &a->tries));
}

static void ended(struct link *l, struct stream *s, const struct stream_end *end)
{
    struct agent *a = of(s);

    for (struct beat *b = a->first; b; b = b->next)
        l->unanswered -= b->sent_ns != 0;
    agent_lost(fleet_of(l), a, end);
}

void agent_forget(struct agent *a)
{
    stream_free(&a->stream);
    free(a->token);
    a->token = NULL;
    if (!a->id_is_uuid)
        free(a->id.text);
    a->id.text = NULL;
}

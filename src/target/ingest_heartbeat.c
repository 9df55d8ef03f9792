/*
 * ingest_heartbeat.c - Heartbeat: one reply for each beat, in their order.
 *
 * A stream's first message names its agent by a token; from then on a beat is skimmed, counted and
 * answered with a reply that is the same for all agents, without a lock and without memory.
 */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "target/ingest_push.h"
#include "target/ingest_record.h"
#include "target/ingest_results.h"
#include "target/ingest_skim.h"
#include "target/ingest_state.h"
#include "target/peer.h"
#include "target/worker.h"

#define LATE_MAX 1000 /* replies of a stream that are held back at a time */

struct late { /* a reply that is held back, and what comes behind it */
    struct late *next;
    struct timer timer;
    struct call *call;
    uint64_t due_ns;
    uint8_t variant;
};

static bool span_is(struct skim_span s, const char *text)
{
    return s.len == strlen(text) && memcmp(s.data, text, s.len) == 0;
}

static uint8_t variant_for(const struct ingest *g, const struct skim *m)
{
    uint8_t v = 0;

    if (m->version.len > 0 && !span_is(m->version, "dev") &&
        !span_is(m->version, g->opts.ingest_version))
        v |= REPLY_UPDATE;
    if (g->fingerprint[0] && !span_is(m->pinned, g->fingerprint))
        v |= REPLY_CERT;
    return v;
}

static void on_late(struct timer *t, uint64_t now)
{
    struct late *l = (struct late *)((char *)t - offsetof(struct late, timer));
    struct call *c = l->call;
    struct calls *cs = c->calls;

    while ((l = c->more->late) && l->due_ns <= now) {
        c->more->late = l->next;
        call_reply(c, l->variant);
        timers_cancel(&cs->worker->dues, &l->timer);
        free(l);
    }
    peer_wake(cs->peer);
}

void ingest_late_free(struct call *c)
{
    struct late *l;

    while ((l = c->more->late)) {
        c->more->late = l->next;
        timers_cancel(&c->calls->worker->dues, &l->timer);
        free(l);
    }
}

/* In order: none overtakes one that is held back. */
static void hold_back(struct call *c, uint8_t variant, uint64_t due_ns)
{
    struct late *l, **at = &call_more(c)->late;
    int n = 0;

    for (; *at; at = &(*at)->next, n++)
        if ((*at)->due_ns > due_ns)
            due_ns = (*at)->due_ns;
    if (n >= LATE_MAX) {
        call_finish(c, GRPC_RESOURCE_EXHAUSTED, "more than %d replies are held back", LATE_MAX);
        return;
    }
    *at = l = xcalloc(1, sizeof(*l));
    *l = (struct late){.timer = {.fire = on_late}, .call = c, .due_ns = due_ns, .variant = variant};
    timers_set(&c->calls->worker->dues, &l->timer, due_ns);
}

static void reply(struct call *c, uint8_t variant, uint64_t now, int64_t delay)
{
    if (delay > 0 || (c->more && c->more->late))
        hold_back(c, variant, now + (uint64_t)delay);
    else
        call_reply(c, variant);
}

static void log_beat(struct ingest_worker *own, const struct ingest_agent *a, uint64_t now)
{
    uint64_t n = atomic_load_explicit(&own->logged, memory_order_relaxed);

    own->log[n % own->log_size] = (struct ingest_stamp){now, a->number};
    atomic_store_explicit(&own->logged, n + 1, memory_order_release);
}

static void set(_Atomic uint32_t *to, uint32_t value)
{
    atomic_store_explicit(to, value, memory_order_relaxed);
}

static uint32_t get(const _Atomic uint32_t *from)
{
    return atomic_load_explicit(from, memory_order_relaxed);
}

static void note_gap(struct ingest_agent *a, uint64_t gap_ns)
{
    uint64_t us = gap_ns / NS_PER_US;
    uint32_t gap = us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;

    if (gap < get(&a->gap_min_us))
        set(&a->gap_min_us, gap);
    if (gap > get(&a->gap_max_us))
        set(&a->gap_max_us, gap);
}

static void stamp(struct call *c, uint64_t now)
{
    struct ingest_agent *a = c->agent;
    uint64_t last = atomic_load_explicit(&a->last_ns, memory_order_relaxed);

    if (last && now >= last)
        note_gap(a, now - last);
    else if (!last)
        atomic_store_explicit(&a->first_ns, now, memory_order_relaxed);
    atomic_store_explicit(&a->last_ns, now, memory_order_relaxed);
    set(&a->beats, get(&a->beats) + 1);
    if (c->calls->own->log)
        log_beat(c->calls->own, a, now);
}

/* Under the lock: the agent whose stream this is from now on, or why not. */
static enum grpc_code admit(struct call *c, const char *id, const char **why)
{
    struct ingest_agent *a = ingest_table_id(&c->calls->ingest->table, id, strlen(id));

    if (!a) {
        *why = "agent not found";
        return GRPC_NOT_FOUND;
    }
    if (a->status == INGEST_PENDING || a->status == INGEST_REVOKED) {
        *why = a->status == INGEST_PENDING ? "agent is pending" : "agent has been revoked";
        return GRPC_PERMISSION_DENIED;
    }
    a->status = INGEST_ACTIVE;
    a->foreign = false;
    a->streams++;
    c->agent = a;
    return GRPC_OK;
}

static bool begin(struct call *c, const struct skim *m, const struct grpc_span *message)
{
    struct ingest *g = c->calls->ingest;
    const char *why = "invalid or expired token";
    char id[AGENT_ID_TEXT];
    enum grpc_code code;

    code = ingest_verify(g, m->agent_id.data ? m->agent_id.data : "", m->agent_id.len, false,
                         &c->calls->own->text, id);
    if (code == GRPC_OK) {
        pthread_mutex_lock(&g->lock);
        code = admit(c, id, &why);
        pthread_mutex_unlock(&g->lock);
    }
    if (code == GRPC_NOT_FOUND && call_look(c, id, message))
        return false;
    if (code != GRPC_OK) {
        call_finish(c, code, "%s", why);
        return false;
    }
    ingest_record_status(g, c->agent, "active", "online");
    ingest_tally(c, INGEST_STREAMS, 1);
    return true;
}

static void on_message(struct call *c, struct grpc_span message, uint64_t now)
{
    struct calls *cs = c->calls;
    int64_t delay = 0;
    struct skim m;

    if (!ingest_skim(message.data, message.len, &m)) {
        call_malformed(c);
        return;
    }
    if (!c->agent && !begin(c, &m, &message))
        return;
    stamp(c, now);
    ingest_tally(c, INGEST_BEATS, 1);
    if (cs->ingest->sql)
        ingest_record_beat(c, message);
    if (m.checks | m.queries | m.progress | m.tasks)
        ingest_results(c, message, &m);
    if (cs->ingest->script.push_count > 0)
        ingest_push_beat(c, now, PUSH_BEFORE, &delay);
    if (cs->current != c || c->phase != CALL_OPEN)
        return;
    reply(c, variant_for(cs->ingest, &m), now, delay);
    if (cs->ingest->script.push_count > 0 && c->phase == CALL_OPEN)
        ingest_push_beat(c, now, PUSH_AFTER, &delay);
}

static void on_end(struct call *c, uint64_t now)
{
    (void)now;
    call_finish(c, GRPC_OK, "%s", "");
}

/* The last stream of an agent has ended: it is offline. */
static void on_closed(struct call *c)
{
    struct ingest *g = c->calls->ingest;
    struct ingest_agent *a = c->agent;

    if (!a)
        return;
    c->agent = NULL;
    ingest_tally(c, INGEST_STREAMS_ENDED, 1);
    pthread_mutex_lock(&g->lock);
    if (a->streams == 1 && a->status == INGEST_ACTIVE) {
        a->status = INGEST_OFFLINE;
        ingest_record_status(g, a, "offline", "offline");
    }
    ingest_agent_release(a);
    pthread_mutex_unlock(&g->lock);
}

const struct method ingest_heartbeat = {"Heartbeat", on_message, on_end, on_closed};

/*
 * ingest_calls.c - what a connection's calls have in common: the client's certificate, its pings,
 * and the look at their agents every now and then.
 */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/h2.h"
#include "target/ingest_push.h"
#include "target/ingest_state.h"
#include "target/peer.h"
#include "target/worker.h"

#define STRIKES 2 /* pings that come too early until it is enough, as in grpc-go */

/* How often the streams are looked at. */
static uint64_t period(const struct ingest *g)
{
    uint64_t recheck = (uint64_t)g->opts.ingest_recheck, tick = (uint64_t)g->script.tick;

    return g->script.timed && tick < recheck ? tick : recheck;
}

static void look(struct call *c, uint64_t now, bool recheck)
{
    struct calls *cs = c->calls;

    if (!c->agent || c->phase == CALL_FINISHED)
        return;
    if (recheck && c->agent->status == INGEST_DELETED)
        call_finish(c, GRPC_NOT_FOUND, "agent not found");
    else if (cs->ingest->script.timed)
        ingest_push_tick(c, cs->ticked_ns, now);
}

static void on_tick(struct timer *t, uint64_t now)
{
    struct calls *cs = (struct calls *)((char *)t - offsetof(struct calls, tick));
    bool recheck = now - cs->checked_ns >= (uint64_t)cs->ingest->opts.ingest_recheck;
    struct call *next;

    for (struct call *c = cs->first; c; c = next) {
        next = c->next;
        look(c, now, recheck);
    }
    cs->ticked_ns = now;
    if (recheck)
        cs->checked_ns = now;
    timers_set(&cs->worker->deadlines, &cs->tick, now + period(cs->ingest));
    peer_wake(cs->peer);
}

struct calls *calls_new(struct ingest *g, struct peer *p, struct worker *w, struct h2 *h2,
                        const struct ssl_st *ssl)
{
    struct calls *cs = xcalloc(1, sizeof(*cs));
    uint64_t now = now_ns();

    *cs = (struct calls){.ingest = g,
                         .own = &g->workers[w->number],
                         .peer = p,
                         .worker = w,
                         .h2 = h2,
                         .ssl = ssl,
                         .tick = {.fire = on_tick},
                         .ticked_ns = now,
                         .checked_ns = now};
    timers_set(&w->deadlines, &cs->tick, now + period(g));
    return cs;
}

void calls_free(struct calls *cs)
{
    if (!cs)
        return;
    while (cs->first)
        call_closed(cs->first);
    timers_cancel(&cs->worker->deadlines, &cs->tick);
    free(cs);
}

/* The enforcement policy of grpc-go: a ping is a strike if the one before is not long ago, unless
 * we have sent something meanwhile. */
void calls_pinged(struct calls *cs, uint64_t now)
{
    uint64_t spacing = (uint64_t)cs->ingest->opts.ingest_ping_min, before = cs->pinged_ns;

    cs->pinged_ns = now;
    if (cs->spoke)
        cs->strikes = 0;
    else if (before && now - before < spacing)
        cs->strikes++;
    cs->spoke = false;
    if (cs->strikes <= STRIKES)
        return;
    ingest_add(&cs->own->count[INGEST_TOO_MANY_PINGS], 1);
    h2_goaway(cs->h2, H2_GOAWAY_CALM, "too_many_pings");
}

static enum agent_status status_of_peer(struct calls *cs)
{
    struct ingest *g = cs->ingest;
    const struct ingest_agent *a;
    enum agent_status status;

    pthread_mutex_lock(&g->lock);
    a = ingest_table_id(&g->table, cs->agent, strlen(cs->agent));
    status = a ? (enum agent_status)a->status : INGEST_DELETED;
    pthread_mutex_unlock(&g->lock);
    return status;
}

bool call_admitted(struct call *c)
{
    struct calls *cs = c->calls;
    enum agent_status status;

    if (!cs->ingest->mutual)
        return true;
    if (!cs->identity)
        cs->identity = (uint8_t)(1 + authority_peer(cs->ssl, cs->agent));
    if (cs->identity == 1 + AUTHORITY_NONE) {
        call_finish(c, GRPC_UNAUTHENTICATED, "client certificate required for this RPC");
        return false;
    }
    if (cs->identity == 1 + AUTHORITY_UNKNOWN) {
        call_finish(c, GRPC_UNAUTHENTICATED, "client certificate names no agent");
        return false;
    }
    status = status_of_peer(cs);
    if (status == INGEST_DELETED && call_look(c, cs->agent, NULL))
        return false;
    /* Deleting a host revokes the certificates of its agent. */
    if (status == INGEST_DELETED || status == INGEST_REVOKED)
        call_finish(c, GRPC_UNAUTHENTICATED, "client certificate has been revoked");
    return c->phase == CALL_OPEN;
}

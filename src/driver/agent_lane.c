/*
 * agent_lane.c - a lane's share of the fleet, from its start to its end.
 *
 * Agent number n (from 0) belongs to lane n modulo the lanes, and there to the connection "index
 * modulo connections".  It joins at its place in the ramp and registers; its first beat falls due
 * within one interval after that.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "driver/agent_rpc.h"
#include "driver/agent_lane.h"
#include "net/h2_pool.h"

#define DESK_CALLS  64  /* registrations at a time on one connection */
#define CHATTY_RATE 5.0 /* beats a second on one connection */

struct fleet *fleet_of(struct link *l)
{
    return (struct fleet *)l->all;
}

uint32_t fleet_agent_number(const struct fleet *f, const struct agent *a)
{
    return (uint32_t)(a - f->agents) * f->lanes + f->index;
}

struct link *fleet_link(struct fleet *f, const struct agent *a)
{
    return &f->link[(uint32_t)(a - f->agents) % f->link_count];
}

void fleet_hostname(const struct fleet *f, uint32_t number, char out[AGENT_NAME_MAX])
{
    snprintf(out, AGENT_NAME_MAX, "%s-%04u", f->job->stem, number);
}

void fleet_count(struct fleet *f, enum agent_metric m, double n)
{
    if (f->lane)
        lane_count(f->lane, m, n);
}

void fleet_fault(struct fleet *f, enum outcome outcome, const char *why)
{
    if (f->lane)
        lane_fault(f->lane, outcome, why);
}

void fleet_trend(struct fleet *f, enum agent_metric m, bool ok, uint64_t ns)
{
    if (f->lane)
        lane_value(f->lane, m, ok, (double)ns);
}

void fleet_rpc(struct fleet *f, const char *method, const struct stream_end *end)
{
    int code = end->code < 0 ? GRPC_UNAVAILABLE : end->code;

    (void)method;
    if (f->lane)
        lane_count_part(f->lane, AM_RPCS, code + 1, 1);
}

uint64_t fleet_backoff(struct fleet *f, uint8_t *tries)
{
    return link_backoff(&f->rng, tries);
}

static void on_rested(struct timer *t, uint64_t now)
{
    struct rest *r = (struct rest *)t;
    struct fleet *f = r->fleet;
    struct agent *a = r->agent;

    (void)now;
    r->next = f->free_rests;
    f->free_rests = r;
    if (!f->ending)
        register_woken(f, a);
}

void fleet_rest(struct fleet *f, struct agent *a, uint64_t ns)
{
    struct rest *r = f->free_rests;

    if (r) {
        f->free_rests = r->next;
    } else {
        r = xcalloc(1, sizeof(*r));
        r->all = f->rests;
        f->rests = r;
        r->timer.fire = on_rested;
        r->fleet = f;
    }
    r->agent = a;
    a->state = AGENT_RESTING;
    timers_set(f->links.timers, &r->timer, now_ns() + ns);
}

static uint64_t joins_at(const struct fleet *f, uint32_t local)
{
    const struct fleet_shape *s = &f->lane->job->fleet;
    double number = (double)local * f->lanes + f->index;

    return f->start_ns + (uint64_t)((double)s->ramp * number / (s->agents ? s->agents : 1));
}

static void on_join(struct timer *t, uint64_t now)
{
    struct fleet *f = (struct fleet *)((char *)t - offsetof(struct fleet, join));

    while (f->joined < f->agent_count && joins_at(f, f->joined) <= now) {
        struct agent *a = &f->agents[f->joined++];

        if (a->state == AGENT_NEW)
            register_enqueue(f, a);
    }
    if (f->joined < f->agent_count)
        timers_set(f->links.timers, t, joins_at(f, f->joined));
}

/* The first lane speaks for all: a gauge of each would not add up. */
static void on_second(struct timer *t, uint64_t now)
{
    struct fleet *f = (struct fleet *)((char *)t - offsetof(struct fleet, second));
    int64_t up = 0;

    atomic_store_explicit(&f->job->up[f->index], f->up, memory_order_relaxed);
    for (uint32_t i = 0; f->index == 0 && i < f->lanes; i++)
        up += atomic_load_explicit(&f->job->up[i], memory_order_relaxed);
    if (f->index == 0)
        lane_gauge(f->lane, AM_STREAMS_UP, (double)up);
    lane_bytes(f->lane, f->links.sent, f->links.received);
    f->links.sent = f->links.received = 0;
    timers_set(f->links.timers, t, now + NS_PER_S);
}

static void link_opened(struct link *l)
{
    struct fleet *f = fleet_of(l);

    if (l->number >= f->link_count) {
        register_pump(f);
        return;
    }
    for (uint32_t i = l->number; i < f->agent_count; i += f->link_count)
        if (f->agents[i].state == AGENT_READY)
            agent_open(f, &f->agents[i]);
}

/* What waits for a desk shares its fate; the agents stay in line. */
static bool desk_lost(struct fleet *f, const struct stream_end *end)
{
    char why[AGENT_WHY];
    bool told = false;

    snprintf(why, sizeof(why), "Register: %.180s", end->why);
    for (uint32_t i = 0; i < f->queue_count; i++) {
        struct agent *a = &f->agents[f->queue[(f->queue_first + i) % f->agent_count]];

        told |= a->first != NULL;
        agent_fail_beats(f, a, end->outcome, why);
    }
    if (!told && f->queue_count > 0)
        fleet_fault(f, end->outcome, why);
    return f->queue_count > 0;
}

static void link_lost(struct link *l, const struct stream_end *end)
{
    struct fleet *f = fleet_of(l);
    bool wanted = false, told = false;

    if (f->ending)
        return;
    rpcs_lost(f, l, end);
    if (l->number >= f->link_count) {
        if (desk_lost(f, end))
            link_want(l, 0);
        return;
    }
    for (uint32_t i = l->number; i < f->agent_count; i += f->link_count) {
        struct agent *a = &f->agents[i];

        if (a->state == AGENT_UP || a->state == AGENT_OPENING) {
            a->stream.id = 0;
            stream_free(&a->stream);
            agent_lost(f, a, end);
            told = true;
        } else if (a->state == AGENT_READY && end->outcome != OP_OK) {
            told |= a->first != NULL;
            agent_fail_beats(f, a, end->outcome, end->why);
        }
        wanted |= a->state == AGENT_READY;
    }
    if (!told && end->outcome != OP_OK)
        fleet_fault(f, end->outcome, end->why);
    if (wanted)
        link_want(l, 0);
}

static bool link_identity(struct link *l)
{
    struct fleet *f = fleet_of(l);
    struct ed25519 key;

    if (l->number >= f->link_count || !l->cert)
        return true;
    ed25519_derive(&key, f->job->stem, l->cert_agent);
    l->identity = identity_new(l->cert, l->cert_len, key.seed);
    l->conn.identity = l->identity;
    return l->identity != NULL;
}

/* The handshake is over, and with it the use of the certificate. */
static void link_secured(struct link *l)
{
    if (l->conn.ssl && l->identity)
        identity_drop(l->conn.ssl);
}

void fleet_link_config(struct link_config *c)
{
    c->opened = link_opened;
    c->lost = link_lost;
    c->identity = link_identity;
    c->secured = link_secured;
}

static uint32_t share(uint32_t total, uint32_t index, uint32_t lanes)
{
    return total / lanes + (index < total % lanes);
}

static void make_links(struct fleet *f)
{
    uint32_t limit = share((uint32_t)f->job->opts->registration_concurrency, f->index, f->lanes);

    f->register_limit = limit ? limit : 1;
    f->link_count = (f->agent_count + (uint32_t)f->job->fan_out - 1) / (uint32_t)f->job->fan_out;
    f->links.chatty = (double)f->agent_count / f->link_count * NS_PER_S >=
                      CHATTY_RATE * (double)f->lane->job->fleet.interval;
    f->link = xcalloc(f->link_count, sizeof(*f->link));
    f->desk_count = (f->register_limit + DESK_CALLS - 1) / DESK_CALLS;
    f->desks = xcalloc(f->desk_count, sizeof(*f->desks));
    for (uint32_t i = 0; i < f->link_count; i++)
        link_init(&f->link[i], &f->links, i);
    for (uint32_t i = 0; i < f->desk_count; i++)
        link_init(&f->desks[i], &f->links, f->link_count + i);
}

bool fleet_start(struct lane *lane, struct err *e)
{
    struct fleet *f = lane->priv;

    (void)e;
    f->lane = lane;
    f->job = lane->job->priv;
    f->index = (uint32_t)lane->index;
    f->lanes = (uint32_t)lane->job->lane_count;
    f->agent_count = share(f->job->agents, f->index, f->lanes);
    links_init(&f->links, &f->job->link, lane->base, lane->timers);
    f->links.turn = f->index;
    f->links.step = f->lanes;
    f->rng = rng_next(&lane->rng);
    f->links.rng = rng_next(&lane->rng);
    f->agents = xcalloc_huge(f->agent_count, sizeof(*f->agents));
    f->queue = xcalloc(f->agent_count, sizeof(*f->queue));
    f->scratch = xcalloc(1, SCRATCH_BYTES);
    f->bump = objects_new();
    make_links(f);
    beat_profile(f);
    f->join.fire = on_join;
    beats_init(f);
    f->second.fire = on_second;
    return true;
}

void fleet_begin(struct lane *lane, uint64_t start_ns)
{
    struct fleet *f = lane->priv;

    f->start_ns = start_ns;
    timers_set(lane->timers, &f->second, start_ns + NS_PER_S);
    storm_arm(f);
    if (!lane->job->fleet.grows)
        on_join(&f->join, now_ns());
}

static struct agent *agent_of(struct fleet *f, const struct op *op)
{
    return &f->agents[op->agent ? (op->agent - 1) / f->lanes : 0];
}

/* Begins to bring into the cache what the beats will use: each step needs what the last brought. */
static void look_ahead(struct fleet *f)
{
    const struct h2 *h2;

    for (uint32_t i = 0; i < f->due_count; i++)
        if ((h2 = fleet_link(f, agent_of(f, f->due[i]))->h2))
            h2_fetch_head(h2);
    for (uint32_t i = 0; i < f->due_count; i++) {
        const struct agent *a = agent_of(f, f->due[i]);

        if ((h2 = fleet_link(f, a)->h2))
            h2_fetch(h2);
        mem_fetch(a->stream.node, 0, H2_NODE_BYTES);
    }
}

static void begin_beats(struct fleet *f)
{
    look_ahead(f);
    for (uint32_t i = 0; i < f->due_count; i++) {
        struct agent *a = agent_of(f, f->due[i]);

        beat_new(f, a, f->due[i]);
        if (a->state == AGENT_NEW)
            register_enqueue(f, a);
        else
            agent_send(f, a);
    }
    f->due_count = 0;
}

/* Beats that fall due in one turn begin together, in fleet_flush(). */
void fleet_fire(struct lane *lane, struct op *op)
{
    struct fleet *f = lane->priv;
    struct agent *a = agent_of(f, op);

    if (f->due_count == FLEET_DUE)
        begin_beats(f);
    mem_fetch(a, 0, sizeof(*a));
    mem_fetch(fleet_link(f, a), 0, sizeof(struct link));
    lane_count(lane, AM_BEATS_DUE, 1);
    f->due[f->due_count++] = op;
}

void fleet_flush(struct lane *lane)
{
    struct fleet *f = lane->priv;

    begin_beats(f);
    links_flush(&f->links);
}

/* How long ago each agent was last answered, at the end; those that never were count from joining.
 */
static void last_look(struct fleet *f)
{
    uint64_t now = now_ns();

    for (uint32_t i = 0; i < f->agent_count; i++) {
        uint64_t since = f->agents[i].answered_ns ? f->agents[i].answered_ns : joins_at(f, i);

        if (now > since && f->agents[i].state != AGENT_NEW)
            fleet_trend(f, AM_STALENESS, f->agents[i].answered_ns != 0, now - since);
    }
    on_second(&f->second, now);
    timers_cancel(f->links.timers, &f->second);
}

static void free_rests(struct fleet *f)
{
    struct rest *rest;

    while ((rest = f->rests)) {
        f->rests = rest->all;
        timers_cancel(f->links.timers, &rest->timer);
        free(rest);
    }
}

void fleet_stop(struct lane *lane)
{
    struct fleet *f = lane->priv;

    if (!f->agents)
        return;
    f->ending = true;
    if (f->start_ns) {
        last_look(f);
        storm_end(f);
    }
    for (uint32_t i = 0; i < f->link_count; i++)
        link_free(&f->link[i]);
    for (uint32_t i = 0; i < f->desk_count; i++)
        link_free(&f->desks[i]);
    ((struct agent_job *)f->job)->doubts += f->registering;
    rpcs_free(f);
    for (uint32_t i = 0; i < f->agent_count; i++) {
        duty_free(f, &f->agents[i]);
        agent_forget(&f->agents[i]);
    }
    beats_free(f);
    free_rests(f);
    timers_cancel(lane->timers, &f->join);
    timers_cancel(lane->timers, &f->storm);
    objects_free(f->bump);
    links_fini(&f->links);
    free(f->agents);
    free(f->queue);
    free(f->scratch);
    free(f->link);
    free(f->desks);
    f->agents = NULL;
}

/*
 * agent_beat.c - beats on their way: in line on their stream, and in the order in which they are
 * given up.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/units.h"
#include "driver/agent.h"

#define BEAT_SLAB 64

struct beat_slab {
    struct beat_slab *next;
    struct beat beats[BEAT_SLAB];
};

static void add_slab(struct fleet *f)
{
    struct beat_slab *s = xcalloc(1, sizeof(*s));

    s->next = f->slabs;
    f->slabs = s;
    for (int i = 0; i < BEAT_SLAB; i++) {
        s->beats[i].next = f->free_beats;
        f->free_beats = &s->beats[i];
    }
}

static void watch(struct fleet *f, struct beat *b)
{
    b->older = f->newest;
    b->newer = NULL;
    if (f->newest)
        f->newest->newer = b;
    else
        f->oldest = b;
    f->newest = b;
    if (!timer_is_set(&f->expiry))
        timers_set(f->links.timers, &f->expiry,
                   f->oldest->fired_ns + (uint64_t)f->job->opts->timeout);
}

static void unwatch(struct fleet *f, struct beat *b)
{
    *(b->older ? &b->older->newer : &f->oldest) = b->newer;
    *(b->newer ? &b->newer->older : &f->newest) = b->older;
    b->older = b->newer = NULL;
    b->fired_ns = 0;
}

struct beat *beat_new(struct fleet *f, struct agent *a, struct op *op)
{
    struct beat *b;

    if (!f->free_beats)
        add_slab(f);
    b = f->free_beats;
    f->free_beats = b->next;
    *b = (struct beat){.op = op, .agent = a, .fired_ns = op ? op->begun_ns : 0};
    if (a->last)
        a->last->next = b;
    else
        a->first = b;
    a->last = b;
    if (op)
        watch(f, b);
    return b;
}

void beat_free(struct fleet *f, struct beat *b)
{
    struct agent *a = b->agent;
    struct beat *before = NULL;

    for (struct beat *i = a->first; i != b; i = i->next)
        before = i;
    *(before ? &before->next : &a->first) = b->next;
    if (a->last == b)
        a->last = before;
    if (b->fired_ns)
        unwatch(f, b);
    b->next = f->free_beats;
    f->free_beats = b;
}

static const char *missing(struct fleet *f, const struct beat *b)
{
    static const char *const by_state[] = {
        [AGENT_NEW] = "not registered", [AGENT_REGISTERING] = "not registered",
        [AGENT_RESTING] = "no stream",  [AGENT_READY] = "no connection",
        [AGENT_OPENING] = "no stream",  [AGENT_UP] = "not sent",
    };
    const struct agent *a = b->agent;

    if (b->sent_ns)
        return "no reply";
    if (a->state == AGENT_OPENING && link_streams(fleet_link(f, a)) < (uint32_t)f->job->fan_out)
        return "no stream (the server takes fewer on a connection than `fan_out` is)";
    return a->registered ? by_state[a->state] : by_state[AGENT_NEW];
}

/* A beat that was sent keeps its place in the line of its stream: its reply may still come. */
static void give_up(struct fleet *f, struct beat *b)
{
    char limit[UNITS_MAX], why[AGENT_WHY];
    struct op *op = b->op;

    snprintf(why, sizeof(why), "Heartbeat: %s within %s", missing(f, b),
             units_print_duration((double)f->job->opts->timeout, limit));
    b->op = NULL;
    if (b->sent_ns)
        unwatch(f, b);
    else
        beat_free(f, b);
    op_done(op, OP_TIMEOUT, why);
}

static void on_expiry(struct timer *t, uint64_t now)
{
    struct fleet *f = (struct fleet *)((char *)t - offsetof(struct fleet, expiry));
    uint64_t limit = (uint64_t)f->job->opts->timeout;

    while (f->oldest && f->oldest->fired_ns + limit <= now)
        give_up(f, f->oldest);
    if (f->oldest)
        timers_set(f->links.timers, t, f->oldest->fired_ns + limit);
}

void beats_init(struct fleet *f)
{
    f->expiry.fire = on_expiry;
}

void beats_free(struct fleet *f)
{
    struct beat_slab *slab;

    timers_cancel(f->links.timers, &f->expiry);
    while ((slab = f->slabs)) {
        f->slabs = slab->next;
        free(slab);
    }
}

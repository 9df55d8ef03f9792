/*
 * agent_storm.c - every connection is closed in the same moment, on all lanes, and the time is
 * taken until each agent that had been answered before has been answered again.
 */
#include "base/clock.h"
#include "driver/agent.h"

static void record(struct fleet *f, bool ok, uint64_t now)
{
    uint64_t from = atomic_load(&((struct agent_job *)f->job)->storm_ns);

    if (from && now > from)
        fleet_trend(f, AM_RECOVERY, ok, now - from);
}

void storm_answered(struct fleet *f, struct agent *a, uint64_t now)
{
    struct agent_job *j = (struct agent_job *)f->job;

    a->stormed = false;
    if (atomic_fetch_sub(&j->storm_left, 1) == 1)
        record(f, true, now);
}

/* Counted before anything is closed, on every lane, so that the last one to recover is the last. */
static void on_storm(struct timer *t, uint64_t now)
{
    struct fleet *f = (struct fleet *)((char *)t - offsetof(struct fleet, storm));
    struct agent_job *j = (struct agent_job *)f->job;
    uint32_t n = 0;

    atomic_store(&j->storm_ns, now);
    for (uint32_t i = 0; i < f->agent_count; i++) {
        f->agents[i].stormed = f->agents[i].answered_ns != 0;
        n += f->agents[i].stormed;
    }
    atomic_fetch_add(&j->storm_left, n);
    for (uint32_t i = 0; i < f->link_count; i++)
        if (f->link[i].state == LINK_OPEN || f->link[i].state == LINK_DRAINING)
            link_break(&f->link[i], OP_RESET, "closed by the storm (drop_all)");
}

void storm_arm(struct fleet *f)
{
    int64_t at = f->job->opts->drop_all;

    f->storm.fire = on_storm;
    if (at > 0)
        timers_set(f->links.timers, &f->storm, f->start_ns + (uint64_t)at);
}

/* Agents that are still missing make the time a lower bound. */
void storm_end(struct fleet *f)
{
    if (f->index == 0 && atomic_load(&((struct agent_job *)f->job)->storm_left) > 0)
        record(f, false, now_ns());
}

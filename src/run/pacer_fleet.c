/*
 * pacer_fleet.c - the beats of agents.
 *
 * The fleet keeps one timer for each agent, set to its next beat: agent a has a phase drawn once,
 * uniform over the interval, and beat n is due at
 *
 *     start + base(a) + n * interval + jitter(a, n)
 *
 * where the base is the first moment of that phase after the agent's place in the ramp; the jitter
 * is a hash of seed, agent and beat, so that the schedule never drifts and every run with the same
 * seed is the same.
 *
 * Beats of a fleet that has many of them fall due on whole milliseconds, some dozens together: a
 * lane that wakes for each of them would spend a good part of its time on going to sleep and
 * waking.
 */
#include <math.h>

#include "run/pacer_state.h"

#include "base/clock.h"
#include "base/rng.h"
#include "suite/load.h"

#define GRID_RATE     10000.0 /* beats a second of one lane */
#define GRID_INTERVAL (1.0 * NS_PER_S)

static uint64_t on_grid(const struct pacer *p, double ns)
{
    double every = (double)p->load->interval;
    double rate = (double)p->agent_count / (every / (double)NS_PER_S);
    uint64_t due = (uint64_t)fmax(ns, 0);

    return rate < GRID_RATE || every < GRID_INTERVAL ? due : due - due % NS_PER_MS;
}

/* ns after the start of beat n of one agent. */
static uint64_t beat_due(const struct pacer *p, uint32_t id, const struct fleet_agent *g)
{
    double every = (double)p->load->interval;
    double sway = (2 * rng_unit(rng_hash(p->seed, id, g->beat + 1)) - 1) * p->load->jitter * every;

    return on_grid(p, (double)g->base_ns + (double)g->beat * every + sway);
}

static void join(struct pacer *p, uint32_t id, struct fleet_agent *g, double joins_ns)
{
    double every = (double)p->load->interval;
    double phase = rng_unit(rng_hash(p->seed, id, 0)) * every;
    double first = phase + ceil(fmax(joins_ns - phase, 0) / every) * every;

    g->base_ns = (int64_t)(first - (double)g->beat * every);
    timers_set(&p->beats, &g->timer, p->start_ns + beat_due(p, id, g));
}

void pacer_agents(struct pacer *p, uint64_t from_ns, uint64_t old, uint64_t total)
{
    uint32_t count = (uint32_t)pacer_share(total, p->index, p->lanes);
    double each = total > old ? (double)p->load->ramp / (double)(total - old) : 0;

    for (uint32_t i = p->agent_active; i < count; i++) {
        uint32_t id = pacer_identity(p, i);

        join(p, id, &p->agents[i], (double)from_ns + each * (double)(id - 1 - old));
    }
    for (uint32_t i = count; i < p->agent_active; i++)
        timers_cancel(&p->beats, &p->agents[i].timer);
    p->agent_active = count;
}

bool pacer_take_beat(struct pacer *p, uint64_t now, uint64_t *due_ns, uint32_t *id)
{
    struct fleet_agent *g = (struct fleet_agent *)timers_due(&p->beats, now, due_ns);

    if (!g)
        return false;
    *id = pacer_identity(p, (uint64_t)(g - p->agents));
    g->beat++;
    timers_set(&p->beats, &g->timer, p->start_ns + beat_due(p, *id, g));
    return true;
}

/*
 * pacer_fleet.c - the beats of agents.
 *
 * The fleet keeps the next beat of each agent in a heap.  Agent a has a phase drawn once, uniform
 * over the interval, and beat n is due at
 *
 *     start + base(a) + n * interval + jitter(a, n)
 *
 * where the base is the first moment of that phase after the agent's place in the ramp; the jitter
 * is a hash of seed, agent and beat, so that the schedule never drifts and every run with the same
 * seed is the same.
 *
 * Beats of a fleet that has many of them fall due on even milliseconds, some dozens together: a
 * lane that wakes for each of them would spend a good part of its time on going to sleep and
 * waking, and with few at a time there is little that could be fetched ahead.
 */
#include <math.h>

#include "run/pacer_state.h"

#include "base/clock.h"
#include "base/rng.h"
#include "suite/load.h"

#define GRID_RATE     10000.0 /* beats a second of one lane */
#define GRID_INTERVAL (1.0 * NS_PER_S)
#define GRID          (2 * NS_PER_MS)
#define ARITY         4

static uint64_t on_grid(const struct pacer *p, double ns)
{
    double every = (double)p->load->interval;
    double rate = (double)pacer_share((uint64_t)p->load->agents, p->index, p->lanes) /
                  (every / (double)NS_PER_S);
    uint64_t due = (uint64_t)fmax(ns, 0);

    return rate < GRID_RATE || every < GRID_INTERVAL ? due : due - due % GRID;
}

/* When a beat whose agent, number and base are known is due. */
static uint64_t due_of(const struct pacer *p, const struct fleet_beat *b)
{
    uint64_t hash = rng_hash(p->seed, pacer_identity(p, b->local), (uint64_t)b->number + 1);
    double sway = (2 * rng_unit(hash) - 1) * p->load->jitter * (double)p->load->interval;

    return p->start_ns + on_grid(p, (double)b->base_ns + sway);
}

/* Beats lie in the heap themselves, without pointers back to it, so that moving one touches nothing
 * else. */
static void sift_up(struct fleet_beat *heap, uint32_t at, struct fleet_beat b)
{
    while (at > 0 && heap[(at - 1) / ARITY].due_ns > b.due_ns) {
        heap[at] = heap[(at - 1) / ARITY];
        at = (at - 1) / ARITY;
    }
    heap[at] = b;
}

static uint32_t earliest_child(const struct fleet_beat *heap, uint32_t first, uint32_t count)
{
    uint32_t best = first, end = first + ARITY < count ? first + ARITY : count;

    for (uint32_t i = first + 1; i < end; i++)
        if (heap[i].due_ns < heap[best].due_ns)
            best = i;
    return best;
}

static void sift_down(struct fleet_beat *heap, uint32_t count, uint32_t at, struct fleet_beat b)
{
    for (uint32_t child; (child = at * ARITY + 1) < count; at = child) {
        child = earliest_child(heap, child, count);
        if (heap[child].due_ns >= b.due_ns)
            break;
        heap[at] = heap[child];
    }
    heap[at] = b;
}

static struct fleet_beat first_beat(const struct pacer *p, uint32_t local, double joins_ns)
{
    double every = (double)p->load->interval;
    double phase = rng_unit(rng_hash(p->seed, pacer_identity(p, local), 0)) * every;
    double base = phase + ceil(fmax(joins_ns - phase, 0) / every) * every;
    struct fleet_beat b = {.base_ns = (int64_t)base, .local = local};

    b.due_ns = due_of(p, &b);
    return b;
}

static void make_leave(struct pacer *p, uint32_t from)
{
    uint32_t left = 0;

    for (uint32_t i = 0; i < p->agent_active; i++)
        if (p->beats[i].local < from)
            p->beats[left++] = p->beats[i];
    for (uint32_t i = left; i-- > 0;)
        sift_down(p->beats, left, i, p->beats[i]);
}

void pacer_agents(struct pacer *p, uint64_t from_ns, uint64_t old, uint64_t total)
{
    uint32_t count = (uint32_t)pacer_share(total, p->index, p->lanes);
    double each = total > old ? (double)p->load->ramp / (double)(total - old) : 0;

    if (count < p->agent_active)
        make_leave(p, count);
    for (uint32_t i = p->agent_active; i < count; i++) {
        double nth = (double)(pacer_identity(p, i) - 1 - old);

        sift_up(p->beats, i, first_beat(p, i, (double)from_ns + each * nth));
    }
    p->agent_active = count;
}

uint64_t pacer_next_beat(const struct pacer *p)
{
    return p->agent_active ? p->beats[0].due_ns : UINT64_MAX;
}

uint32_t pacer_take_beat(struct pacer *p, uint64_t *due_ns)
{
    struct fleet_beat b = p->beats[0];

    *due_ns = b.due_ns;
    b.number++;
    b.base_ns += p->load->interval;
    b.due_ns = due_of(p, &b);
    sift_down(p->beats, p->agent_active, 0, b);
    return pacer_identity(p, b.local);
}

uint64_t pacer_beats_before(const struct pacer *p, uint64_t until_ns)
{
    uint64_t n = 0;

    for (uint32_t i = 0; pacer_next_beat(p) < until_ns && i < p->agent_active; i++)
        n += p->beats[i].due_ns < until_ns;
    return n;
}

/*
 * Beats come in order as long as the jitter is at most half an interval, which load.c sees to, so
 * those before the last whole intervals need no look at their jitter.
 */
static uint64_t beats_of(const struct pacer *p, uint32_t local)
{
    double each = (double)p->load->ramp / (double)p->load->agents;
    struct fleet_beat b = first_beat(p, local, each * (double)(pacer_identity(p, local) - 1));
    int64_t sure = (p->load->duration - b.base_ns) / p->load->interval - 1;
    uint64_t beats = sure > 0 ? (uint64_t)sure : 0;

    b.number += (uint32_t)beats;
    b.base_ns += (int64_t)beats * p->load->interval;
    for (; due_of(p, &b) < (uint64_t)p->load->duration; beats++) {
        b.number++;
        b.base_ns += p->load->interval;
    }
    return beats;
}

uint64_t pacer_beats(const struct load *load, int lanes, uint64_t seed)
{
    uint64_t beats = 0;

    for (int i = 0; i < lanes; i++) {
        struct pacer p = {.load = load, .index = i, .lanes = lanes, .seed = seed};
        uint32_t count = (uint32_t)pacer_share((uint64_t)load->agents, i, lanes);

        for (uint32_t k = 0; k < count; k++)
            beats += beats_of(&p, k);
    }
    return beats;
}

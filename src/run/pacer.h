/*
 * pacer.h - which operation is due next on one lane.
 *
 * An executor is one of five pacers; a stepping load is one of three that changes its size.
 * pacer_take() hands out the next arrival that is due, as long as the lane has a free operation;
 * what it cannot take stays due and keeps its time, so nothing is ever skipped and the wait shows
 * up as latency.  Identities (vu, agent) and iterations are unique over all lanes: lane i of n owns
 * those congruent to i modulo n.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "run/arrivals.h"

struct load;

struct arrival {
    uint64_t due_ns; /* monotonic */
    uint64_t iteration;
    uint32_t vu, agent; /* from 1; vu 0: the model has no users; agent 0: no fleet */
};

struct fleet_beat { /* the next one of an agent; there may be a million */
    uint64_t due_ns;
    int64_t base_ns; /* after the start, on the grid of its phase: due but for the jitter */
    uint32_t local;  /* the agent */
    uint32_t number; /* wraps */
};

struct pacer_size { /* stepping: since when, from what, to what */
    uint64_t from_ns;
    double before, size;
};

struct pacer {
    const struct load *load;
    int index, lanes;          /* which share of the load */
    uint64_t start_ns, end_ns; /* nothing is due from end_ns on; UINT64_MAX: no end */
    uint64_t taken;            /* arrivals handed out */
    uint64_t limit;            /* of them; UINT64_MAX: none */
    uint64_t seed;
    struct arrivals arrivals;
    struct pacer_vu *vus; /* closed models: this lane's virtual users */
    uint32_t vu_count, vu_active, vu_joined, idle_first, idle_count;
    uint32_t *idle; /* ring of idle users' indices: who has waited longest is next */
    uint64_t ramp_check_ns;
    struct fleet_beat *beats; /* agent-fleet: a heap, one for each active agent */
    uint32_t agent_active;
    struct pacer_size size; /* stepping: 0 until the first one */
    uint32_t open, wanted;  /* hold-connections */
    uint64_t next_open_ns;
};

void pacer_init(struct pacer *p, const struct load *load, int index, int lanes, uint64_t seed);
void pacer_fini(struct pacer *p);
void pacer_start(struct pacer *p, uint64_t start_ns); /* the step's start, the same on all lanes */

/*
 * Stepping: from `from_ns` after the start on, the size is `size`.  Those who are there go on as
 * they were, new virtual users and agents join, and those beyond the size leave.
 */
void pacer_size(struct pacer *p, uint64_t from_ns, double size);

/* Arrivals due before `until_ns` and not taken; of virtual users always 0. */
uint64_t pacer_waiting(const struct pacer *p, uint64_t until_ns);

/* Nothing that is due at or after `now` is wanted any more (Ctrl-C, abort). */
void pacer_stop(struct pacer *p, uint64_t now);

/* True and the arrival, if one is due; otherwise *next_ns says when to ask again. */
bool pacer_take(struct pacer *p, uint64_t now, struct arrival *a, uint64_t *next_ns);

/* The operation of `vu` has ended: its virtual user, or its place among the held, is free again. */
void pacer_ended(struct pacer *p, uint32_t vu, uint64_t now);

/* Nothing will ever be due again, as of `now`. */
bool pacer_exhausted(struct pacer *p, uint64_t now);

/* Arrivals that were due before the end and have not been taken; exhausts the pacer. */
uint64_t pacer_drop(struct pacer *p, uint64_t now);

/* Operations the lane needs at once. */
int pacer_slots(const struct load *load, int index, int lanes);

/* Beats of an agent-fleet of a known duration that fall due in all, exactly. */
uint64_t pacer_beats(const struct load *load, int lanes, uint64_t seed);

int64_t pacer_population(const struct pacer *p); /* virtual users, agents or connections now; -1 */

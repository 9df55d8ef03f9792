/* pacer_state.h - what the files of the pacer share: how lanes divide a load among themselves. */
#pragma once

#include "run/pacer.h"

/* Of `total`, what lane `index` of `lanes` has. */
static inline uint64_t pacer_share(uint64_t total, int index, int lanes)
{
    return total / (uint64_t)lanes + ((uint64_t)index < total % (uint64_t)lanes);
}

/* The virtual user or agent, from 1 over all lanes, that is number `local` on this one. */
static inline uint32_t pacer_identity(const struct pacer *p, uint64_t local)
{
    return (uint32_t)(local * (uint64_t)p->lanes + (uint64_t)p->index) + 1;
}

/*
 * Makes the lane's agents up to `count` join, those above `old` of all lanes spread over the ramp
 * that begins `from_ns` after the step; or makes those beyond `count` leave.
 */
void pacer_agents(struct pacer *p, uint64_t from_ns, uint64_t old, uint64_t total);

/* When the next beat is due; UINT64_MAX: there is none. */
uint64_t pacer_next_beat(const struct pacer *p);

/* That beat, which there is: when it was due, and whose it is. */
uint32_t pacer_take_beat(struct pacer *p, uint64_t *due_ns);

/* How many fall due before `until_ns`, each agent's next one alone. */
uint64_t pacer_beats_before(const struct pacer *p, uint64_t until_ns);

/* Virtual users of this lane `ns` after the start of a stepping load; *again_ns: when to look
 * again. */
uint32_t pacer_climbing(const struct pacer *p, uint64_t ns, uint64_t *again_ns);

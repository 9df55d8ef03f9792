/* live.h - snapshots of a running step for observers, from its lanes' relaxed counters. */
#pragma once

#include <stdint.h>

#include "run/observer.h"
#include "stats/hist.h"

struct lane_run;

struct live_state { /* of one step, between snapshots; {0} at its start */
    uint64_t at_ns, ended;
    uint32_t counts[HIST_BUCKETS]; /* sums over the lanes, as of the last snapshot */
    struct hist interval;          /* what came since */
};

/* `start_ns`: when the step began or will begin. */
void live_snapshot(struct live_state *s, struct lane_run *const *lanes, int lane_count,
                   const struct step *step, uint64_t start_ns, uint64_t now, struct live *out);

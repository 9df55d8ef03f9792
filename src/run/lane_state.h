/* lane_state.h - the inside of a lane, shared by lane.c (its life) and op.c (what drivers report).
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "run/failures.h"
#include "run/ladder.h"
#include "run/lane.h"
#include "run/pacer.h"
#include "run/statuses.h"

#define STAGE_MAX 24

struct slot { /* what the engine keeps of one operation besides struct op */
    uint32_t next_free;
    bool busy, held;
    uint64_t held_ns; /* since when, if it is held */
};

struct staged { /* a value that waits for its operation's outcome, which is one of its tags */
    int metric, part;
    double value;
    bool hit;
};

struct lane_run {
    struct lane lane; /* first: op->lane leads back here */
    struct lane_setup setup;
    struct pacer pacer;
    struct timers timers;
    struct meter meter;
    struct failures failures;
    struct statuses *statuses; /* of each part */
    struct lane_totals totals;
    struct lane_live live;
    struct arena arena;
    struct err err;

    struct slot *slots;
    uint32_t free;  /* index + 1 of the first that was used and is free again; 0: none */
    uint32_t fresh; /* those from this index on never were */
    uint32_t busy, held;
    uint64_t freed_ns; /* when the first operation became free after none had been */

    int wake_fd; /* timerfd, absolute */
    struct event *wake;
    uint64_t armed_ns; /* what wake_fd is set to */

    uint64_t start_ns, end_ns, deadline_ns; /* deadline: the grace after the end is over */
    uint64_t second_ns; /* when `second` begins: due times mostly fall into the same one */
    uint32_t second;
    uint64_t held_since_ns, ramp_end_ns; /* hold-connections */
    uint64_t spin_ns;   /* how long to poll instead of sleeping before a due time */
    uint64_t linger_ns; /* and after an operation's end: others may follow it closely */
    uint64_t ended_ns;  /* when the last operation ended */
    bool paced;         /* arrivals have a rate */
    uint64_t due_ns;    /* when events have to make way, if it is; UINT64_MAX: they need not */
    bool stopped;       /* by control->stop_ns, before the planned end */
    int rungs;          /* taken up of setup.ladder */
    struct ladder_answer answer;

    struct staged stage[STAGE_MAX];
    int staged;
    const struct op *staged_op;
};

/* Brings the connection-time held up to date; before every change of l->held. */
void lane_account_held(struct lane_run *l, uint64_t now);

/* One of those held was not since `from_ns`; what is held has just been accounted for. */
void lane_take_held(struct lane_run *l, uint64_t from_ns);

/* The second of the step that a due time falls into. */
uint32_t lane_second(struct lane_run *l, uint64_t due_ns);

static inline bool lane_has_free(const struct lane_run *l)
{
    return l->free || l->fresh < (uint32_t)l->lane.op_count;
}

static inline void live_add(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

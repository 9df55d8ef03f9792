/*
 * lane.h - one thread of a step: an event loop, a share of the schedule and a meter of its own.
 *
 * Lanes share nothing while they run but `struct step_control`, which they read, and the live
 * numbers, which each alone writes.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "driver/driver.h"
#include "run/held.h"
#include "run/result.h"
#include "stats/hist.h"
#include "stats/meter.h"

struct err;
struct ladder;
struct ladder_answer;
struct lane_run;
struct load;

struct step_control {          /* written by the main thread, read by the lanes of one step */
    _Atomic uint64_t start_ns; /* monotonic; 0 until every lane is ready */
    _Atomic uint64_t stop_ns;  /* nothing new is begun from here on; UINT64_MAX: as planned */
    _Atomic uint64_t grace_ns; /* for operations in flight after the end */
    _Atomic bool cut;          /* ended before its time: what is unanswered then is no failure */
    _Atomic bool cancelled;    /* a lane could not start: the others leave without beginning */
};

struct lane_live { /* written by the lane with relaxed stores, read by the main thread */
    _Atomic uint64_t begun, ended, failed, in_flight;
    _Atomic int64_t population;
    _Atomic int64_t shown; /* the driver's gauge that is `live`; -1: not reported yet */
    _Atomic bool over;
    _Atomic uint32_t duration[HIST_BUCKETS]; /* of op_duration, since the start; wraps */
};

struct lane_totals { /* after the lane has ended */
    uint64_t sent, ok, failed, client_errors, dropped, unfinished;
    uint64_t last_end_ns; /* monotonic, of the last operation */
    struct held held;     /* hold-connections */
};

struct lane_setup {
    const struct driver *driver;
    struct job *job;
    const struct load *load;
    const struct meter_shape *shape;
    struct step_control *control;
    int index;
    uint64_t seed;
    const struct ladder *ladder; /* stepping; else NULL */
};

struct lane_run *lane_new(const struct lane_setup *s);

/*
 * Opens the lane on the calling thread, which runs it from then on; false and lane_error() if it
 * cannot. lane_run() then waits for control->start_ns and returns when the lane's share is done.
 */
bool lane_open(struct lane_run *l);
void lane_run(struct lane_run *l);
void lane_close(struct lane_run *l);

/* From any thread. */
const struct lane_live *lane_live(const struct lane_run *l);
struct ladder_answer *lane_answer(struct lane_run *l); /* see ladder.h */

/* After the thread has ended. */
const char *lane_error(const struct lane_run *l);
const struct meter *lane_meter(const struct lane_run *l);
const struct lane_totals *lane_totals(const struct lane_run *l);
const struct failures *lane_failures(const struct lane_run *l);
const struct statuses *lane_statuses(const struct lane_run *l); /* of each part */
void lane_free(struct lane_run *l);

/* phase_state.h - the inside of a phase, shared by phase.c (its life) and gather.c (its results).
 */
#pragma once

#include <pthread.h>

#include "driver/driver.h"
#include "run/lane.h"
#include "run/live.h"
#include "run/observer.h"
#include "run/phase.h"
#include "run/result.h"
#include "run/stepper.h"

struct lane_thread {
    struct step_run *step;
    struct lane_run *lane;
    pthread_t thread;
    bool created, opened;
};

struct step_run {
    struct phase_run *phase;
    const struct step *step;
    struct step_result *result;
    struct job job;
    struct step_control control;
    struct lane_thread *threads;
    struct lane_run **lanes;
    struct live_state *live;
    struct ladder *ladder;   /* stepping; else NULL */
    struct stepper *stepper; /* the same */
    struct meter meter;      /* the main thread's own: vus */
    uint64_t start_ns, seed;
    bool prepared;
};

struct phase_run {
    struct phase_context *c;
    struct phase_result *out;
    struct board board;
    struct step_run *steps;
    struct live *live;
    int step_count, lane_count;
    pthread_mutex_t lock;
    pthread_cond_t gate;
    int at_gate; /* lanes that have opened, or failed to */
    bool gate_open;
    _Atomic int running;
    int done_fd; /* eventfd: a lane has ended */
    bool stopped;
    bool followed; /* steps with the duration `with-others` have been told their end */
};

/* Its first reason for not having run stays. */
void phase_fail_step(struct phase_run *p, struct step_run *s, const char *why);

/* Joins the threads of all lanes, lets the drivers collect, merges what was measured. */
void phase_gather(struct phase_run *p);

/*
 * stepper.h - the main thread's side of a stepping load: when to change the size, when to ask the
 * lanes, and when it is over.
 *
 *     settle      the size has changed; nothing is judged yet
 *     hold        operations due now are what is judged
 *     drain       the load goes on, until what was due in the hold has been answered
 *     rest        the size did not hold, and a lesser one follows: nothing becomes due (of users
 *                 and agents, only what the lesser size has) until all before has been answered
 */
#pragma once

#include <stdint.h>

#include "run/climb.h"

struct arena;
struct ladder;
struct lane_run;
struct step_control;
struct step_result;

enum stepper_state {
    STEPPER_SETTLE,
    STEPPER_HOLD,
    STEPPER_ASKED_BEGIN, /* what the lanes had used and done when the hold began */
    STEPPER_DRAIN,
    STEPPER_REST,
    STEPPER_OVER,
};

struct stepper {
    struct step_result *result;
    struct step_control *control;
    struct ladder *ladder;
    struct lane_run *const *lanes;
    int lane_count;
    uint64_t start_ns;
    struct arena *arena;
    void (*note)(void *ctx, const char *line); /* one for each size */
    void *ctx;

    struct climb climb;
    enum stepper_state state;
    struct size_result *size;       /* the one held now; in result->sizes once it has been held */
    int from, to;                   /* the seconds judged */
    uint64_t wait_ns;               /* nothing to do before */
    uint64_t give_up_ns;            /* of a drain or a rest */
    uint64_t began_ns, began_ended; /* of the hold: when the lanes answered, ended until then */
    uint64_t *began_cpu, *began_at; /* by lane */
    uint32_t asked;                 /* the question that is open; 0: none */
};

/* All members up to `ctx` are set; the lanes have not begun. */
void stepper_begin(struct stepper *s);

/* Does what is due; when to come back, UINT64_MAX when it is over. */
uint64_t stepper_turn(struct stepper *s, uint64_t now);

/*
 * ladder.h - what a stepping load's main thread and its lanes tell each other while it runs.
 *
 * The main thread adds rungs, each a size and the moment from which it holds, a little ahead of
 * that moment; lanes take them up on their next turn.  It also asks: "what have you measured in
 * seconds from..to, and what of it is still open?"  A lane answers into memory of its own.  Nothing
 * is locked: a rung is never changed once it is counted, and an answer belongs to the lane until
 * its number is that of the question, and then to the main thread until it asks again.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "stats/meter.h"

#define RUNGS_MAX 1200 /* more than sizes, pauses and halvings can come to */

struct rung {
    uint64_t from_ns; /* after the step's start */
    double size;      /* per second, virtual users or agents; 0: nothing new becomes due */
};

struct question {
    int from, to; /* seconds of the step; what is open counts from second 0 */
    bool last;    /* what is unanswered counts as failed, and not as a success yet to come */
};

struct ladder {
    struct rung rungs[RUNGS_MAX];
    _Atomic int count;
    struct question question;
    _Atomic uint32_t asked; /* number of the question; 0: none yet */
};

struct ladder_answer {
    struct meter meter;            /* of the seconds asked for, with the unanswered at their age */
    uint64_t unanswered;           /* begun, due before `to` and not ended */
    uint64_t waiting;              /* due before `to` and not begun */
    bool full;                     /* they wait for an operation to end, not for this lane */
    uint64_t at_ns, cpu_ns, ended; /* when it answered; used by its thread; ended since the start */
    _Atomic uint32_t answered;
};

/* Main thread.  The rungs of a ladder are in the order of their time. */
void ladder_add(struct ladder *l, uint64_t from_ns, double size);
void ladder_ask(struct ladder *l, int from, int to, bool last);

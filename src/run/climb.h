/*
 * climb.h - which size comes next, from what was said of the sizes so far.  No clock, no threads.
 *
 * A size that holds is followed by a greater one.  One that could not be judged is held once more;
 * if that does not help either, the search ends, because a size above it would say nothing.  After
 * the first one that does not hold, the gap to the last good one is halved.
 */
#pragma once

#include <stdbool.h>

#include "stats/judge.h"
#include "suite/stepping.h"

struct climb {
    const struct stepping *stepping;
    double size;      /* the one held now */
    double good, bad; /* the greatest that held, the least that did not; 0: none */
    int halvings;
    bool again; /* it is being held for the second time */
};

enum climb_move {
    CLIMB_AGAIN, /* hold the same size for longer */
    CLIMB_UP,    /* c->size is a greater one */
    CLIMB_DOWN,  /* c->size is a lesser one */
    CLIMB_STOP,
};

void climb_begin(struct climb *c, const struct stepping *s);

/* What was said of c->size. */
enum climb_move climb_judged(struct climb *c, enum verdict v);

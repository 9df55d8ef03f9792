/*
 * sizes.h - the sizes that a stepping load was held at, each judged over its own seconds.
 *
 * The same judgement serves while the load runs, on what the lanes answer, and afterwards, on the
 * whole of the step's meter or on a stored run's: the table of a run can be had again from its
 * series.
 */
#pragma once

#include <stdbool.h>

#include "stats/judge.h"

struct arena;
struct step_result;

struct size_result {
    double size;                /* per second, virtual users or agents */
    int from, to;               /* the seconds of the step that are judged: from..to-1 */
    double achieved;            /* operations ended per second of them */
    double late_busy, late_own; /* due in them, not begun at their end: no operation was free, or
                                   this machine was late */
    double cpu;                 /* share of one core that the busiest lane used */
    /* By sizes_judge(): */
    double planned, sent; /* planned 0: as many as the target allowed */
    enum verdict verdict; /* pass: it held */
    bool unfit;           /* inconclusive, and because of this machine */
    const char *reason;   /* a sentence */
};

/*
 * Judges one size from `r->meter`, by the thresholds of r->step; strings live in `arena`.  `open`:
 * some operations are unanswered yet, and count as successes that took as long as they are old;
 * then only what no answer can change any more is looked at, and only a breach means anything.
 */
void sizes_judge(const struct step_result *r, struct size_result *z, bool open,
                 struct arena *arena);

/* Judges all of r->sizes and puts last_good and first_bad into its meter, in place of what was. */
void sizes_conclude(struct step_result *r, struct arena *arena);

/*
 * The greatest size that held below the least that did not; NULL: none.  With `*least` NULL, what
 * was found is only a lower bound.
 */
const struct size_result *sizes_found(const struct step_result *r,
                                      const struct size_result **least);

/* How the search ended, in a sentence: "200/s held, 400/s did not: ..." */
const char *sizes_sentence(const struct step_result *r, struct arena *arena);

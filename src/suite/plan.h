/*
 * plan.h - what a run would do, in numbers, before it does anything.
 *
 * Estimates are upper bounds where a bound exists; what only the target's speed decides (a closed
 * model's requests) is told as not known.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "spec/diag.h"

struct arena;
struct phase;
struct step;
struct suite;
struct target;

struct step_plan {
    const struct step *step;
    double operations;  /* 0: not known in advance */
    uint64_t in_flight; /* operations at once: also the most connections open at once */
    double length_s;    /* without the grace; 0: not known; negative: until stopped */
    uint64_t sure;      /* connections that are sure to be open at once */
    uint64_t memory;    /* bytes, where the driver knows that it is much; else 0 */
    const char *notes;  /* lines of the driver for people; or NULL */
    const char *sum;    /* how the driver's needs come about; or NULL */
};

struct phase_plan {
    const struct phase *phase;
    struct step_plan *steps;
    double length_s;      /* of the longest step */
    uint64_t descriptors; /* all steps together */
    uint64_t memory;
};

struct plan {
    const struct suite *suite;
    struct phase_plan *phases;
    int phase_count;
    double length_s;
    uint64_t descriptors; /* the most that any phase needs */
    uint64_t services;    /* that will be started, as bits */
};

void plan_make(struct plan *p, const struct suite *s, struct arena *arena);

/* Where the suite asks for the most connections at once; of the steps that go to `t`, if that is
 * not NULL. */
struct pos plan_place(const struct phase_plan *p, const struct target *t);

/*
 * Raises the soft limit of descriptors to the hard one; false, with the arithmetic and the cure
 * added to `d`, if a phase needs more, or more local ports or memory than there are; or if the
 * command of a service that will be started has the password of a URL in it.
 */
bool plan_fits(const struct plan *p, struct diags *d);

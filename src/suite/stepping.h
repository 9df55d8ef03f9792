/*
 * stepping.h - a load that grows size by size until one of them does not hold.
 *
 *     load: {executor: stepping, of: rate, start: 100/s, factor: 2, hold: 30s, max: 10k/s}
 *
 * A size is a rate, a number of virtual users or a number of agents.  It is judged by the step's
 * thresholds over the seconds for which it is held, which begin `settle` after the change to it
 * (and, of agents, after the new ones have joined).  After the first size that does not hold, the
 * gap to the last good one is halved `refine` times.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/units.h"

struct bind;
struct load;
struct node;

enum stepping_of { STEPPING_RATE, STEPPING_VUS, STEPPING_AGENTS };
extern const char *const stepping_of_names[]; /* "rate", "vus", "agents"; NULL-terminated */

struct stepping {
    int of;                  /* enum stepping_of */
    double start, step, max; /* sizes: per second, virtual users or agents; step 0: by factor */
    double factor;           /* from one size to the next; 0: by step */
    int64_t hold, settle;    /* ns, whole seconds */
    int64_t refine;          /* halvings after the first size that does not hold */
};

/* What load_bind() took from the map but could not type without knowing `of`. */
struct stepping_nodes {
    const struct node *start, *step, *max;
};

/* Binds the sizes and checks the whole; l->stepping has the rest. */
void stepping_bind(struct load *l, const struct node *map, const struct stepping_nodes *n,
                   const char *path, const struct bind *b);

/* The size after `size`; 0: it was the greatest. */
double stepping_next(const struct stepping *s, double size);

/* The size in the middle of a good one (0: none) and a bad one; 0: they are too close. */
double stepping_middle(const struct stepping *s, double good, double bad);

/* Seconds from the change to a size to the first one that is judged. */
int stepping_lead(const struct load *l);

/* Seconds if every size is tried and each is held twice. */
double stepping_longest(const struct load *l);

/* Operations due while `size` is held; 0: as many as the target allows. */
double stepping_planned(const struct load *l, double size, double seconds);

/* "200/s", "50 vus", "1,000 agents" */
const char *stepping_print(const struct stepping *s, double size, char buf[UNITS_MAX]);

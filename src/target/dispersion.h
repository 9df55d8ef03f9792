/*
 * dispersion.h - how evenly arrivals come: the variance of their number in windows of one width
 * over its mean.
 *
 * 1 is Poisson's process, well below 1 is a steady clock, far above 1 is bursts.  Windows are
 * counted from the first arrival on; the newest is left out, which more may still fall into.
 *
 * Arrivals are told of in about their order: a server that has been kept waiting reads what came on
 * connections it knows before it accepts new ones.  So the newest windows all stay open.
 */
#pragma once

#include <stdint.h>

#define DISPERSION_OPEN 64 /* windows */

struct dispersion {
    uint64_t width;  /* ns */
    uint64_t window; /* number of the newest window */
    uint32_t open[DISPERSION_OPEN];
    double sum, squares; /* of the counts in closed windows */
};

/* `first` is the same in every call until a reset.  A stamp older than all open windows counts in
 * the oldest. */
void dispersion_add(struct dispersion *d, uint64_t first, uint64_t arrival);
double dispersion_index(const struct dispersion *d); /* 0 when fewer than two windows closed */

/*
 * dispersion.h - how evenly arrivals come: the variance of their number in windows of one width
 * over its mean.
 *
 * 1 is Poisson's process, well below 1 is a steady clock, far above 1 is bursts.  Windows are
 * counted from the first arrival on; the last one, still open, is left out.
 */
#pragma once

#include <stdint.h>

struct dispersion {
    uint64_t width;  /* ns */
    uint64_t window; /* number of the open window */
    uint64_t in_window;
    double sum, squares; /* of the counts in closed windows */
};

/* `first` is the same in every call until a reset.  A stamp older than the open window counts in
 * it. */
void dispersion_add(struct dispersion *d, uint64_t first, uint64_t arrival);
double dispersion_index(const struct dispersion *d); /* 0 when fewer than two windows closed */

/*
 * arrivals.h - when arrival k is due, in closed form.
 *
 * The times are computed from k alone, never by adding up a rounded period, so that a schedule does
 * not drift and lanes can take every n-th arrival without talking to each other.
 */
#pragma once

#include <stdint.h>

struct load;

struct arrivals {
    struct {
        double from_s, length_s; /* of the stage, in seconds of the step */
        double rate, slope;      /* at its beginning, per second; its change, per second squared */
        double before;           /* arrivals due before it */
    } * stages;
    int stage_count, at; /* the stage that the last k fell into: k only grows */
};

/* From a constant- or ramping-arrival-rate load; frees with arrivals_fini(). */
void arrivals_init(struct arrivals *a, const struct load *load);
void arrivals_fini(struct arrivals *a);

/*
 * From `from_ns` on, which is later than any such time before, `rate` a second (0: none) instead.
 * What was due before stays due then.
 */
void arrivals_change(struct arrivals *a, uint64_t from_ns, double rate);

/* ns after the start at which arrival k (from 0) is due; UINT64_MAX after the last one. */
uint64_t arrivals_due(struct arrivals *a, uint64_t k);

/* How many arrivals are due before `ns` after the start. */
uint64_t arrivals_before(const struct arrivals *a, uint64_t ns);

/*
 * Virtual users that a ramping-vus load wants `ns` after its start; *changes_ns is how much later
 * it is worth asking again (INT64_MAX: never).  After the last stage none are wanted.
 */
double ramp_level(const struct load *load, int64_t ns, int64_t *changes_ns);

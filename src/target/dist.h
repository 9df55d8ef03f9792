/*
 * dist.h - how long a request shall take.
 *
 *     5ms                                  always
 *     uniform(1ms,5ms)                     between the two
 *     exp(5ms)                             exponential, by its mean
 *     normal(10ms,2ms)                     by mean and deviation; below 0 counts as 0
 *     lognormal(5ms,0.5)                   by its median and the deviation of the logarithm
 *     pareto(1ms,1.5)                      by its least value and its shape
 *     mix(90% 1ms, 9% exp(5ms), 1% 50ms)   shares in steps of 0.1% that make 100%
 *
 * Which part of a mix a request gets is dealt by its number (strata.h), so that every count is
 * known exactly; a random value is a pure function of the request's number, so that a run can be
 * repeated. No value is above DIST_MAX.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct err;

#define DIST_PARTS_MAX 16
#define DIST_MAX       (INT64_C(3600) * 1000000000) /* ns */

enum dist_kind { DIST_CONSTANT, DIST_UNIFORM, DIST_EXP, DIST_NORMAL, DIST_LOGNORMAL, DIST_PARETO };

struct dist_part {
    enum dist_kind kind;
    uint32_t until; /* it serves the places below this one and not below the part before it */
    double a, b;    /* in the order of the grammar; times in nanoseconds */
};

struct dist { /* {0} is always 0 */
    struct dist_part parts[DIST_PARTS_MAX];
    int count;
};

bool dist_parse(struct dist *d, const char *text, struct err *e); /* `d` is untouched on failure */
uint64_t dist_sample(const struct dist *d, uint64_t seed, uint64_t number); /* ns */

/* fixture_step.h - one step, run by the real engine on the calling thread: a driver seen from
 * outside. */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "driver/driver.h"
#include "stats/meter.h"

#define BENCH_METRICS 24
#define BENCH_PARTS   4

struct bench {
    struct arena arena;
    int ok, failed;
    enum outcome outcome; /* of the most frequent failure; OP_OK: none */
    char why[256];
    double sum[BENCH_METRICS]; /* by the driver's metrics, declared ones after them */
    uint64_t samples[BENCH_METRICS];
    uint64_t tagged[BENCH_METRICS][BENCH_PARTS][TAG_OUTCOMES]; /* samples by part and outcome */
    int checks_met, checks;
};

/* Runs `n` operations one after another, with the step's load or, if `n` is 0, once without any. */
void bench_run(struct bench *b, const struct driver *d, const void *opts, int n);
void bench_free(struct bench *b);

/* phase.h - one phase: prepare its steps, run their lanes at the same time, gather what they
 * measured. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct arena;
struct journal;
struct monitor;
struct observer;
struct phase;
struct phase_result;
struct run_result;
struct suite;
struct supervisor;

struct phase_context { /* what all phases of a run share; main thread */
    struct suite *suite;
    const char *run_id;
    uint64_t seed;
    struct run_result *result;
    struct supervisor *supervisor; /* NULL: no services */
    struct monitor *monitor;
    const struct observer *const *observers; /* NULL-terminated */
    struct journal *journal;                 /* learns what is published; or NULL */
    volatile int *interrupted;               /* count of SIGINT and SIGTERM */
    struct arena *arena;
};

struct board { /* job->engine: where what a phase publishes goes (publish.c) */
    struct suite *suite;
    struct journal *journal;
    const char *phase;
};

/* Runs `phase` and fills `out` but for its findings. */
void phase_run(struct phase_context *c, struct phase *phase, struct phase_result *out);

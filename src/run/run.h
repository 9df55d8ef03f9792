/*
 * run.h - one execution of a suite: services, phases in order, cleanup, verdict.
 *
 * The first SIGINT or SIGTERM ends the load, runs the `when: always` phases, tears down and
 * reports; the second ends the process at once with exit code 3.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct arena;
struct journal;
struct observer;
struct run_result;
struct suite;

struct run_opts {
    struct suite *suite;
    const char *run_id, *dir;
    const struct observer *const *observers; /* NULL-terminated */
    bool no_cleanup;                         /* leave services and `when: always` phases */
    bool fail_fast;    /* the first breach ends the run (cleanup still happens) */
    bool cleanup_only; /* of an earlier run: something has run, and its services may be there still
                        */
    uint64_t running;  /* services that need not be started, as bits */
    struct journal *journal;               /* what is made is written there first; or NULL */
    const char *const *only, *const *skip; /* phase names, NULL-terminated; NULL: all, none */
};

/* Never NULL; its exit_code is set.  Everything lives in `arena`. */
struct run_result *run_suite(const struct run_opts *o, struct arena *arena);

/*
 * observer.h - who watches a run: the terminal, and the writer of the results directory.
 *
 * All calls come from the main thread.  Any of them may be NULL.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct phase_result;
struct run_result;
struct step;

struct live { /* one step while it runs; a snapshot */
    const struct step *step;
    uint64_t elapsed_ns, length_ns; /* length 0: not known */
    uint64_t begun, ended, failed, in_flight, backlog;
    double planned;        /* 0: not known */
    double rate;           /* ended per second, over the last interval */
    double p50_ns, p95_ns; /* of op_duration, over the last interval; 0: no samples */
    int64_t vus;           /* virtual users, agents or connections now; -1: not applicable */
    const char *gauge;     /* the name of the driver's gauge that is `live`; NULL: it has none */
    int64_t shown;         /* its value, over all lanes; -1: not known yet */
    bool started, over;    /* begun; all its operations have ended */
};

struct observer {
    void *ctx;
    void (*run_begin)(void *ctx, const struct run_result *r);
    void (*note)(void *ctx,
                 const char *line); /* one event, such as "service backend: ready in 0.3s" */
    void (*phase_begin)(void *ctx, const struct run_result *r, const struct phase_result *p);
    void (*tick)(void *ctx, const struct phase_result *p, const struct live *steps, int count);
    void (*phase_end)(void *ctx, const struct run_result *r, const struct phase_result *p);
    void (*run_end)(void *ctx, const struct run_result *r); /* after the verdict */
};

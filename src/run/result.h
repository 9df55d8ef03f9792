/*
 * result.h - what a run has found out, and the one verdict on it.
 *
 * Reports read this and decide nothing.  Every judgement is a `struct finding`: one JUnit testcase,
 * one line of the summary, one entry of result.json.  run_verdict() turns all findings into the
 * exit code, and nothing else in the program does.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "run/sizes.h"
#include "stats/judge.h"
#include "stats/meter.h"
#include "suite/suite.h"

enum finding_kind {
    FINDING_THRESHOLD,
    FINDING_EXECUTED, /* the planned work was done; one for each step */
    FINDING_SERVICE,  /* a service became ready and stayed up */
    FINDING_CLEANUP,  /* a `when: always` step did its work */
};

enum finding_state { FOUND_PASS, FOUND_BREACH, FOUND_INCONCLUSIVE, FOUND_NOT_RUN };

struct finding {
    struct finding *next;
    enum finding_kind kind;
    enum finding_state state;
    const char *name;    /* unique in its phase: "sustained-rate: op_duration p(99)<500ms" */
    const char *message; /* a sentence, also when it passed; redacted by the writers */
    const char *type;    /* "threshold", "inconclusive", "infra", "interrupted", "client" */
    bool warn;           /* severity warn: counts for nothing */
    const struct threshold *threshold; /* of FINDING_THRESHOLD */
    const struct metric *metric;
    struct evidence evidence;
    const char *step; /* name, or NULL */
    int line, col;    /* in the suite; 0: none */
};

struct error_count { /* one way in which operations failed */
    enum outcome outcome;
    const char *why;
    uint64_t count;
};

#define STATUS_OTHER 1000 /* stands for all the codes that found no room in the table */

struct status_count {
    const char *part; /* NULL: the operation has none */
    int code;
    uint64_t count;
};

struct step_result {
    const struct step *step;
    const struct step_result *attack; /* of a step with `during:`: the one it is judged against */
    bool begun;
    uint64_t started_wall_ns; /* since 1970 */
    uint64_t measured_ns;     /* from the first due time to the end of the last operation */
    double planned;           /* operations; 0: not known in advance */
    uint64_t sent, ok, failed, client_errors, dropped, unfinished;
    struct meter_shape shape;
    struct meter meter;
    struct error_count *errors; /* most frequent first */
    int error_count;
    struct status_count *statuses; /* of answers, also during a warm-up; by part, then by code */
    int status_count;
    struct size_result *sizes; /* of a stepping load, in the order tried */
    int size_count;
    const struct fact *facts; /* in the order the driver told them */
    const char *failure;      /* the step could not run, or its single operation failed; or NULL */
    bool interrupted;         /* a signal ended it before its time */
    bool failure_is_breach;   /* an unmet `expect:` of a step without load */
};

struct phase_result {
    const struct phase *phase;
    const char *skipped; /* why it was not run; NULL: it was */
    uint64_t started_wall_ns, elapsed_ns;
    struct step_result *steps; /* phase->step_count */
    struct finding *findings;  /* in order */
};

struct monitor_result { /* what the runner saw of itself and its machine while measuring */
    double lag_p50_ns, lag_p99_ns, lag_max_ns; /* of op starts against their due times */
    double cpu_share;                          /* of the busiest second, in cores */
    double steal_share;                        /* of the machine's CPU time */
    uint64_t throttled_ns;                     /* by the cgroup's quota */
    double cpu_seconds;
    uint64_t peak_rss; /* bytes */
};

struct service_result {
    const struct service *service;
    bool started, ready;
    uint64_t ready_ns;      /* how long it took */
    const char *failure;    /* NULL: none */
    const char *last_lines; /* of its output, when it failed */
};

struct run_result {
    struct suite *suite;
    const char *run_id, *dir;
    uint64_t started_wall_ns, elapsed_ns;
    struct service_result *services;
    int service_count;
    struct phase_result *phases;
    int phase_count;
    struct finding *findings; /* that belong to no phase: services */
    struct monitor_result monitor;
    const char *left_running; /* how to stop what --no-cleanup left, a line each; or NULL */
    const char *interrupted;  /* "SIGINT", ...; or NULL */
    bool complete;            /* false in the reports written while the run goes on */
    int exit_code;            /* set by run_verdict() */
    const char
        *headline; /* the main reason in one sentence, without the verdict's name; run_verdict() */
    struct arena *arena;
};

/* Points steps with `during:` to their attacks; `p->steps` have their `step`. */
void phase_link_attacks(struct phase_result *p);

/*
 * The seconds that a series of the step covers: from the end of the warm-up to the end of its last
 * operation, or, where single seconds were selected, those.  Every rate in a report is over this.
 */
double step_seconds(const struct step_result *r, const struct series *s, bool selected);

/* What a selector means of a step, as a threshold judges it; series_free() when done.  False: of
 * another step. */
bool step_series(const struct step_result *r, const struct selector *selector, struct series *s);

/* Judges every finding of the phase from its meters; replaces what was found before. */
void phase_judge(struct phase_result *p, const struct run_result *r, struct arena *arena);

/* The findings that belong to no phase, anew: one for each service that was to start. */
void services_judge(struct run_result *r);

/* Sets exit_code and headline: 1 for a breach, else 3 for what could not be told, else 0. */
void run_verdict(struct run_result *r);

extern const char *const finding_kind_names[];
extern const char *const finding_state_names[]; /* "pass", "breach", "inconclusive", "not-run" */

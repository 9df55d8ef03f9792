/*
 * load.h - when operations are due: the `load:` map of a step.
 *
 * Names are k6's in snake_case; agent-fleet, hold-connections and stepping are ours.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "spec/opt.h"
#include "suite/stepping.h"

enum executor {
    EX_ONCE, /* no `load:`: one operation */
    EX_CONSTANT_VUS,
    EX_RAMPING_VUS,
    EX_PER_VU_ITERATIONS,
    EX_SHARED_ITERATIONS,
    EX_CONSTANT_ARRIVAL_RATE,
    EX_RAMPING_ARRIVAL_RATE,
    EX_AGENT_FLEET,
    EX_HOLD_CONNECTIONS,
    EX_STEPPING,
    EX_COUNT,
};
extern const char *const executor_names[];  /* as written; NULL-terminated */
extern const char *const executor_briefs[]; /* one line each */

struct stage {
    int64_t duration; /* ns */
    double target;    /* per second, or virtual users */
};

#define DURATION_UNTIL_STOPPED INT64_MAX

struct load {
    enum executor executor;
    int64_t vus, iterations, agents, connections;
    double rate, start_rate; /* per second */
    int64_t start_vus;
    struct stage *stages;
    int stage_count;
    int64_t duration;       /* ns; DURATION_UNTIL_STOPPED; 0: until the iterations are done */
    bool with_others;       /* until the last of the phase's other steps is over */
    int64_t start_time;     /* ns after the phase begins */
    int64_t graceful_stop;  /* ns */
    int64_t max_in_flight;  /* operations at once, over all lanes */
    int64_t warmup;         /* ns at the start that thresholds leave out */
    int64_t interval, ramp; /* agent-fleet */
    double jitter;          /* share of the interval */
    int64_t lanes;          /* threads */
    int64_t max_duration;   /* per-vu- and shared-iterations */
    struct stepping stepping;
};

/* The table of `load:`, also for help and schema; load_bind() reads it. */
extern const struct opt load_table[];

/* `node` NULL: EX_ONCE.  `timed`: the duration follows from elsewhere and need not be there. */
bool load_bind(struct load *l, const struct node *node, bool timed, const char *path,
               const struct bind *b);

/*
 * How operations become due, whatever decides on the amount: of `stepping` that is
 * ramping-arrival-rate, ramping-vus or agent-fleet, of every other executor itself.
 */
enum executor load_model(const struct load *l);
bool load_is_closed(const struct load *l);  /* virtual users, each with one operation at a time */
double load_most_vus(const struct load *l); /* of a closed model, at any time */

double load_peak_rate(const struct load *l); /* per second, of an arrival rate; else 0 */

int64_t load_length(const struct load *l);    /* ns that operations become due; 0: not known */
double load_operations(const struct load *l); /* planned; 0: not known (closed model) */
bool load_is_open(const struct load *l);      /* arrivals do not wait for answers */

/*
 * metric.h - what a number is called, how it adds up and in which unit.
 *
 * Types and their aggregations are k6's: a counter has count and rate, a gauge value (and min,
 * max), a rate the share of hits, a trend avg min max med p(N) and count.  Units are nanoseconds
 * for time inside this program; text and JSON show milliseconds.
 */
#pragma once

#include <stdbool.h>

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_RATE, METRIC_TREND };
enum metric_unit { UNIT_NONE, UNIT_TIME, UNIT_BYTES, UNIT_RATIO, UNIT_PER_SECOND };

struct metric {
    const char *name; /* NULL ends a table */
    enum metric_type type;
    enum metric_unit unit;
    const char *help; /* one line, lower case, no full stop */
    bool censored;    /* samples of failed operations are lower bounds: time-outs, the unfinished */
    bool paired;      /* two operations are compared: a single one gives no sample */
    bool live;        /* a gauge whose last value stands on live lines; one of a driver at most */
    bool told;        /* a counter that somebody else keeps: unheard of, it is unknown and not 0 */
};

extern const char *const metric_type_names[]; /* "counter", "gauge", "rate", "trend" */

/* The metrics that the engine itself keeps for every step, in this order. */
enum engine_metric {
    M_OP_DURATION, /* due to last byte: successes, time-outs, and the unfinished at their age */
    M_OP_FAILED,   /* rate over what was sent, client-class failures left out */
    M_OP_OK,       /* its complement */
    M_ITERATIONS,  /* operations ended */
    M_DROPPED_ITERATIONS, /* due and never begun */
    M_UNFINISHED,         /* begun, not ended when the grace was over */
    M_CLIENT_ERRORS,      /* operations that failed for a cause on this machine */
    M_SCHEDULE_LAG,       /* due to begun */
    M_ACHIEVED_RATE,      /* begun / planned, by second */
    M_VUS,                /* virtual users active */
    M_DATA_SENT,
    M_DATA_RECEIVED,
    M_CHECKS,           /* expectations met, over all that were looked at */
    M_MISSED_BEATS,     /* agent-fleet: beats unanswered within one interval */
    M_HELD_RATIO,       /* hold-connections: connection-seconds held over asked */
    M_CONNECTIONS_HELD, /* hold-connections: by second; slice.sum is its connection-seconds */
    M_CONNECTIONS_PEAK, /* the same, the highest tenth of each second */
    M_LAST_GOOD,        /* stepping: the greatest size that held, below the first that did not */
    M_FIRST_BAD,        /* stepping: the least size that did not hold */
    M_ENGINE_COUNT,
};
extern const struct metric engine_metrics[M_ENGINE_COUNT + 1];

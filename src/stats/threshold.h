/*
 * threshold.h - `p(99)<500ms`: k6's grammar, with units.
 *
 *     expression := aggregation op limit
 *     aggregation:  counter: count rate    gauge: value min max    rate: rate
 *                   trend: avg min max med p(N) count
 *     op         := < <= > >= == === !=
 *     limit      := number with the metric's unit; a bare number is milliseconds for times, a share
 *                   for rates, as in k6
 *     selector   := metric | metric{tag:value,tag:value}
 *
 * Parsing needs no metric; threshold_check() holds a parsed one against the metric that it names,
 * finds aggregations that the type does not have and limits that can never be crossed.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "stats/metric.h"

struct arena;
struct buf;
struct err;

enum aggregation { AGG_COUNT, AGG_RATE, AGG_VALUE, AGG_AVG, AGG_MIN, AGG_MAX, AGG_MED, AGG_P };
enum comparison { CMP_LT, CMP_LE, CMP_GT, CMP_GE, CMP_EQ, CMP_NE };

#define MAX_TAGS 8

struct tag {
    const char *name, *value;
};

struct selector { /* metric{tag:value,...} */
    const char *metric;
    struct tag tags[MAX_TAGS];
    int tag_count;
};

enum severity { SEVERITY_FAIL, SEVERITY_WARN };
enum no_data { NO_DATA_INCONCLUSIVE, NO_DATA_FAIL, NO_DATA_PASS };

struct threshold {
    const char *text; /* the expression as written, after substitution */
    struct selector selector;
    enum aggregation agg;
    double quantile; /* of med and p(N): 0..1 */
    enum comparison cmp;
    double limit;      /* in the metric's own unit: ns, bytes, share or number */
    const char *unit;  /* as written after the number; "" for none */
    double number;     /* the limit as written, before its unit */
    double confidence; /* 0: a pass needs no proof; 0.95: it needs a one-sided 95% bound */
    enum severity severity;
    enum no_data on_no_data;
    int64_t min_samples; /* 0: none asked */
    int line, col;       /* where it stands in the suite */
};

bool selector_parse(struct selector *s, const char *text, struct arena *arena, struct err *e);
void selector_print(const struct selector *s, struct buf *out); /* metric{tag:value,...} */

/* Sets text, agg, quantile, cmp, number and unit, and nothing else. */
bool threshold_parse(struct threshold *t, const char *text, struct arena *arena, struct err *e);

/* Sets `limit` by the unit of `m`; false if `m` has no such aggregation or the unit is wrong. */
bool threshold_check(struct threshold *t, const struct metric *m, struct err *e);

bool threshold_met(const struct threshold *t, double value);
bool threshold_is_upper(const struct threshold *t); /* < and <= */

/* Samples needed before any outcome could be conclusive at this confidence; 0: one is enough. */
uint64_t threshold_needs(const struct threshold *t, const struct metric *m, double confidence);

extern const char *const aggregation_names[]; /* by enum aggregation; "p(N)" for AGG_P */

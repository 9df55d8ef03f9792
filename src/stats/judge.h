/*
 * judge.h - one threshold, one series, one verdict with its evidence.
 *
 * Pass: the observed value meets the limit (and, where `confidence` was asked for, its bound does).
 * Breach: the one-sided 95% bound lies beyond the limit.  Between the two: inconclusive.  Without
 * samples never a pass, unless the suite says on_no_data: pass.
 *
 * Counts, gauges, minima and maxima are facts about this run, not estimates: they have no interval
 * and are never inconclusive.
 */
#pragma once

#include "stats/threshold.h"

struct arena;
struct series;

enum verdict { VERDICT_PASS, VERDICT_BREACH, VERDICT_INCONCLUSIVE };
extern const char *const verdict_names[]; /* "pass", "breach", "inconclusive" */

struct evidence {
    enum verdict verdict;
    bool has_value;    /* there were samples */
    double observed;   /* in the metric's unit */
    double margin;     /* how far inside (positive) or beyond (negative) the limit, in that unit */
    uint64_t n;        /* samples */
    double hits;       /* of a rate: the numerator; of a quantile: samples beyond the limit */
    bool has_interval; /* two-sided, at 2 * confidence - 1; for 95% one-sided bounds, 90% */
    double low, high;  /* without has_interval only one may mean something; high may be INFINITY */
    double confidence; /* of each one-sided bound */
    double phi;        /* the design effect; of a quantile, the greater of at it and at the limit */
    int from, to;      /* the window, in seconds of the step */
    const char *reason; /* a sentence; never NULL */
};

/* `t` has been checked against s->metric.  Strings of the evidence live in `arena`. */
void judge_threshold(const struct threshold *t, const struct series *s, struct arena *arena,
                     struct evidence *out);

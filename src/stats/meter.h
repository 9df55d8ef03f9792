/*
 * meter.h - everything one step measured, by metric, tag and second.
 *
 * A lane owns one meter and is its only writer; after the lanes have ended their meters are merged.
 * Every sample goes into the slice of the second in which its operation was *due*, counted from
 * the start of the step, so that windows, change points and block statistics can be had later
 * without keeping samples.  A cell (one metric, part and outcome) is made at its first sample, a
 * slice when its second begins: nothing is allocated per operation.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "stats/hist.h"
#include "stats/metric.h"

enum tag_outcome { TAG_OK, TAG_FAILED, TAG_OUTCOMES };

struct meter_shape {                     /* shared by the lanes of a step, and constant */
    const struct metric *const *metrics; /* the engine's, the driver's, then the suite's */
    int metric_count;
    const char *const *parts; /* names of parts 1..part_count-1; [0] is the operation itself */
    int part_count;           /* at least 1 */
};

struct slice {          /* one cell in one second */
    uint64_t n;         /* samples; of a rate, all of them */
    uint64_t hits;      /* of a rate */
    double sum;         /* of a counter, gauge or trend */
    uint64_t min, max;  /* of a trend; of a gauge, the bits of the doubles */
    double last;        /* of a gauge */
    struct sparse dist; /* of a trend */
};

struct cell {
    int metric, part;
    enum tag_outcome outcome;
    struct slice *slices; /* by second; those without samples are zero */
    int seconds, cap;     /* slices up to the last one used; allocated */
};

struct meter {
    const struct meter_shape *shape;
    struct cell **cells; /* [metric][part][outcome], NULL until used */
};

void meter_init(struct meter *m, const struct meter_shape *shape); /* keeps `shape` */
void meter_free(struct meter *m);
void meter_merge(struct meter *into, const struct meter *from); /* same shape */
/* Seconds first..end-1 only. */
void meter_merge_seconds(struct meter *into, const struct meter *from, int first, int end);

/*
 * Indices must lie inside the shape; a second below 0 counts as 0.  Amounts that make no sense (not
 * finite; negative, except for a gauge) are left out.
 */
void meter_trend(struct meter *m, int metric, int part, enum tag_outcome o, int second,
                 uint64_t value);
void meter_count(struct meter *m, int metric, int part, enum tag_outcome o, int second, double n);
void meter_rate(struct meter *m, int metric, int part, enum tag_outcome o, int second, bool hit);
void meter_gauge(struct meter *m, int metric, int part, enum tag_outcome o, int second,
                 double value);

/* A trend or a gauge, by the metric's type; a trend rounds to whole numbers. */
void meter_value(struct meter *m, int metric, int part, enum tag_outcome o, int second,
                 double value);

/* The cell, or NULL if nothing was ever counted there. */
const struct cell *meter_cell(const struct meter *m, int metric, int part, enum tag_outcome o);

bool meter_has_part(const struct meter *m, int metric, int part); /* anything was counted */

/* The slice, made if need be: for readers of stored runs, which fill all its members. */
struct slice *meter_slice(struct meter *m, int metric, int part, enum tag_outcome o, int second);

/* Seconds up to the last one in which anything at all was measured. */
int meter_seconds(const struct meter *m);

/*
 * One metric under a selector, merged over the parts and outcomes that match, second by second.
 * Seconds outside from..to-1 are left out.
 */
struct selection {
    int metric;
    int part;         /* -1: all */
    int outcome;      /* -1: all */
    int from, to;     /* seconds of the step; to -1: meter_seconds() */
    const bool *only; /* by second, `only_count` of them: which of these seconds; NULL: all */
    int only_count;
};

struct series {
    const struct metric *metric;
    struct slice *slices; /* only n, hits, sum, min and max, and a copy of dist */
    int seconds;      /* slices[0] is second `from`; those that were not asked for are missing */
    int from, to;     /* to: one past the last of them */
    double length_s;  /* what a rate is over: `seconds`, unless the caller knows better */
    uint64_t n, hits; /* totals */
    double sum, last, min, max; /* min and max of trends and gauges, last of gauges */
    struct hist *hist;          /* of a trend; NULL otherwise */
    struct hist *bounds;        /* of its samples, those that are lower bounds; NULL: none */
};

void series_select(struct series *s, const struct meter *m, const struct selection *sel);

/* Adds a series of another step, of a metric of the same type, second upon second. */
void series_join(struct series *into, const struct series *from);
void series_free(struct series *s);

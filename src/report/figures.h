/*
 * figures.h - the numbers of a step that reports show, all from its meter.
 *
 * The seconds are those that a threshold without a window would judge (suite.h, step_select()), so
 * a table never disagrees with the verdict beside it.
 */
#pragma once

#include <stdbool.h>

#include "run/result.h"
#include "run/window.h"

/* Step `i` of a phase; one that was not begun if the phase has not been reached. */
struct step_result figures_step(const struct phase_result *p, int i);

struct figures {          /* 0 without samples */
    uint64_t n, failed;   /* of op_failed */
    bool measured;        /* op_duration has samples: p50, p95 and p99 */
    double p50, p95, p99; /* ns */
    double rate;          /* operations ended per second */
};
void figures_get(const struct step_result *sr, struct figures *f);
void figures_get_window(const struct step_result *sr, const struct windows *w, enum window window,
                        struct figures *f);

/* The same of seconds from..to-1 of the step. */
void figures_get_seconds(const struct step_result *sr, int from, int to, struct figures *f);
struct json_t *figures_seconds_json(const struct step_result *sr, int from, int to);

/*
 * One metric of a step, of one part (-1: all of them), and how many seconds it covers; false if the
 * step has no such metric.  series_free() when done.
 */
bool figures_series(const struct step_result *sr, const char *metric, int part, struct series *s,
                    double *seconds);

/* A series in k6's shape: {"type", "contains", "values"}; counters per second are over `seconds`.
 */
struct json_t *figures_metric(const struct series *s, double seconds);
extern const char
    *const figures_trend_stats[]; /* what the values of a trend hold; ends with NULL */

/* k6's shape: {"op_duration": {"type": "trend", "contains": "time", "values": {...}}, ...}. */
struct json_t *figures_json(const struct step_result *sr);

/* Of a step with `during:`: its windows side by side; null for any other. */
struct json_t *figures_during_json(const struct step_result *sr);

/*
 * breakdown.h - what several steps have measured, together: of a whole run, or of those with the
 * same tag, such as a target.
 *
 * Of a step with windows or a warm-up, the seconds are those that its thresholds judge.
 */
#pragma once

#include <stdbool.h>

struct json_t;
struct run_result;
struct step_result;

/* Whether a step counts; `ctx` is the caller's. */
typedef bool breakdown_fn(const struct step_result *sr, const void *ctx);

/* All metrics of those steps in k6's shape; counters per second are over the seconds measured. */
struct json_t *breakdown_metrics(const struct run_result *r, breakdown_fn *counts, const void *ctx);

/* By tag, then by its value: {"target": {"nginx": {"op_duration": {...}}}}.  Without step and
 * phase. */
struct json_t *breakdown_json(const struct run_result *r);

/*
 * {"nginx": {"p50", "p95", "p99", "max", "avg", "error_rate", "iterations"}}, times in milliseconds
 * from when an operation was due to its last byte.  One entry for each target of the suite, null
 * where no step under load drove it; of steps tagged `tier: connector` if there are any.
 */
struct json_t *breakdown_tier(const struct run_result *r);

/*
 * pressure.h - what a step with hold-connections did second by second: connections held, and those
 * opened, turned away, ended and opened again.
 */
#pragma once

#include <stdbool.h>

struct buf;
struct step_result;

enum pressure_column {
    PRESSURE_HELD, /* on average over the second */
    PRESSURE_ATTEMPTED,
    PRESSURE_ESTABLISHED,
    PRESSURE_REFUSED,
    PRESSURE_EVICTED,
    PRESSURE_REOPENED,
    PRESSURE_COLUMNS,
};

struct pressure {
    int seconds;
    double *by_second[PRESSURE_COLUMNS]; /* NULL: the step's driver does not count that */
};

void pressure_find(const struct step_result *sr, struct pressure *p); /* pressure_free() it */
void pressure_free(struct pressure *p);

/* A table of at most ten rows, each the average of as many seconds, and the sums. */
void pressure_table(const struct pressure *p, bool color, struct buf *out);

/* Lists by second: {"held": [...], "attempted": [...], ...}; null for any other step. */
struct json_t *pressure_json(const struct step_result *sr);

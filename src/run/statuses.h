/*
 * statuses.h - how many answers had which HTTP status code: a bounded table for each part of a
 * step.
 */
#pragma once

#include <stdint.h>

struct arena;
struct meter_shape;
struct status_count;

#define STATUSES_MAX 24 /* different codes kept for a part; later ones count as STATUS_OTHER */

struct statuses { /* of one part */
    struct {
        int code;
        uint64_t count;
    } v[STATUSES_MAX + 1]; /* the last one is the others' */
    int n;
};

void statuses_add(struct statuses *s, int code, uint64_t count);
void statuses_merge(struct statuses *into, const struct statuses *from);

/* Of all parts of a step, `parts` as many as `shape` has; *n of them, by part and then by code. */
struct status_count *statuses_list(const struct statuses *parts, const struct meter_shape *shape,
                                   struct arena *arena, int *n);

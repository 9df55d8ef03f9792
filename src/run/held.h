/*
 * held.h - how many connections were held when; part of hold-connections.
 *
 * Connection-time is kept by tenths of a second: lanes then add up exactly, and the highest tenth
 * is how many there were at once.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct meter;

struct held {   /* {0} at the start of a step */
    double *in; /* connection-time by tenth of a second of the step, ns */
    int tenths, cap;
    uint64_t until_ns;        /* since the start: what has been accounted for */
    double held_ns, asked_ns; /* connection-time from the end of the ramp on; kept by the lane */
};

/* `count` were held from the last call up to `until_ns` after the start of the step. */
void held_add(struct held *h, uint64_t count, uint64_t until_ns);
/* One of those that were counted was not held from `from_ns` on. */
void held_take(struct held *h, uint64_t from_ns);
void held_merge(struct held *into, const struct held *from);

double held_in(const struct held *h, int second); /* its connection-time, ns */
bool held_ever(const struct held *h);             /* anything at all */

/* As M_HELD_RATIO, if anything was asked for, M_CONNECTIONS_HELD and M_CONNECTIONS_PEAK; a last
 * second that was cut short counts as on average over its part. */
void held_report(const struct held *h, struct meter *m);
void held_free(struct held *h);

/*
 * timers.h - what is due next, to the nanosecond.
 *
 * A 4-ary min-heap of intrusive timers; the owner embeds a `struct timer` ({0} is valid, idle).
 * Setting, moving and cancelling are O(log n) without allocation except when the heap grows.  For a
 * time-out that is nearly always cancelled, do not cancel: leave the timer set and, when it fires,
 * look whether the deadline has moved.  One thread only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct timer {
    void (*fire)(struct timer *t, uint64_t now); /* idle again when called; may set itself anew */
    uint32_t index;                              /* place in the heap + 1; 0: idle */
};

struct timers {
    struct timers_entry *heap;
    uint32_t count, cap;
};

void timers_set(struct timers *ts, struct timer *t, uint64_t when_ns); /* moves one already set */
void timers_cancel(struct timers *ts, struct timer *t);                /* idle timers too */
uint64_t timers_next(const struct timers *ts);                         /* UINT64_MAX: none */
int timers_run(struct timers *ts, uint64_t now); /* fires all due, earliest first; how many */

/* The earliest one if it is due, idle now and not fired, with the time it was set for; or NULL. */
struct timer *timers_pop(struct timers *ts, uint64_t now, uint64_t *when_ns);
void timers_free(struct timers *ts);

static inline bool timer_is_set(const struct timer *t)
{
    return t->index != 0;
}

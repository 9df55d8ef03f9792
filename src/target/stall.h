/*
 * stall.h - times in which the whole server stands still: "2s every 10s".
 *
 * The k-th stall begins k periods after the start, k >= 1, so the server comes up clean.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct err;

struct stall {               /* {0}: never */
    uint64_t length, period; /* ns */
    uint64_t start;          /* when the server started, on the monotonic clock */
};

bool stall_parse(struct stall *s, const char *text, struct err *e); /* sets length and period */

/* When the stall that holds `t` ends; `t` itself if none does. */
uint64_t stall_end(const struct stall *s, uint64_t t);

/*
 * When what would come at `t` does come: then, or at the end of the stall, in the order in which it
 * would have come.  The queue leaves 65,536 times as fast as it grew, so that the last of a second
 * is 15 us behind.
 */
uint64_t stall_delayed(const struct stall *s, uint64_t t);

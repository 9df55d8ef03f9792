/* ticker.h - one line about a step that is running. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct buf;
struct live;

#define TICKER_POINTS 12

struct ticker {                  /* of one step; {0} before its first line */
    double rates[TICKER_POINTS]; /* one a second, oldest first */
    int count;
    uint64_t second;   /* of the newest point, + 1 */
    uint64_t interval; /* the last one that had a plain line */
};

/* Fields from left to right as long as they fit into `columns`; no line end, never wraps. */
void ticker_line(const struct live *l, struct ticker *h, int columns, bool color, struct buf *out);

/* With a line end, once an interval of 5 seconds of the step; false if it is not time yet. */
bool ticker_plain(const struct live *l, struct ticker *h, struct buf *out);

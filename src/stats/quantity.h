/*
 * quantity.h - what an aggregation of a metric is measured in, with its units for reading and for
 * printing.  It is not always the metric's own unit: the count of a trend of times is a number, the
 * rate of a counter of bytes is bytes per second.
 */
#pragma once

#include <stdbool.h>

#include "base/units.h"
#include "stats/threshold.h"

enum quantity { Q_NUMBER, Q_TIME, Q_BYTES, Q_RATIO, Q_PER_SECOND, Q_BYTES_PER_SECOND };

enum quantity quantity_of(enum aggregation agg, const struct metric *m);

/* `number` written with `unit`, in ns, bytes, shares, per second; false if it has no such unit. */
bool quantity_read(enum quantity q, double number, const char *unit, double *value);
const char *quantity_hint(enum quantity q); /* "try ns, us, ms, s, m or h" */

const char *quantity_print(enum quantity q, double value, char buf[UNITS_MAX]);

/* The same with six digits, for values that would otherwise read like their limit. */
const char *quantity_print_exact(enum quantity q, double value, char buf[UNITS_MAX]);

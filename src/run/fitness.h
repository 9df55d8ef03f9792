/* fitness.h - how late this machine was itself, so that it is not held against the target. */
#pragma once

#include <stdbool.h>

struct step_result;

#define FITNESS_LAG_NS 1e6 /* below this, our lag is noise to any limit */

/* The 99th percentile of schedule_lag in seconds from..to-1; `to` -1: to the end.  In ns. */
double fitness_lag(const struct step_result *r, int from, int to);

/* Not one operation got as far as the target: that says where it is not, and nothing of how it is.
 */
bool fitness_never_reached(const struct step_result *r);

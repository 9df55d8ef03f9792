/* fixture_judge.h - a meter to fill and one call to judge what is in it, for the tests of stats/.
 */
#pragma once

#include "stats/judge.h"
#include "stats/meter.h"

enum { LAT, FAILED, OK, COUNT, GAUGE, SIZE, METRICS };

extern struct meter meter;

int judge_begin(void **state); /* before each test, and after it */
int judge_end(void **state);

void meter_reset(void); /* empty again */

/* Judges `metric` in the seconds from..to-1 by `text`; what else is asked stands in `t`. */
struct evidence judge(int metric, struct threshold t, const char *text, int from, int to);
enum verdict judge_verdict(int metric, const char *text, double confidence);

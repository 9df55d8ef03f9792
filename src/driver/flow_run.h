/* flow_run.h - what the lane calls; for flow.c. */
#pragma once

#include <stdbool.h>

struct err;
struct lane;
struct op;

bool flow_start(struct lane *lane, struct err *e);
void flow_fire(struct lane *lane, struct op *op);
void flow_stop(struct lane *lane);

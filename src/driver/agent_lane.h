/* agent_lane.h - what the driver's struct points to. */
#pragma once

#include "driver/agent.h"

struct err;

void fleet_link_config(struct link_config *c);

bool fleet_start(struct lane *lane, struct err *e);
void fleet_begin(struct lane *lane, uint64_t start_ns);
void fleet_fire(struct lane *lane, struct op *op);
void fleet_flush(struct lane *lane);
void fleet_stop(struct lane *lane);

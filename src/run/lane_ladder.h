/* lane_ladder.h - a lane's side of the ladder: taking up new sizes, and answering. */
#pragma once

struct lane_run;

/* At the beginning of each turn of a lane with a ladder. */
void lane_ladder_follow(struct lane_run *l);

/* fleet.h - a fleet's times up to p99.9 and its counts, for summary.txt. */
#pragma once

#include <stdbool.h>

struct buf;
struct step_result;

/*
 * Of all seconds that a threshold without a window would judge, and so as result.json has it;
 * nothing for a step that is no fleet, or one of which no agent registered.
 */
void fleet_text(const struct step_result *sr, bool color, struct buf *out);

/* fleet.h - what summary.txt says of a fleet besides its verdicts: its times up to p99.9, its
 * counts. */
#pragma once

#include <stdbool.h>

struct buf;
struct step_result;

/*
 * Of all seconds that a threshold without a window would judge, and so as result.json has it;
 * nothing for a step that is no fleet (its driver does not count beats).
 */
void fleet_text(const struct step_result *sr, bool color, struct buf *out);

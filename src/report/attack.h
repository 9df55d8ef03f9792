/* attack.h - what summary.txt says of held connections, and of the traffic beside them. */
#pragma once

#include <stdbool.h>

struct buf;
struct step_result;

/* Adds nothing for a step that holds nothing and has no `during:`. */
void attack_text(const struct step_result *sr, bool color, struct buf *out);

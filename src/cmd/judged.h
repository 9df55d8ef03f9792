/* judged.h - a stored run, read back and judged again: what `judge` and `report` begin with. */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "spec/opt.h"

struct run_result;

struct judged {
    struct arena arena;
    struct run_result *result;
};

/* False after telling on stderr, as `command`, what is wrong; `set` above the run's own values. */
bool judged_open(struct judged *j, const char *command, const char *dir, const struct texts *set);
void judged_close(struct judged *j); /* also what could not be opened */

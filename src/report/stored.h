/* stored.h - a results directory read back, so that `judge` can decide again. */
#pragma once

#include <stdbool.h>

struct arena;
struct diags;
struct err;
struct run_result;

struct stored_opts {
    const char *dir;
    const char *const *sets; /* --set, on top of the values of the stored run */
    int set_count;
};

/* NULL with the reason in `e`, or with mistakes of the suite in `d`.  The verdict is not yet set.
 */
struct run_result *stored_load(const struct stored_opts *o, struct arena *arena, struct diags *d,
                               struct err *e);

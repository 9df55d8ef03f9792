/*
 * cleaning.h - one `shakedown cleanup`, and the `when: always` phases that it runs again.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "run/journal.h"
#include "spec/opt.h"

struct cleanup_args {
    const char *run, *suite, *junit;
    struct texts set;
    bool dry_run;
};

struct cleaning {
    const struct cleanup_args *args;
    struct arena arena;
    struct past past;
    struct journal *journal;
    uint64_t running; /* services of the suite that run still, as bits */
    bool refused, could_not;
};

/* It has run, or should have, and has not done all it had to. */
bool cleaning_is_pending(const struct past *p, const char *phase);

/*
 * The folder, beside `run_dir`, of a run that has not done its cleanup and whose id is the
 * beginning of `run_id` up to a dash, or the other way round; to be freed, NULL: none.
 */
char *cleaning_neighbour(const char *run_dir, const char *run_id);

/*
 * Runs the pending phases as the run would have.  False: the suite or a value of it cannot be had,
 * and that has been told.
 */
bool cleaning_do_phases(struct cleaning *c);

/*
 * leftovers.h - processes of a run that has ended without ending them.
 *
 * A process belongs to the run if the run's id is in its environment (JOURNAL_MARK), or if it is a
 * service that the journal names and its pid, the time at which it started and the boot are those
 * of the journal.  Nothing else is ever signalled, and a signal goes to the process that was looked
 * at (pidfd), not to whoever has its number by then.
 */
#pragma once

#include <stdbool.h>

struct past;
struct past_service;

bool leftovers_is_running(const struct past *p, const struct past_service *v);

struct leftovers {
    int ended; /* processes */
    int left;  /* that could not be ended */
};

/*
 * TERM, and KILL for what is left after `grace_ms`.  With `spare`, services that still run as the
 * journal has them, and what belongs to their process groups, are left alone.
 */
struct leftovers leftovers_end(const struct past *p, bool spare, int grace_ms);

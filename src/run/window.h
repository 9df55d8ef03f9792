/*
 * window.h - the seconds of a control step in which its attack held, and those before and after it.
 *
 * Second s of a step are the operations that were due in it.  The control begins whole seconds
 * before the attack, so their seconds coincide.  One in which the attack ran and did not hold its
 * share, such as those of its ramp, belongs to no window.
 */
#pragma once

#include <stdbool.h>

#include "suite/suite.h"

struct selection;
struct step_result;

struct windows {
    int seconds;       /* of the control, from its start to `after` the attack */
    int asked;         /* seconds of the attack */
    int held;          /* of them, those in which it held its share */
    int ends;          /* the second of the control in which the attack was over */
    bool *of[WINDOWS]; /* by second */
};

/* `control` has `during:` and its `attack`; windows_free() when done. */
void windows_find(const struct step_result *control, struct windows *w);
void windows_free(struct windows *w);

/* Narrows `sel`, whose metric is set, to one window; not if `window` is WINDOW_NONE.  Borrows from
 * `w`. */
void windows_select(const struct windows *w, enum window window, struct selection *sel);

/*
 * Whole seconds from the attack's end until the control was as good as before it, to its last
 * second: docs/measuring.md says what that means.  -1: it was not, or there is nothing to tell it
 * from.
 */
int windows_recovery(const struct step_result *control, const struct windows *w);

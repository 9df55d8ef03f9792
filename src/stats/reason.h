/* reason.h - the sentence that goes with a verdict, numbers and units included. */
#pragma once

#include "stats/judge.h"

struct metric;

/* How `e` came about, when its numbers do not say it. */
enum ground {
    GROUND_FACT,     /* compared as it stands */
    GROUND_ESTIMATE, /* judged by its interval */
    GROUND_SHORT,    /* too few seconds for an interval */
    GROUND_BOUNDS,   /* some values are only known to be larger than they look */
};

const char *reason_text(const struct threshold *t, const struct metric *m, const struct evidence *e,
                        enum ground ground, struct arena *arena);
const char *reason_no_samples(const struct metric *m, const struct evidence *e,
                              struct arena *arena);
const char *reason_few_samples(const struct threshold *t, const struct evidence *e,
                               const char *rest, struct arena *arena);

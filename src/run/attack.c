#include "run/attack.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/units.h"
#include "run/result.h"
#include "run/window.h"

const char *attack_missing(const struct step_result *r, struct arena *arena)
{
    const struct during *d = r->step->during;
    char share[UNITS_MAX], asked[UNITS_MAX];
    struct windows w;
    int held, of;

    if (!r->attack || !r->attack->begun)
        return NULL;
    windows_find(r, &w);
    held = w.held;
    of = w.asked;
    windows_free(&w);
    if (held >= (int)(d->at_least / NS_PER_S))
        return NULL;
    return arena_printf(
        arena,
        "the attack \"%s\" held %s of its %s connections in %d of %d seconds, and at_least asks "
        "for %d%s%s",
        d->attack->name, units_print_ratio(d->held, share),
        units_print_count((double)d->attack->load.connections, asked), held, of,
        (int)(d->at_least / NS_PER_S), r->attack->error_count ? ": " : "",
        r->attack->error_count ? r->attack->errors[0].why : "");
}

bool attack_never_held(const struct step_result *r)
{
    struct selection sel = {.metric = M_CONNECTIONS_HELD, .part = -1, .outcome = -1, .to = -1};
    struct series s;
    bool never;

    if (r->step->load.executor != EX_HOLD_CONNECTIONS || !r->sent)
        return false;
    series_select(&s, &r->meter, &sel);
    never = s.max <= 0;
    series_free(&s);
    return never;
}

bool attack_was_lost(const struct step_result *r, const struct metric *metric)
{
    bool lost = false;

    for (int i = 0; i < r->error_count; i++)
        lost |= outcomes[r->errors[i].outcome].fault == FAULT_PATH;
    return lost && r->step->load.executor == EX_HOLD_CONNECTIONS &&
           (metric == &engine_metrics[M_HELD_RATIO] ||
            metric == &engine_metrics[M_CONNECTIONS_HELD] ||
            metric == &engine_metrics[M_CONNECTIONS_PEAK]);
}

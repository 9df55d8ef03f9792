#include "run/window.h"

#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "run/result.h"
#include "stats/interval.h"

#define CONFIDENCE 0.95
#define QUANTILE   0.95

static int seconds_of(int64_t ns)
{
    return (int)(ns / (int64_t)NS_PER_S);
}

void windows_find(const struct step_result *control, struct windows *w)
{
    const struct during *d = control->step->during;
    const struct load *attack = &d->attack->load;
    const struct meter *m = &control->attack->meter;
    const struct cell *held = m->cells ? meter_cell(m, M_CONNECTIONS_HELD, 0, TAG_OK) : NULL;
    double share = d->held * (double)attack->connections;
    int before = seconds_of(d->before);

    *w = (struct windows){.asked = seconds_of(attack->duration)};
    w->ends = before + seconds_of(attack->duration + (int64_t)NS_PER_S - 1);
    w->seconds = w->ends + seconds_of(d->after);
    for (int i = 0; i < WINDOWS; i++)
        w->of[i] = xcalloc((size_t)w->seconds + 1, sizeof(bool));
    for (int i = 0; i < before; i++)
        w->of[WINDOW_BEFORE][i] = true;
    for (int i = 0; held && i < w->asked && i < held->seconds; i++) {
        bool holds = held->slices[i].n && held->slices[i].sum >= share - 1e-6;

        w->of[WINDOW_DURING][before + i] = holds;
        w->held += holds;
    }
    for (int i = w->ends; i < w->seconds; i++)
        w->of[WINDOW_AFTER][i] = true;
}

void windows_free(struct windows *w)
{
    for (int i = 0; i < WINDOWS; i++)
        free(w->of[i]);
    *w = (struct windows){0};
}

/* What is said once for all of a step has no second of its own. */
static bool is_whole(int metric)
{
    return metric == M_ACHIEVED_RATE || metric == M_HELD_RATIO || metric == M_DROPPED_ITERATIONS;
}

void windows_select(const struct windows *w, enum window window, struct selection *sel)
{
    if (window == WINDOW_NONE || is_whole(sel->metric))
        return;
    sel->only = w->of[window];
    sel->only_count = w->seconds;
}

struct level {     /* what the control was like before the attack */
    double failed; /* its share of failures was not above this, at 95% */
    double p95;    /* nor its 95th percentile; INFINITY: no operation has one */
};

static bool level_before(const struct step_result *control, const struct windows *w,
                         struct level *out)
{
    const struct selector whole_failed = {.metric = engine_metrics[M_OP_FAILED].name};
    const struct selector whole_duration = {.metric = engine_metrics[M_OP_DURATION].name};
    struct selection failed, duration;
    uint64_t low, high, ignored, edge;
    struct series s;
    bool ok;

    if (!step_select(control->step, &whole_failed, &failed) ||
        !step_select(control->step, &whole_duration, &duration)) /* both leave the warm-up out */
        return false;
    windows_select(w, WINDOW_BEFORE, &failed);
    windows_select(w, WINDOW_BEFORE, &duration);
    series_select(&s, &control->meter, &failed);
    ok = s.n > 0;
    if (ok)
        out->failed = interval_rate_high((double)s.hits, (double)s.n, CONFIDENCE);
    series_free(&s);
    series_select(&s, &control->meter, &duration);
    out->p95 = INFINITY;
    if (s.n > 0) {
        interval_ranks(s.n, QUANTILE, 2 * CONFIDENCE - 1, 1, &low, &high);
        hist_rank(s.hist, high <= s.n ? high : s.n, &ignored, &edge);
        out->p95 = high <= s.n ? (double)edge : s.max;
    }
    series_free(&s);
    return ok;
}

/* No proof that the 95th percentile is above `limit`: at the end of a step there are few samples,
 * and one slow one among them is chance. */
static bool is_no_slower(const struct series *s, double limit)
{
    uint64_t low, high, edge, ignored;

    if (s->n == 0)
        return true;
    interval_ranks(s->n, QUANTILE, 2 * CONFIDENCE - 1, 1, &low, &high);
    hist_rank(s->hist, low > 0 ? low : 1, &edge, &ignored);
    return (double)edge <= limit;
}

/* From second `from` to the last one. */
static bool is_back(const struct step_result *control, const struct level *level, int from)
{
    struct selection failed = {.metric = M_OP_FAILED, .part = -1, .outcome = -1, .from = from};
    struct selection duration = {.metric = M_OP_DURATION, .part = -1, .outcome = -1, .from = from};
    struct series s;
    bool back;

    failed.to = duration.to = -1;
    series_select(&s, &control->meter, &failed);
    back = s.n > 0 && (double)s.hits / (double)s.n <= level->failed;
    series_free(&s);
    if (!back)
        return false;
    series_select(&s, &control->meter, &duration);
    back = is_no_slower(&s, level->p95);
    series_free(&s);
    return back;
}

int windows_recovery(const struct step_result *control, const struct windows *w)
{
    struct level level;

    if (w->held == 0 || !level_before(control, w, &level))
        return -1;
    for (int s = w->ends; s < w->seconds; s++)
        if (is_back(control, &level, s))
            return s - w->ends;
    return -1;
}

void phase_link_attacks(struct phase_result *p)
{
    for (int i = 0; i < p->phase->step_count; i++) {
        const struct during *d = p->phase->steps[i].during;

        for (int k = 0; d && k < p->phase->step_count; k++)
            if (&p->phase->steps[k] == d->attack)
                p->steps[i].attack = &p->steps[k];
    }
}

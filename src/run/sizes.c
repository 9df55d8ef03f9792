#include "run/sizes.h"

#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/units.h"
#include "run/fitness.h"
#include "run/result.h"

#define ENOUGH_SENT  0.95 /* of what was due, begun by the end of the hold */
#define WHOLE_CORE   0.95 /* of one core: a closed model's lane has no schedule to be late for */
#define CLIENT_SHARE 0.01 /* of the operations that may fail for a cause on this machine */

static double count_in(const struct step_result *r, enum engine_metric metric,
                       const struct size_result *z)
{
    struct selection sel = {
        .metric = (int)metric, .part = -1, .outcome = -1, .from = z->from, .to = z->to};
    struct series s;
    double n;

    series_select(&s, &r->meter, &sel);
    n = s.metric->type == METRIC_COUNTER ? s.sum : (double)s.n;
    series_free(&s);
    return n;
}

static const char *printed(double n, struct arena *arena)
{
    char text[UNITS_MAX];

    return arena_strdup(arena, units_print_count(n, text));
}

static void say(struct size_result *z, enum verdict v, bool unfit, const char *why)
{
    z->verdict = v;
    z->unfit = unfit;
    z->reason = why;
}

/* Reasons of this machine by which nothing that was measured at this size decides. */
static bool is_unfit(const struct step_result *r, struct size_result *z, struct arena *arena)
{
    double client = count_in(r, M_CLIENT_ERRORS, z);

    if (client > CLIENT_SHARE * z->sent)
        say(z, VERDICT_INCONCLUSIVE, true,
            arena_printf(arena, "%s of %s operations failed for a cause on this machine",
                         printed(client, arena), printed(z->sent, arena)));
    else if (z->planned > 0 && z->late_own > (1 - ENOUGH_SENT) * z->planned)
        say(z, VERDICT_INCONCLUSIVE, true,
            arena_printf(arena,
                         "this machine had begun only %s of %s operations in time: give the runner "
                         "more CPU or `lanes`",
                         printed(z->planned - z->late_own, arena), printed(z->planned, arena)));
    else if (load_is_closed(&r->step->load) && z->cpu > WHOLE_CORE)
        say(z, VERDICT_INCONCLUSIVE, true,
            "a lane of this machine used a whole core: give the runner more `lanes`");
    else
        return false;
    return true;
}

/* Too many operations were still due at the end of the hold because those before had no answer. */
static bool is_behind(struct size_result *z, const struct load *l, struct arena *arena)
{
    if (!(z->planned > 0) || z->late_busy <= (1 - ENOUGH_SENT) * z->planned)
        return false;
    say(z, VERDICT_BREACH, false,
        arena_printf(
            arena,
            "%s of %s operations had not been begun at the end of the hold, because the %s "
            "that may be in flight (max_in_flight) waited for answers",
            printed(z->late_busy, arena), printed(z->planned, arena),
            printed((double)l->max_in_flight, arena)));
    return true;
}

static const char *told(const struct threshold *t, const struct evidence *ev, struct arena *arena)
{
    return arena_printf(arena, "%s: %s", t->selector.metric, ev->reason);
}

/* A breach of a limit on a time that is no greater than this machine's own lag is none. */
static bool is_own_lag(const struct step_result *r, const struct size_result *z,
                       const struct threshold *t, const struct evidence *ev)
{
    const struct metric *m = r->step->metrics[step_metric(r->step, t->selector.metric)];
    double lag;

    if (m->unit != UNIT_TIME || !load_is_open(&r->step->load))
        return false;
    lag = fitness_lag(r, z->from, z->to);
    return lag >= FITNESS_LAG_NS && -ev->margin <= lag;
}

/* The worst that one threshold says decides; a breach is worse than not knowing. */
static void judge_one(const struct step_result *r, struct size_result *z, const struct threshold *t,
                      struct arena *arena)
{
    struct selection sel;
    struct evidence ev;
    struct series s;

    step_select(r->step, &t->selector, &sel);
    sel.from = z->from;
    sel.to = z->to;
    series_select(&s, &r->meter, &sel);
    s.length_s = z->to - z->from;
    judge_threshold(t, &s, arena, &ev);
    series_free(&s);
    if (ev.verdict == VERDICT_BREACH && is_own_lag(r, z, t, &ev)) {
        if (z->verdict == VERDICT_PASS)
            say(z, VERDICT_INCONCLUSIVE, true,
                arena_printf(arena, "%s; but the excess is no larger than this machine's own lag",
                             told(t, &ev, arena)));
        return;
    }
    if (ev.verdict == VERDICT_PASS || z->verdict == VERDICT_BREACH ||
        (ev.verdict == VERDICT_INCONCLUSIVE && z->verdict == VERDICT_INCONCLUSIVE))
        return;
    say(z, ev.verdict, false, told(t, &ev, arena));
}

/* Sizes are judged by it; while some operations are open, only if their answers cannot mend it. */
static bool judges(const struct threshold *t, bool open)
{
    const char *name = t->selector.metric;

    if (t->severity != SEVERITY_FAIL || step_is_answer(&t->selector))
        return false;
    return !open || strcmp(name, engine_metrics[M_OP_FAILED].name) == 0 ||
           strcmp(name, engine_metrics[M_OP_OK].name) == 0 ||
           (strcmp(name, engine_metrics[M_OP_DURATION].name) == 0 && threshold_is_upper(t));
}

void sizes_judge(const struct step_result *r, struct size_result *z, bool open, struct arena *arena)
{
    const struct step *step = r->step;

    z->planned = stepping_planned(&step->load, z->size, z->to - z->from);
    z->sent = count_in(r, M_SCHEDULE_LAG, z);
    if (fitness_never_reached(r)) {
        say(z, VERDICT_INCONCLUSIVE, true,
            arena_printf(arena, "the target was never reached: %s", r->errors[0].why));
        return;
    }
    if (is_unfit(r, z, arena) || is_behind(z, &step->load, arena))
        return;
    say(z, VERDICT_PASS, false, "every threshold held");
    for (int i = 0; i < step->threshold_count; i++)
        if (judges(step->thresholds[i], open))
            judge_one(r, z, step->thresholds[i], arena);
}

const struct size_result *sizes_found(const struct step_result *r, const struct size_result **least)
{
    const struct size_result *good = NULL;

    *least = NULL;
    for (int i = 0; i < r->size_count; i++)
        if (r->sizes[i].verdict == VERDICT_BREACH && (!*least || r->sizes[i].size < (*least)->size))
            *least = &r->sizes[i];
    for (int i = 0; i < r->size_count; i++)
        if (r->sizes[i].verdict == VERDICT_PASS && (!*least || r->sizes[i].size < (*least)->size) &&
            (!good || r->sizes[i].size > good->size))
            good = &r->sizes[i];
    return good;
}

/* The one value of a gauge that is said of the whole step; no sample if there is none. */
static void set_gauge(struct step_result *r, enum engine_metric metric, bool any, double value)
{
    struct slice *s = meter_slice(&r->meter, (int)metric, 0, TAG_OK, 0);

    *s = (struct slice){0};
    if (any)
        meter_gauge(&r->meter, (int)metric, 0, TAG_OK, 0, value);
}

void sizes_conclude(struct step_result *r, struct arena *arena)
{
    const struct size_result *good, *bad;

    for (int i = 0; i < r->size_count; i++)
        sizes_judge(r, &r->sizes[i], false, arena);
    good = sizes_found(r, &bad);
    set_gauge(r, M_LAST_GOOD, r->size_count > 0, good ? good->size : 0);
    set_gauge(r, M_FIRST_BAD, bad != NULL, bad ? bad->size : 0);
}

const char *sizes_sentence(const struct step_result *r, struct arena *arena)
{
    const struct stepping *st = &r->step->load.stepping;
    const struct size_result *bad, *good = sizes_found(r, &bad);
    const struct size_result *last = r->size_count ? &r->sizes[r->size_count - 1] : NULL;
    char a[UNITS_MAX], b[UNITS_MAX];

    if (!last)
        return "no size was held to its end";
    if (good && bad)
        return arena_printf(arena, "%s held, %s did not: %s", stepping_print(st, good->size, a),
                            stepping_print(st, bad->size, b), bad->reason);
    if (bad)
        return arena_printf(arena, "not even %s held: %s", stepping_print(st, bad->size, b),
                            bad->reason);
    if (last->verdict == VERDICT_PASS)
        return arena_printf(arena, "%s held, and nothing greater was %s",
                            stepping_print(st, last->size, a),
                            last->size >= st->max ? "asked for" : "tried");
    if (good)
        return arena_printf(arena, "%s held; %s could not be judged%s: %s",
                            stepping_print(st, good->size, a), stepping_print(st, last->size, b),
                            last->unfit ? ", because of this machine" : "", last->reason);
    return arena_printf(arena, "%s could not be judged: %s", stepping_print(st, last->size, b),
                        last->reason);
}

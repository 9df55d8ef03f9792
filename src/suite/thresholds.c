/* thresholds.c - `thresholds:` of a step or a phase, held against the metrics the step can produce.
 */
#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "suite/scope.h"

struct threshold_opts {
    const char *threshold;
    double confidence;
    int severity, on_no_data;
    int64_t min_samples;
};

static const char *const severities[] = {"fail", "warn", NULL};
static const char *const no_data[] = {"inconclusive", "fail", "pass", NULL};

#define OPT_OF struct threshold_opts
const struct opt threshold_table[] = {
    OPT_TEXT(threshold, NULL, "the expression, such as p(99)<500ms", .flags = OPT_REQUIRED),
    OPT_RATIO(confidence, NULL, "demand proof of a pass too, such as 95%"),
    OPT_CHOICE(severity, "fail", "warn: told, but no reason to fail", .choices = severities),
    OPT_CHOICE(on_no_data, "inconclusive", "verdict without samples", .choices = no_data),
    OPT_INT(min_samples, "0", "with fewer the verdict is inconclusive", .min = 0, .max = INT64_MAX),
    {0},
};
#undef OPT_OF

int step_metric(const struct step *s, const char *name)
{
    for (int i = 0; i < s->metric_count; i++)
        if (strcmp(s->metrics[i]->name, name) == 0)
            return i;
    return -1;
}

bool step_is_answer(const struct selector *s)
{
    return strcmp(s->metric, engine_metrics[M_LAST_GOOD].name) == 0 ||
           strcmp(s->metric, engine_metrics[M_FIRST_BAD].name) == 0;
}

void step_shape(const struct step *s, struct arena *arena, struct meter_shape *shape)
{
    const char **parts = arena_array(arena, const char *, s->declared.part_count + 1);

    parts[0] = "";
    for (int i = 0; i < s->declared.part_count; i++)
        parts[i + 1] = s->declared.parts[i];
    *shape = (struct meter_shape){s->metrics, s->metric_count, parts, s->declared.part_count + 1};
}

static int find_part(const struct step *s, const char *name)
{
    for (int i = 0; i < s->declared.part_count; i++)
        if (strcmp(s->declared.parts[i], name) == 0)
            return i + 1;
    return -1;
}

static int find_outcome(const char *name)
{
    return strcmp(name, "ok") == 0 ? TAG_OK : strcmp(name, "failed") == 0 ? TAG_FAILED : -1;
}

const char *const window_names[] = {"before", "during", "after", NULL};

static int window_find(const char *name)
{
    for (int i = 0; window_names[i]; i++)
        if (strcmp(window_names[i], name) == 0)
            return i;
    return -1;
}

enum window step_window(const struct step *s, const struct selector *selector)
{
    if (!s->during)
        return WINDOW_NONE;
    for (int i = 0; i < selector->tag_count; i++)
        if (strcmp(selector->tags[i].name, "window") == 0)
            return (enum window)window_find(selector->tags[i].value);
    return WINDOW_DURING;
}

bool step_select(const struct step *s, const struct selector *selector, struct selection *sel)
{
    *sel = (struct selection){step_metric(s, selector->metric), -1, -1, 0, -1};
    sel->from = (int)((s->load.warmup + 999999999) / 1000000000);
    for (int i = 0; i < selector->tag_count; i++) {
        const struct tag *t = &selector->tags[i];
        bool match = false;

        if (strcmp(t->name, "part") == 0) {
            sel->part = find_part(s, t->value);
            match = sel->part >= 0;
        } else if (strcmp(t->name, "outcome") == 0) {
            sel->outcome = find_outcome(t->value);
            match = sel->outcome >= 0;
        } else if (strcmp(t->name, "window") == 0) {
            match = s->during != NULL;
        }
        for (int k = 0; k < s->tag_count && !match; k++)
            match =
                strcmp(s->tags[k].name, t->name) == 0 && strcmp(s->tags[k].value, t->value) == 0;
        if (!match)
            return false;
    }
    return sel->metric >= 0;
}

static bool complain_metric(const struct step *step, const char *name, const struct node *at,
                            const char *path, const struct bind *b)
{
    const char **names = arena_array(b->arena, const char *, step->metric_count + 1);
    char hint[OPT_HINT_MAX];

    if (!step->driver)
        return diag_add(b->diags, at->key_at,
                        "%s: not every step has a metric \"%s\"; say which step is meant: "
                        "\"%s{step:NAME}\"",
                        path, name, name);
    for (int i = 0; i < step->metric_count; i++)
        names[i] = step->metrics[i]->name;
    return diag_add(b->diags, at->key_at, "%s: %s has no metric \"%s\"%s", path, step->driver->name,
                    name, opt_hint(name, names, " (see `shakedown help metrics`)", hint));
}

static bool complain_part(const struct step *step, const char *name, const struct node *at,
                          const char *path, const struct bind *b)
{
    const char **names = arena_array(b->arena, const char *, step->declared.part_count + 1);
    char hint[OPT_HINT_MAX];

    for (int i = 0; i < step->declared.part_count; i++)
        names[i] = step->declared.parts[i];
    return diag_add(b->diags, at->key_at, "%s: the step has no part \"%s\"%s", path, name,
                    opt_hint(name, names, "", hint));
}

static bool complain_unproduced(const struct step *step, const char *name, const struct node *at,
                                const char *path, const struct bind *b)
{
    if (step->load.executor != EX_STEPPING)
        return diag_add(b->diags, at->key_at, "%s: only a load with `executor: stepping` has a %s",
                        path, name);
    return diag_add(b->diags, at->key_at,
                    "%s: %s is of a load as a whole, and stepping judges each size alone", path,
                    name);
}

/* Metrics of the engine that a load like this never has a sample of while it is judged. */
static bool is_produced(const struct step *step, const struct selector *s)
{
    static const enum engine_metric whole[] = {M_ACHIEVED_RATE,    M_DROPPED_ITERATIONS,
                                               M_HELD_RATIO,       M_CONNECTIONS_HELD,
                                               M_CONNECTIONS_PEAK, M_UNFINISHED};
    int metric = step_metric(step, s->metric);

    if (step->load.executor != EX_STEPPING)
        return !step_is_answer(s);
    for (size_t i = 0; i < sizeof(whole) / sizeof(*whole); i++)
        if (metric == (int)whole[i])
            return false;
    return true;
}

/* Every tag must be one the step has; a value that it can never take would select nothing. */
static bool check_tags(const struct step *step, const struct selector *s, const struct node *at,
                       const char *path, const struct bind *b)
{
    for (int i = 0; i < s->tag_count; i++) {
        const struct tag *t = &s->tags[i];
        const char *have = NULL;

        if (strcmp(t->name, "part") == 0) {
            if (find_part(step, t->value) < 0 && !step->undeclared)
                return complain_part(step, t->value, at, path, b);
            continue;
        }
        if (strcmp(t->name, "outcome") == 0) {
            if (find_outcome(t->value) < 0)
                return diag_add(b->diags, at->key_at, "%s: an outcome is ok or failed, not \"%s\"",
                                path, t->value);
            continue;
        }
        if (strcmp(t->name, "window") == 0) {
            if (!step->during)
                return diag_add(b->diags, at->key_at,
                                "%s: the step has no `during:`, and so no windows", path);
            if (window_find(t->value) < 0)
                return diag_add(b->diags, at->key_at,
                                "%s: a window is before, during or after, not \"%s\"", path,
                                t->value);
            continue;
        }
        for (int k = 0; k < step->tag_count; k++)
            if (strcmp(step->tags[k].name, t->name) == 0)
                have = step->tags[k].value;
        if (!have)
            return diag_add(b->diags, at->key_at, "%s: the step has no tag \"%s\"", path, t->name);
        if (strcmp(have, t->value) != 0)
            return diag_add(b->diags, at->key_at, "%s: tag \"%s\" is \"%s\" here, never \"%s\"",
                            path, t->name, have, t->value);
    }
    return true;
}

/* Operations planned; with `during:`, those due in the window at most; of stepping, in a hold. */
static double planned_for(const struct step *step, const struct threshold *t)
{
    const struct during *d = step->during;
    struct load part = step->load;

    if (part.executor == EX_STEPPING)
        return stepping_planned(&part, part.stepping.start, (double)part.stepping.hold / 1e9);
    if (!d || !d->attack)
        return load_operations(&part);
    switch (step_window(step, &t->selector)) {
    case WINDOW_BEFORE:
        part.duration = d->before;
        break;
    case WINDOW_AFTER:
        part.duration = d->after;
        break;
    default:
        part.duration = d->attack->load.duration;
    }
    return load_operations(&part);
}

/* A plan too small to decide is a warning; one that could never pass as demanded is a mistake. */
static void check_decidable(const struct step *step, const struct threshold *t,
                            const struct metric *m, struct pos at, const char *path,
                            const struct bind *b)
{
    const char *what = step->load.executor == EX_STEPPING ? "the first size's hold" : "the plan";
    double planned = planned_for(step, t), confidence = t->confidence;
    uint64_t needs;

    needs = threshold_needs(t, m, confidence > 0 ? confidence : 0.95);
    if (confidence > 0 && needs == UINT64_MAX) {
        diag_add(b->diags, at, "%s: no number of samples proves %s at %.4g%%", path, t->text,
                 confidence * 100);
        return;
    }
    if (planned <= 1 || step->load.executor == EX_ONCE)
        return;
    if ((double)needs <= planned || step_is_answer(&t->selector))
        return;
    if (confidence > 0)
        diag_add(b->diags, at, "%s: %s needs %llu samples to be proven at %.4g%%; %s has %.0f",
                 path, t->text, (unsigned long long)needs, confidence * 100, what, planned);
    else
        diag_warn(b->diags, at,
                  "%s: %s takes %llu samples to be proven and %s has %.0f: a pass says little",
                  path, t->text, (unsigned long long)needs, what, planned);
}

static bool bind_expression(struct step *step, struct threshold *t, const char *text, struct pos at,
                            const char *path, const struct bind *b)
{
    const struct metric *m = step->metrics[step_metric(step, t->selector.metric)];
    struct err e;

    if (!threshold_parse(t, text, b->arena, &e) || !threshold_check(t, m, &e))
        return diag_add(b->diags, at, "%s: %s", path, e.text);
    if (m->paired && planned_for(step, t) == 1)
        return diag_add(b->diags, at,
                        "%s: %s compares two operations, and one is planned: give the step a "
                        "`load:` (such as {executor: constant-arrival-rate, rate: 1/s, duration: "
                        "1m}) that outlasts what it watches",
                        path, m->name);
    t->line = at.line;
    t->col = at.col;
    check_decidable(step, t, m, at, path, b);
    return true;
}

/* What k6 has beside an expression; the load is judged here when it is over. */
static const char *const aborting[] = {"abortOnFail", "abort_on_fail", "delayAbortEval",
                                       "delay_abort_eval", NULL};

static bool complain_aborting(const struct node *map, const char *path, const struct bind *b)
{
    bool any = false;

    for (int i = 0; map->type == NODE_MAP && aborting[i]; i++) {
        const struct node *n = node_find(map, aborting[i]);

        any |= n != NULL;
        if (n)
            diag_add(b->diags, n->key_at,
                     "%s: no option \"%s\": leave it out, a load runs to its end; a phase that a "
                     "breach is to keep from running has `when: passed`, and `run --fail-fast` "
                     "skips all of them",
                     path, n->key);
    }
    return any;
}

static void bind_one(struct step *step, const struct selector *selector, const struct node *n,
                     const char *path, const struct bind *b)
{
    struct threshold *t = arena_new(b->arena, struct threshold);
    struct threshold_opts o = {0};
    struct threshold **grown;

    if (n->type == NODE_SCALAR && n->deferred)
        return;
    if (n->type == NODE_SCALAR)
        o.threshold = n->text;
    else if (complain_aborting(n, path, b) | !opt_bind(threshold_table, aborting, n, path, &o, b))
        return;
    t->selector = *selector;
    t->confidence = o.confidence > 0 ? o.confidence : step->confidence;
    t->severity = (enum severity)o.severity;
    t->on_no_data = (enum no_data)o.on_no_data;
    t->min_samples = o.min_samples;
    if (!o.threshold || !bind_expression(step, t, o.threshold, n->at, path, b))
        return;
    grown = arena_array(b->arena, struct threshold *, step->threshold_count + 1);
    if (step->threshold_count)
        memcpy(grown, step->thresholds, sizeof(struct threshold *) * (size_t)step->threshold_count);
    grown[step->threshold_count++] = t;
    step->thresholds = grown;
}

/* True if the selector names this step, or none. */
static bool is_meant(const struct step *step, const struct selector *s, bool *named)
{
    for (int i = 0; i < s->tag_count; i++) {
        if (strcmp(s->tags[i].name, "step") != 0)
            continue;
        *named = true;
        return strcmp(s->tags[i].value, step->name) == 0;
    }
    return true;
}

void step_bind_thresholds(struct step *step, const struct node *map, const char *path,
                          enum threshold_home home, const struct bind *b)
{
    if (map->type != NODE_MAP) {
        diag_add(b->diags, map->at, "%s: expected a map from metrics to expressions", path);
        return;
    }
    for (const struct node *n = map->first; n; n = n->next) {
        const char *at = arena_printf(b->arena, "%s.%s", path, n->key);
        struct selector selector;
        bool named = false;
        struct err e;

        if (!selector_parse(&selector, n->key, b->arena, &e)) {
            diag_add(b->diags, n->key_at, "%s: %s", path, e.text);
            continue;
        }
        if (!is_meant(step, &selector, &named) && home == HOME_PHASE)
            continue;
        if ((home == HOME_PHASE && !named) || (home == HOME_WHOLE && named))
            continue;
        if (step_metric(step, selector.metric) < 0 && step->undeclared && step->driver->declare)
            continue;
        if (step_metric(step, selector.metric) < 0) {
            complain_metric(step, selector.metric, n, path, b);
            continue;
        }
        if (!is_produced(step, &selector)) {
            complain_unproduced(step, selector.metric, n, path, b);
            continue;
        }
        if (!check_tags(step, &selector, n, path, b))
            continue;
        if (n->type != NODE_LIST)
            bind_one(step, &selector, n, at, b);
        else if (!n->first) /* a key without an expression would pass whatever happens */
            diag_add(b->diags, n->at, "%s: the list is empty (try p(99)<500ms or rate<1%%)", at);
        else
            for (const struct node *item = n->first; item; item = item->next)
                bind_one(step, &selector, item, at, b);
    }
}

/* phases.c - `phases:`: names, order, and which maps are steps. */
#include <ctype.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/units.h"
#include "suite/scope.h"

static const char *const whens[] = {"ready", "passed", "always", NULL};

struct phase_opts {
    const char *name;
    int when;
    const struct node *parallel, *thresholds;
};

#define OPT_OF struct phase_opts
const struct opt phase_table[] = {
    OPT_TEXT(name, NULL, "what the phase is called, once in a suite", .flags = OPT_REQUIRED),
    OPT_CHOICE(when, "ready",
               "ready: unless a phase could not run; passed: only if nothing breached",
               .choices = whens),
    OPT_NODE(parallel, "several named steps at once, in place of one", .schema_ref = "steps"),
    OPT_NODE(thresholds,
             "thresholds of the step; of several: of metric{step:NAME} alone, or of all together",
             .schema_ref = "thresholds"),
    {0},
};
#undef OPT_OF

#define MAX_KEYS 64

/* Collects names for opt_bind()'s `others`; both lists are short and fixed at build time. */
static void add_names(const char **list, int *n, const struct opt *table)
{
    for (; table->name && *n < MAX_KEYS - 1; table++)
        list[(*n)++] = table->name;
}

static void add_drivers(const char **list, int *n)
{
    for (int i = 0; drivers[i] && *n < MAX_KEYS - 1; i++)
        list[(*n)++] = drivers[i]->name;
}

static const char **other_keys(struct arena *arena, const struct opt *table)
{
    const char **list = arena_array(arena, const char *, MAX_KEYS);
    int n = 0;

    add_drivers(list, &n);
    if (table)
        add_names(list, &n, table);
    return list;
}

static bool is_name(const char *s)
{
    for (const char *p = s; *p; p++)
        if (!isalnum((unsigned char)*p) && *p != '-' && *p != '_')
            return false;
    return *s != '\0';
}

struct seeking { /* context of the target look-up: notes what a step refers to */
    struct suite_scope *scope;
    struct step *step;
};

static const struct target *find_target(const void *ctx, const char *name, const char **nearest)
{
    const struct seeking *k = ctx;
    const struct suite *suite = k->scope->suite;
    const char **names;

    for (int i = 0; i < suite->target_count; i++) {
        if (strcmp(suite->targets[i].name, name) != 0)
            continue;
        k->step->services |= suite->targets[i].services;
        return &suite->targets[i];
    }
    names = arena_array(k->scope->arena, const char *, suite->target_count + 1);
    for (int i = 0; i < suite->target_count; i++)
        names[i] = suite->targets[i].name;
    *nearest = opt_nearest(name, names);
    return NULL;
}

static void bind_step(struct suite_scope *s, struct step *step, const struct phase *phase,
                      const char *path, const char *const *others, const struct bind *outer)
{
    struct bind b = *outer;
    struct seeking *k = arena_new(b.arena, struct seeking);

    *k = (struct seeking){s, step};
    b.target = find_target;
    b.ctx = k;
    step_bind(s, step, phase, path, others, &b);
}

static void declare_parallel(struct phase *phase, const struct node *map, const char *path,
                             const struct bind *b)
{
    if (map->type != NODE_MAP || map->count == 0) {
        diag_add(b->diags, map->at, "%s.parallel: expected a map of named steps", path);
        return;
    }
    phase->steps = arena_array(b->arena, struct step, map->count);
    for (struct node *n = map->first; n; n = n->next) {
        struct step *step = &phase->steps[phase->step_count++];

        if (!is_name(n->key))
            diag_add(b->diags, n->key_at,
                     "%s.parallel: \"%s\" is not a name (letters, digits, - and _)", path, n->key);
        step->name = n->key;
        step->node = n;
        step->at = n->key_at;
    }
}

static void bind_parallel(struct suite_scope *s, struct phase *phase, const struct node *n,
                          const struct phase_opts *o, const char *path, const struct bind *b)
{
    const char **others = other_keys(b->arena, NULL);
    const char *at = arena_printf(b->arena, "%s.thresholds", path);

    for (int i = 0; i < phase->step_count; i++) {
        struct step *step = &phase->steps[i];
        const char *step_path = arena_printf(b->arena, "%s.parallel.%s", path, step->name);

        if (step->node->type != NODE_MAP) {
            diag_add(b->diags, step->node->at, "%s: expected a map", step_path);
            continue;
        }
        bind_step(s, step, phase, step_path, others, b);
    }
    during_resolve(phase, b);
    for (int i = 0; i < phase->step_count; i++) {
        struct step *step = &phase->steps[i];

        if (step->node->type == NODE_MAP)
            step_bind_own(step, arena_printf(b->arena, "%s.parallel.%s", path, step->name), b);
    }
    if (o->thresholds)
        phase_bind_thresholds(phase, o->thresholds, at, b);
    for (const struct node *k = n->first; k; k = k->next)
        if (driver_find(k->key) ||
            (opt_find(step_table, k->key) && strcmp(k->key, "thresholds") != 0))
            diag_add(b->diags, k->key_at, "%s: \"%s\" belongs into the steps of `parallel:`", path,
                     k->key);
}

static void declare_single(struct phase *phase, struct node *n, struct arena *arena)
{
    phase->steps = arena_array(arena, struct step, 1);
    phase->step_count = 1;
    phase->steps[0].name = phase->name;
    phase->steps[0].node = n;
    phase->steps[0].at = phase->at;
}

/* A deferred threshold is one, if not yet known. */
static bool has_limits(const struct step *step)
{
    const struct node *written = node_find(step->node, "thresholds");

    if (step->load.executor != EX_STEPPING)
        return step->threshold_count > 0 || (written && written->count > 0);
    for (int i = 0; i < step->threshold_count; i++)
        if (!step_is_answer(&step->thresholds[i]->selector))
            return true;
    return written && (int)written->count > step->threshold_count; /* some are deferred */
}

/* A load without a limit would measure and never fail; but for an attack, which the server may well
 * refuse. */
static void imply_threshold(struct step *step, const struct phase *phase, const struct bind *b)
{
    struct threshold **all, *t;
    struct err e;

    if (has_limits(step) || (phase->whole && phase->whole->threshold_count) ||
        step->load.executor == EX_ONCE || !step->metrics || step->driver->flags & DRIVER_ONLY_HELD)
        return;
    t = arena_new(b->arena, struct threshold);
    threshold_parse(t, "rate==0%", b->arena, &e);
    selector_parse(&t->selector, "op_failed", b->arena, &e);
    threshold_check(t, &engine_metrics[M_OP_FAILED], &e);
    t->confidence = step->confidence;
    t->line = step->at.line;
    t->col = step->at.col;
    step->implied_threshold = true;
    all = arena_array(b->arena, struct threshold *, step->threshold_count + 1);
    for (int i = 0; i < step->threshold_count; i++)
        all[i] = step->thresholds[i];
    all[step->threshold_count++] = t;
    step->thresholds = all;
    diag_warn(b->diags, step->at,
              "step \"%s\" has a load and no thresholds%s: op_failed rate==0%% stands in",
              step->name, step->threshold_count > 1 ? " to judge a size by" : "");
}

/* An open load never waits: a target that falls behind shows in times long before it fails. */
static void warn_blind(const struct step *step, const struct bind *b)
{
    if (step->load.executor != EX_STEPPING || !load_is_open(&step->load) || !step->metrics)
        return;
    for (int i = 0; i < step->threshold_count; i++) {
        int metric = step_metric(step, step->thresholds[i]->selector.metric);

        if (step->metrics[metric]->unit == UNIT_TIME)
            return;
    }
    diag_warn(b->diags, step->at,
              "step \"%s\" steps up without a threshold on a time: a target that falls behind is "
              "noticed only when `max_in_flight` operations wait for it",
              step->name);
}

/* A ramp that the load cuts short is most often a rate forgotten; `during:` refuses what it cannot
 * judge. */
static void warn_unopened(const struct step *step, const struct bind *b)
{
    const struct load *l = &step->load;
    char opens[UNITS_MAX], lasts[UNITS_MAX];
    double ramp;

    if (l->executor != EX_HOLD_CONNECTIONS || l->duration <= 0 || l->rate <= 0)
        return;
    ramp = (double)(l->connections - 1) / l->rate * 1e9;
    if (ramp <= (double)l->duration)
        return;
    diag_warn(b->diags, step->at,
              "step \"%s\" takes %s to open its connections and ends after %s: it never holds them "
              "all; raise its rate or its duration",
              step->name, units_print_duration(ramp, opens),
              units_print_duration((double)l->duration, lasts));
}

static void warn_too_short(const struct step *step, const struct bind *b)
{
    const struct load *l = &step->load;
    struct driver_needs needs = {0};
    char asked[UNITS_MAX], lasts[UNITS_MAX];

    if (b->diags->errors || !step->driver->needs || !step->opts || l->executor != EX_AGENT_FLEET ||
        l->duration <= 0)
        return;
    step->driver->needs(step->opts, 1, b->arena, &needs);
    if (needs.until_ns < l->duration)
        return;
    diag_warn(b->diags, step->at,
              "step \"%s\" ends after %s: what it is to do after %s never happens", step->name,
              units_print_duration((double)l->duration, lasts),
              units_print_duration((double)needs.until_ns, asked));
}

static void check_phase_name(const struct suite *suite, const struct phase *phase, const char *path,
                             const struct bind *b)
{
    if (!phase->name)
        return;
    if (!is_name(phase->name))
        diag_add(b->diags, phase->at, "%s.name: \"%s\" is not a name (letters, digits, - and _)",
                 path, phase->name);
    for (const struct phase *p = suite->phases; p < phase; p++)
        if (p->name && strcmp(p->name, phase->name) == 0)
            diag_add(b->diags, phase->at, "%s.name: \"%s\" is the name of an earlier phase", path,
                     phase->name);
}

/* Somebody has to end it. */
static void check_with_others(const struct phase *phase, const struct bind *b)
{
    int alone = 0;

    for (int i = 0; i < phase->step_count; i++)
        alone += phase->steps[i].load.with_others;
    if (alone > 0 && alone == phase->step_count)
        diag_add(b->diags, phase->at,
                 "duration with-others: phase \"%s\" has no step that ends by itself", phase->name);
}

static void bind_phase(struct suite_scope *s, struct phase *phase, struct node *n, const char *path,
                       const struct bind *b)
{
    struct phase_opts o = {0};
    const struct node *name;

    phase->at = n->at;
    opt_bind(phase_table, other_keys(b->arena, step_table), n, path, &o, b);
    if (n->type != NODE_MAP)
        return;
    name = node_find(n, "name");
    phase->at = name ? name->at : n->at;
    phase->name = o.name;
    phase->when = (enum when)o.when;
    phase->parallel = o.parallel != NULL;
    check_phase_name(s->suite, phase, path, b);
    if (!phase->name)
        phase->name = path;
    if (o.parallel) {
        declare_parallel(phase, o.parallel, path, b);
        bind_parallel(s, phase, n, &o, path, b);
    } else {
        declare_single(phase, n, b->arena);
        bind_step(s, &phase->steps[0], phase, path, other_keys(b->arena, phase_table), b);
        during_resolve(phase, b);
        step_bind_own(&phase->steps[0], path, b);
    }
    check_with_others(phase, b);
    for (int i = 0; i < phase->step_count; i++) {
        imply_threshold(&phase->steps[i], phase, b);
        warn_blind(&phase->steps[i], b);
        warn_unopened(&phase->steps[i], b);
        warn_too_short(&phase->steps[i], b);
    }
}

void phases_bind(struct suite_scope *s, const struct node *phases, const struct bind *b)
{
    struct suite *suite = s->suite;

    if (phases->type != NODE_LIST || phases->count == 0) {
        diag_add(b->diags, phases->at, "phases: expected a list of at least one phase");
        return;
    }
    suite->phases = arena_array(b->arena, struct phase, phases->count);
    for (struct node *n = phases->first; n; n = n->next) {
        const char *path = arena_printf(b->arena, "phases[%d]", suite->phase_count);

        if (!suite_leaves_out(s->src, n))
            bind_phase(s, &suite->phases[suite->phase_count++], n, path, b);
    }
}

static const char *step_path(const struct phase *phase, const struct step *step, const char *path,
                             struct arena *arena)
{
    return phase->parallel ? arena_printf(arena, "%s.parallel.%s", path, step->name) : path;
}

bool suite_bind_phase(struct suite *suite, struct phase *phase, struct diags *d)
{
    struct suite_scope *s = suite->scope;
    const char *path = arena_printf(suite->arena, "phases[%d]", (int)(phase - suite->phases));
    struct bind b = {.arena = suite->arena, .diags = d, .dir = s->dir, .any_file = s->src->stored};

    s->diags = d;
    s->running = true;
    for (int i = 0; i < phase->step_count; i++) {
        struct step *step = &phase->steps[i];

        if (!step->deferred)
            continue;
        scope_subst(s, step->node);
        bind_step(s, step, phase, step_path(phase, step, path, b.arena),
                  other_keys(b.arena, phase->parallel ? NULL : phase_table), &b);
    }
    during_resolve(phase, &b);
    for (int i = 0; i < phase->step_count; i++) {
        struct step *step = &phase->steps[i];

        if (!step->deferred)
            continue;
        step_bind_own(step, step_path(phase, step, path, b.arena), &b);
        imply_threshold(step, phase, &b);
    }
    return d->errors == 0;
}

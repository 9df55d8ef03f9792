/* step.c - one step: its driver by its key, its load, its tags and the metrics it can produce. */
#include <ctype.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "spec/dataset.h"
#include "spec/template.h"
#include "suite/scope.h"

struct step_opts {
    const struct node *load, *during, *thresholds, *tags;
    const char *data;
    double confidence;
};

#define OPT_OF struct step_opts
const struct opt step_table[] = {
    OPT_NODE(load, "when operations are due; without it the step runs once and must succeed",
             .schema_ref = "load"),
    OPT_NODE(during, "judge this step only while an attack beside it holds its connections",
             .schema_ref = "during"),
    OPT_NODE(thresholds, "map from metric, or metric{tag:value}, to one or several expressions",
             .schema_ref = "thresholds"),
    OPT_NODE(tags, "map of tags for selectors and reports", .schema_ref = "texts_by_name"),
    OPT_TEXT(data, NULL, "CSV or JSON file with rows for %{data.column}", .flags = OPT_PATH),
    OPT_RATIO(confidence, NULL, "demand proof of a pass too, such as 95%"),
    {0},
};
#undef OPT_OF

static const struct node *find_driver(struct step *step, const struct node *map, const char *path,
                                      const struct bind *b)
{
    const struct node *body = NULL;

    for (const struct node *n = map->first; n; n = n->next) {
        const struct driver *d = driver_find(n->key);

        if (!d)
            continue;
        if (body) {
            diag_add(b->diags, n->key_at, "%s: a step has one driver; it already has \"%s\"", path,
                     body->key);
            continue; /* and go on with the first: its own mistakes are told too */
        }
        body = n;
        step->driver = d;
    }
    if (!body)
        diag_add(b->diags, map->at, "%s: names no driver (see `shakedown help drivers`)", path);
    return body;
}

static void check_command(const struct node *body, const char *path, const struct bind *b)
{
    const struct node *c = body->type == NODE_MAP ? node_find(body, "command") : NULL;

    if (c && node_any_secret(c))
        diag_add(b->diags, c->at,
                 "%s.command: a secret must not stand on a command line, where every user can read "
                 "it; pass it in `env:`",
                 path);
}

static void check_flags(const struct step *step, const struct node *map, const char *path,
                        const struct bind *b)
{
    const struct node *load = node_find(map, "load");
    bool holds = step->load.executor == EX_HOLD_CONNECTIONS;

    if (step->driver->flags & DRIVER_ONLY_HELD && !holds)
        diag_add(b->diags, load ? load->key_at : map->at,
                 "%s: %s holds connections: it needs `load: {executor: hold-connections, ...}`",
                 path, step->driver->name);
    if (!load)
        return;
    if (step->driver->flags & DRIVER_ONLY_FLEET && load_model(&step->load) != EX_AGENT_FLEET)
        diag_add(
            b->diags, load->key_at,
            "%s.load: %s is a fleet: it needs `load: {executor: agent-fleet, ...}`, or none for "
            "a single beat",
            path, step->driver->name);
    if (step->driver->flags & DRIVER_ONCE)
        diag_add(b->diags, load->key_at, "%s.load: %s runs once, never under load", path,
                 step->driver->name);
    if (holds && !(step->driver->flags & DRIVER_HOLDS))
        diag_add(b->diags, load->key_at, "%s.load: %s has nothing that hold-connections could hold",
                 path, step->driver->name);
}

static const struct template_scope *template_scope_of(const struct step *step, bool stored,
                                                      const struct bind *b)
{
    struct template_scope *scope = arena_new(b->arena, struct template_scope);

    scope->data = step->data;
    scope->any_data = stored;
    scope->agents = load_model(&step->load) == EX_AGENT_FLEET;
    return scope;
}

static void bind_data(struct step *step, const struct step_opts *o, const struct node *map,
                      bool stored, const struct bind *b, const char *path)
{
    struct err e;

    if (!o->data || stored || node_find(map, "data")->deferred)
        return;
    step->data = dataset_load(o->data, b->arena, &e);
    if (!step->data)
        diag_add(b->diags, node_find(map, "data")->at, "%s.data: %s", path, e.text);
}

static void add_tag(struct step *step, const char *name, const char *value)
{
    if (value)
        step->tags[step->tag_count++] = (struct tag){name, value};
}

static const char *target_name(const struct step *step)
{
    for (const struct opt *o = step->driver->opts; o && o->name; o++) {
        const struct target *t;

        if (o->type != OPT_T_TARGET)
            continue;
        t = *(const struct target *const *)((const char *)step->opts + o->offset);
        return t ? t->name : NULL;
    }
    return NULL;
}

static void bind_tags(struct step *step, const struct phase *phase, const struct node *tags,
                      const char *path, const struct bind *b)
{
    static const char *const ours[] = {"step", "phase",   "driver", "target",
                                       "part", "outcome", "window", NULL};

    step->tags = arena_array(b->arena, struct tag, 4 + (tags ? tags->count : 0));
    step->tag_count = 0;
    add_tag(step, "step", step->name);
    add_tag(step, "phase", phase->name);
    add_tag(step, "driver", step->driver->name);
    add_tag(step, "target", target_name(step));
    if (tags && tags->type != NODE_MAP) {
        diag_add(b->diags, tags->at, "%s.tags: expected a map", path);
        return;
    }
    for (const struct node *n = tags ? tags->first : NULL; n; n = n->next) {
        bool taken = false;

        for (int i = 0; ours[i]; i++)
            taken |= strcmp(ours[i], n->key) == 0;
        if (taken)
            diag_add(b->diags, n->key_at, "%s.tags: \"%s\" is a tag of the engine's own", path,
                     n->key);
        else if (n->type != NODE_SCALAR)
            diag_add(b->diags, n->at, "%s.tags.%s: expected text", path, n->key);
        else
            add_tag(step, n->key, n->text);
    }
}

static int count_metrics(const struct metric *m)
{
    int n = 0;

    while (m && m[n].name)
        n++;
    return n;
}

/* The engine's metrics, the driver's, and those that the options declare, in that order. */
static void list_metrics(struct step *step, const struct bind *b)
{
    int own = count_metrics(step->driver->metrics);
    const struct metric **all = arena_array(b->arena, const struct metric *,
                                            M_ENGINE_COUNT + own + step->declared.metric_count);

    step->metric_count = 0;
    for (int i = 0; i < M_ENGINE_COUNT; i++)
        all[step->metric_count++] = &engine_metrics[i];
    for (int i = 0; i < own; i++)
        all[step->metric_count++] = &step->driver->metrics[i];
    for (int i = 0; i < step->declared.metric_count; i++)
        all[step->metric_count++] = step->declared.metrics[i];
    step->metrics = all;
}

static void check_declared(const struct step *step, const struct node *body, const char *path,
                           const struct bind *b)
{
    int first = step->metric_count - step->declared.metric_count;

    for (int i = first; i < step->metric_count; i++)
        if (step_metric(step, step->metrics[i]->name) != i)
            diag_add(b->diags, body->at, "%s: \"%s\" is the name of another metric already", path,
                     step->metrics[i]->name);
}

static void bind_driver(struct step *step, const struct node *body, const char *path,
                        const struct bind *b)
{
    const struct driver *d = step->driver;
    int before = b->diags->errors;
    void *opts = arena_alloc(b->arena, d->opts_size);

    path = arena_printf(b->arena, "%s.%s", path, d->name);
    if (body->type != NODE_MAP && d->scalar) /* `exec: [a, b]` for `exec: {command: [a, b]}` */
        body = node_wrap(body, d->scalar, b->arena);
    step->opts = opts;
    check_command(body, path, b);
    opt_bind(d->opts, NULL, body, path, opts, b);
    if (b->diags->errors == before && d->check)
        d->check(opts, body, path, b->diags);
    step->undeclared = b->diags->errors != before;
    step->declared = (struct declared){0};
    if (d->declare && !step->undeclared)
        d->declare(opts, b->arena, &step->declared);
    list_metrics(step, b);
    check_declared(step, body, path, b);
}

void step_bind(struct suite_scope *s, struct step *step, const struct phase *phase,
               const char *path, const char *const *others, const struct bind *outer)
{
    const struct node *body = find_driver(step, step->node, path, outer), *load;
    struct step_opts o = {0};
    struct bind b = *outer;

    step->deferred = node_any_deferred(step->node);
    step->services |= node_services(step->node);
    step->cleanup = phase->when == WHEN_ALWAYS;
    opt_bind(step_table, others, step->node, path, &o, &b);
    load = o.load;
    step->during = NULL;
    step->delay = 0;
    if (o.during)
        during_bind(step, o.during, arena_printf(b.arena, "%s.during", path), &b);
    load_bind(&step->load, load, o.during != NULL, arena_printf(b.arena, "%s.load", path), &b);
    if (!body)
        return;
    step->confidence = o.confidence > 0 ? o.confidence : s->suite->confidence;
    if (step->confidence >= 1)
        diag_add(b.diags, step->node->at, "%s.confidence: must be below 100%%", path);
    check_flags(step, step->node, path, &b);
    bind_data(step, &o, step->node, s->src->stored, &b, path);
    b.scope = template_scope_of(step, s->src->stored, &b);
    bind_driver(step, body, path, &b);
    bind_tags(step, phase, o.tags, path, &b);
}

void step_bind_own(struct step *step, const char *path, const struct bind *b)
{
    const struct node *n = node_find(step->node, "thresholds");

    step->threshold_count = 0;
    if (n && step->metrics)
        step_bind_thresholds(step, n, arena_printf(b->arena, "%s.thresholds", path), HOME_STEP, b);
}

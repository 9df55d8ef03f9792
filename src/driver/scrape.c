/*
 * scrape.c - one reading of a Prometheus endpoint, beside a load; what has changed since the
 * reading before becomes metrics of the step.
 *
 * Under a load there is a reading before the first operation, which later ones are compared with,
 * and one after the last, so that nothing of the load lies outside.
 *
 * The readings of a step form one series, whichever lane took them: what they share is under a
 * lock, and one that was overtaken by a later one is compared with nothing.
 */
#include "driver/scrape.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "driver/driver.h"
#include "driver/offload.h"
#include "driver/target.h"
#include "spec/diag.h"

#define THREADS 4

#define OPT_OF  struct scrape_opts
static const struct opt scrape_opts[] = {
    OPT_TARGET(target, "what has the endpoint", .flags = OPT_REQUIRED),
    OPT_TEXT(path, "/metrics", "path of the endpoint"),
    OPT_TEMPLATES(headers, "header fields of the request"),
    OPT_SUB(auth, struct auth_opts, auth_table, "credentials for the authorization header"),
    OPT_NODE(metrics, "map from a name to what is read: `metric`, `as` and `optional`",
             OPT_BINDING(bind), .flags = OPT_REQUIRED,
             .schema = "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"object\"}}",
             .example = "{errors: {metric: 'http_requests_total{code=\"500\"}', as: delta}}"),
    OPT_DURATION(timeout, "5s", "give up on a reading after this long", .min = 1000000,
                 .max = INT64_C(3600000000000)),
    {0},
};
#undef OPT_OF

struct scrape_op {
    struct offload_task task; /* first */
    struct op *op;
    struct scrape_try reading;
};

static bool check_auth(const struct scrape_opts *o, const struct node *at, const char *path,
                       struct diags *d)
{
    if (o->auth.basic && o->auth.bearer)
        return diag_add(d, at->at, "%s.auth: give one of basic and bearer", path);
    if ((o->auth.basic || o->auth.bearer) && scrape_has_header(o, "authorization"))
        return diag_add(d, at->at, "%s.auth: there is an authorization header as well", path);
    return true;
}

static bool scrape_check(const void *opts, const struct node *at, const char *path, struct diags *d)
{
    const struct scrape_opts *o = opts;
    struct scrape_plan plan;
    struct bind b;

    if (!o->target || !o->target->scheme || !o->bind)
        return false;
    b = *o->bind;
    b.diags = d;
    if (strcmp(o->target->scheme, "http") != 0 && strcmp(o->target->scheme, "https") != 0)
        return diag_add(d, at->at,
                        "%s.target: \"%s\" is a %s: url, and this driver speaks http: "
                        "and https:",
                        path, o->target->name, o->target->scheme);
    if (o->path[0] != '/')
        return diag_add(d, at->at, "%s.path: \"%s\" does not start with \"/\"", path, o->path);
    if (!check_auth(o, at, path, d))
        return false;
    return scrape_plan(&plan, o->metrics, arena_printf(d->arena, "%s.metrics", path), &b);
}

/* The options have been checked: their mistakes have been told. */
static bool make_plan(const struct scrape_opts *o, struct arena *arena, struct scrape_plan *plan)
{
    struct bind b = *o->bind;
    struct diags d;

    diags_init(&d, "", arena);
    b.diags = &d;
    b.arena = arena;
    return scrape_plan(plan, o->metrics, "metrics", &b);
}

static void scrape_declare(const void *opts, struct arena *arena, struct declared *out)
{
    struct scrape_plan plan;
    const struct metric **list;

    if (!make_plan(opts, arena, &plan))
        return;
    list = arena_array(arena, const struct metric *, plan.n);
    for (int i = 0; i < plan.n; i++)
        list[i] = &plan.v[i].metric;
    out->metrics = list;
    out->metric_count = plan.n;
}

/* What cannot be read yet, the operations find out; the first that can is compared with then. */
static void read_before(struct job *job)
{
    uint64_t rng = 1;
    struct template_values v = {0, 1, 0, &rng, NULL};
    struct scrape_try x = {.begun_ns = now_ns()};

    scrape_try_init(&x, job);
    scrape_try_set(&x, &v);
    scrape_try_read(&x, NULL);
    scrape_try_fini(&x);
}

static bool scrape_prepare(struct job *job, struct err *e)
{
    struct scrape_job *j = job->priv;

    if (!make_plan(job->opts, job->arena, &j->plan))
        return err_set(e, "its metrics cannot be read");
    j->series = arena_array(job->arena, struct scrape_series, j->plan.n);
    j->latest = arena_array(job->arena, struct scrape_value, j->plan.n);
    j->locked = pthread_mutex_init(&j->lock, NULL) == 0;
    if (!j->locked)
        return err_set(e, "cannot make a lock");
    if (!job->verify)
        read_before(job);
    return true;
}

struct scrape_lane {
    struct offload offload;
    bool open;
};

static void work(struct offload_task *t, void **slot)
{
    struct scrape_op *x = (struct scrape_op *)t;
    struct scrape_lane *l = x->op->lane->priv;

    (void)slot;
    scrape_try_read(&x->reading, &l->offload.cancelled);
}

static void done(struct offload_task *t)
{
    struct scrape_op *x = (struct scrape_op *)t;
    const struct scrape_try *r = &x->reading;
    const struct scrape_job *j = r->job->priv;

    op_bytes(x->op, 0, r->body.len);
    for (int i = 0; r->read && i < j->plan.n; i++) {
        if (!r->values[i].any)
            continue;
        if (j->plan.v[i].as == SCRAPE_DELTA)
            op_count(x->op, i, r->values[i].value);
        else
            op_value(x->op, i, r->values[i].value);
    }
    op_done(x->op, r->outcome, r->outcome == OP_OK ? NULL : r->why);
}

static bool scrape_start(struct lane *lane, struct err *e)
{
    struct scrape_lane *l = lane->priv;

    for (int i = 0; i < lane->op_count; i++)
        scrape_try_init(&((struct scrape_op *)lane->ops[i].priv)->reading, lane->job);
    l->open = true;
    return offload_start(&l->offload, lane->base,
                         lane->op_count < THREADS ? lane->op_count : THREADS, e);
}

static void scrape_fire(struct lane *lane, struct op *op)
{
    struct template_values v = {op->iteration, op->vu, op->agent, &lane->rng, NULL};
    struct scrape_lane *l = lane->priv;
    struct scrape_op *x = op->priv;
    struct err e;

    x->op = op;
    x->reading.begun_ns = op->begun_ns;
    scrape_try_set(&x->reading, &v);
    x->task.work = work;
    x->task.done = done;
    if (!offload_submit(&l->offload, &x->task, &e))
        op_done(op, OP_LOCAL, e.text);
}

/* It belongs to no operation; one that fails is told, and what it would have said is missing. */
static void read_after(struct lane *lane)
{
    struct scrape_try *x = &((struct scrape_op *)lane->ops[0].priv)->reading;
    const struct scrape_job *j = lane->job->priv;
    struct template_values v = {0, 1, 0, &lane->rng, NULL};
    char why[WHY_MAX + 40];

    x->begun_ns = now_ns();
    scrape_try_set(x, &v);
    scrape_try_read(x, NULL);
    lane_bytes(lane, 0, x->body.len);
    snprintf(why, sizeof(why), "the reading after the load: %s", x->why);
    if (x->outcome != OP_OK)
        lane_fault(lane, x->outcome, why);
    for (int i = 0; x->read && i < j->plan.n; i++) {
        if (!x->values[i].any)
            continue;
        if (j->plan.v[i].as == SCRAPE_DELTA)
            lane_count(lane, i, x->values[i].value);
        else
            lane_gauge(lane, i, x->values[i].value);
    }
}

static void scrape_stop(struct lane *lane)
{
    struct scrape_lane *l = lane->priv;
    const struct scrape_job *j = lane->job->priv;

    if (!l->open)
        return;
    offload_stop(&l->offload);
    if (lane->index == 0 && lane->op_count > 0 && !lane->job->verify && j->any)
        read_after(lane);
    for (int i = 0; i < lane->op_count; i++)
        scrape_try_fini(&((struct scrape_op *)lane->ops[i].priv)->reading);
    l->open = false;
}

static void scrape_collect(struct job *job)
{
    struct scrape_job *j = job->priv;
    char text[40];

    if (!j->locked)
        return;
    for (int i = 0; j->any && i < j->plan.n; i++) {
        if (!isfinite(j->latest[i].raw))
            continue;
        snprintf(text, sizeof(text), "%.15g", j->latest[i].raw);
        job_publish(job, j->plan.v[i].metric.name, text);
    }
    for (int i = 0; i < j->plan.n; i++)
        scrape_series_free(&j->series[i]);
    pthread_mutex_destroy(&j->lock);
}

extern const struct driver driver_scrape;
const struct driver driver_scrape = {
    .name = "scrape",
    .brief = "a reading of a Prometheus endpoint; what changes becomes metrics",
    .opts = scrape_opts,
    .opts_size = sizeof(struct scrape_opts),
    .job_size = sizeof(struct scrape_job),
    .lane_size = sizeof(struct scrape_lane),
    .op_size = sizeof(struct scrape_op),
    .flags = DRIVER_BLOCKS,
    .check = scrape_check,
    .declare = scrape_declare,
    .prepare = scrape_prepare,
    .start = scrape_start,
    .fire = scrape_fire,
    .stop = scrape_stop,
    .collect = scrape_collect,
};

/*
 * scrape.c - one reading of a Prometheus endpoint, beside a load; what has changed since the
 * reading before becomes metrics of the step.
 *
 * The readings of a step form one series, whichever lane took them: what they share is under a
 * lock, and one that was overtaken by a later one is compared with nothing.
 */
#include "driver/scrape.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "driver/driver.h"
#include "driver/fetch.h"
#include "driver/expect.h"
#include "driver/offload.h"
#include "driver/probe.h"
#include "driver/target.h"
#include "net/probe.h"
#include "net/url.h"
#include "spec/diag.h"
#include "spec/template.h"

#define BODY_MAX (16 << 20)
#define THREADS  4

struct scrape_opts {
    const struct target *target;
    const char *path;
    struct named_templates headers;
    const struct node *metrics;
    const struct bind *bind;
    int64_t timeout;
};

#define OPT_OF struct scrape_opts
static const struct opt scrape_opts[] = {
    OPT_TARGET(target, "what has the endpoint", .flags = OPT_REQUIRED),
    OPT_TEXT(path, "/metrics", "path of the endpoint"),
    OPT_TEMPLATES(headers, "header fields of the request"),
    OPT_NODE(metrics, "map from a name to what is read: `metric`, `as` and `optional`",
             OPT_BINDING(bind), .flags = OPT_REQUIRED,
             .schema = "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"object\"}}",
             .example = "{errors: {metric: 'http_requests_total{code=\"500\"}', as: delta}}"),
    OPT_DURATION(timeout, "5s", "give up on a reading after this long", .min = 1000000,
                 .max = INT64_C(3600000000000)),
    {0},
};
#undef OPT_OF

struct scrape_job {
    struct scrape_plan plan;
    pthread_mutex_t lock;
    bool locked;       /* the lock has been made */
    bool any;          /* there has been a reading */
    uint64_t began_ns; /* of the latest reading */
    struct scrape_series *series;
    struct scrape_value *latest;
};

struct scrape_op {
    struct offload_task task; /* first */
    struct op *op;
    struct buf url, body;
    char **headers; /* NULL-terminated */
    enum outcome outcome;
    char why[WHY_MAX];
    size_t received;
    struct scrape_value *values;
    bool read;
};

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

static bool scrape_prepare(struct job *job, struct err *e)
{
    struct scrape_job *j = job->priv;

    if (!make_plan(job->opts, job->arena, &j->plan))
        return err_set(e, "its metrics cannot be read");
    j->series = arena_array(job->arena, struct scrape_series, j->plan.n);
    j->latest = arena_array(job->arena, struct scrape_value, j->plan.n);
    j->locked = pthread_mutex_init(&j->lock, NULL) == 0;
    return j->locked || err_set(e, "cannot make a lock");
}

static bool failed(struct scrape_op *x, enum outcome outcome, const char *why)
{
    x->outcome = outcome;
    snprintf(x->why, sizeof(x->why), "%.*s", WHY_MAX - 1, why);
    return false;
}

static bool fetch(struct scrape_op *x, const volatile int *cancelled)
{
    const struct scrape_opts *o = x->op->lane->job->opts;
    struct probe_answer a = {.body = &x->body, .body_max = BODY_MAX};
    struct probe_request r = fetch_request(o->target);
    char why[WHY_MAX];
    struct err e;

    r.url = buf_text(&x->url);
    r.headers = (const char *const *)x->headers;
    r.userinfo = o->target->userinfo;
    r.timeout_ns = (uint64_t)o->timeout;
    r.interrupted = cancelled;
    if (!probe_http(&r, &a, &e))
        return failed(x, probe_outcome(a.failure), e.text);
    snprintf(why, sizeof(why), "status %ld, expected 200", a.status);
    if (a.status != 200)
        return failed(x, OP_UNEXPECTED, why);
    return x->body.len < BODY_MAX || failed(x, OP_PROTOCOL, "the answer has more than 16 MiB");
}

static void read_body(struct scrape_op *x)
{
    struct scrape_job *j = x->op->lane->job->priv;
    struct err e;

    pthread_mutex_lock(&j->lock);
    if (j->any && x->op->begun_ns < j->began_ns) {
        x->read = false;
    } else if (!scrape_read(&j->plan, j->series, !j->any, buf_text(&x->body), x->body.len,
                            x->values, &e)) {
        failed(x, OP_UNEXPECTED, e.text);
    } else {
        x->read = true;
        j->any = true;
        j->began_ns = x->op->begun_ns;
        memcpy(j->latest, x->values, sizeof(*j->latest) * (size_t)j->plan.n);
    }
    pthread_mutex_unlock(&j->lock);
}

struct scrape_lane {
    struct offload offload;
};

static void work(struct offload_task *t, void **slot)
{
    struct scrape_op *x = (struct scrape_op *)t;
    struct scrape_lane *l = x->op->lane->priv;

    (void)slot;
    x->outcome = OP_OK;
    x->read = false;
    buf_clear(&x->body);
    if (fetch(x, &l->offload.cancelled))
        read_body(x);
    x->received = x->body.len;
}

static void done(struct offload_task *t)
{
    struct scrape_op *x = (struct scrape_op *)t;
    const struct scrape_job *j = x->op->lane->job->priv;

    op_bytes(x->op, 0, x->received);
    for (int i = 0; x->read && i < j->plan.n; i++) {
        if (!x->values[i].any)
            continue;
        if (j->plan.v[i].as == SCRAPE_DELTA)
            op_count(x->op, i, x->values[i].value);
        else
            op_value(x->op, i, x->values[i].value);
    }
    op_done(x->op, x->outcome, x->outcome == OP_OK ? NULL : x->why);
}

static bool scrape_start(struct lane *lane, struct err *e)
{
    const struct scrape_opts *o = lane->job->opts;
    const struct scrape_job *j = lane->job->priv;
    struct scrape_lane *l = lane->priv;

    for (int i = 0; i < lane->op_count; i++) {
        struct scrape_op *x = lane->ops[i].priv;

        x->values = xcalloc((size_t)j->plan.n, sizeof(*x->values));
        x->headers = xcalloc((size_t)o->headers.n + 1, sizeof(*x->headers));
    }
    return offload_start(&l->offload, lane->base,
                         lane->op_count < THREADS ? lane->op_count : THREADS, e);
}

/* "name: value"; line ends, which a value could smuggle in, become blanks. */
static void render_header(struct lane *lane, struct scrape_op *x, int i)
{
    const struct named_templates *h = &((const struct scrape_opts *)lane->job->opts)->headers;
    struct template_values v = {x->op->iteration, x->op->vu, x->op->agent, &lane->rng, NULL};
    size_t room = template_bound(h->values[i], 0), at = strlen(h->names[i]) + 2, len;
    char *text = xrealloc(x->headers[i], at + room + 1);

    memcpy(text, h->names[i], at - 2);
    memcpy(text + at - 2, ": ", 2);
    len = template_render(h->values[i], &v, text + at, room);
    text[at + (len < room ? len : room)] = '\0';
    for (char *p = text; *p; p++)
        *p = *p == '\r' || *p == '\n' ? ' ' : *p;
    x->headers[i] = text;
}

static void set_url(struct scrape_op *x, const struct scrape_opts *o)
{
    const struct target *t = o->target;
    bool brackets = strchr(t->host, ':') != NULL;

    buf_clear(&x->url);
    buf_printf(&x->url, "%s://%s%s%s:%u%s", t->scheme, brackets ? "[" : "", t->host,
               brackets ? "]" : "", (unsigned)t->port, o->path);
}

static void scrape_fire(struct lane *lane, struct op *op)
{
    const struct scrape_opts *o = lane->job->opts;
    struct scrape_lane *l = lane->priv;
    struct scrape_op *x = op->priv;
    struct err e;

    x->op = op;
    set_url(x, o);
    for (int i = 0; i < o->headers.n; i++)
        render_header(lane, x, i);
    x->task.work = work;
    x->task.done = done;
    if (!offload_submit(&l->offload, &x->task, &e))
        op_done(op, OP_LOCAL, e.text);
}

static void scrape_stop(struct lane *lane)
{
    struct scrape_lane *l = lane->priv;

    offload_stop(&l->offload);
    for (int i = 0; i < lane->op_count; i++) {
        struct scrape_op *x = lane->ops[i].priv;

        for (int h = 0; x->headers && x->headers[h]; h++)
            free(x->headers[h]);
        free(x->headers);
        free(x->values);
        buf_free(&x->url);
        buf_free(&x->body);
    }
}

static void scrape_collect(struct job *job)
{
    struct scrape_job *j = job->priv;
    char text[40];

    if (!j->locked)
        return;
    for (int i = 0; j->any && i < j->plan.n; i++) {
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

/*
 * cleanup.c - deletes the hosts of a run through the server's bulk-delete endpoint, until it says
 * that none is left, and holds their number against those created.
 */
#include "driver/cleanup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "driver/driver.h"
#include "driver/fetch.h"
#include "driver/offload.h"
#include "driver/probe.h"
#include "driver/target.h"
#include "net/attempt.h"
#include "spec/diag.h"
#include "spec/opt.h"

#define ROUNDS_MAX 1000       /* requests; an endpoint may delete a part at a time */
#define BODY_MAX   (16 << 20) /* a line for each host that could not be deleted */

struct cleanup_opts {
    const struct target *target;
    const char *path, *key, *header, *hostname_prefix, *created;
    int64_t timeout;
};

#define OPT_OF struct cleanup_opts
static const struct opt cleanup_opts[] = {
    OPT_TARGET(target, "the web application that has the endpoint", .flags = OPT_REQUIRED),
    OPT_TEXT(key, NULL, "what the endpoint asks for; a secret", .flags = OPT_REQUIRED,
             .example = "${secrets.admin}"),
    OPT_TEXT(hostname_prefix, "loadtest",
             "hosts are deleted whose names begin with this, the run's id and dashes"),
    OPT_TEXT(created, "", "how many there have to be; empty: not known",
             .example = "${phase.fleet.output.registered:-}"),
    OPT_TEXT(path, "/api/admin/hosts/bulk-delete", "path of the endpoint"),
    OPT_TEXT(header, "X-Loadtest-Admin-Key", "header field that carries the key"),
    OPT_DURATION(timeout, "5m", "give up on one request after this long", .min = 1000000,
                 .max = INT64_C(86400000000000)),
    {0},
};
#undef OPT_OF

enum { HOSTS_DELETED, HOSTS_FAILED };
static const struct metric cleanup_metrics[] = {
    {"hosts_deleted", METRIC_COUNTER, UNIT_NONE, "hosts that the server has deleted"},
    {"hosts_not_deleted", METRIC_COUNTER, UNIT_NONE, "hosts that it could not delete"},
    {0},
};

struct cleanup_job {
    const char *prefix, *url, *body, *field;
    struct cleanup_count count; /* of all attempts; on the offload thread while it works */
    int64_t before;             /* of them, what earlier attempts deleted */
    bool unanswered;            /* a request went out, and what it did is not known */
};

struct cleanup_op {
    struct offload_task task; /* first */
    struct op *op;
    enum outcome outcome;
    char why[WHY_MAX];
};

static bool cleanup_check(const void *opts, const struct node *at, const char *path,
                          struct diags *d)
{
    const struct cleanup_opts *o = opts;
    bool ok = true;
    char *end;

    if (!o->target || !o->target->scheme)
        return false;
    if (strcmp(o->target->scheme, "http") != 0 && strcmp(o->target->scheme, "https") != 0)
        ok = diag_add(d, at->at,
                      "%s.target: \"%s\" is a %s: url, and this driver speaks http: and https:",
                      path, o->target->name, o->target->scheme);
    if (!cleanup_is_prefix(o->hostname_prefix))
        ok = diag_add(d, at->at,
                      "%s.hostname_prefix: \"%s\" is neither \"loadtest\" nor begins with "
                      "\"loadtest-\" (lower-case letters, digits, dashes): servers refuse to "
                      "delete other hosts",
                      path, o->hostname_prefix);
    if (o->path[0] != '/')
        ok = diag_add(d, at->at, "%s.path: \"%s\" does not start with \"/\"", path, o->path);
    if (*o->created && (strtoll(o->created, &end, 10) < 0 || *end || end == o->created))
        ok = diag_add(d, at->at, "%s.created: \"%s\" is not a number", path, o->created);
    return ok;
}

/* What an earlier attempt left unanswered may have deleted any number. */
static void recall(struct job *job, struct cleanup_job *j, const char *created)
{
    const char *deleted = job_earlier(job, "deleted"), *lost = job_earlier(job, "unanswered");

    j->before = deleted ? strtoll(deleted, NULL, 10) : 0;
    j->count.deleted = j->before;
    j->count.created = *created ? strtoll(created, NULL, 10) : -1;
    j->count.lost = lost && *lost;
}

static bool cleanup_prepare(struct job *job, struct err *e)
{
    const struct cleanup_opts *o = job->opts;
    const struct target *t = o->target;
    struct cleanup_job *j = job->priv;
    bool brackets = strchr(t->host, ':') != NULL;

    if (!*job->run_id || !*o->key || strpbrk(o->key, "\r\n"))
        return err_set(e, "the key is empty or has more than one line");
    j->prefix = arena_printf(job->arena, "%s-%s-", o->hostname_prefix, job->run_id);
    j->url = arena_printf(job->arena, "%s://%s%s%s:%u%s", t->scheme, brackets ? "[" : "", t->host,
                          brackets ? "]" : "", (unsigned)t->port, o->path);
    j->body = arena_printf(job->arena, "{\"hostnamePrefix\":\"%s\"}", j->prefix);
    j->field = arena_printf(job->arena, "%s: %s", o->header, o->key);
    recall(job, j, o->created);
    return true;
}

/* The value of Location in an answer's head, without its line end; whole, for it may have a secret.
 */
static const char *find_location(const struct buf *head, struct buf *out)
{
    for (const char *p = buf_text(head); p && *p;
         p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL) {
        if (strncasecmp(p, "location:", 9) != 0)
            continue;
        p += 9 + strspn(p + 9, " ");
        buf_add(out, p, strcspn(p, "\r\n"));
        break;
    }
    return buf_text(out);
}

static bool ask(struct cleanup_op *x, const volatile int *cancelled, struct attempt_answer *a)
{
    const struct cleanup_opts *o = x->op->lane->job->opts;
    struct cleanup_job *j = x->op->lane->job->priv;
    const char *headers[] = {j->field, "content-type: application/json", NULL};
    struct attempt_request r = fetch_request(o->target);
    struct err e;

    r.url = j->url;
    r.method = "POST";
    r.headers = headers;
    r.body = j->body;
    r.body_len = (long)strlen(j->body);
    r.userinfo = o->target->userinfo;
    r.timeout_ns = (uint64_t)o->timeout;
    r.interrupted = cancelled;
    if (attempt_http(&r, a, &e))
        return true;
    j->unanswered = a->failure != ATTEMPT_REFUSED && a->failure != ATTEMPT_UNREACHABLE &&
                    a->failure != ATTEMPT_TLS;
    x->outcome = probe_outcome(a->failure);
    snprintf(x->why, sizeof(x->why), "%.*s", WHY_MAX - 1, e.text);
    return false;
}

static enum cleanup_verdict try(struct cleanup_op *x, const volatile int *cancelled)
{
    struct cleanup_job *j = x->op->lane->job->priv;
    struct buf head = {0}, body = {0}, location = {0};
    struct attempt_answer a = {.head = &head, .body = &body, .body_max = BODY_MAX};
    enum cleanup_verdict v = CLEANUP_ODD;

    if (ask(x, cancelled, &a)) {
        v = cleanup_judge(a.status, find_location(&head, &location), &body, &j->count, x->why,
                          sizeof(x->why));
        j->unanswered = v == CLEANUP_ODD; /* a gateway may have given up on a server that did it */
        x->outcome = v == CLEANUP_DONE || v == CLEANUP_MORE ? OP_OK : OP_UNEXPECTED;
    }
    buf_free(&head);
    buf_free(&body);
    buf_free(&location);
    return v;
}

struct cleanup_lane {
    struct offload offload;
};

static void work(struct offload_task *t, void **slot)
{
    struct cleanup_op *x = (struct cleanup_op *)t;
    struct cleanup_lane *l = x->op->lane->priv;
    enum cleanup_verdict v = CLEANUP_MORE;

    (void)slot;
    for (int i = 0; i < ROUNDS_MAX && v == CLEANUP_MORE && !l->offload.cancelled; i++)
        v = try(x, &l->offload.cancelled);
    if (v != CLEANUP_MORE)
        return;
    x->outcome = OP_UNEXPECTED;
    snprintf(x->why, sizeof(x->why), "there are still hosts left");
}

static void done(struct offload_task *t)
{
    struct cleanup_op *x = (struct cleanup_op *)t;
    const struct cleanup_job *j = x->op->lane->job->priv;

    op_count(x->op, HOSTS_DELETED, (double)(j->count.deleted - j->before));
    op_count(x->op, HOSTS_FAILED, (double)j->count.failed);
    op_done(x->op, x->outcome, x->outcome == OP_OK ? NULL : x->why);
}

static bool cleanup_start(struct lane *lane, struct err *e)
{
    struct cleanup_lane *l = lane->priv;

    return offload_start(&l->offload, lane->base, 1, e);
}

static void cleanup_fire(struct lane *lane, struct op *op)
{
    struct cleanup_lane *l = lane->priv;
    struct cleanup_op *x = op->priv;
    struct err e;

    x->op = op;
    x->task.work = work;
    x->task.done = done;
    if (!offload_submit(&l->offload, &x->task, &e))
        op_done(op, OP_LOCAL, e.text);
}

static void cleanup_stop(struct lane *lane)
{
    offload_stop(&((struct cleanup_lane *)lane->priv)->offload);
}

static void publish_number(struct job *job, const char *key, int64_t n)
{
    char text[24];

    snprintf(text, sizeof(text), "%lld", (long long)n);
    job_publish(job, key, text);
    job_fact(job, key, text);
}

/* Other ways to the same end, for when this one fails. */
static void cleanup_collect(struct job *job)
{
    const struct cleanup_job *j = job->priv;

    if (!j->prefix)
        return;
    publish_number(job, "deleted", j->count.deleted);
    if (j->unanswered)
        job_publish(job, "unanswered", "true");
    if (j->count.created >= 0)
        publish_number(job, "created", j->count.created);
    job_fact(job, "hosts",
             arena_printf(job->arena, "%s* (a number or preflight for the *)", j->prefix));
    job_fact(job, "sql",
             arena_printf(job->arena, "psql -v prefix=%s -f fixtures/ct-ops/forget-hosts.sql",
                          j->prefix));
}

extern const struct driver driver_cleanup;
const struct driver driver_cleanup = {
    .name = "cleanup",
    .brief = "deletes the hosts of this run at the server, and counts them",
    .opts = cleanup_opts,
    .metrics = cleanup_metrics,
    .opts_size = sizeof(struct cleanup_opts),
    .job_size = sizeof(struct cleanup_job),
    .lane_size = sizeof(struct cleanup_lane),
    .op_size = sizeof(struct cleanup_op),
    .flags = DRIVER_BLOCKS | DRIVER_ONCE,
    .check = cleanup_check,
    .prepare = cleanup_prepare,
    .start = cleanup_start,
    .fire = cleanup_fire,
    .stop = cleanup_stop,
    .collect = cleanup_collect,
};

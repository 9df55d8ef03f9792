/*
 * probe.c - one check that something answers, retried until a deadline.
 *
 * libcurl's tries block, so each operation has a thread for as long as it lasts; what it found
 * comes back through the lane's event loop.  Probes are few: a thread is cheap beside what it waits
 * for.
 */
#include "driver/probe.h"

#include <assert.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/thread.h"
#include "base/units.h"
#include "net/url.h"

#define CAPTURED_MAX (64 << 10)
#define STACK_BYTES  (512 << 10)

enum { PROBE_TRIES };

static const struct metric probe_metrics[] = {
    [PROBE_TRIES] = {"probe_tries", METRIC_COUNTER, UNIT_NONE, "tries until the answer came"},
    {0},
};

static_assert(offsetof(struct probe_opts, request) == 0, "REQUEST_ROWS counts on it");

static const struct opt probe_opts[] = {
#define OPT_OF struct request_opts
    OPT_TARGET(target, "what to ask; with a tcp://host:port url, what to connect to",
               .flags = OPT_REQUIRED),
    REQUEST_ROWS("5s"),
#undef OPT_OF
#define OPT_OF struct probe_opts
    OPT_DURATION(within, "10s", "keep trying for this long", .min = 1000000,
                 .max = INT64_C(86400000000000)),
    OPT_DURATION(every, "250ms", "pause between two tries", .min = 1000000,
                 .max = INT64_C(3600000000000)),
    {0},
};
#undef OPT_OF

static bool is_tcp(const struct target *t)
{
    return strcmp(t->scheme, "tcp") == 0;
}

static bool check_tcp(const struct node *at, const char *path, struct diags *d)
{
    static const char *const own[] = {"target", "within", "every", "timeout", NULL};
    bool ok = true;

    for (const struct node *n = at->type == NODE_MAP ? at->first : NULL; n; n = n->next) {
        int i = 0;

        while (own[i] && strcmp(own[i], n->key) != 0)
            i++;
        if (!own[i])
            ok = diag_add(d, n->key_at, "%s.%s: a tcp: target is only connected to", path, n->key);
    }
    return ok;
}

static bool probe_check(const void *opts, const struct node *at, const char *path, struct diags *d)
{
    const struct probe_opts *o = opts;
    const struct target *t = o->request.target;
    struct request_compile c = {.opts = &o->request, .at = at, .path = path};

    if (!t || !t->scheme) /* undeclared, or its url is wrong: that has been told */
        return false;
    if (is_tcp(t))
        return t->port == 0
                   ? diag_add(d, at->at, "%s.target: the url of \"%s\" has no port", path, t->name)
                   : check_tcp(at, path, d);
    if (strcmp(t->scheme, "http") != 0 && strcmp(t->scheme, "https") != 0)
        return diag_add(d, at->at,
                        "%s.target: \"%s\" is a %s: url, and this driver speaks http:, https: and "
                        "tcp:",
                        path, t->name, t->scheme);
    return request_compile(&c, d->arena, d) != NULL;
}

static void probe_declare(const void *opts, struct arena *arena, struct declared *out)
{
    const struct probe_opts *o = opts;

    request_declare(&o->request, arena, out);
}

static bool find_address(struct probe_job *j, const struct target *t, struct arena *arena,
                         struct err *e)
{
    j->host = t->host;
    j->port = t->port;
    return !t->connect_to || url_host_port(t->connect_to, &j->host, &j->port, arena, e);
}

static bool probe_prepare(struct job *job, struct err *e)
{
    const struct probe_opts *o = job->opts;
    struct probe_job *j = job->priv;
    struct request_compile c = {
        .opts = &o->request, .path = job->name, .declared = job->declared, .read_file = true};
    struct diags d;

    if (is_tcp(o->request.target))
        return find_address(j, o->request.target, job->arena, e);
    diags_init(&d, "", job->arena);
    j->request = request_compile(&c, job->arena, &d);
    if (!j->request)
        return err_set(e, "%s", d.first->text);
    if (job->verify)
        j->captured = arena_array(job->arena, char *, j->request->capture_count);
    for (int i = 0; j->captured && i < j->request->capture_count; i++)
        j->captured[i] = arena_alloc(job->arena, CAPTURED_MAX);
    return true;
}

static void keep_captures(struct probe_op *x, struct answer *a)
{
    const struct probe_job *j = x->op->lane->job->priv;

    for (int i = 0; j->captured && i < j->request->capture_count; i++)
        if (!source_text(&j->request->captures[i].from, a, j->captured[i], CAPTURED_MAX))
            j->captured[i][0] = '\0';
}

/* What is counted and recorded comes from the last answer alone. */
static void record(struct probe_op *x)
{
    const struct probe_job *j = x->op->lane->job->priv;
    struct answer a = probe_answer_of(x);
    char why[WHY_MAX];

    op_bytes(x->op, x->body.len, x->head.len + x->content.len);
    request_judge(j->request, &a, x->op, 1, why);
    keep_captures(x, &a);
    answer_release(&a);
}

static void complete(struct probe_op *x)
{
    char why[WHY_MAX], took[UNITS_MAX];

    pthread_join(x->thread, NULL);
    x->busy = false;
    op_count(x->op, PROBE_TRIES, x->tries);
    if (x->answered && x->status)
        op_status(x->op, (int)x->status);
    if (x->answered)
        record(x);
    if (x->outcome == OP_OK) {
        op_done(x->op, OP_OK, NULL);
        return;
    }
    snprintf(why, sizeof(why), "%.150s (%d %s in %s)", x->why, x->tries,
             x->tries == 1 ? "try" : "tries",
             units_print_duration((double)(now_ns() - x->start_ns), took));
    op_done(x->op, x->outcome, why);
}

static void on_finished(evutil_socket_t fd, short what, void *arg)
{
    struct lane *lane = arg;
    struct probe_lane *pl = lane->priv;
    struct probe_op *list;
    uint64_t ignored;

    (void)what;
    if (read(fd, &ignored, sizeof(ignored)) < 0)
        return;
    pthread_mutex_lock(&pl->lock);
    list = pl->finished;
    pl->finished = NULL;
    pthread_mutex_unlock(&pl->lock);
    while (list) {
        struct probe_op *x = list;

        list = x->next;
        complete(x);
    }
}

static bool probe_start(struct lane *lane, struct err *e)
{
    struct probe_lane *pl = lane->priv;

    pl->open = true;
    pthread_mutex_init(&pl->lock, NULL);
    pl->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pl->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (pl->done_fd < 0 || pl->cancel_fd < 0)
        return err_errno(e, "could not make an event descriptor");
    pl->event = event_new(lane->base, pl->done_fd, EV_READ | EV_PERSIST, on_finished, lane);
    return (pl->event && event_add(pl->event, NULL) == 0) ||
           err_set(e, "could not watch an event descriptor");
}

static bool render(struct lane *lane, struct probe_op *x)
{
    const struct probe_job *j = lane->job->priv;
    struct template_values v = {x->op->iteration, x->op->vu, x->op->agent, &lane->rng, NULL};

    buf_clear(&x->url);
    buf_clear(&x->headers);
    buf_clear(&x->body);
    if (j->request && !request_pieces(j->request, &v, &x->url, &x->headers, &x->body, x->why))
        return false;
    request_header_list(&x->headers, &x->header_lines);
    return true;
}

static void probe_fire(struct lane *lane, struct op *op)
{
    struct probe_op *x = op->priv;
    int error;

    x->op = op;
    x->tries = 0;
    x->answered = false;
    x->start_ns = op->begun_ns;
    if (!render(lane, x)) {
        op_done(op, OP_LOCAL, x->why);
        return;
    }
    error = thread_start(&x->thread, STACK_BYTES, probe_run, x);
    if (error) {
        snprintf(x->why, sizeof(x->why), "could not start a thread: %s", strerrordesc_np(error));
        op_done(op, OP_LOCAL, x->why);
        return;
    }
    x->busy = true;
}

static void probe_stop(struct lane *lane)
{
    struct probe_lane *pl = lane->priv;
    uint64_t one = 1;

    if (!pl->open)
        return;
    __atomic_store_n(&pl->cancelled, 1, __ATOMIC_RELAXED);
    if (pl->cancel_fd >= 0 && write(pl->cancel_fd, &one, sizeof(one)) < 0)
        bug("the cancel descriptor does not take a number");
    for (int i = 0; i < lane->op_count; i++) {
        struct probe_op *x = lane->ops[i].priv;

        if (x->busy)
            pthread_join(x->thread, NULL);
        buf_free(&x->url);
        buf_free(&x->headers);
        buf_free(&x->body);
        buf_free(&x->head);
        buf_free(&x->content);
        free(x->header_lines);
    }
    if (pl->event)
        event_free(pl->event);
    if (pl->done_fd >= 0)
        close(pl->done_fd);
    if (pl->cancel_fd >= 0)
        close(pl->cancel_fd);
    pthread_mutex_destroy(&pl->lock);
}

static void probe_collect(struct job *job)
{
    const struct probe_job *j = job->priv;

    for (int i = 0; j->captured && i < j->request->capture_count; i++)
        if (j->captured[i][0])
            job_publish(job, j->request->captures[i].name, j->captured[i]);
}

extern const struct driver driver_probe;
const struct driver driver_probe = {
    .name = "probe",
    .brief = "one check that something answers, retried until a deadline",
    .opts = probe_opts,
    .metrics = probe_metrics,
    .opts_size = sizeof(struct probe_opts),
    .job_size = sizeof(struct probe_job),
    .lane_size = sizeof(struct probe_lane),
    .op_size = sizeof(struct probe_op),
    .flags = DRIVER_BLOCKS,
    .check = probe_check,
    .declare = probe_declare,
    .prepare = probe_prepare,
    .start = probe_start,
    .fire = probe_fire,
    .stop = probe_stop,
    .collect = probe_collect,
};

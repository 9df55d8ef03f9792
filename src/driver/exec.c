/*
 * exec.c - one command; its exit code and its output are the answer.
 *
 * Each command runs in a process group of its own and is awaited through a pidfd on the lane's
 * event loop, so commands run side by side under load.  An operation ends when the command does,
 * not when its output does: a grandchild that holds on to the pipe is killed with the group.
 */
#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/child.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/units.h"
#include "driver/driver.h"
#include "net/pattern.h"
#include "spec/opt.h"
#include "spec/template.h"

#define OUTPUT_MAX (64 << 10)
#define WHY_BYTES  200

struct exec_expect {
    int64_t exit;
    const char *output;
};

struct exec_opts {
    struct texts command;
    struct named_templates env;
    const char *dir;
    int64_t timeout;
    struct exec_expect expect;
};

#define OPT_OF struct exec_expect
static const struct opt expect_opts[] = {
    OPT_INT(exit, "0", "exit code that counts as success", .min = 0, .max = 255),
    OPT_TEXT(output, NULL, "regular expression (PCRE2) that is found in its output",
             .example = "^seeded [0-9]+ rows$"),
    {0},
};
#undef OPT_OF

#define OPT_OF struct exec_opts
static const struct opt exec_opts[] = {
    OPT_TEXTS(command, "program and arguments; no shell is involved", .flags = OPT_REQUIRED,
              .example = "[psql, -f, seed.sql]"),
    OPT_TEMPLATES(env, "environment variables for it, beside the inherited ones"),
    OPT_TEXT(dir, NULL, "working directory; default: the one shakedown was started in",
             .flags = OPT_PATH),
    OPT_DURATION(timeout, "60s", "kill it, and what it has started, after this long",
                 .min = 1000000, .max = INT64_C(86400000000000)),
    OPT_SUB(expect, struct exec_expect, expect_opts, "what counts as success"),
    {0},
};
#undef OPT_OF

struct exec_last { /* what a lane's latest command has written */
    uint64_t iteration;
    bool any;
    char *text;
};

struct exec_job {
    const struct pattern *output;
    const char **argv;
    struct exec_last *last; /* one for each lane */
};

struct exec_op {
    struct timer timer; /* first: the timer leads back to its operation */
    struct op *op;
    struct event ended, readable;
    struct buf output;
    const char **env;
    char *env_room; /* where the values are rendered */
    pid_t pid;      /* 0: idle */
    int pidfd, out; /* valid while it runs */
    bool out_open;
};

static bool exec_check(const void *opts, const struct node *at, const char *path, struct diags *d)
{
    const struct exec_opts *o = opts;
    struct err e;

    if (o->command.n > 0 && !*o->command.v[0])
        return diag_add(d, at->at, "%s.command: the program's name is empty", path);
    if (o->expect.output && !pattern_compile(o->expect.output, d->arena, &e))
        return diag_add(d, at->at, "%s.expect.output: %s", path, e.text);
    return true;
}

static bool exec_prepare(struct job *job, struct err *e)
{
    const struct exec_opts *o = job->opts;
    struct exec_job *j = job->priv;

    j->last = arena_array(job->arena, struct exec_last, job->lane_count);
    j->argv = arena_array(job->arena, const char *, o->command.n + 1);
    memcpy(j->argv, o->command.v, sizeof(*j->argv) * (size_t)o->command.n);
    if (!o->expect.output)
        return true;
    j->output = pattern_compile(o->expect.output, job->arena, e);
    return j->output || err_wrap(e, "expect.output");
}

static void trim(struct buf *b)
{
    while (b->len > 0 && strchr(" \t\r\n", b->data[b->len - 1]))
        b->data[--b->len] = '\0';
}

static void keep_output(struct exec_op *x)
{
    struct exec_job *j = x->op->lane->job->priv;
    struct exec_last *last = &j->last[x->op->lane->index];

    trim(&x->output);
    last->any = true;
    last->iteration = x->op->iteration;
    last->text = xrealloc(last->text, x->output.len + 1);
    memcpy(last->text, buf_text(&x->output), x->output.len + 1);
}

/* Ends the process and everything of it; its wait status. */
static int finish(struct lane *lane, struct exec_op *x)
{
    int status = child_kill(x->pid);

    timers_cancel(lane->timers, &x->timer);
    event_del(&x->ended);
    if (x->out_open) {
        child_read(x->out, OUTPUT_MAX, &x->output);
        event_del(&x->readable);
    }
    close(x->pidfd);
    close(x->out);
    x->pid = 0;
    return status;
}

/* With the last words of its output, as many as a reason has room for. */
static void fail(struct exec_op *x, enum outcome outcome, const char *what)
{
    char why[WHY_BYTES];
    const char *lines;
    size_t len, room;

    lines = child_last_lines(&x->output, 3, &len);
    room = sizeof(why) - 3 - strlen(what);
    if (len > room) {
        lines += len - room;
        len = room;
    }
    snprintf(why, sizeof(why), "%s%s%.*s", what, len ? ": " : "", (int)len, lines);
    op_done(x->op, outcome, why);
}

static void judge(struct exec_op *x, int status)
{
    const struct exec_opts *o = x->op->lane->job->opts;
    const struct exec_job *j = x->op->lane->job->priv;
    bool exit_met = WIFEXITED(status) && WEXITSTATUS(status) == o->expect.exit;
    char what[128], text[96];

    op_check(x->op, exit_met);
    if (!exit_met) {
        child_describe(status, text, sizeof(text));
        if (o->expect.exit == 0)
            snprintf(what, sizeof(what), "%s", text);
        else
            snprintf(what, sizeof(what), "%s, expected %d", text, (int)o->expect.exit);
        fail(x, OP_UNEXPECTED, what);
        return;
    }
    if (j->output) {
        bool found = pattern_search(j->output, buf_text(&x->output), x->output.len);

        op_check(x->op, found);
        if (!found) {
            fail(x, OP_UNEXPECTED, "its output does not match the expectation");
            return;
        }
    }
    op_done(x->op, OP_OK, NULL);
}

static void on_ended(evutil_socket_t fd, short what, void *arg)
{
    struct exec_op *x = arg;
    int status;

    (void)fd;
    (void)what;
    status = finish(x->op->lane, x);
    keep_output(x);
    op_bytes(x->op, 0, x->output.len);
    judge(x, status);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct exec_op *x = arg;

    (void)what;
    if (child_read(fd, OUTPUT_MAX, &x->output))
        return;
    event_del(&x->readable);
    x->out_open = false;
}

static void on_timeout(struct timer *t, uint64_t now)
{
    struct exec_op *x = (struct exec_op *)t;
    const struct exec_opts *o = x->op->lane->job->opts;
    char what[96], text[UNITS_MAX];

    (void)now;
    finish(x->op->lane, x);
    snprintf(what, sizeof(what), "did not end within %s",
             units_print_duration((double)o->timeout, text));
    fail(x, OP_TIMEOUT, what);
}

/* "NAME=value" in the room that exec_start() has measured. */
static void render_env(struct lane *lane, struct exec_op *x)
{
    const struct named_templates *env = &((const struct exec_opts *)lane->job->opts)->env;
    struct template_values v = {x->op->iteration, x->op->vu, x->op->agent, &lane->rng, NULL};
    char *at = x->env_room;

    for (int i = 0; i < env->n; i++) {
        size_t room = template_bound(env->values[i], 0), len;

        x->env[i] = at;
        at += sprintf(at, "%s=", env->names[i]);
        len = template_render(env->values[i], &v, at, room);
        at += len < room ? len : room;
        *at++ = '\0';
    }
}

static bool spawn(struct lane *lane, struct exec_op *x, struct err *e)
{
    const struct exec_opts *o = lane->job->opts;
    const struct exec_job *j = lane->job->priv;
    struct child_opts c = {.argv = j->argv, .env = x->env, .dir = o->dir, .in = -1};
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0)
        return err_errno(e, "could not make a pipe");
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    c.out = c.err = ends[1];
    x->pid = child_spawn(&c, e);
    close(ends[1]);
    x->pidfd = x->pid > 0 ? child_pidfd(x->pid) : -1;
    if (x->pid > 0 && x->pidfd < 0) {
        err_errno(e, "could not watch the command");
        child_kill(x->pid);
    }
    if (x->pidfd >= 0) {
        x->out = ends[0];
        return true;
    }
    close(ends[0]);
    x->pid = 0;
    return false;
}

static void exec_fire(struct lane *lane, struct op *op)
{
    const struct exec_opts *o = lane->job->opts;
    struct exec_op *x = op->priv;
    struct err e;

    x->op = op;
    buf_clear(&x->output);
    render_env(lane, x);
    if (!spawn(lane, x, &e)) {
        op_done(op, OP_LOCAL, e.text);
        return;
    }
    x->out_open = true;
    event_assign(&x->ended, lane->base, x->pidfd, EV_READ | EV_PERSIST, on_ended, x);
    event_assign(&x->readable, lane->base, x->out, EV_READ | EV_PERSIST, on_readable, x);
    event_add(&x->ended, NULL);
    event_add(&x->readable, NULL);
    x->timer.fire = on_timeout;
    timers_set(lane->timers, &x->timer, op->begun_ns + (uint64_t)o->timeout);
}

static bool exec_start(struct lane *lane, struct err *e)
{
    const struct exec_opts *o = lane->job->opts;
    size_t room = 1;

    (void)e;
    for (int i = 0; i < o->env.n; i++)
        room += strlen(o->env.names[i]) + template_bound(o->env.values[i], 0) + 2;
    for (int i = 0; i < lane->op_count; i++) {
        struct exec_op *x = lane->ops[i].priv;

        x->env = xcalloc((size_t)o->env.n + 1, sizeof(*x->env));
        x->env_room = xcalloc(1, room);
    }
    return true;
}

static void exec_stop(struct lane *lane)
{
    for (int i = 0; i < lane->op_count; i++) {
        struct exec_op *x = lane->ops[i].priv;

        if (x->pid > 0)
            finish(lane, x);
        buf_free(&x->output);
        free(x->env);
        free(x->env_room);
    }
}

static void exec_collect(struct job *job)
{
    struct exec_job *j = job->priv;
    struct exec_last *latest = NULL;

    for (int i = 0; j->last && i < job->lane_count; i++)
        if (j->last[i].any && (!latest || j->last[i].iteration > latest->iteration))
            latest = &j->last[i];
    if (latest)
        job_publish(job, "", latest->text);
    for (int i = 0; j->last && i < job->lane_count; i++)
        free(j->last[i].text);
    j->last = NULL;
}

extern const struct driver driver_exec;
const struct driver driver_exec = {
    .name = "exec",
    .brief = "runs a command; its exit code and output are the answer",
    .scalar = "command",
    .opts = exec_opts,
    .opts_size = sizeof(struct exec_opts),
    .job_size = sizeof(struct exec_job),
    .op_size = sizeof(struct exec_op),
    .flags = DRIVER_BLOCKS,
    .check = exec_check,
    .prepare = exec_prepare,
    .start = exec_start,
    .fire = exec_fire,
    .stop = exec_stop,
    .collect = exec_collect,
};

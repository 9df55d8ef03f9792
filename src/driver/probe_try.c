/*
 * probe_try.c - the thread of one probe: tries, and the pauses between them.
 *
 * The tries look at the expectation alone; counting and recording is done once, on the lane.
 */
#include "driver/fetch.h"
#include "driver/probe.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "net/attempt.h"

enum outcome probe_outcome(enum attempt_failure f)
{
    static const enum outcome table[] = {
        [ATTEMPT_OK] = OP_OK,
        [ATTEMPT_TIMEOUT] = OP_TIMEOUT,
        [ATTEMPT_REFUSED] = OP_REFUSED,
        [ATTEMPT_RESET] = OP_RESET,
        [ATTEMPT_TLS] = OP_TLS,
        [ATTEMPT_PROTOCOL] = OP_PROTOCOL,
        [ATTEMPT_LOCAL] = OP_LOCAL,
        [ATTEMPT_UNREACHABLE] = OP_UNREACHABLE,
        [ATTEMPT_INTERRUPTED] = OP_ABORTED,
    };

    return table[f];
}

static bool failed(struct probe_op *x, enum attempt_failure f, const struct err *e)
{
    x->outcome = probe_outcome(f);
    snprintf(x->why, sizeof(x->why), "%.*s", WHY_MAX - 1, e->text);
    return false;
}

static bool try_tcp(struct probe_op *x, uint64_t timeout_ns)
{
    struct probe_lane *pl = x->op->lane->priv;
    const struct probe_job *j = x->op->lane->job->priv;
    enum attempt_failure f;
    struct err e;

    x->outcome = OP_OK;
    return attempt_tcp(j->host, j->port, timeout_ns, &pl->cancelled, &f, &e) || failed(x, f, &e);
}

static void fill_request(const struct probe_op *x, uint64_t timeout_ns, struct attempt_request *r)
{
    const struct probe_job *j = x->op->lane->job->priv;
    struct probe_lane *pl = x->op->lane->priv;
    const struct target *t = j->request->target;

    *r = fetch_request(t);
    r->url = buf_text(&x->url);
    r->method = j->request->method;
    r->headers = x->header_lines;
    r->body = x->body.len ? x->body.data : NULL;
    r->body_len = (long)x->body.len;
    r->source = t->source.n ? t->source.v[x->tries % t->source.n] : NULL;
    r->timeout_ns = timeout_ns;
    r->interrupted = &pl->cancelled;
}

struct answer probe_answer_of(const struct probe_op *x)
{
    return (struct answer){.status = (int)x->status,
                           .head = buf_text(&x->head),
                           .head_len = x->head.len,
                           .body = buf_text(&x->content),
                           .body_len = x->content.len};
}

static bool try_http(struct probe_op *x, uint64_t timeout_ns)
{
    const struct probe_job *j = x->op->lane->job->priv;
    struct attempt_answer got = {.head = &x->head, .body = &x->content};
    struct attempt_request r;
    struct answer a;
    struct err e;
    bool met;

    buf_clear(&x->head);
    buf_clear(&x->content);
    fill_request(x, timeout_ns, &r);
    x->answered = attempt_http(&r, &got, &e);
    if (!x->answered)
        return failed(x, got.failure, &e);
    x->status = got.status;
    a = probe_answer_of(x);
    met = expect_judge(j->request->expect, &a, NULL, x->why);
    answer_release(&a);
    x->outcome = met ? OP_OK : OP_UNEXPECTED;
    return met;
}

static bool try_once(struct probe_op *x, uint64_t left_ns)
{
    const struct probe_job *j = x->op->lane->job->priv;
    const struct probe_opts *o = x->op->lane->job->opts;
    uint64_t timeout = (uint64_t)o->request.timeout;
    bool ok;

    timeout = timeout < left_ns ? timeout : left_ns;
    ok = j->request ? try_http(x, timeout) : try_tcp(x, timeout);
    x->tries++;
    return ok;
}

/* False if there is no time for another try. */
static bool pause_until_next(struct probe_op *x, uint64_t deadline)
{
    const struct probe_opts *o = x->op->lane->job->opts;
    struct probe_lane *pl = x->op->lane->priv;
    struct pollfd cancel = {.fd = pl->cancel_fd, .events = POLLIN};
    uint64_t until = now_ns() + (uint64_t)o->every, now;

    while ((now = now_ns()) < until && until < deadline) {
        struct timespec left = {(time_t)((until - now) / NS_PER_S),
                                (long)((until - now) % NS_PER_S)};

        if (ppoll(&cancel, 1, &left, NULL) > 0)
            return false;
    }
    return until < deadline;
}

void *probe_run(void *arg)
{
    struct probe_op *x = arg;
    const struct probe_opts *o = x->op->lane->job->opts;
    struct probe_lane *pl = x->op->lane->priv;
    uint64_t deadline = x->start_ns + (uint64_t)o->within, one = 1, now = now_ns();
    ssize_t ignored;

    /* The first try always gets a moment, also when the operation begins late. */
    while (!try_once(x, now < deadline ? deadline - now : NS_PER_MS) &&
           pause_until_next(x, deadline))
        now = now_ns();
    pthread_mutex_lock(&pl->lock);
    x->next = pl->finished;
    pl->finished = x;
    pthread_mutex_unlock(&pl->lock);
    ignored = write(pl->done_fd, &one, sizeof(one));
    (void)ignored;
    return NULL;
}

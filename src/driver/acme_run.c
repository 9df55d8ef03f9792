/*
 * acme_run.c - one operation: its parts one after another, and what they wait for.
 *
 * Before a part comes what it cannot do without: the directory, and an account if it is signed.
 * What a part measured is reported when it ends, tagged with its own outcome; the first that fails
 * ends the operation, and so does a rate limit that is not to count as a failure.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/units.h"
#include "driver/acme.h"
#include "driver/expect.h"
#include "net/transfers.h"

#define WORKERS 2 /* threads of a lane that make keys */

static void (*const part_runs[ACME_PARTS])(struct acme_op *a) = {
    [ACME_DIRECTORY] = acme_directory,       [ACME_NONCE] = acme_nonce,
    [ACME_RENEWAL_INFO] = acme_renewal_info, [ACME_NEW_ACCOUNT] = acme_new_account,
    [ACME_NEW_ORDER] = acme_new_order,       [ACME_AUTHORIZATIONS] = acme_authorizations,
    [ACME_CHALLENGES] = acme_challenges,     [ACME_FINALIZE] = acme_finalize,
    [ACME_DOWNLOAD] = acme_download,         [ACME_REVOKE] = acme_revoke,
    [ACME_KEY_CHANGE] = acme_key_change,     [ACME_DEACTIVATE] = acme_deactivate,
};

void acme_tag(struct acme_op *a, enum acme_part part)
{
    op_part(a->op, acme_lane_of(a)->job->plan.index[part]);
}

static void end(struct acme_op *a, enum outcome outcome, const char *why)
{
    const struct acme_plan *plan = &acme_lane_of(a)->job->plan;
    struct op *op = a->op;

    acme_forget_tokens(a);
    if (plan->mixed)
        acme_tag(a, plan->parts[a->at]);
    a->op = NULL;
    a->resume = NULL;
    op_done(op, outcome, why);
}

static bool is_over(const struct acme_op *a)
{
    return a->at >= acme_lane_of(a)->job->plan.count;
}

/* One that an account has already has nothing to do. */
static bool is_superfluous(const struct acme_op *a, enum acme_part part)
{
    return part == ACME_NEW_ACCOUNT && a->account->kid.len > 0;
}

static enum acme_part choose(const struct acme_op *a, enum acme_part wanted)
{
    if (wanted != ACME_DIRECTORY && !acme_lane_of(a)->has_directory)
        return ACME_DIRECTORY;
    if (wanted > ACME_NEW_ACCOUNT && a->account->kid.len == 0)
        return ACME_NEW_ACCOUNT;
    return wanted;
}

static void go_on(struct acme_op *a)
{
    const struct acme_plan *plan = &acme_lane_of(a)->job->plan;

    while (!is_over(a) && is_superfluous(a, plan->parts[a->at]))
        a->at++;
    if (is_over(a)) {
        end(a, OP_OK, NULL);
        return;
    }
    a->part = choose(a, plan->parts[a->at]);
    a->implied = a->part != plan->parts[a->at];
    a->part_ns = now_ns();
    part_runs[a->part](a);
}

static void report_part(struct acme_op *a, enum outcome outcome)
{
    acme_tag(a, a->part);
    op_value(a->op, ACME_PART_DURATION, (double)(now_ns() - a->part_ns));
    op_rate(a->op, ACME_PART_FAILED, outcome != OP_OK);
    op_part_done(a->op, outcome);
}

void acme_part_ok(struct acme_op *a)
{
    const struct acme_plan *plan = &acme_lane_of(a)->job->plan;

    report_part(a, OP_OK);
    if (plan->mixed && !a->implied)
        end(a, OP_OK, NULL);
    else {
        a->at += !a->implied;
        go_on(a);
    }
}

void acme_fail(struct acme_op *a, enum outcome outcome, const char *fmt, ...)
{
    char text[ACME_WHY_MAX], why[WHY_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    report_part(a, outcome);
    snprintf(why, sizeof(why), "part %s: %.170s", acme_part_names[a->part], text);
    end(a, outcome, why);
}

void acme_limited(struct acme_op *a)
{
    end(a, OP_OK, NULL);
}

static void on_timer(struct timer *t, uint64_t now)
{
    struct acme_op *a = (struct acme_op *)t;
    void (*resume)(struct acme_op *) = a->resume;

    (void)now;
    a->resume = NULL;
    if (a->op && resume)
        resume(a);
}

static void wait_for(struct acme_op *a, uint64_t when, void (*resume)(struct acme_op *a))
{
    a->resume = resume;
    timers_set(a->op->lane->timers, &a->timer, when);
}

void acme_poll_begin(struct acme_op *a)
{
    a->polls = 0;
    a->poll_begun_ns = now_ns();
}

static void give_up(struct acme_op *a, const char *what, uint64_t pause, bool asked)
{
    char within[UNITS_MAX], wait[UNITS_MAX] = "";

    units_print_duration((double)acme_opts_of(a)->poll.within, within);
    units_print_duration((double)pause, wait);
    acme_fail(a, OP_UNEXPECTED, "%s after %d %s in %s%s%s%s", what, a->polls + 1,
              a->polls ? "looks" : "look", within, asked ? " (the server asks to wait " : "",
              asked ? wait : "", asked ? " more)" : "");
}

void acme_poll_again(struct acme_op *a, const struct acme_answer *r, const char *what,
                     void (*resume)(struct acme_op *a))
{
    const struct acme_poll *poll = &acme_opts_of(a)->poll;
    bool asked = r->retry_ns > (uint64_t)poll->every;
    uint64_t pause = asked ? r->retry_ns : (uint64_t)poll->every, now = now_ns();

    if (now + pause > a->poll_begun_ns + (uint64_t)poll->within) {
        give_up(a, what, pause, asked);
        return;
    }
    a->polls++;
    acme_tag(a, a->part);
    op_value(a->op, ACME_POLL_WAITING, (double)pause);
    op_count(a->op, ACME_POLLS, 1);
    op_part_done(a->op, OP_OK);
    wait_for(a, now + pause, resume);
}

static struct acme_op *of_task(struct offload_task *t)
{
    return (struct acme_op *)((char *)t - offsetof(struct acme_op, task));
}

static void on_work(struct offload_task *t, void **slot)
{
    struct acme_op *a = of_task(t);
    uint64_t begun = now_ns();

    (void)slot;
    a->work(a);
    a->work_ns = now_ns() - begun;
}

static void on_worked(struct offload_task *t)
{
    struct acme_op *a = of_task(t);

    if (!a->work_ok) {
        acme_fail(a, OP_LOCAL, "OpenSSL could not make a key");
        return;
    }
    acme_tag(a, a->part);
    op_value(a->op, ACME_KEY_MAKING, (double)a->work_ns);
    op_part_done(a->op, OP_OK);
    a->worked(a);
}

void acme_work(struct acme_op *a, bool long_one, void (*work)(struct acme_op *a),
               void (*worked)(struct acme_op *a))
{
    struct err e;

    a->work = work;
    a->worked = worked;
    a->work_ok = false;
    a->task.work = on_work;
    a->task.done = on_worked;
    if (long_one) {
        if (!offload_submit(&acme_lane_of(a)->offload, &a->task, &e))
            acme_fail(a, OP_LOCAL, "%s", e.text);
        return;
    }
    on_work(&a->task, NULL);
    on_worked(&a->task);
}

/* A virtual user's accounts are the lane's: users are dealt over the lanes in turn. */
static struct acme_account *account_of(struct acme_lane *l, struct acme_op *a, uint32_t vu)
{
    const struct acme_opts *o = l->job->opts;
    int at = (int)((vu > 0 ? vu - 1 : 0) / (uint32_t)l->lane->job->lane_count);

    if (o->account == ACCOUNT_SHARED)
        return &l->shared;
    if (o->account == ACCOUNT_NEW)
        return &a->own;
    return &l->accounts[at % l->account_count];
}

static void forget_account(struct acme_account *account, const struct jws_key *shared)
{
    if (account->key != shared)
        jws_key_free(account->key);
    account->key = NULL;
    buf_free(&account->kid);
}

static void begin(struct acme_op *a)
{
    const struct acme_job *j = acme_lane_of(a)->job;
    double drawn = rng_unit(rng_next(&a->op->lane->rng)) * j->weights;

    a->at = 0;
    for (; j->plan.mixed && a->at + 1 < j->plan.count; a->at++) {
        drawn -= j->plan.weights[a->at];
        if (drawn < 0)
            break;
    }
    go_on(a);
}

void acme_fire(struct lane *lane, struct op *op)
{
    struct acme_lane *l = lane->priv;
    struct acme_op *a = op->priv;
    uint64_t think = (uint64_t)l->job->opts->think;

    a->op = op;
    a->account = account_of(l, a, op->vu);
    if (l->job->opts->account == ACCOUNT_NEW)
        forget_account(&a->own, NULL);
    if (think)
        wait_for(a, op->begun_ns + think, begin);
    else
        begin(a);
}

bool acme_start(struct lane *lane, struct err *e)
{
    struct acme_lane *l = lane->priv;
    int ops = lane->op_count;

    l->lane = lane;
    l->job = lane->job->priv;
    l->shared.key = l->job->key;
    l->account_count = ops;
    l->accounts = xcalloc((size_t)ops, sizeof(*l->accounts));
    l->nonce_max = ops + 16;
    l->nonces = xcalloc((size_t)l->nonce_max, sizeof(*l->nonces));
    l->transfers = transfers_new(lane->base, lane->timers);
    for (int i = 0; i < ops; i++)
        ((struct acme_op *)lane->ops[i].priv)->timer.fire = on_timer;
    if (!l->transfers)
        return err_set(e, "could not set up libcurl");
    return offload_start(&l->offload, lane->base, WORKERS, e);
}

static void release(struct lane *lane, struct acme_op *a)
{
    struct acme_order *o = &a->order;

    timers_cancel(lane->timers, &a->timer);
    transfer_free(a->transfer);
    forget_account(&a->own, NULL);
    jws_key_free(a->next_key);
    buf_free(&a->payload);
    buf_free(&a->body);
    buf_free(&a->url);
    buf_free(&o->texts);
    buf_free(&o->names);
    buf_free(&o->csr);
    buf_free(&o->der);
    buf_free(&o->cert_id);
    jws_key_free(o->key);
    free(o->authz);
    free(o->name_list);
    a->transfer = NULL;
    a->next_key = NULL;
    a->op = NULL;
    o->key = NULL;
    o->authz = NULL;
    o->name_list = NULL;
}

void acme_stop(struct lane *lane)
{
    struct acme_lane *l = lane->priv;

    if (!l->job)
        return;
    offload_stop(&l->offload);
    for (int i = 0; i < lane->op_count; i++)
        release(lane, lane->ops[i].priv);
    for (int i = 0; i < METHODS; i++)
        fetch_pool_free(&l->pools[i]);
    transfers_free(l->transfers);
    for (int i = 0; i < l->account_count; i++)
        forget_account(&l->accounts[i], NULL);
    forget_account(&l->shared, l->job->key);
    for (int i = 0; i < RESOURCES; i++)
        free(l->directory[i]);
    free(l->accounts);
    free(l->nonces);
    l->job = NULL;
}

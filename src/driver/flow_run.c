/*
 * flow_run.c - one pass through the parts.
 *
 * A part is thought about, then tried; one with `until` is tried again after a pause for as long as
 * the next try would begin in time.  What a try measured is reported when it ends, tagged with its
 * own outcome; a try that only has the poll go on is no failure.  The pass ends with its last part
 * or with the first that fails.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/redact.h"
#include "base/units.h"
#include "driver/flow.h"
#include "driver/flow_run.h"
#include "net/transfers.h"

struct template_values flow_values(const struct flow_op *f)
{
    return (struct template_values){f->op->iteration, f->op->vu, f->op->agent, &f->op->lane->rng,
                                    f->values};
}

static void wait_for(struct flow_op *f, enum flow_wait wait, uint64_t when)
{
    f->wait = wait;
    timers_set(f->op->lane->timers, &f->timer, when);
}

static void try_part(struct flow_op *f)
{
    f->tries++;
    if (f->part->request)
        flow_request_try(f);
    else
        flow_check_try(f);
}

static void start_part(struct flow_op *f, uint64_t now)
{
    f->part_ns = now;
    f->tries = 0;
    try_part(f);
}

static void begin_part(struct flow_op *f, const struct flow_part *part, uint64_t now)
{
    f->part = part;
    if (part->think)
        wait_for(f, WAIT_THINK, now + part->think);
    else
        start_part(f, now);
}

/* A single operation's captures outlive its lane. */
static void keep(const struct flow_op *f, const struct flow_job *j)
{
    for (int i = 0; j->kept && i < j->parts.capture_count; i++)
        if (f->values[i])
            memcpy(j->kept[i], f->values[i], strlen(f->values[i]) + 1);
}

static void end_pass(struct flow_op *f, enum outcome outcome, const char *why)
{
    struct op *op = f->op;

    keep(f, flow_lane_of(f)->job);
    f->op = NULL;
    op_done(op, outcome, why);
}

static void fail_pass(struct flow_op *f, enum outcome outcome, const char *why, uint64_t now)
{
    char reason[WHY_MAX], took[UNITS_MAX];
    struct buf clean = {0};

    redact(why, strlen(why), &clean); /* before it is cut */
    if (f->part->within)
        snprintf(reason, sizeof(reason), "part %.40s: %.120s (%d %s in %s)", f->part->name,
                 buf_text(&clean), f->tries, f->tries == 1 ? "try" : "tries",
                 units_print_duration((double)(now - f->part_ns), took));
    else
        snprintf(reason, sizeof(reason), "part %.40s: %.150s", f->part->name, buf_text(&clean));
    buf_free(&clean);
    end_pass(f, outcome, reason);
}

static void end_part(struct flow_op *f, enum outcome outcome, const char *why)
{
    const struct flow_parts *parts = &flow_lane_of(f)->job->parts;
    uint64_t now = now_ns();

    op_part(f->op, flow_index(f) + 1);
    op_value(f->op, FLOW_PART_DURATION, (double)(now - f->part_ns));
    op_rate(f->op, FLOW_PART_FAILED, outcome != OP_OK);
    op_count(f->op, FLOW_PART_TRIES, f->tries);
    op_part_done(f->op, outcome);
    if (outcome != OP_OK)
        fail_pass(f, outcome, why ? why : outcomes[outcome].name, now);
    else if (f->part + 1 == parts->v + parts->n)
        end_pass(f, OP_OK, NULL);
    else
        begin_part(f, f->part + 1, now);
}

uint64_t flow_left(const struct flow_op *f, uint64_t now)
{
    uint64_t end = f->part_ns + f->part->within;

    if (!f->part->within)
        return UINT64_MAX;
    return end > now ? end - now : 1;
}

bool flow_again(const struct flow_op *f, enum outcome outcome)
{
    return f->part->within && outcome != OP_OK && outcomes[outcome].fault != FAULT_CLIENT &&
           flow_left(f, now_ns()) > f->part->every;
}

void flow_tried(struct flow_op *f, enum outcome outcome, bool again, const char *why)
{
    if (again)
        wait_for(f, WAIT_PAUSE, now_ns() + f->part->every);
    else
        end_part(f, outcome, why);
}

static void on_timer(struct timer *t, uint64_t now)
{
    struct flow_op *f = (struct flow_op *)((char *)t - offsetof(struct flow_op, timer));
    enum flow_wait wait = f->wait;

    if (!f->op) /* a time-out of what has ended */
        return;
    f->wait = WAIT_NOTHING;
    if (wait == WAIT_THINK)
        start_part(f, now);
    else if (wait == WAIT_PAUSE)
        try_part(f);
    else if (wait == WAIT_CHECK)
        flow_check_expire(f);
}

bool flow_start(struct lane *lane, struct err *e)
{
    struct flow_lane *l = lane->priv;

    l->lane = lane;
    l->job = lane->job->priv;
    l->turn = (unsigned)lane->index;
    l->pools = xcalloc((size_t)l->job->parts.n, sizeof(*l->pools));
    l->transfers = transfers_new(lane->base, lane->timers);
    for (int i = 0; i < lane->op_count; i++) {
        struct flow_op *f = lane->ops[i].priv;

        f->timer.fire = on_timer;
        f->conn.ready = flow_check_ready;
        f->conn.base = lane->base;
    }
    return l->transfers || err_set(e, "could not set up libcurl");
}

void flow_fire(struct lane *lane, struct op *op)
{
    struct flow_job *j = lane->job->priv;
    struct flow_op *f = op->priv;
    int captures = j->parts.capture_count;

    f->op = op;
    f->wait = WAIT_NOTHING;
    if (!f->values) {
        f->captured = xcalloc((size_t)captures, CAPTURE_ROOM);
        f->values = xcalloc((size_t)captures, sizeof(*f->values));
    }
    for (int i = 0; i < captures; i++)
        f->values[i] = NULL;
    begin_part(f, j->parts.v, op->begun_ns);
}

static void release(struct lane *lane, struct flow_op *f)
{
    timers_cancel(lane->timers, &f->timer);
    transfer_free(f->transfer);
    conn_free(&f->conn);
    buf_free(&f->url);
    buf_free(&f->headers);
    buf_free(&f->body);
    free(f->header_lines);
    free(f->captured);
    free(f->values);
    f->transfer = NULL;
    f->op = NULL;
}

void flow_stop(struct lane *lane)
{
    struct flow_lane *l = lane->priv;

    if (!l->job)
        return;
    for (int i = 0; i < lane->op_count; i++)
        release(lane, lane->ops[i].priv);
    for (int i = 0; i < l->job->parts.n; i++)
        fetch_pool_free(&l->pools[i]);
    free(l->pools);
    transfers_free(l->transfers);
    tls_facts_free(&l->facts);
    l->job = NULL;
}

/*
 * op.c - what a driver reports about an operation, and where it is counted.
 *
 * The outcome is a tag of everything that an operation measured, but it is known last.  Values
 * therefore wait in a stage that belongs to the lane until op_done(); a driver reports them in one
 * go just before it, so the stage holds one operation's values at a time.
 */
#include <event2/event.h>
#include <string.h>

#include "base/clock.h"
#include "driver/driver.h"
#include "run/lane_state.h"

static struct lane_run *run_of(const struct op *op)
{
    return (struct lane_run *)op->lane;
}

static struct slot *slot_of(struct lane_run *l, const struct op *op)
{
    return &l->slots[op - l->lane.ops];
}

static void record(struct lane_run *l, const struct staged *s, int second, enum tag_outcome o)
{
    switch (l->setup.shape->metrics[s->metric]->type) {
    case METRIC_TREND:
        meter_trend(&l->meter, s->metric, s->part, o, second,
                    s->value > 0 ? (uint64_t)s->value : 0);
        break;
    case METRIC_COUNTER:
        meter_count(&l->meter, s->metric, s->part, o, second, s->value);
        break;
    case METRIC_RATE:
        meter_rate(&l->meter, s->metric, s->part, o, second, s->hit);
        break;
    case METRIC_GAUGE:
        meter_gauge(&l->meter, s->metric, s->part, o, second, s->value);
        break;
    }
}

static void flush(struct lane_run *l, enum tag_outcome o)
{
    int second = l->staged_op ? (int)l->staged_op->second : 0;

    for (int i = 0; i < l->staged; i++)
        record(l, &l->stage[i], second, o);
    l->staged = 0;
    l->staged_op = NULL;
}

static void stage(struct op *op, int metric, double value, bool hit)
{
    struct lane_run *l = run_of(op);

    if (l->staged == STAGE_MAX || (l->staged_op && l->staged_op != op))
        flush(l, TAG_OK);
    l->staged_op = op;
    l->stage[l->staged++] = (struct staged){M_ENGINE_COUNT + metric, op->part, value, hit};
}

void op_part(struct op *op, int part)
{
    op->part = (uint16_t)part;
}

void op_part_done(struct op *op, enum outcome outcome)
{
    struct lane_run *l = run_of(op);

    if (l->staged_op == op)
        flush(l, outcome == OP_OK ? TAG_OK : TAG_FAILED);
    op->part = 0;
}

void op_value(struct op *op, int metric, double value)
{
    stage(op, metric, value, false);
}

void op_count(struct op *op, int metric, double n)
{
    stage(op, metric, n, false);
}

void op_rate(struct op *op, int metric, bool hit)
{
    stage(op, metric, 0, hit);
}

void op_check(struct op *op, bool met)
{
    meter_rate(&run_of(op)->meter, M_CHECKS, op->part, met ? TAG_OK : TAG_FAILED, (int)op->second,
               met);
}

void op_bytes(struct op *op, uint64_t sent, uint64_t received)
{
    struct lane_run *l = run_of(op);

    if (sent)
        meter_count(&l->meter, M_DATA_SENT, op->part, TAG_OK, (int)op->second, (double)sent);
    if (received)
        meter_count(&l->meter, M_DATA_RECEIVED, op->part, TAG_OK, (int)op->second,
                    (double)received);
}

void op_status(struct op *op, int code)
{
    statuses_add(&run_of(op)->statuses[op->part], code, 1);
}

void op_held(struct op *op)
{
    struct lane_run *l = run_of(op);
    struct slot *s = slot_of(l, op);

    if (s->held)
        return;
    s->held_ns = now_ns();
    lane_account_held(l, s->held_ns);
    s->held = true;
    l->held++;
}

void op_lost(struct op *op, uint64_t since_ns)
{
    struct lane_run *l = run_of(op);
    struct slot *s = slot_of(l, op);
    uint64_t now = now_ns();

    if (!s->held || since_ns >= now)
        return;
    lane_account_held(l, now);
    lane_take_held(l, since_ns > s->held_ns ? since_ns : s->held_ns);
    s->held = false;
    l->held--;
}

/*
 * Values that belong to no operation are counted in the second in which they are reported, to the
 * tick of the kernel (4 ms): a driver may count a dozen things for one operation.
 */
static int current_second(struct lane_run *l)
{
    uint64_t now = clock_read(CLOCK_MONOTONIC_COARSE);

    return (int)lane_second(l, now > l->start_ns ? now : l->start_ns);
}

void lane_count(struct lane *lane, int metric, double n)
{
    struct lane_run *l = (struct lane_run *)lane;

    meter_count(&l->meter, M_ENGINE_COUNT + metric, 0, TAG_OK, current_second(l), n);
}

void op_count_now(struct op *op, int metric, double n)
{
    struct lane_run *l = run_of(op);

    meter_count(&l->meter, M_ENGINE_COUNT + metric, op->part, TAG_OK, current_second(l), n);
}

void lane_gauge(struct lane *lane, int metric, double value)
{
    struct lane_run *l = (struct lane_run *)lane;

    meter_gauge(&l->meter, M_ENGINE_COUNT + metric, 0, TAG_OK, current_second(l), value);
    if (l->setup.shape->metrics[M_ENGINE_COUNT + metric]->live)
        atomic_store_explicit(&l->live.shown, (int64_t)value, memory_order_relaxed);
}

void lane_value(struct lane *lane, int metric, bool ok, double value)
{
    struct lane_run *l = (struct lane_run *)lane;

    meter_trend(&l->meter, M_ENGINE_COUNT + metric, 0, ok ? TAG_OK : TAG_FAILED, current_second(l),
                value > 0 ? (uint64_t)value : 0);
}

void lane_count_part(struct lane *lane, int metric, int part, double n)
{
    struct lane_run *l = (struct lane_run *)lane;

    meter_count(&l->meter, M_ENGINE_COUNT + metric, part, TAG_OK, current_second(l), n);
}

void lane_bytes(struct lane *lane, uint64_t sent, uint64_t received)
{
    struct lane_run *l = (struct lane_run *)lane;
    int second = current_second(l);

    if (sent)
        meter_count(&l->meter, M_DATA_SENT, 0, TAG_OK, second, (double)sent);
    if (received)
        meter_count(&l->meter, M_DATA_RECEIVED, 0, TAG_OK, second, (double)received);
}

void lane_fault(struct lane *lane, enum outcome outcome, const char *why)
{
    failures_add(&((struct lane_run *)lane)->failures, outcome, why, 1);
}

static void count_duration(struct lane_run *l, const struct op *op, enum tag_outcome o,
                           uint64_t age)
{
    _Atomic uint32_t *bucket = &l->live.duration[hist_index(age)];

    meter_trend(&l->meter, M_OP_DURATION, op->part, o, (int)op->second, age);
    atomic_store_explicit(bucket, atomic_load_explicit(bucket, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

/* A failure of this machine says nothing about the target: it stays out of op_failed. */
static void count_outcome(struct lane_run *l, const struct op *op, enum outcome outcome,
                          const char *why)
{
    bool ok = outcome == OP_OK, client = outcomes[outcome].fault == FAULT_CLIENT;
    enum tag_outcome o = ok ? TAG_OK : TAG_FAILED;
    int second = (int)op->second;

    meter_count(&l->meter, M_ITERATIONS, op->part, o, second, 1);
    if (client) {
        meter_count(&l->meter, M_CLIENT_ERRORS, op->part, o, second, 1);
        l->totals.client_errors++;
    } else {
        meter_rate(&l->meter, M_OP_FAILED, op->part, o, second, !ok);
        meter_rate(&l->meter, M_OP_OK, op->part, o, second, ok);
        l->totals.ok += ok;
        l->totals.failed += !ok;
    }
    if (!ok) {
        failures_add(&l->failures, outcome, why, 1);
        live_add(&l->live.failed, 1);
    }
}

/* A beat counts as missed if its answer took longer than one interval. */
static void count_beat(struct lane_run *l, const struct op *op, bool ok, uint64_t age)
{
    if (load_model(l->setup.load) == EX_AGENT_FLEET &&
        (!ok || age > (uint64_t)l->setup.load->interval))
        meter_count(&l->meter, M_MISSED_BEATS, op->part, TAG_OK, (int)op->second, 1);
}

static void release(struct lane_run *l, struct op *op, uint64_t now)
{
    struct slot *s = slot_of(l, op);

    if (s->held) {
        lane_account_held(l, now);
        s->held = false;
        l->held--;
    }
    if (!lane_has_free(l))
        l->freed_ns = now;
    s->busy = false;
    s->next_free = l->free;
    l->free = (uint32_t)(op - l->lane.ops) + 1;
    l->busy--;
    live_add(&l->live.ended, 1);
    atomic_store_explicit(&l->live.in_flight, l->busy, memory_order_relaxed);
}

void op_done_at(struct op *op, enum outcome outcome, const char *why, uint64_t end_ns)
{
    struct lane_run *l = run_of(op);
    uint64_t age = end_ns > op->due_ns ? end_ns - op->due_ns : 0;
    enum tag_outcome o = outcome == OP_OK ? TAG_OK : TAG_FAILED;
    uint64_t now; /* what comes next waits for us, not for when the bytes of this one arrived */

    if (!slot_of(l, op)->busy)
        bug("%s: op_done() without fire()", l->setup.driver->name);
    if (l->staged_op && l->staged_op != op)
        flush(l, TAG_OK);
    flush(l, o);
    if (outcome == OP_OK || outcomes[outcome].slow)
        count_duration(l, op, o, age);
    count_outcome(l, op, outcome, why);
    count_beat(l, op, outcome == OP_OK, age);
    if (end_ns > l->totals.last_end_ns)
        l->totals.last_end_ns = end_ns;
    now = l->ended_ns = now_ns();
    release(l, op, now);
    pacer_ended(&l->pacer, op->vu, now);
    if (now >= l->due_ns) /* the schedule's turn, before the events that are still at hand */
        event_base_loopbreak(l->lane.base);
}

void op_done(struct op *op, enum outcome outcome, const char *why)
{
    op_done_at(op, outcome, why, now_ns());
}

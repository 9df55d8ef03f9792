/*
 * noop.c - an operation that does nothing, for a known time: the engine's yardstick.
 *
 * What is measured here is the engine alone, so its cost and its accuracy can be read off a driver
 * whose true latency is its own option.  It is also the shortest example of a driver.
 */
#include "base/clock.h"
#include "driver/driver.h"
#include "spec/opt.h"

struct noop_opts {
    int64_t latency;    /* ns */
    int64_t fail_every; /* operations */
    int outcome;        /* of those that fail */
    bool hold;
};

static const char *const failures[] = {"unexpected", "timeout", "local", NULL};
static const enum outcome failure_outcomes[] = {OP_UNEXPECTED, OP_TIMEOUT, OP_LOCAL};

#define OPT_OF struct noop_opts
static const struct opt noop_opts[] = {
    OPT_DURATION(latency, "0", "how long one operation takes", .min = 0,
                 .max = INT64_C(86400000000000)),
    OPT_INT(fail_every, "0", "let every n-th operation fail; 0: none", .min = 0, .max = INT64_MAX),
    OPT_CHOICE(outcome, "unexpected", "how those operations fail", .choices = failures),
    OPT_BOOL(hold, "false", "count as held from the start until the time is over"),
    {0},
};
#undef OPT_OF

struct noop_op {
    struct timer timer; /* first: the timer leads back to its operation */
    struct op *op;
};

static void end(struct op *op)
{
    const struct noop_opts *o = op->lane->job->opts;

    if (o->fail_every > 0 && (op->iteration + 1) % (uint64_t)o->fail_every == 0)
        op_done(op, failure_outcomes[o->outcome], NULL);
    else
        op_done(op, OP_OK, NULL);
}

static void on_timer(struct timer *t, uint64_t now)
{
    (void)now;
    end(((struct noop_op *)t)->op);
}

static void noop_fire(struct lane *lane, struct op *op)
{
    const struct noop_opts *o = lane->job->opts;
    struct noop_op *n = op->priv;

    if (o->hold)
        op_held(op);
    if (o->latency == 0) {
        end(op);
        return;
    }
    n->op = op;
    n->timer.fire = on_timer;
    timers_set(lane->timers, &n->timer, op->begun_ns + (uint64_t)o->latency);
}

static void noop_stop(struct lane *lane)
{
    for (int i = 0; i < lane->op_count; i++)
        timers_cancel(lane->timers, &((struct noop_op *)lane->ops[i].priv)->timer);
}

const struct driver driver_noop = {
    .name = "noop",
    .brief = "does nothing for a known time; measures the engine itself",
    .opts = noop_opts,
    .opts_size = sizeof(struct noop_opts),
    .op_size = sizeof(struct noop_op),
    .flags = DRIVER_HOLDS,
    .fire = noop_fire,
    .stop = noop_stop,
};

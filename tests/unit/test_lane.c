/* The engine's loop with drivers whose behaviour is known; no network, one lane on this thread. */
#include <event2/event.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "driver/driver.h"
#include "run/failures.h"
#include "run/lane.h"
#include "suite/load.h"

#include "unit.h"

#define MS ((int64_t)NS_PER_MS)

enum { T_VALUE };
static const struct metric test_metrics[] = {
    {"test_value", METRIC_TREND, UNIT_TIME, "a value of the test driver", false},
    {NULL},
};

static struct {
    uint64_t latency_ns;         /* 0: ends at once; UINT64_MAX: never */
    uint64_t block_at, block_ns; /* this iteration keeps the whole lane busy */
    enum outcome outcome;
    int fail_every;
} script;

struct test_op {
    struct timer timer;
    struct op *op;
};

static void end(struct op *op)
{
    bool fails = script.fail_every && (op->iteration + 1) % (uint64_t)script.fail_every == 0;

    op_value(op, T_VALUE, fails ? 2e6 : 1e6);
    op_done(op, fails ? script.outcome : OP_OK, fails ? "as told" : NULL);
}

static void on_timer(struct timer *t, uint64_t now)
{
    (void)now;
    end(((struct test_op *)t)->op);
}

static void fire(struct lane *lane, struct op *op)
{
    struct test_op *t = op->priv;
    uint64_t until = now_ns() + script.block_ns;

    if (script.block_ns && op->iteration == script.block_at)
        while (now_ns() < until)
            ;
    if (script.latency_ns == 0) {
        end(op);
    } else if (script.latency_ns != UINT64_MAX) {
        *t = (struct test_op){{on_timer, 0}, op};
        timers_set(lane->timers, &t->timer, op->begun_ns + script.latency_ns);
    }
}

static void stop(struct lane *lane)
{
    for (int i = 0; i < lane->op_count; i++)
        timers_cancel(lane->timers, &((struct test_op *)lane->ops[i].priv)->timer);
}

static const struct driver test_driver = {.name = "test",
                                          .metrics = test_metrics,
                                          .op_size = sizeof(struct test_op),
                                          .fire = fire,
                                          .stop = stop};

struct bench { /* one lane, run to its end */
    struct arena arena;
    struct job job;
    struct step_control control;
    const struct metric *metrics[M_ENGINE_COUNT + 1];
    const char *parts[1];
    struct meter_shape shape;
    struct lane_run *lane;
};

static void run_driver(struct bench *b, const struct driver *d, const struct load *l)
{
    struct lane_setup setup = {d, &b->job, l, &b->shape, &b->control, 0, 1};

    *b = (struct bench){.job = {.name = "test", .lane_count = 1, .arena = &b->arena}};
    for (int i = 0; i < M_ENGINE_COUNT; i++)
        b->metrics[i] = &engine_metrics[i];
    b->metrics[M_ENGINE_COUNT] = &test_metrics[0];
    b->parts[0] = "";
    b->shape = (struct meter_shape){b->metrics, M_ENGINE_COUNT + 1, b->parts, 1};
    atomic_init(&b->control.stop_ns, UINT64_MAX);
    atomic_init(&b->control.grace_ns, (uint64_t)l->graceful_stop);
    atomic_init(&b->control.start_ns, now_ns());
    b->lane = lane_new(&setup);
    assert_true(lane_open(b->lane));
    lane_run(b->lane);
    lane_close(b->lane);
}

static void run_load(struct bench *b, const struct load *l)
{
    run_driver(b, &test_driver, l);
}

static void done(struct bench *b)
{
    lane_free(b->lane);
    arena_free(&b->arena);
    memset(&script, 0, sizeof(script));
}

static struct series select_series(const struct bench *b, int metric, int outcome)
{
    struct selection sel = {metric, -1, outcome, 0, -1};
    struct series s;

    series_select(&s, lane_meter(b->lane), &sel);
    return s;
}

static struct load open_load(double rate, int64_t duration, int64_t max_in_flight, int64_t grace)
{
    return (struct load){.executor = EX_CONSTANT_ARRIVAL_RATE,
                         .rate = rate,
                         .duration = duration,
                         .max_in_flight = max_in_flight,
                         .graceful_stop = grace,
                         .lanes = 1};
}

static void all_planned_work_is_sent_and_timed(void **state)
{
    struct load l = open_load(2000, 200 * MS, 10000, 10000 * MS);
    struct bench b;
    struct series s;

    (void)state;
    script.latency_ns = 3 * (uint64_t)MS;
    run_load(&b, &l);
    assert_int_equal(lane_totals(b.lane)->sent, 400);
    assert_int_equal(lane_totals(b.lane)->ok, 400);
    s = select_series(&b, M_OP_DURATION, -1);
    assert_int_equal(s.n, 400);
    assert_true(s.min >= 3e6); /* never less than the driver's own latency */
    series_free(&s);
    s = select_series(&b, M_SCHEDULE_LAG, -1);
    assert_int_equal(s.n, 400);
    series_free(&s);
    done(&b);
}

/*
 * A stall of the lane must show in every operation that was due during it: of those due s after its
 * beginning, at least the rest of the stall.  Measured from the send, all but one would look fast.
 */
static void a_stall_is_not_hidden(void **state)
{
    struct load l = open_load(1000, 300 * MS, 10000, 10000 * MS);
    struct bench b;
    struct series s;

    (void)state;
    script.block_at = 100;
    script.block_ns = 100 * (uint64_t)MS;
    run_load(&b, &l);
    s = select_series(&b, M_OP_DURATION, -1);
    assert_int_equal(s.n, 300);
    assert_true(hist_above(s.hist, 50 * (uint64_t)MS) >= 49);
    assert_true(hist_above(s.hist, 10 * (uint64_t)MS) >= 89);
    series_free(&s);
    done(&b);
}

/* One operation at a time, each longer than the gap between arrivals: the queue keeps due times. */
static void what_waits_keeps_its_due_time(void **state)
{
    struct load l = open_load(1000, 20 * MS, 1, 10000 * MS);
    struct bench b;
    struct series s;

    (void)state;
    script.latency_ns = 5 * (uint64_t)MS;
    run_load(&b, &l);
    assert_int_equal(lane_totals(b.lane)->sent, 20);
    assert_int_equal(lane_totals(b.lane)->dropped, 0);
    s = select_series(&b, M_OP_DURATION, -1);
    assert_true(s.max >= 20 * 5e6 - 19 * 1e6); /* the last: due at 19 ms, done at 100 ms or later */
    series_free(&s);
    done(&b);
}

static void unfinished_work_is_recorded_at_its_age(void **state)
{
    struct load l = open_load(1000, 10 * MS, 4, 30 * MS);
    struct bench b;
    struct series s;

    (void)state;
    script.latency_ns = UINT64_MAX;
    run_load(&b, &l);
    assert_int_equal(lane_totals(b.lane)->sent, 4);
    assert_int_equal(lane_totals(b.lane)->unfinished, 4);
    assert_int_equal(lane_totals(b.lane)->dropped, 6);
    assert_int_equal(lane_totals(b.lane)->failed, 4);
    s = select_series(&b, M_OP_DURATION, TAG_FAILED);
    assert_int_equal(s.n, 4);
    assert_true(s.min >= 37e6); /* due at 3 ms at the latest, the grace ends at 40 ms */
    series_free(&s);
    s = select_series(&b, M_DROPPED_ITERATIONS, -1);
    assert_true(s.sum == 6);
    series_free(&s);
    done(&b);
}

static void values_carry_the_outcome_of_their_operation(void **state)
{
    struct load l = {.executor = EX_SHARED_ITERATIONS,
                     .vus = 1,
                     .iterations = 100,
                     .max_duration = 10000 * MS,
                     .lanes = 1};
    struct bench b;
    struct series s;

    (void)state;
    script.fail_every = 4;
    script.outcome = OP_UNEXPECTED;
    run_load(&b, &l);
    s = select_series(&b, M_ENGINE_COUNT + T_VALUE, TAG_OK);
    assert_int_equal(s.n, 75);
    assert_true(s.min == 1e6 && s.max == 1e6);
    series_free(&s);
    s = select_series(&b, M_ENGINE_COUNT + T_VALUE, TAG_FAILED);
    assert_int_equal(s.n, 25);
    assert_true(s.min == 2e6);
    series_free(&s);
    s = select_series(&b, M_OP_FAILED, -1);
    assert_int_equal(s.n, 100);
    assert_int_equal(s.hits, 25);
    series_free(&s);
    s = select_series(&b, M_OP_DURATION, -1); /* a fast failure is no fast answer */
    assert_int_equal(s.n, 75);
    series_free(&s);
    assert_int_equal(lane_failures(b.lane)->n, 1);
    assert_int_equal(lane_failures(b.lane)->v[0].count, 25);
    assert_string_equal(lane_failures(b.lane)->v[0].why, "as told");
    done(&b);
}

static void our_own_faults_are_not_the_targets(void **state)
{
    struct load l = {.executor = EX_PER_VU_ITERATIONS,
                     .vus = 2,
                     .iterations = 50,
                     .max_duration = 10000 * MS,
                     .lanes = 1};
    struct bench b;
    struct series s;

    (void)state;
    script.fail_every = 2;
    script.outcome = OP_LOCAL;
    run_load(&b, &l);
    assert_int_equal(lane_totals(b.lane)->client_errors, 50);
    assert_int_equal(lane_totals(b.lane)->failed, 0);
    s = select_series(&b, M_OP_FAILED, -1);
    assert_int_equal(s.n, 50);
    assert_int_equal(s.hits, 0);
    series_free(&s);
    done(&b);
}

static void beats_later_than_an_interval_are_missed(void **state)
{
    struct load l = {.executor = EX_AGENT_FLEET,
                     .agents = 10,
                     .interval = 20 * MS,
                     .duration = 60 * MS,
                     .max_in_flight = 100,
                     .graceful_stop = 10000 * MS};
    struct bench b;
    struct series s;
    uint64_t sent;

    (void)state;
    script.latency_ns = 25 * (uint64_t)MS;
    run_load(&b, &l);
    sent = lane_totals(b.lane)->sent;
    assert_true(sent >= 30);
    s = select_series(&b, M_MISSED_BEATS, -1);
    assert_true(s.sum == (double)sent);
    series_free(&s);
    done(&b);
}

/*
 * A flood: the first FLOOD operations are answered in the same moment, and each answer takes the
 * lane two arrivals' time to deal with.
 */
#define FLOOD 32
#define GAP   NS_PER_MS

static struct {
    int pipes[FLOOD][2];
    struct event *events[FLOOD];
    struct op *ops[FLOOD];
    uint64_t first_due, dealt_with; /* dealt_with: when the last answer was */
    uint64_t begun, answers;
    uint64_t seen,
        late; /* begun when the last answer was; answers dealt with before what was due */
} flood;

static void on_flood(evutil_socket_t fd, short what, void *arg)
{
    uint64_t due = flood.dealt_with ? (flood.dealt_with - flood.first_due) / GAP + 1 : 0;
    uint64_t until = now_ns() + 2 * GAP;
    struct op **op = arg;

    (void)fd;
    (void)what;
    flood.answers++;
    flood.late += flood.begun == flood.seen && flood.begun < due;
    flood.seen = flood.begun;
    while (now_ns() < until)
        ;
    flood.dealt_with = now_ns();
    op_done(*op, OP_OK, NULL);
}

static bool flood_start(struct lane *lane, struct err *e)
{
    (void)e;
    for (int i = 0; i < FLOOD; i++) {
        assert_int_equal(pipe(flood.pipes[i]), 0);
        flood.events[i] =
            event_new(lane->base, flood.pipes[i][0], EV_READ | EV_ET, on_flood, &flood.ops[i]);
        event_add(flood.events[i], NULL);
    }
    return true;
}

static void flood_fire(struct lane *lane, struct op *op)
{
    (void)lane;
    flood.begun++;
    if (op->iteration == 0)
        flood.first_due = op->due_ns;
    if (op->iteration >= FLOOD) {
        op_done(op, OP_OK, NULL);
        return;
    }
    flood.ops[op->iteration] = op;
    for (int i = 0; op->iteration == FLOOD - 1 && i < FLOOD; i++)
        assert_int_equal(write(flood.pipes[i][1], "", 1), 1);
}

static void flood_stop(struct lane *lane)
{
    (void)lane;
    for (int i = 0; i < FLOOD; i++) {
        event_free(flood.events[i]);
        close(flood.pipes[i][0]);
        close(flood.pipes[i][1]);
    }
}

static const struct driver flood_driver = {
    .name = "flood", .start = flood_start, .fire = flood_fire, .stop = flood_stop};

static void what_is_due_does_not_wait_for_a_flood_of_answers(void **state)
{
    struct load l = open_load(1e9 / (double)GAP, 200 * MS, 10000, 10000 * MS);
    struct bench b;

    (void)state;
    run_driver(&b, &flood_driver, &l);
    assert_int_equal(lane_totals(b.lane)->ok, 200);
    assert_int_equal(flood.answers, FLOOD);
    assert_int_equal(flood.late, 0);
    done(&b);
}

static void reasons_are_bounded(void **state)
{
    static struct failures f, g;
    const struct error_count *list;
    struct arena arena = {0};
    char why[32];
    uint64_t all = 0;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        snprintf(why, sizeof(why), "reason %d", i);
        failures_add(&f, OP_RESET, why, 1);
    }
    failures_add(&g, OP_TIMEOUT, NULL, 5);
    failures_merge(&f, &g);
    list = failures_list(&f, &arena);
    assert_true(f.n <= FAILURES_MAX + OP_OUTCOMES);
    for (int i = 0; i < f.n; i++)
        all += list[i].count;
    assert_int_equal(all, 1005);
    assert_string_equal(list[0].why, outcomes[OP_RESET].name);
    assert_int_equal(list[0].count, 1000 - FAILURES_MAX);
    arena_free(&arena);
}

UNIT_GROUP(lane, cmocka_unit_test(all_planned_work_is_sent_and_timed),
           cmocka_unit_test(a_stall_is_not_hidden), cmocka_unit_test(what_waits_keeps_its_due_time),
           cmocka_unit_test(unfinished_work_is_recorded_at_its_age),
           cmocka_unit_test(values_carry_the_outcome_of_their_operation),
           cmocka_unit_test(our_own_faults_are_not_the_targets),
           cmocka_unit_test(beats_later_than_an_interval_are_missed),
           cmocka_unit_test(what_is_due_does_not_wait_for_a_flood_of_answers),
           cmocka_unit_test(reasons_are_bounded));

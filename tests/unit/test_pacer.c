/* When each executor's operations are due, without a clock: time is what the test says it is. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "run/pacer.h"
#include "suite/load.h"

#include "unit.h"

#define S  NS_PER_S
#define MS NS_PER_MS

static void constant_rate_is_a_closed_form(void **state)
{
    struct load l = {.executor = EX_CONSTANT_ARRIVAL_RATE,
                     .rate = 3000,
                     .duration = 10 * (int64_t)S,
                     .max_in_flight = 10000,
                     .lanes = 1};
    struct arrivals a;

    (void)state;
    arrivals_init(&a, &l);
    for (uint64_t k = 0; k < 30000; k++)
        assert_true(
            llabs((int64_t)arrivals_due(&a, k) - (int64_t)llround((double)k / 3000 * 1e9)) <= 1);
    assert_true(arrivals_due(&a, 30000) == UINT64_MAX);
    arrivals_fini(&a);
}

/* From 0 to 100/s in 10 s: arrival k is due at sqrt(2 k / 10). */
static void ramp_follows_the_integral_of_the_rate(void **state)
{
    struct stage stages[] = {{10 * (int64_t)S, 100}, {5 * (int64_t)S, 100}, {10 * (int64_t)S, 0}};
    struct load l = {.executor = EX_RAMPING_ARRIVAL_RATE, .stages = stages, .stage_count = 3};
    struct arrivals a;
    uint64_t last = 0;

    (void)state;
    arrivals_init(&a, &l);
    for (uint64_t k = 0; k < 1500; k++) {
        uint64_t due = arrivals_due(&a, k);

        assert_true(due >= last);
        if (k < 500)
            assert_true(fabs((double)due / 1e9 - sqrt(2.0 * (double)k / 10)) < 1e-6);
        else if (k < 1000)
            assert_true(fabs((double)due / 1e9 - (10 + ((double)k - 500) / 100)) < 1e-6);
        last = due;
    }
    assert_true(arrivals_due(&a, 1500) == UINT64_MAX);
    arrivals_fini(&a);
    assert_true(load_operations(&l) == 1500);
}

static void a_vanishing_slope_keeps_its_precision(void **state)
{
    struct stage stages[] = {{3600 * (int64_t)S, 1000.0001}};
    struct load l = {.executor = EX_RAMPING_ARRIVAL_RATE,
                     .stages = stages,
                     .stage_count = 1,
                     .start_rate = 1000};
    struct arrivals a;

    (void)state;
    arrivals_init(&a, &l);
    assert_true(fabs((double)arrivals_due(&a, 1000000) / 1e9 - 1000.0) < 2e-5);
    arrivals_fini(&a);
}

/* The count before a moment agrees with the times themselves, for a ramp too. */
static void arrivals_are_counted_in_closed_form(void **state)
{
    struct stage stages[] = {{2 * (int64_t)S, 100}, {(int64_t)S, 100}, {2 * (int64_t)S, 0}};
    struct load l = {.executor = EX_RAMPING_ARRIVAL_RATE, .stages = stages, .stage_count = 3};
    struct arrivals times, counts;

    (void)state;
    arrivals_init(&times, &l);
    arrivals_init(&counts, &l);
    for (uint64_t k = 0; k < 300; k++) {
        uint64_t due = arrivals_due(&times, k);

        assert_in_range(arrivals_before(&counts, due + NS_PER_US), k + 1, k + 1);
    }
    assert_int_equal(arrivals_before(&counts, 100 * S), 300);
    arrivals_fini(&times);
    arrivals_fini(&counts);
}

/* A hundred million arrivals that nobody could begin are dropped at once. */
static void a_flood_is_dropped_without_counting_to_it(void **state)
{
    struct load l = {.executor = EX_CONSTANT_ARRIVAL_RATE,
                     .rate = 1e8,
                     .duration = 3600 * (int64_t)S,
                     .max_in_flight = 1,
                     .lanes = 1};
    struct pacer p;

    (void)state;
    pacer_init(&p, &l, 0, 1, 1);
    pacer_start(&p, S);
    assert_true(pacer_drop(&p, 10000 * S) == UINT64_C(360000000000));
    assert_true(pacer_exhausted(&p, 10000 * S));
    pacer_fini(&p);
}

/* Lanes take every n-th arrival: together exactly the whole, each iteration once. */
static void lanes_share_an_open_schedule(void **state)
{
    struct load l = {.executor = EX_CONSTANT_ARRIVAL_RATE,
                     .rate = 1000,
                     .duration = (int64_t)S,
                     .max_in_flight = 10,
                     .lanes = 3};
    char seen[1000] = {0};

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct pacer p;
        struct arrival a;
        uint64_t next;

        pacer_init(&p, &l, i, 3, 1);
        pacer_start(&p, 5 * S);
        while (pacer_take(&p, 100 * S, &a, &next)) {
            assert_true(a.iteration < 1000 && !seen[a.iteration]++);
            assert_int_equal(a.due_ns, 5 * S + a.iteration * MS);
        }
        assert_true(pacer_exhausted(&p, 100 * S));
        pacer_fini(&p);
    }
    assert_null(memchr(seen, 0, sizeof(seen)));
}

static void nothing_is_due_early(void **state)
{
    struct load l = {.executor = EX_CONSTANT_ARRIVAL_RATE,
                     .rate = 10,
                     .duration = (int64_t)S,
                     .max_in_flight = 10,
                     .lanes = 1};
    struct pacer p;
    struct arrival a;
    uint64_t next;

    (void)state;
    pacer_init(&p, &l, 0, 1, 1);
    pacer_start(&p, S);
    assert_false(pacer_take(&p, S - 1, &a, &next));
    assert_int_equal(next, S);
    assert_true(pacer_take(&p, S, &a, &next));
    assert_false(pacer_take(&p, S, &a, &next));
    assert_int_equal(next, S + 100 * MS);
    pacer_stop(&p, S + 250 * MS); /* two more were due before that */
    assert_int_equal(pacer_drop(&p, 2 * S), 2);
    assert_true(pacer_exhausted(&p, 2 * S));
    pacer_fini(&p);
}

/* Takes all that is due now; ends each at `end`. */
static int cycle(struct pacer *p, uint64_t now, uint64_t end)
{
    uint32_t taken[64];
    struct arrival a;
    uint64_t next;
    int n = 0;

    while (n < 64 && pacer_take(p, now, &a, &next))
        taken[n++] = a.vu;
    for (int i = 0; i < n; i++)
        pacer_ended(p, taken[i], end);
    return n;
}

static void closed_users_follow_their_answers(void **state)
{
    struct load l = {.executor = EX_CONSTANT_VUS, .vus = 5, .duration = (int64_t)S};
    struct pacer p;
    struct arrival a;
    uint64_t next;

    (void)state;
    assert_int_equal(pacer_slots(&l, 0, 2) + pacer_slots(&l, 1, 2), 5);
    pacer_init(&p, &l, 0, 1, 1);
    pacer_start(&p, 0);
    assert_int_equal(cycle(&p, 2 * MS, 10 * MS), 5);
    assert_true(pacer_take(&p, 12 * MS, &a, &next));
    assert_int_equal(a.due_ns, 10 * MS); /* due when the last one ended, not when it was taken */
    assert_false(pacer_take(&p, S, &a, &next) && a.due_ns >= S);
    assert_true(pacer_exhausted(&p, S));
    pacer_fini(&p);
}

/* 4,000 a second over all lanes, each due at its own time: nobody has waited for the others. */
static void users_begin_one_after_another(void **state)
{
    struct load l = {.executor = EX_CONSTANT_VUS, .vus = 4000, .duration = 10 * (int64_t)S};
    struct arrival a;
    struct pacer p;
    uint64_t next;

    (void)state;
    pacer_init(&p, &l, 1, 2, 1);
    pacer_start(&p, S);
    assert_false(pacer_take(&p, S, &a, &next));
    assert_int_equal(next, S + MS / 4);
    for (uint64_t i = 0; i < 2000; i++) {
        assert_true(pacer_take(&p, 3 * S, &a, &next));
        assert_int_equal(a.due_ns, S + (2 * i + 1) * MS / 4);
    }
    assert_false(pacer_take(&p, 3 * S, &a, &next));
    pacer_fini(&p);
}

static void iterations_are_counted(void **state)
{
    struct load each = {.executor = EX_PER_VU_ITERATIONS,
                        .vus = 4,
                        .iterations = 3,
                        .max_duration = 60 * (int64_t)S};
    struct load shared = {.executor = EX_SHARED_ITERATIONS,
                          .vus = 4,
                          .iterations = 10,
                          .max_duration = 60 * (int64_t)S};
    struct pacer p;
    int n = 0;

    (void)state;
    pacer_init(&p, &each, 0, 1, 1);
    pacer_start(&p, 0);
    for (uint64_t t = 0; t < 10; t++)
        n += cycle(&p, t * MS, t * MS);
    assert_int_equal(n, 12);
    assert_true(pacer_exhausted(&p, 10 * MS));
    pacer_fini(&p);
    n = 0;
    for (int lane = 0; lane < 3; lane++) {
        pacer_init(&p, &shared, lane, 3, 1);
        pacer_start(&p, 0);
        for (uint64_t t = 0; t < 10; t++)
            n += cycle(&p, t * MS, t * MS);
        pacer_fini(&p);
    }
    assert_int_equal(n, 10);
}

static void ramping_users_come_and_go(void **state)
{
    struct stage stages[] = {{(int64_t)S, 10}, {(int64_t)S, 10}, {(int64_t)S, 0}};
    struct load l = {.executor = EX_RAMPING_VUS, .stages = stages, .stage_count = 3};
    struct pacer p;

    (void)state;
    pacer_init(&p, &l, 0, 1, 1);
    pacer_start(&p, 0);
    assert_int_equal(cycle(&p, 0, 0), 0);
    assert_int_equal(cycle(&p, 550 * MS, 550 * MS), 5);
    assert_int_equal(cycle(&p, 1500 * MS, 1500 * MS), 10);
    assert_int_equal(cycle(&p, 2550 * MS, 2550 * MS), 4);
    assert_int_equal(cycle(&p, 3 * S, 3 * S), 0);
    assert_true(pacer_exhausted(&p, 3 * S));
    pacer_fini(&p);
}

static void held_connections_reopen_at_the_ramp_rate(void **state)
{
    struct load l = {
        .executor = EX_HOLD_CONNECTIONS, .connections = 3, .rate = 10, .duration = 10 * (int64_t)S};
    struct pacer p;
    struct arrival a;
    uint64_t next;

    (void)state;
    pacer_init(&p, &l, 0, 1, 1);
    pacer_start(&p, 0);
    for (uint64_t i = 0; i < 3; i++) {
        assert_true(pacer_take(&p, i * 100 * MS, &a, &next));
        assert_int_equal(a.due_ns, i * 100 * MS);
    }
    assert_false(pacer_take(&p, 5 * S, &a, &next));
    pacer_ended(&p, a.vu, 5 * S);
    pacer_ended(&p, a.vu, 5 * S);
    assert_true(pacer_take(&p, 5 * S, &a, &next));
    assert_false(pacer_take(&p, 5 * S, &a, &next));
    assert_int_equal(next, 5 * S + 100 * MS);
    assert_int_equal(pacer_drop(&p, 10 * S), 0);
    pacer_fini(&p);
}

UNIT_GROUP(pacer, cmocka_unit_test(constant_rate_is_a_closed_form),
           cmocka_unit_test(ramp_follows_the_integral_of_the_rate),
           cmocka_unit_test(a_vanishing_slope_keeps_its_precision),
           cmocka_unit_test(arrivals_are_counted_in_closed_form),
           cmocka_unit_test(a_flood_is_dropped_without_counting_to_it),
           cmocka_unit_test(lanes_share_an_open_schedule), cmocka_unit_test(nothing_is_due_early),
           cmocka_unit_test(closed_users_follow_their_answers),
           cmocka_unit_test(users_begin_one_after_another),
           cmocka_unit_test(iterations_are_counted), cmocka_unit_test(ramping_users_come_and_go),
           cmocka_unit_test(held_connections_reopen_at_the_ramp_rate));

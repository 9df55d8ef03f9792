/* When the beats of agents are due: once an interval, at phases of their own, without drift. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "run/pacer.h"
#include "suite/load.h"

#include "unit.h"

#define S      NS_PER_S
#define MS     NS_PER_MS
#define AGENTS 200
#define BEATS  5

/* Every agent beats exactly once an interval, within its jitter, whatever the lane. */
static void every_agent_beats_once_an_interval(void **state)
{
    struct load l = {.executor = EX_AGENT_FLEET,
                     .agents = AGENTS,
                     .interval = (int64_t)S,
                     .jitter = 0.1,
                     .duration = BEATS * (int64_t)S,
                     .max_in_flight = 100};
    static int beats[AGENTS + 1];
    static double phases[AGENTS + 1];

    (void)state;
    memset(beats, 0, sizeof(beats));
    for (int lane = 0; lane < 2; lane++) {
        struct pacer p;
        struct arrival a;
        uint64_t next;

        pacer_init(&p, &l, lane, 2, 42);
        pacer_start(&p, 0);
        while (pacer_take(&p, 100 * S, &a, &next)) {
            double at = (double)a.due_ns / 1e9;

            assert_true(a.agent >= 1 && a.agent <= AGENTS);
            if (beats[a.agent]++ == 0)
                phases[a.agent] = at;
            assert_true(fabs(at - phases[a.agent] - (beats[a.agent] - 1)) <= 0.2 + 1e-9);
        }
        pacer_fini(&p);
    }
    for (int i = 1; i <= AGENTS; i++)
        assert_in_range(beats[i], BEATS - 1,
                        BEATS + 1); /* one near either end may sway across it */
}

/*
 * Each beat lies within its jitter of its own place, which is counted from the start, so that
 * nothing adds up; `grid` is what due times are multiples of.
 */
static void does_not_drift(int64_t agents, uint32_t beats_each, uint64_t grid)
{
    struct load l = {.executor = EX_AGENT_FLEET,
                     .agents = agents,
                     .interval = (int64_t)S,
                     .jitter = 0.1,
                     .duration = beats_each * (int64_t)S,
                     .max_in_flight = 100};
    uint32_t *beats = calloc((size_t)agents + 1, sizeof(*beats));
    double *first = calloc((size_t)agents + 1, sizeof(*first));
    struct pacer p;
    struct arrival a;
    uint64_t next;

    pacer_init(&p, &l, 0, 1, 42);
    pacer_start(&p, 0);
    while (pacer_take(&p, UINT64_MAX - 1, &a, &next)) {
        double at = (double)a.due_ns / 1e9;

        if (a.due_ns % grid)
            fail_msg("due off the grid: %llu", (unsigned long long)a.due_ns);
        if (beats[a.agent]++ == 0)
            first[a.agent] = at;
        if (fabs(at - first[a.agent] - (beats[a.agent] - 1)) > 0.2 + 0.0021)
            fail_msg("beat %u of agent %u has drifted", beats[a.agent], a.agent);
    }
    pacer_fini(&p);
    for (int64_t i = 1; i <= agents; i++)
        assert_in_range(beats[i], beats_each - 1, beats_each + 1);
    free(beats);
    free(first);
}

static void a_day_of_beats_does_not_drift(void **state)
{
    (void)state;
    does_not_drift(50, 2880, 1);
}

static void many_agents_beat_on_even_milliseconds(void **state)
{
    (void)state;
    does_not_drift(10000, 12, 2 * MS);
}

/* Of a fleet that shrinks and grows again, exactly those who are left beat, at their own phases. */
static void who_leaves_a_fleet_does_not_beat(void **state)
{
    struct load l = {.executor = EX_STEPPING,
                     .agents = 300,
                     .interval = (int64_t)S,
                     .stepping = {.of = STEPPING_AGENTS, .max = 300},
                     .max_in_flight = 600};
    static const double sizes[] = {300, 40, 300};
    static uint64_t phases[301];
    struct pacer p;
    struct arrival a;
    uint64_t next;

    (void)state;
    pacer_init(&p, &l, 0, 1, 7);
    pacer_start(&p, 0);
    for (uint64_t k = 0; k < 3; k++) {
        uint64_t from = 10 * k * S, last = 0;
        int n = 0;

        pacer_size(&p, from, sizes[k]);
        for (; pacer_waiting(&p, from + 10 * S) > 0; n++) {
            assert_true(pacer_take(&p, from + 10 * S, &a, &next));
            assert_in_range(a.agent, 1, (uint64_t)sizes[k]);
            assert_true(a.due_ns >= last);
            last = a.due_ns;
            if (k == 0)
                phases[a.agent] = a.due_ns % S;
            assert_true(llabs((int64_t)(a.due_ns % S) - (int64_t)phases[a.agent]) <= 1);
        }
        assert_in_range(n, 10 * (int)sizes[k] - 1, 10 * (int)sizes[k] + 1);
    }
    pacer_fini(&p);
}

static int by_value(const void *a, const void *b)
{
    return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

/* Kolmogorov and Smirnov: first beats are uniform over the interval (critical value at 1%: 1.63).
 */
static void phases_are_uniform(void **state)
{
    struct load l = {.executor = EX_AGENT_FLEET,
                     .agents = 5000,
                     .interval = 30 * (int64_t)S,
                     .ramp = 30 * (int64_t)S,
                     .duration = 90 * (int64_t)S,
                     .max_in_flight = 100};
    static double phase[5000];
    struct pacer p;
    struct arrival a;
    uint64_t next;
    double worst = 0;
    int n = 0;

    (void)state;
    pacer_init(&p, &l, 0, 1, 3);
    pacer_start(&p, 0);
    while (n < 5000 && pacer_take(&p, 100 * S, &a, &next))
        if (a.due_ns >= 30 * S && a.due_ns < 60 * S)
            phase[n++] = (double)(a.due_ns - 30 * S) / 30e9;
    pacer_fini(&p);
    assert_int_equal(n, 5000);
    qsort(phase, 5000, sizeof(phase[0]), by_value);
    for (int i = 0; i < n; i++)
        worst = fmax(worst, fabs(phase[i] - (i + 0.5) / n));
    assert_true(worst * sqrt(n) < 1.63);
}

/* Streams stay open between beats: the fleet is not over when none will fall due any more. */
static void a_fleet_lasts_to_its_end(void **state)
{
    struct load l = {.executor = EX_AGENT_FLEET,
                     .agents = 3,
                     .interval = 3600 * (int64_t)S,
                     .duration = 2 * (int64_t)S,
                     .max_in_flight = 100};
    struct arrival a;
    struct pacer p;
    uint64_t next;

    (void)state;
    pacer_init(&p, &l, 0, 1, 1);
    pacer_start(&p, 0);
    while (pacer_take(&p, S, &a, &next))
        ;
    assert_int_equal(next, UINT64_MAX); /* nothing more is due, and yet */
    assert_false(pacer_exhausted(&p, 2 * S - 1));
    assert_true(pacer_exhausted(&p, 2 * S));
    pacer_start(&p, 0);
    pacer_stop(&p, S);
    assert_true(pacer_exhausted(&p, S));
    pacer_fini(&p);
}

UNIT_GROUP(pacer_fleet, cmocka_unit_test(a_fleet_lasts_to_its_end),
           cmocka_unit_test(every_agent_beats_once_an_interval),
           cmocka_unit_test(a_day_of_beats_does_not_drift),
           cmocka_unit_test(many_agents_beat_on_even_milliseconds),
           cmocka_unit_test(who_leaves_a_fleet_does_not_beat),
           cmocka_unit_test(phases_are_uniform));

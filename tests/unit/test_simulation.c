/*
 * test_simulation.c - how often a verdict is wrong.
 *
 * A run is some seconds of samples of a first-order autoregressive process, with correlation `rho`
 * between neighbours: 0 is a service whose failures are independent, 0.98 at 50 a second one whose
 * stalls last about a second.  Seeds are fixed, so each outcome is the same everywhere.
 */
#include "unit.h"

#include <math.h>
#include <stdio.h>

#include "base/rng.h"
#include "fixture_judge.h"
#include "stats/interval.h"

struct process {
    double rho, state;
    uint64_t seed;
};

/* Box and Muller's method. */
static double normal(uint64_t *seed)
{
    double u = rng_unit(rng_next(seed)), v = rng_unit(rng_next(seed));

    return sqrt(-2 * log1p(-u)) * cos(6.283185307179586 * v);
}

static double process_next(struct process *p)
{
    p->state = p->rho * p->state + sqrt(1 - p->rho * p->rho) * normal(&p->seed);
    return p->state;
}

static void process_begin(struct process *p, double rho, int run)
{
    *p = (struct process){.rho = rho, .seed = rng_hash(20, (uint64_t)run, 1)};
    p->state = normal(&p->seed);
}

struct tally {
    int pass, breach, inconclusive;
};

/* Judges `runs` runs in which a sample fails if the process is above `level`. */
static struct tally simulate_rate(double rho, double level, int seconds, int per_second, int runs,
                                  const char *text, double confidence)
{
    struct tally t = {0};
    struct process p;

    for (int run = 0; run < runs; run++) {
        enum verdict v;

        meter_reset();
        process_begin(&p, rho, run);
        for (int i = 0; i < seconds * per_second; i++)
            meter_rate(&meter, FAILED, 0, TAG_OK, i / per_second, process_next(&p) > level);
        v = judge_verdict(FAILED, text, confidence);
        t.pass += v == VERDICT_PASS;
        t.breach += v == VERDICT_BREACH;
        t.inconclusive += v == VERDICT_INCONCLUSIVE;
    }
    print_message("rho %g, level %g, %d/s: %d pass, %d breach, %d inconclusive\n", rho, level,
                  per_second, t.pass, t.breach, t.inconclusive);
    return t;
}
/* The levels above which a normal value lies with 7.5%, 10%, 12.5%. */
#define LEVEL_BELOW 1.4395314709384563
#define LEVEL_LIMIT 1.2815515655446004
#define LEVEL_ABOVE 1.1503493803760083

static void false_breaches_are_rare(void **state)
{
    static const struct {
        double rho;
        int seconds, per_second;
    } cases[] = {{0, 60, 50}, {0, 5, 50}, {0.9, 60, 50}, {0.9, 10, 50}, {0.98, 60, 50}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tally t = simulate_rate(cases[i].rho, LEVEL_LIMIT, cases[i].seconds,
                                       cases[i].per_second, 500, "rate<10%", 0);

        /* 5%, and two and a half standard deviations of 500 runs. */
        assert_in_range(t.breach, 0, 37);
    }
}

static void a_quarter_beyond_is_found(void **state)
{
    struct tally t;

    (void)state;
    t = simulate_rate(0, LEVEL_ABOVE, 60, 50, 200, "rate<10%", 0);
    assert_in_range(t.breach, 190, 200);
    t = simulate_rate(0.9, LEVEL_ABOVE, 60, 400, 100, "rate<10%", 0);
    assert_in_range(t.breach, 90, 100);
    assert_in_range(t.pass, 0, 2);
    t = simulate_rate(0.9, LEVEL_BELOW, 60, 400, 100, "rate<10%", 0.95);
    assert_in_range(t.pass, 95, 100);
    t = simulate_rate(0.9, LEVEL_ABOVE, 60, 400, 100, "rate<10%", 0.95);
    assert_in_range(t.pass, 0, 0);
}

/* 300 samples, a true error rate of exactly the limit: two failures must not be a breach. */
static void a_service_at_its_limit_does_not_flap(void **state)
{
    int breaches = 0, misses = 0;
    uint64_t seed = 17;

    (void)state;
    for (int run = 0; run < 1000; run++) {
        struct evidence e;

        meter_reset();
        for (int i = 0; i < 300; i++)
            meter_rate(&meter, OK, 0, TAG_OK, i / 10, rng_unit(rng_next(&seed)) >= 0.005);
        e = judge(OK, (struct threshold){0}, "rate>=99.5%", 0, -1);
        misses += e.observed < 0.995;
        breaches += e.verdict == VERDICT_BREACH;
        assert_true(e.verdict != VERDICT_PASS || e.observed >= 0.995);
    }
    assert_in_range(misses, 400, 490);
    assert_in_range(breaches, 0, 30);
}

/* Runs in which the true p(90) lies in the interval, with the design effect and without it. */
static void quantile_intervals_cover(void **state)
{
    const double truth = 50e6 * exp(0.5 * LEVEL_LIMIT);
    int covered = 0, covered_plain = 0, breaches = 0, misses = 0;

    (void)state;
    for (int run = 0; run < 400; run++) {
        struct process p;
        struct evidence e;
        struct series s;
        uint64_t low, high, from, to, ignored;
        char text[64];

        meter_reset();
        process_begin(&p, 0.9, run);
        for (int i = 0; i < 3000; i++)
            meter_trend(&meter, LAT, 0, TAG_OK, i / 50,
                        (uint64_t)(50e6 * exp(0.5 * process_next(&p))));
        snprintf(text, sizeof(text), "p(90)<%.0fns", truth);
        e = judge(LAT, (struct threshold){0}, text, 0, -1);
        assert_true(e.has_interval);
        covered += e.low <= truth && truth <= e.high;
        breaches += e.verdict == VERDICT_BREACH;
        misses += e.observed >= truth;

        series_select(&s, &meter, &(struct selection){LAT, -1, -1, 0, -1});
        interval_ranks(s.n, 0.9, 0.9, 1, &low, &high);
        hist_rank(s.hist, low, &from, &ignored);
        hist_rank(s.hist, high, &ignored, &to);
        covered_plain += (double)from <= truth && truth <= (double)to;
        series_free(&s);
    }
    print_message("p(90): %d of 400 covered, %d with a design effect of 1, %d breaches of %d\n",
                  covered, covered_plain, breaches, misses);
    assert_in_range(covered, 360, 400);
    assert_in_range(covered_plain, 0, 280);
    assert_in_range(breaches, 0, 30);
}

UNIT_GROUP(simulation,
           cmocka_unit_test_setup_teardown(false_breaches_are_rare, judge_begin, judge_end),
           cmocka_unit_test_setup_teardown(a_quarter_beyond_is_found, judge_begin, judge_end),
           cmocka_unit_test_setup_teardown(a_service_at_its_limit_does_not_flap, judge_begin,
                                           judge_end),
           cmocka_unit_test_setup_teardown(quantile_intervals_cover, judge_begin, judge_end))

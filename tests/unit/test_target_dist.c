/* test_target_dist.c - latencies: the grammar, the closed forms, and shares that come out exactly.
 */
#include "unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "target/dist.h"
#include "target/stall.h"
#include "target/strata.h"

#define N    200000
#define MS   1e6
#define SEED 7

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static uint64_t *draw_sorted(const char *text)
{
    uint64_t *v = malloc(N * sizeof(*v));
    struct dist d;
    struct err e;

    assert_true(dist_parse(&d, text, &e));
    for (uint64_t i = 0; i < N; i++)
        v[i] = dist_sample(&d, SEED, i);
    qsort(v, N, sizeof(*v), by_value);
    return v;
}

static double mean_of(const uint64_t *v)
{
    double sum = 0;

    for (int i = 0; i < N; i++)
        sum += (double)v[i];
    return sum / N;
}

static void close_to(double got, double want, double share)
{
    if (fabs(got - want) > fabs(want) * share)
        fail_msg("%g is not within %g%% of %g", got, share * 100, want);
}

static void random_ones_have_their_closed_form(void **state)
{
    static const struct {
        const char *text;
        double mean, median, p99; /* ms; mean 0: not looked at */
    } cases[] = {
        {"5ms", 5, 5, 5},
        {"uniform(1ms,5ms)", 3, 3, 4.96},
        {"exp(5ms)", 5, 3.4657, 23.0259},
        {"normal(10ms,2ms)", 10, 10, 14.6527},
        {"lognormal(5ms,0.5)", 5.66574, 5, 15.9996},
        {"pareto(1ms,3)", 1.5, 1.25992, 4.64159},
        {"pareto(1ms,1.5)", 0, 1.5874, 21.5443}, /* its variance is infinite */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t *v = draw_sorted(cases[i].text);

        if (cases[i].mean > 0)
            close_to(mean_of(v), cases[i].mean * MS, 0.01);
        close_to((double)v[N / 2], cases[i].median * MS, 0.01);
        close_to((double)v[N / 100 * 99], cases[i].p99 * MS, 0.03);
        free(v);
    }
}

static void a_mix_is_exact_in_every_thousand(void **state)
{
    struct dist d;
    struct err e;

    (void)state;
    assert_true(dist_parse(&d, "mix(90% 1ms, 9% 5ms, .9% 50ms, 0.1% uniform(1s,2s))", &e));
    for (uint64_t from = 0; from < 5000; from += 617) { /* any thousand in a row */
        int n1 = 0, n5 = 0, n50 = 0, n1000 = 0;

        for (uint64_t i = from; i < from + 1000; i++) {
            uint64_t v = dist_sample(&d, SEED, i);

            n1 += v == 1000000;
            n5 += v == 5000000;
            n50 += v == 50000000;
            n1000 += v >= 1000000000 && v <= 2000000000;
        }
        assert_int_equal(n1, 900);
        assert_int_equal(n5, 90);
        assert_int_equal(n50, 9);
        assert_int_equal(n1000, 1);
    }
}

static void values_depend_on_seed_and_number_alone(void **state)
{
    struct dist d;
    struct err e;

    (void)state;
    assert_true(dist_parse(&d, "exp(5ms)", &e));
    assert_int_equal(dist_sample(&d, 1, 42), dist_sample(&d, 1, 42));
    assert_int_not_equal(dist_sample(&d, 1, 42), dist_sample(&d, 2, 42));
    assert_int_not_equal(dist_sample(&d, 1, 42), dist_sample(&d, 1, 43));
}

static void no_value_leaves_its_bounds(void **state)
{
    struct dist d;
    struct err e;

    (void)state;
    assert_true(dist_parse(&d, "normal(1ms,10ms)", &e));
    for (uint64_t i = 0; i < 1000; i++)
        assert_true(dist_sample(&d, SEED, i) < (uint64_t)DIST_MAX);
    assert_true(dist_parse(&d, "pareto(1h,0.001)", &e));
    for (uint64_t i = 0; i < 1000; i++)
        assert_int_equal(dist_sample(&d, SEED, i), DIST_MAX);
    assert_int_equal(dist_sample(&(struct dist){0}, SEED, 1), 0);
}

static void mistakes_are_named(void **state)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "is not a distribution"},
        {"5", "\"5\" is not a duration"},
        {"-5ms", "is not a distribution"},
        {"gauss(1ms,2ms)", "\"gauss(1ms,2ms)\" is not a distribution"},
        {"exp(5ms", "is not a distribution"},
        {"exp()", "\"\" is not a duration"},
        {"exp(1ms,2ms)", "is not written like exp(5ms)"},
        {"uniform(1ms)", "is not written like uniform(1ms,5ms)"},
        {"uniform(1ms,2ms,3ms)", "is not written like"},
        {"uniform(5ms,1ms)", "the first duration is above the second"},
        {"lognormal(5ms,1ms)", "\"1ms\" is not a number"},
        {"pareto(1ms,0)", "has to be above 0"},
        {"2h", "longer than an hour"},
        {"mix(50% 1ms, 40% 2ms)", "the shares make 90.0% instead of 100%"},
        {"mix(50% 1ms, 60% 2ms)", "the shares make 110.0%"},
        {"mix(99.95% 1ms, 0.05% 2ms)", "in steps of 0.1%"},
        {"mix(100%)", "is not a share with its latency"},
        {"mix(x 1ms)", "\"x\" is not a share"},
        {"mix(100% mix(100% 1ms))", "is not a distribution"},
        {"mix()", "is not a share with its latency"},
        {"mix(1% 1ms,1% 1ms,1% 1ms,1% 1ms,1% 1ms,1% 1ms,1% 1ms,1% 1ms,1% 1ms,1% 1ms,1% 1ms,"
         "1% 1ms,1% 1ms,1% 1ms,1% 1ms,1% 1ms,84% 1ms)",
         "more than 16 parts"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct dist d = {.count = 77};
        struct err e = {0};

        assert_false(dist_parse(&d, cases[i].text, &e));
        if (!strstr(e.text, cases[i].says))
            fail_msg("%s: \"%s\" does not say \"%s\"", cases[i].text, e.text, cases[i].says);
        assert_int_equal(d.count, 77);
    }
}

static int hits(enum strata_use use, double share, uint64_t from, uint64_t n)
{
    int count = 0;

    for (uint64_t i = from; i < from + n; i++)
        count += strata_hit(use, i, share);
    return count;
}

static void shares_are_exact(void **state)
{
    (void)state;
    assert_int_equal(hits(STRATA_ERROR, 0.01, 0, 1000), 10);
    assert_int_equal(hits(STRATA_ERROR, 0.01, 333, 5000), 50);
    assert_int_equal(hits(STRATA_ERROR, 0.001, 7000, 1000), 1);
    assert_int_equal(hits(STRATA_RESET, 0.0005, 0, 4000), 2); /* half a request per block */
    assert_int_equal(hits(STRATA_ERROR, 1.0 / 3, 0, 30000), 10000);
    assert_int_equal(hits(STRATA_ERROR, 0.0007, 0, 90000), 63); /* 62.99... in binary */
    assert_int_equal(hits(STRATA_ERROR, 0, 0, 1000), 0);
    assert_int_equal(hits(STRATA_ERROR, 1, 0, 1000), 1000);
}

static void uses_are_dealt_apart(void **state)
{
    int both = 0;

    (void)state;
    for (uint64_t i = 0; i < 1000; i++)
        both += strata_hit(STRATA_ERROR, i, 0.1) && strata_hit(STRATA_RESET, i, 0.1);
    assert_in_range(both, 1, 30);
}

static void stalls_come_on_time(void **state)
{
    struct stall s = {.start = 1000};
    struct err e;
    uint64_t sec = 1000000000;

    (void)state;
    assert_int_equal(stall_end(&s, 12345), 12345);
    assert_true(stall_parse(&s, "2s every 10s", &e));
    assert_int_equal(stall_end(&s, 1000), 1000); /* the first begins after a period */
    assert_int_equal(stall_end(&s, 10 * sec + 999), 10 * sec + 999);
    assert_int_equal(stall_end(&s, 10 * sec + 1000), 12 * sec + 1000);
    assert_int_equal(stall_end(&s, 11 * sec), 12 * sec + 1000);
    assert_int_equal(stall_end(&s, 12 * sec + 1000), 12 * sec + 1000);
    assert_int_equal(stall_end(&s, 31 * sec), 32 * sec + 1000);
    assert_int_equal(stall_delayed(&s, 12 * sec + 1000), 12 * sec + 1000);
    assert_int_equal(stall_delayed(&s, 10 * sec + 1000), 12 * sec + 1000);
    for (uint64_t t = 10 * sec + 1000; t < 12 * sec - sec / 1000; t += sec / 1000)
        assert_true(stall_delayed(&s, t) < stall_delayed(&s, t + sec / 1000));
    assert_true(stall_delayed(&s, 12 * sec + 999) < 12 * sec + 1000 + 31 * NS_PER_US);
    assert_false(stall_parse(&s, "2s", &e));
    assert_false(stall_parse(&s, "2s each 10s", &e));
    assert_false(stall_parse(&s, "2s every 10s please", &e));
    assert_false(stall_parse(&s, "0s every 10s", &e));
    assert_false(stall_parse(&s, "10s every 10s", &e));
}

UNIT_GROUP(target_dist, cmocka_unit_test(random_ones_have_their_closed_form),
           cmocka_unit_test(a_mix_is_exact_in_every_thousand),
           cmocka_unit_test(values_depend_on_seed_and_number_alone),
           cmocka_unit_test(no_value_leaves_its_bounds), cmocka_unit_test(mistakes_are_named),
           cmocka_unit_test(shares_are_exact), cmocka_unit_test(uses_are_dealt_apart),
           cmocka_unit_test(stalls_come_on_time))

#include "unit.h"

#include <math.h>

#include "base/mem.h"
#include "base/rng.h"
#include "stats/interval.h"

static void assert_near(double value, double expected, double relative)
{
    if (!(fabs(value - expected) <= relative * fabs(expected)))
        fail_msg("%.15g is not %.15g", value, expected);
}

/* Values by 40-digit arithmetic. */
static void incomplete_beta(void **state)
{
    static const struct {
        double a, b, x, share;
    } cases[] = {
        {1, 299, 0.01, 0.95046374336233753},
        {5, 96, 0.03, 0.18214519392435772},
        {0.5, 4.5, 0.2, 0.83214934394292519},
        {50, 1e6, 5.5e-5, 0.767911038796847},
        {3.3, 0.7, 0.9, 0.55362490625334936},
        {0.001, 5, 0.1, 0.99940921931029425},
        {20, 20, 0.5, 0.5},
        {2, 3, 0.4, 0.5248},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_near(interval_beta(cases[i].a, cases[i].b, cases[i].x), cases[i].share, 1e-9);
        assert_near(1 - interval_beta(cases[i].b, cases[i].a, 1 - cases[i].x), cases[i].share,
                    1e-9);
    }
    assert_true(interval_beta(2, 3, 0) == 0);
    assert_true(interval_beta(2, 3, 1) == 1);
    assert_true(interval_beta(0, 3, 0.5) == 1);
    assert_true(interval_beta(3, 0, 0.5) == 0);
    assert_true(isnan(interval_beta(NAN, 1, 0.5)));
}

static void student(void **state)
{
    (void)state;
    assert_near(interval_student(0.975, 1), 12.706204736174698, 1e-9);
    assert_near(interval_student(0.95, 4), 2.1318467863266495, 1e-9);
    assert_near(interval_student(0.975, 59), 2.0009953780882688, 1e-9);
    assert_near(interval_student(0.6, 3), 0.27667066233268983, 1e-9);
    assert_near(interval_student(0.05, 4), -2.1318467863266495, 1e-9);
    assert_near(interval_student(0.9995, 10), 4.586893858702636, 1e-9);
    assert_near(interval_student(0.975, 1e9), 1.959963986, 1e-8);
    assert_true(interval_student(0.5, 7) == 0);
}

static void binomial_bounds(void **state)
{
    (void)state;
    assert_near(interval_rate_high(0, 299, 0.95), 0.009969146792899, 1e-9);
    assert_true(interval_rate_high(0, 298, 0.95) > 0.01);
    assert_near(interval_rate_high(0, 2995, 0.95), 0.001, 1e-3);
    /* Two-sided 95%: the tables of Clopper and Pearson. */
    assert_near(interval_rate_low(5, 100, 0.975), 0.01643187918, 1e-8);
    assert_near(interval_rate_high(5, 100, 0.975), 0.11283491110, 1e-8);
    assert_near(interval_rate_low(1, 10, 0.975), 0.00252857854, 1e-8);
    assert_near(interval_rate_high(1, 10, 0.975), 0.44501611702, 1e-8);
    assert_near(interval_rate_low(10, 10, 0.975), 0.69150289218, 1e-8);
    assert_near(interval_rate_high(10, 20, 0.975), 0.72804215044, 1e-8);
    assert_true(interval_rate_low(0, 10, 0.95) == 0);
    assert_true(interval_rate_high(10, 10, 0.95) == 1);
    assert_true(interval_rate_low(3, 0, 0.95) == 0);
    assert_true(interval_rate_high(3, 0, 0.95) == 1);
    assert_near(interval_rate_low(12, 10, 0.95), pow(0.05, 0.1), 1e-9);
}

/* Bounds enclose the share, mirror each other, and narrow with n, for fractions as well. */
static void bounds_are_coherent(void **state)
{
    static const double ns[] = {0.7, 3, 47.3, 1e3, 123456.7, 1e9};

    (void)state;
    for (size_t i = 0; i < sizeof(ns) / sizeof(ns[0]); i++)
        for (double p = 1e-9; p < 1; p = p < 0.5 ? p * 7 : 1 - (1 - p) / 7 + 1e-9) {
            double k = p * ns[i], low = interval_rate_low(k, ns[i], 0.95);
            double high = interval_rate_high(k, ns[i], 0.95);

            assert_true(low >= 0 && low < p && p < high && high <= 1);
            assert_true(fabs(low + interval_rate_high(ns[i] - k, ns[i], 0.95) - 1) < 1e-9);
            assert_true(interval_rate_low(k, ns[i], 0.99) <= low);
            assert_true(interval_rate_low(10 * k, 10 * ns[i], 0.95) >= low);
        }
}

static void ranks(void **state)
{
    static const struct {
        uint64_t n;
        double q, phi;
        uint64_t low, high;
    } cases[] = {
        {10000, 0.99, 1, 9880, 9920},
        {10000, 0.999, 1, 9983, 9997},
        {1000000, 0.999, 1, 998938, 999062},
        {368, 0.99, 1, 360, 368},
        {367, 0.99, 1, 359, 368}, /* the second is n + 1: too few */
        {3688, 0.999, 1, 3680, 3688},
        {3, 0.5, 1, 0, 4},
        {100, 0.5, 1, 40, 61},
        {0, 0.5, 1, 0, 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t low, high, wide_low, wide_high;

        interval_ranks(cases[i].n, cases[i].q, 0.95, cases[i].phi, &low, &high);
        assert_int_equal(low, cases[i].low);
        assert_int_equal(high, cases[i].high);
        interval_ranks(cases[i].n, 1 - cases[i].q, 0.95, 1, &wide_low, &wide_high);
        assert_int_equal(wide_low, cases[i].n + 1 - high);
        assert_int_equal(wide_high, cases[i].n + 1 - low);
        interval_ranks(cases[i].n, cases[i].q, 0.95, 4, &wide_low, &wide_high);
        assert_true(wide_low <= low && wide_high >= high);
    }
    /* Four times the variance is twice the width. */
    {
        uint64_t low, high;

        interval_ranks(1000000, 0.999, 0.95, 4, &low, &high);
        assert_in_range(low, 998870, 998882);
        assert_in_range(high, 999118, 999130);
    }
}

static void design_effect(void **state)
{
    double hits[120] = {0}, n[120];
    uint64_t seed = 5;

    (void)state;
    for (int i = 0; i < 120; i++)
        n[i] = 100;
    assert_true(interval_design_effect(hits, n, 120) == 1);
    assert_true(interval_design_effect(n, n, 120) == 1);
    assert_true(interval_design_effect(hits, n, 0) == 1);

    /* All the failures of 12,000 in one second: they count little more than one. */
    hits[40] = 60;
    assert_true(interval_design_effect(hits, n, 120) > 50);
    assert_true(interval_design_effect(hits, n, 120) < 75);
    assert_true(interval_design_effect(hits + 38, n, 4) == 1); /* too few blocks to know */

    /* Perfectly even ones are never counted for more than they are. */
    for (int i = 0; i < 120; i++)
        hits[i] = 1;
    assert_true(interval_design_effect(hits, n, 120) == 1);

    /* Pairs that fail together: a variance of twice the binomial one. */
    {
        double sum = 0;

        for (int run = 0; run < 200; run++) {
            for (int i = 0; i < 120; i++) {
                hits[i] = 0;
                for (int j = 0; j < 50; j++)
                    hits[i] += rng_unit(rng_next(&seed)) < 0.1 ? 2 : 0;
            }
            sum += interval_design_effect(hits, n, 120);
        }
        assert_true(sum / 200 > 1.9 && sum / 200 < 2.6);
    }

    /* 10 or 30 of 100 in six blocks: 7.5, and what six blocks leave open: (t5 / z)^2 at 95%. */
    for (int i = 0; i < 6; i++)
        hits[i] = i % 2 ? 10 : 30;
    assert_near(interval_design_effect(hits, n, 6), 7.5 * pow(2.0150483733 / 1.6448536270, 2),
                1e-6);

    /* Blocks without samples say nothing. */
    for (int i = 0; i < 120; i++)
        hits[i] = i < 60 ? i % 2 * 20 : 0;
    for (int i = 60; i < 120; i++)
        n[i] = 0;
    assert_near(interval_design_effect(hits, n, 120), 1, 0);
}

static void mean(void **state)
{
    double sums[10], n[10], low, high;

    (void)state;
    for (int i = 0; i < 10; i++) {
        n[i] = 5;
        sums[i] = 5 * (i + 1);
    }
    /* 1..10: mean 5.5, deviation 3.02765, t of 9 degrees 1.833113. */
    assert_true(interval_mean(sums, n, 10, 0.95, &low, &high));
    assert_near(low, 5.5 - 1.8331129 * 3.0276504 / sqrt(10), 1e-6);
    assert_near(high, 5.5 + 1.8331129 * 3.0276504 / sqrt(10), 1e-6);
    assert_false(interval_mean(sums, n, 1, 0.95, &low, &high));
    assert_false(interval_mean(sums, n, 0, 0.95, &low, &high));
}

static void samples_needed(void **state)
{
    (void)state;
    assert_int_equal(interval_needed(0.01, 0.95), 299);
    assert_int_equal(interval_needed(0.001, 0.95), 2995);
    assert_int_equal(interval_needed(1 - 0.999, 0.95), 2995);
    assert_int_equal(interval_needed(0.005, 0.95), 598);
    assert_int_equal(interval_needed(0.5, 0.75), 2);
    assert_int_equal(interval_needed(1, 0.95), 1);
    assert_true(interval_needed(0, 0.95) == UINT64_MAX);
}

UNIT_GROUP(interval, cmocka_unit_test(incomplete_beta), cmocka_unit_test(student),
           cmocka_unit_test(binomial_bounds), cmocka_unit_test(bounds_are_coherent),
           cmocka_unit_test(ranks), cmocka_unit_test(design_effect), cmocka_unit_test(mean),
           cmocka_unit_test(samples_needed))

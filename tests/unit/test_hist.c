#include "unit.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "stats/hist.h"

#define SAMPLES 20000

static int ascending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static void buckets_tile_the_range(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < HIST_BUCKETS; i++) {
        uint64_t low = hist_low(i), high = hist_low(i + 1) - 1;

        assert_int_equal(hist_index(low), i);
        assert_int_equal(hist_index(high), i);
        assert_true(high - low <= low / HIST_SUB);
    }
    assert_int_equal(hist_low(HIST_BUCKETS), UINT64_C(1) << 43);
    assert_int_equal(hist_index(UINT64_MAX), HIST_BUCKETS - 1);
}

static double draw(int shape, uint64_t *seed)
{
    double u = rng_unit(rng_next(seed)), v = rng_unit(rng_next(seed));

    switch (shape) {
    case 0:
        return u * 1e9;
    case 1: /* exponential */
        return -1e6 * log1p(-u);
    case 2: /* lognormal */
        return 1e6 * exp(1.5 * sqrt(-2 * log1p(-u)) * cos(6.283185307179586 * v));
    case 3: /* Pareto */
        return 1e5 * pow(1 - u, -1 / 0.9);
    default: /* two modes far apart */
        return (u < 0.9 ? 2e5 : 3e9) * (1 + v / 10);
    }
}

static void quantiles_are_within_one_bucket(void **state)
{
    static const double qs[] = {0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999};
    uint64_t *v = xcalloc(SAMPLES, sizeof(*v)), seed = 7;

    (void)state;
    for (int shape = 0; shape < 5; shape++) {
        struct hist *h = xcalloc(1, sizeof(*h));

        for (int i = 0; i < SAMPLES; i++)
            hist_add(h, v[i] = (uint64_t)draw(shape, &seed));
        qsort(v, SAMPLES, sizeof(*v), ascending);
        for (size_t i = 0; i < sizeof(qs) / sizeof(qs[0]); i++) {
            double truth = (double)v[(int)ceil(qs[i] * SAMPLES - 1e-6) - 1];
            uint64_t low, high;

            assert_true(fabs(hist_quantile(h, qs[i]) - truth) <= truth / HIST_SUB);
            hist_rank(h, (uint64_t)ceil(qs[i] * SAMPLES - 1e-6), &low, &high);
            assert_true((double)low <= truth && truth <= (double)high);
        }
        assert_true(hist_quantile(h, 0) == (double)v[0]);
        assert_true(hist_quantile(h, 1) == (double)v[SAMPLES - 1]);
        assert_int_equal(h->min, v[0]);
        assert_int_equal(h->max, v[SAMPLES - 1]);
        free(h);
    }
    free(v);
}

static void small_values_are_exact(void **state)
{
    struct hist *h = xcalloc(1, sizeof(*h));

    (void)state;
    for (uint64_t v = 1; v <= 100; v++)
        hist_add(h, v);
    for (int p = 1; p <= 100; p++)
        assert_true(hist_quantile(h, p / 100.) == p);
    assert_true(hist_above(h, 99) == 1);
    assert_true(hist_above(h, 1) == 99);
    assert_true(hist_above(h, 0) == 100);
    assert_true(hist_above(h, 100) == 0);
    free(h);
}

static void above_respects_the_extremes(void **state)
{
    struct hist *h = xcalloc(1, sizeof(*h));

    (void)state;
    for (int i = 0; i < 1000; i++)
        hist_add(h, 500000000);
    assert_true(hist_above(h, 500000000) == 0);
    assert_true(hist_above(h, 499999999) == 1000);
    assert_true(hist_quantile(h, 0.5) == 500000000);

    /* Evenly spread samples: the share inside one bucket counts. */
    memset(h, 0, sizeof(*h));
    for (uint64_t v = 1000000; v < 2000000; v++)
        hist_add(h, v);
    for (uint64_t v = 1000000; v < 2000000; v += 12345)
        assert_true(fabs(hist_above(h, v) - (double)(1999999 - v)) < 2);
    free(h);
}

static void extremes_do_no_harm(void **state)
{
    struct hist *h = xcalloc(1, sizeof(*h));
    uint64_t low, high;

    (void)state;
    assert_true(hist_quantile(h, 0.5) == 0);
    assert_true(hist_above(h, 0) == 0);
    hist_rank(h, 1, &low, &high);
    hist_add(h, 0);
    assert_true(hist_quantile(h, 0.5) == 0);
    assert_true(hist_quantile(h, 0.99) == 0);
    hist_add(h, UINT64_MAX);
    hist_add(h, UINT64_C(1) << 50);
    assert_int_equal(h->max, UINT64_MAX);
    assert_true(hist_quantile(h, 1) == (double)UINT64_MAX);
    assert_true(hist_quantile(h, 0.3) == 0);
    assert_true(hist_above(h, UINT64_MAX) == 0);
    hist_rank(h, 0, &low, &high);
    assert_int_equal(high, 0);
    hist_rank(h, 99, &low, &high);
    assert_int_equal(high, UINT64_MAX);
    free(h);
}

static void merging_is_adding(void **state)
{
    struct hist *all = xcalloc(1, sizeof(*all)), *a = xcalloc(1, sizeof(*a));
    struct hist *b = xcalloc(1, sizeof(*b)), *none = xcalloc(1, sizeof(*none));
    uint64_t seed = 3;

    (void)state;
    for (int i = 0; i < SAMPLES; i++) {
        uint64_t v = rng_next(&seed) >> (24 + i % 40);

        hist_add(all, v);
        hist_add(i % 3 ? a : b, v);
    }
    hist_merge(a, none);
    hist_merge(none, b);
    hist_merge(none, a);
    assert_memory_equal(none->count, all->count, sizeof(all->count));
    assert_int_equal(none->total, all->total);
    assert_int_equal(none->min, all->min);
    assert_int_equal(none->max, all->max);
    assert_true(none->sum == all->sum);
    free(all);
    free(a);
    free(b);
    free(none);
}

static void sparse_holds_what_dense_does(void **state)
{
    struct hist *dense = xcalloc(1, sizeof(*dense)), *copy = xcalloc(1, sizeof(*copy));
    struct sparse s = {0}, half = {0};
    uint64_t seed = 11;

    (void)state;
    assert_true(sparse_above(&s, 0, 0, 0) == 0);
    for (int i = 0; i < SAMPLES; i++) {
        uint64_t v = (uint64_t)draw(i % 5, &seed);

        hist_add(dense, v);
        sparse_add(i % 2 ? &s : &half, hist_index(v), 1);
    }
    sparse_merge(&s, &half);
    sparse_add(&s, 5, 0);
    sparse_into(&s, copy);
    assert_memory_equal(copy->count, dense->count, sizeof(dense->count));
    assert_int_equal(copy->total, dense->total);
    assert_true(s.used < s.cap);
    for (uint64_t v = 1; v < UINT64_C(1) << 40; v = v * 3 + 1)
        assert_true(fabs(sparse_above(&s, dense->min, dense->max, v) - hist_above(dense, v)) <
                    1e-6);
    sparse_free(&s);
    sparse_free(&half);
    assert_null(s.cells);
    free(dense);
    free(copy);
}

UNIT_GROUP(hist, cmocka_unit_test(buckets_tile_the_range),
           cmocka_unit_test(quantiles_are_within_one_bucket),
           cmocka_unit_test(small_values_are_exact), cmocka_unit_test(above_respects_the_extremes),
           cmocka_unit_test(extremes_do_no_harm), cmocka_unit_test(merging_is_adding),
           cmocka_unit_test(sparse_holds_what_dense_does))

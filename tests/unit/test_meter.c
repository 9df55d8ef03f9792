#include "unit.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "stats/meter.h"

enum { TREND, COUNTER, RATE, GAUGE, METRICS };

static const struct metric rows[METRICS] = {
    {"t", METRIC_TREND, UNIT_TIME, "a trend"},
    {"c", METRIC_COUNTER, UNIT_NONE, "a counter"},
    {"r", METRIC_RATE, UNIT_RATIO, "a rate"},
    {"g", METRIC_GAUGE, UNIT_NONE, "a gauge"},
};
static const struct metric *const metrics[METRICS] = {&rows[0], &rows[1], &rows[2], &rows[3]};
static const char *const parts[] = {"first", "second"};
static const struct meter_shape shape = {metrics, METRICS, parts, 3};

static void select_all(struct series *s, const struct meter *m, int metric)
{
    series_select(s, m, &(struct selection){metric, -1, -1, 0, -1});
}

static void nothing_is_a_valid_series(void **state)
{
    struct meter m = {0};
    struct series s;

    (void)state;
    meter_init(&m, &shape);
    for (int i = 0; i < METRICS; i++) {
        select_all(&s, &m, i);
        assert_int_equal(s.n, 0);
        assert_int_equal(s.seconds, 0);
        assert_true((s.hist != NULL) == (i == TREND));
        series_free(&s);
        assert_null(meter_cell(&m, i, 0, TAG_OK));
    }
    series_select(&s, &m, &(struct selection){TREND, -1, -1, 5, 8});
    assert_int_equal(s.seconds, 3);
    assert_int_equal(s.from, 5);
    series_free(&s);
    meter_free(&m);
    meter_free(&m);
}

static void slices_are_by_second_part_and_outcome(void **state)
{
    struct meter m;
    struct series s;

    (void)state;
    meter_init(&m, &shape);
    for (int second = 0; second < 200; second++)
        for (int i = 0; i <= second; i++)
            meter_trend(&m, TREND, i % 3, i % 2 ? TAG_FAILED : TAG_OK, second,
                        (uint64_t)(second * 1000 + i));
    assert_int_equal(meter_seconds(&m), 200);
    assert_int_equal(meter_cell(&m, TREND, 0, TAG_OK)->seconds, 200);

    select_all(&s, &m, TREND);
    assert_int_equal(s.n, 200 * 201 / 2);
    assert_int_equal(s.hist->total, s.n);
    assert_true(s.min == 0 && s.max == 199 * 1000 + 199);
    assert_int_equal(s.slices[50].n, 51);
    assert_int_equal(s.slices[50].min, 50000);
    assert_int_equal(s.slices[50].max, 50050);
    series_free(&s);

    series_select(&s, &m, &(struct selection){TREND, 1, TAG_FAILED, 10, 20});
    assert_int_equal(s.from, 10);
    assert_int_equal(s.seconds, 10);
    /* i = 1, 7, 13, 19: up to the second itself. */
    assert_int_equal(s.slices[0].n, 2);
    assert_int_equal(s.slices[9].n, 4);
    assert_true(s.min == 10001 && s.max == 19019);
    assert_int_equal(s.hist->min, 10001);
    series_free(&s);
    meter_free(&m);
}

static void every_type_adds_up(void **state)
{
    struct meter m;
    struct series s;

    (void)state;
    meter_init(&m, &shape);
    for (int i = 0; i < 100; i++) {
        meter_count(&m, COUNTER, 0, TAG_OK, i / 10, 0.5);
        meter_rate(&m, RATE, 0, TAG_OK, i / 10, i % 4 == 0);
        meter_gauge(&m, GAUGE, 0, TAG_OK, i / 10, i - 50);
    }
    select_all(&s, &m, COUNTER);
    assert_true(s.sum == 50 && s.n == 100);
    series_free(&s);
    select_all(&s, &m, RATE);
    assert_true(s.hits == 25 && s.n == 100);
    series_free(&s);
    series_select(&s, &m, &(struct selection){GAUGE, -1, -1, 2, 9});
    assert_true(s.min == -30 && s.max == 39 && s.last == 39 && s.n == 70);
    series_free(&s);
    /* A window may end after the samples do. */
    series_select(&s, &m, &(struct selection){GAUGE, -1, -1, 8, 30});
    assert_true(s.seconds == 22 && s.last == 49 && s.n == 20);
    series_free(&s);
    meter_free(&m);
}

static void senseless_amounts_are_left_out(void **state)
{
    static const double bad[] = {NAN, INFINITY, -INFINITY};
    struct meter m;
    struct series s;

    (void)state;
    meter_init(&m, &shape);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        meter_count(&m, COUNTER, 0, TAG_OK, 0, bad[i]);
        meter_gauge(&m, GAUGE, 0, TAG_OK, 0, bad[i]);
        meter_value(&m, GAUGE, 0, TAG_OK, 0, bad[i]);
    }
    meter_count(&m, COUNTER, 0, TAG_OK, 0, -1);
    meter_value(&m, TREND, 0, TAG_OK, 0, NAN);
    meter_value(&m, TREND, 0, TAG_OK, 0, -0.1);
    for (int i = 0; i < METRICS; i++)
        assert_null(meter_cell(&m, i, 0, TAG_OK));
    meter_value(&m, TREND, 0, TAG_OK, -7, 2.6);
    meter_value(&m, TREND, 0, TAG_OK, 0, 1e300);
    meter_value(&m, GAUGE, 0, TAG_OK, 0, -2.5);
    select_all(&s, &m, TREND);
    assert_true(s.n == 2 && s.min == 3 && s.max == 0x1p63);
    series_free(&s);
    select_all(&s, &m, GAUGE);
    assert_true(s.n == 1 && s.last == -2.5);
    series_free(&s);
    meter_free(&m);
}

static void record(struct meter *m, uint64_t r)
{
    int second = (int)(r >> 8 & 127), part = (int)(r % 3);
    enum tag_outcome o = r >> 4 & 1 ? TAG_OK : TAG_FAILED;

    meter_trend(m, TREND, part, o, second, r >> 30);
    meter_count(m, COUNTER, part, o, second, (double)(r >> 40));
    meter_rate(m, RATE, part, o, second, r >> 20 & 1);
    meter_gauge(m, GAUGE, part, o, second, (double)(int64_t)r);
}

static void assert_same(const struct slice *a, const struct slice *b)
{
    struct hist *x = xcalloc(1, sizeof(*x)), *y = xcalloc(1, sizeof(*y));

    assert_int_equal(a->n, b->n);
    assert_int_equal(a->hits, b->hits);
    assert_int_equal(a->min, b->min);
    assert_int_equal(a->max, b->max);
    assert_true(fabs(a->sum - b->sum) <= 1e-9 * fabs(b->sum));
    sparse_into(&a->dist, x);
    sparse_into(&b->dist, y);
    assert_memory_equal(x, y, sizeof(*x));
    free(x);
    free(y);
}

static void merged_lanes_equal_one_lane(void **state)
{
    struct meter lanes[3], one, merged;
    uint64_t seed = 9;

    (void)state;
    meter_init(&one, &shape);
    meter_init(&merged, &shape);
    for (int i = 0; i < 3; i++)
        meter_init(&lanes[i], &shape);
    for (int i = 0; i < 30000; i++) {
        uint64_t r = rng_next(&seed);

        record(&one, r);
        record(&lanes[i % 3], r);
    }
    for (int i = 0; i < 3; i++)
        meter_merge(&merged, &lanes[i]);
    assert_int_equal(meter_seconds(&merged), 128);
    for (int metric = 0; metric < METRICS; metric++) {
        struct series a, b;

        select_all(&a, &merged, metric);
        select_all(&b, &one, metric);
        assert_int_equal(a.n, b.n);
        assert_int_equal(a.hits, b.hits);
        assert_true(a.min == b.min && a.max == b.max);
        for (int i = 0; i < 128; i++)
            assert_same(&a.slices[i], &b.slices[i]);
        if (metric == TREND)
            assert_memory_equal(a.hist->count, b.hist->count, sizeof(a.hist->count));
        series_free(&a);
        series_free(&b);
    }
    meter_free(&one);
    meter_free(&merged);
    for (int i = 0; i < 3; i++)
        meter_free(&lanes[i]);
}

static void slices_can_be_restored(void **state)
{
    struct meter m;
    struct slice *sl;
    struct series s;

    (void)state;
    meter_init(&m, &shape);
    sl = meter_slice(&m, TREND, 2, TAG_FAILED, 300);
    assert_int_equal(sl->n, 0);
    sl->n = 2;
    sl->min = 5;
    sl->max = 70;
    sl->sum = 75;
    sparse_add(&sl->dist, hist_index(5), 1);
    sparse_add(&sl->dist, hist_index(70), 1);
    select_all(&s, &m, TREND);
    assert_int_equal(s.seconds, 301);
    assert_true(hist_quantile(s.hist, 0.9) == 70);
    series_free(&s);
    meter_free(&m);
}

/* Two steps together are one step that had the samples of both. */
static void joined_series_equal_one_step(void **state)
{
    struct meter a, b, both, empty;
    struct series s, t, want;
    uint64_t rng = 7;

    (void)state;
    meter_init(&a, &shape);
    meter_init(&b, &shape);
    meter_init(&both, &shape);
    meter_init(&empty, &shape);
    for (int i = 0; i < 5000; i++) {
        uint64_t bits = rng_next(&rng), value = 1 + bits % 1000000;
        struct meter *one = bits >> 40 & 1 ? &a : &b;
        int second = one == &a ? i % 20 : 5 + i % 30;
        bool hit = bits >> 50 & 1;

        meter_trend(one, TREND, 0, TAG_OK, second, value);
        meter_trend(&both, TREND, 0, TAG_OK, second, value);
        meter_rate(one, RATE, 0, TAG_OK, second, hit);
        meter_rate(&both, RATE, 0, TAG_OK, second, hit);
        meter_count(one, COUNTER, 0, TAG_OK, second, 2);
        meter_count(&both, COUNTER, 0, TAG_OK, second, 2);
    }
    for (int metric = TREND; metric <= RATE; metric++) {
        select_all(&s, &empty, metric);
        select_all(&t, &a, metric);
        series_join(&s, &t);
        series_free(&t);
        series_select(&t, &b, &(struct selection){metric, -1, -1, 5, -1});
        series_join(&s, &t);
        series_free(&t);
        select_all(&want, &both, metric);
        assert_int_equal(s.n, want.n);
        assert_int_equal(s.hits, want.hits);
        assert_int_equal(s.seconds, want.seconds);
        assert_true(s.sum == want.sum);
        assert_true(s.min == want.min);
        assert_true(s.max == want.max);
        for (int i = 0; i < s.seconds; i++)
            assert_int_equal(s.slices[i].n, want.slices[i].n);
        if (metric == TREND)
            assert_memory_equal(s.hist->count, want.hist->count, sizeof(s.hist->count));
        series_free(&s);
        series_free(&want);
    }
    meter_free(&a);
    meter_free(&b);
    meter_free(&both);
    meter_free(&empty);
}

UNIT_GROUP(meter, cmocka_unit_test(nothing_is_a_valid_series),
           cmocka_unit_test(slices_are_by_second_part_and_outcome),
           cmocka_unit_test(every_type_adds_up), cmocka_unit_test(senseless_amounts_are_left_out),
           cmocka_unit_test(merged_lanes_equal_one_lane),
           cmocka_unit_test(joined_series_equal_one_step), cmocka_unit_test(slices_can_be_restored))

#include "unit.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "fixture_judge.h"

#define MS UINT64_C(1000000)

/* `hits` of `n` spread evenly over 30 seconds. */
static void fill_rate(int metric, int hits, int n)
{
    meter_reset();
    for (int i = 0; i < n; i++)
        meter_rate(&meter, metric, 0, TAG_OK, (int)((int64_t)i * 30 / n),
                   (int64_t)(i + 1) * hits / n > (int64_t)i * hits / n);
}

static void rates(void **state)
{
    static const struct {
        int metric, hits, n;
        const char *text;
        double confidence;
        enum verdict verdict;
        const char *reason;
    } cases[] = {
        {FAILED, 36, 3000, "rate<1%", 0, VERDICT_INCONCLUSIVE,
         "1.2% failed (36 of 3,000), limit 1%: too close to call at 95%"},
        {FAILED, 60, 3000, "rate<1%", 0, VERDICT_BREACH,
         "2% failed (60 of 3,000), limit 1%; the 95% lower bound 1.6% lies beyond it"},
        {FAILED, 60, 3000, "rate<0.01", 0, VERDICT_BREACH, "limit 1%;"},
        {FAILED, 29, 3000, "rate<1%", 0, VERDICT_PASS, "0.967% failed (29 of 3,000), limit 1%"},
        {FAILED, 30, 3000, "rate<1%", 0, VERDICT_INCONCLUSIVE, "too close"},
        {FAILED, 30, 3000, "rate<=1%", 0, VERDICT_PASS, "1% failed (30 of 3,000), limit 1%"},
        {FAILED, 29, 3000, "rate<1%", 0.95, VERDICT_INCONCLUSIVE,
         "; the 95% upper bound 1.32% does not meet it"},
        {FAILED, 10, 3000, "rate<1%", 0.95, VERDICT_PASS, "; the 95% upper bound 0.565% meets it"},
        {FAILED, 0, 298, "rate<1%", 0.95, VERDICT_INCONCLUSIVE,
         "a pass takes 299 independent samples to prove"},
        {FAILED, 0, 299, "rate<1%", 0.95, VERDICT_PASS, "meets it"},
        {FAILED, 0, 299, "rate<1%", 0.99, VERDICT_INCONCLUSIVE, "99% upper bound"},
        {FAILED, 0, 1, "rate==0%", 0.95, VERDICT_PASS, "0% failed (0 of 1), limit 0%"},
        {FAILED, 1, 3000, "rate==0%", 0, VERDICT_BREACH, "0.0333% failed (1 of 3,000), limit 0%"},
        {FAILED, 1, 3000, "rate<=0", 0, VERDICT_BREACH, "(1 of 3,000)"},
        {FAILED, 1, 3000, "rate===0", 0, VERDICT_BREACH, "(1 of 3,000)"},
        {FAILED, 1, 3000, "rate<0.1%", 0, VERDICT_PASS, "(1 of 3,000)"},
        {FAILED, 4, 3000, "rate<0.1%", 0, VERDICT_INCONCLUSIVE, "too close"},
        {FAILED, 3000, 3000, "rate<100%", 0, VERDICT_BREACH, "100% failed"},
        {FAILED, 1500, 3000, "rate!=0.5", 0, VERDICT_BREACH, "limit not 50%"},
        {OK, 2990, 3000, "rate>=99.5%", 0, VERDICT_PASS,
         "99.667% ok (2,990 of 3,000), limit 99.5%"},
        {OK, 2980, 3000, "rate>=99.5%", 0, VERDICT_INCONCLUSIVE, "too close"},
        {OK, 2970, 3000, "rate>=99.5%", 0, VERDICT_BREACH, "the 95% upper bound 99.279%"},
        {OK, 298, 298, "rate>=99%", 0.95, VERDICT_INCONCLUSIVE, "lower bound"},
        {OK, 299, 299, "rate>=99%", 0.95, VERDICT_PASS, "; the 95% lower bound"},
        {OK, 299, 300, "rate>=100%", 0, VERDICT_BREACH, "(299 of 300)"},
        {OK, 0, 300, "rate>0", 0, VERDICT_BREACH, "0% ok"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct evidence e;

        fill_rate(cases[i].metric, cases[i].hits, cases[i].n);
        e = judge(cases[i].metric, (struct threshold){.confidence = cases[i].confidence},
                  cases[i].text, 0, -1);
        if (e.verdict != cases[i].verdict || !strstr(e.reason, cases[i].reason))
            fail_msg("%s: %s: %s", cases[i].text, verdict_names[e.verdict], e.reason);
        assert_true(e.has_value && e.has_interval);
        assert_true(e.low <= e.observed && e.observed <= e.high);
        assert_int_equal(e.n, cases[i].n);
        assert_true(e.hits == cases[i].hits);
        assert_true(e.from == 0 && e.to == (cases[i].n < 30 ? cases[i].n : 30));
    }
}

static void margins(void **state)
{
    (void)state;
    fill_rate(FAILED, 30, 3000);
    assert_true(fabs(judge(FAILED, (struct threshold){0}, "rate<2%", 0, -1).margin - 0.01) < 1e-12);
    assert_true(fabs(judge(FAILED, (struct threshold){0}, "rate>2%", 0, -1).margin + 0.01) < 1e-12);
    assert_true(judge(FAILED, (struct threshold){0}, "rate==0", 0, -1).margin == -0.01);
    assert_true(judge(FAILED, (struct threshold){0}, "rate!=0", 0, -1).margin == 0.01);
}

/* n samples over 30 seconds, of which `slow` last 600 ms and the others 100 ms. */
static void fill_trend(int metric, int slow, int n, uint64_t fast_ns, uint64_t slow_ns)
{
    meter_reset();
    for (int i = 0; i < n; i++)
        meter_trend(&meter, metric, 0, TAG_OK, (int)((int64_t)i * 30 / n),
                    (int64_t)(i + 1) * slow / n > (int64_t)i * slow / n ? slow_ns : fast_ns);
}

static void quantiles(void **state)
{
    static const struct {
        int slow, n;
        const char *text;
        double confidence;
        enum verdict verdict;
        const char *reason;
    } cases[] = {
        {60, 3000, "p(99)<500ms", 0, VERDICT_BREACH,
         "p(99) is 600ms, limit 500ms; the 95% lower bound 600ms lies beyond it (n 3,000)"},
        {36, 3000, "p(99)<500ms", 0, VERDICT_INCONCLUSIVE,
         "p(99) is 600ms, limit 500ms: too close to call at 95% (n 3,000)"},
        {30, 3000, "p(99)<500ms", 0, VERDICT_PASS, "p(99) is 100ms, limit 500ms (n 3,000)"},
        {31, 3000, "p(99)<500", 0, VERDICT_INCONCLUSIVE, "limit 500ms"},
        {10, 3000, "p(99)<500ms", 0.95, VERDICT_PASS, "; the 95% upper bound 100ms meets it"},
        {29, 3000, "p(99)<500ms", 0.95, VERDICT_INCONCLUSIVE, "upper bound 600ms does not meet it"},
        {0, 298, "p(99)<500ms", 0.95, VERDICT_INCONCLUSIVE,
         "; no 95% bound can be had, and a pass takes 299 independent samples to prove (n 298)"},
        {0, 299, "p(99)<500ms", 0.95, VERDICT_PASS, "meets it"},
        {1, 100, "p(99.9)<500ms", 0, VERDICT_INCONCLUSIVE, "too close"},
        {100, 100, "p(99.9)<500ms", 0, VERDICT_BREACH, "lower bound 600ms"},
        {1, 1, "p(90)<500ms", 0, VERDICT_INCONCLUSIVE, "(n 1)"},
        {2000, 3000, "med<500ms", 0, VERDICT_BREACH, "med is 600ms"},
        {3000, 3000, "p(5)>500ms", 0.95, VERDICT_PASS, "; the 95% lower bound 600ms meets it"},
        {2000, 3000, "p(5)>500ms", 0, VERDICT_BREACH, "; the 95% upper bound 100ms lies beyond"},
        {2840, 3000, "p(5)>=500ms", 0, VERDICT_INCONCLUSIVE, "too close"},
        {1, 3000, "p(100)<500ms", 0, VERDICT_BREACH, "p(100) is 600ms, limit 500ms (n 3,000)"},
        {1, 3000, "max<500ms", 0, VERDICT_BREACH, "max is 600ms"},
        {1, 3000, "max<=600ms", 0, VERDICT_PASS, "max is 600ms"},
        {2999, 3000, "min>=100ms", 0, VERDICT_PASS, "min is 100ms"},
        {1, 3000, "max<599.9999ms", 0, VERDICT_BREACH, "max is 600ms, limit 599.9999ms"},
        {30, 3000, "count>=3000", 0, VERDICT_PASS, "count is 3,000"},
        {0, 3000, "p(50)==100ms", 0, VERDICT_PASS, "p(50) is 100ms"},
        {0, 3000, "med!=100ms", 0, VERDICT_BREACH, "limit not 100ms"},
        {0, 3000, "p(99)<=100ms", 0.95, VERDICT_PASS, "upper bound 100ms meets it"},
        {0, 3000, "p(99)<100ms", 0, VERDICT_BREACH, "lower bound 100ms lies beyond it"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct evidence e;

        fill_trend(LAT, cases[i].slow, cases[i].n, 100 * MS, 600 * MS);
        e = judge(LAT, (struct threshold){.confidence = cases[i].confidence}, cases[i].text, 0, -1);
        if (e.verdict != cases[i].verdict || !strstr(e.reason, cases[i].reason))
            fail_msg("%s: %s: %s", cases[i].text, verdict_names[e.verdict], e.reason);
        if (e.has_interval)
            assert_true(e.low <= e.observed && e.observed <= e.high && isfinite(e.high));
    }
}

/* Whole numbers below 256 are exact, so "less than" and "at most" must differ. */
static void small_numbers(void **state)
{
    (void)state;
    fill_trend(SIZE, 60, 3000, 5, 6);
    assert_int_equal(judge_verdict(SIZE, "p(99)<=5", 0), VERDICT_BREACH);
    assert_int_equal(judge_verdict(SIZE, "p(99)<=6", 0.95), VERDICT_PASS);
    assert_int_equal(judge_verdict(SIZE, "p(99)<6", 0), VERDICT_BREACH);
    assert_int_equal(judge_verdict(SIZE, "p(95)<6", 0.95), VERDICT_PASS);
    assert_int_equal(judge_verdict(SIZE, "p(1)>=5", 0.95), VERDICT_PASS);
    assert_int_equal(judge_verdict(SIZE, "p(1)>5", 0), VERDICT_BREACH);
}

/* A limit inside the bucket that also holds the quantile cannot be told from it. */
static void a_bucket_never_makes_a_breach(void **state)
{
    uint64_t low = hist_low(hist_index(500 * MS)), high = hist_low(hist_index(500 * MS) + 1);
    uint64_t seed = 4;

    (void)state;
    for (int i = 0; i < 30000; i++)
        meter_trend(&meter, LAT, 0, TAG_OK, i / 1000,
                    low + (uint64_t)(rng_unit(rng_next(&seed)) * (double)(high - low)));
    for (int i = 1; i < 20; i++) {
        char text[64];

        snprintf(text, sizeof(text), "p(90)<%.3fus",
                 ((double)low + (double)(high - low) * i / 20) / 1e3);
        assert_int_not_equal(judge_verdict(LAT, text, 0), i < 18 ? VERDICT_PASS : VERDICT_BREACH);
        assert_int_not_equal(judge_verdict(LAT, text, 0), VERDICT_BREACH);
    }
}

static void no_samples_are_no_pass(void **state)
{
    static const char *const texts[] = {"p(99)<500ms", "avg<1s", "count<10", "max<1s"};
    struct evidence e;

    (void)state;
    meter_rate(&meter, FAILED, 0, TAG_OK, 7, false);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        e = judge(LAT, (struct threshold){0}, texts[i], 2, 8);
        assert_int_equal(e.verdict, VERDICT_INCONCLUSIVE);
        assert_false(e.has_value);
        assert_string_equal(e.reason, "op_duration has no samples from second 2 to 8");
    }
    e = judge(OK, (struct threshold){.on_no_data = NO_DATA_FAIL}, "rate>0.5", 0, -1);
    assert_int_equal(e.verdict, VERDICT_BREACH);
    e = judge(GAUGE, (struct threshold){.on_no_data = NO_DATA_PASS}, "value>5", 3, 3);
    assert_int_equal(e.verdict, VERDICT_PASS);
    assert_string_equal(e.reason, "vus has no samples");
}

static void min_samples(void **state)
{
    struct threshold t = {.min_samples = 100};
    struct evidence e;

    (void)state;
    fill_rate(FAILED, 99, 99);
    e = judge(FAILED, t, "rate<1%", 0, -1);
    assert_int_equal(e.verdict, VERDICT_INCONCLUSIVE);
    assert_true(e.observed == 1);
    assert_non_null(strstr(e.reason, "99 of the 100 samples asked for (min_samples); 100% failed"));
    fill_rate(FAILED, 100, 100);
    assert_int_equal(judge(FAILED, t, "rate<1%", 0, -1).verdict, VERDICT_BREACH);
}

static void counters_and_gauges_are_facts(void **state)
{
    struct evidence e;

    (void)state;
    e = judge(COUNT, (struct threshold){0}, "count==0", 0, -1);
    assert_int_equal(e.verdict, VERDICT_PASS);
    assert_true(e.has_value && e.observed == 0 && !e.has_interval);
    assert_int_equal(judge_verdict(COUNT, "count>=10", 0.95), VERDICT_BREACH);
    for (int i = 0; i < 30; i++) {
        meter_count(&meter, COUNT, 0, TAG_OK, i / 3, 2);
        meter_gauge(&meter, GAUGE, 0, TAG_OK, i / 3, i - 2);
    }
    meter_rate(&meter, OK, 0, TAG_OK, 19, true); /* the step lasted 20 seconds */
    e = judge(COUNT, (struct threshold){0}, "count==60", 0, -1);
    assert_int_equal(e.verdict, VERDICT_PASS);
    assert_string_equal(e.reason, "count is 60, limit 60");
    e = judge(COUNT, (struct threshold){0}, "rate>=4/s", 0, -1);
    assert_int_equal(e.verdict, VERDICT_BREACH);
    assert_string_equal(e.reason, "rate is 3/s, limit 4/s");
    assert_true(judge(COUNT, (struct threshold){0}, "rate>=4/s", 0, 10).observed == 6);
    assert_int_equal(judge_verdict(GAUGE, "value==27", 0.95), VERDICT_PASS);
    assert_int_equal(judge_verdict(GAUGE, "max<=27", 0), VERDICT_PASS);
    assert_int_equal(judge_verdict(GAUGE, "min>-2", 0), VERDICT_BREACH);
}

static void averages(void **state)
{
    struct evidence e;
    uint64_t seed = 8;

    (void)state;
    for (int i = 0; i < 3000; i++)
        meter_trend(&meter, LAT, 0, TAG_OK, i / 100, (uint64_t)(rng_unit(rng_next(&seed)) * 200e6));
    e = judge(LAT, (struct threshold){0}, "avg<50ms", 0, -1);
    assert_int_equal(e.verdict, VERDICT_BREACH);
    assert_true(e.has_interval && e.low < 100e6 && e.high > 100e6 && e.high - e.low < 8e6);
    assert_non_null(strstr(e.reason, "lies beyond it (n 3,000)"));
    assert_int_equal(judge_verdict(LAT, "avg<99ms", 0), VERDICT_INCONCLUSIVE);
    assert_int_equal(judge_verdict(LAT, "avg<101ms", 0), VERDICT_PASS);
    assert_int_equal(judge_verdict(LAT, "avg<101ms", 0.95), VERDICT_INCONCLUSIVE);
    assert_int_equal(judge_verdict(LAT, "avg<110ms", 0.95), VERDICT_PASS);
    assert_int_equal(judge_verdict(LAT, "avg>110ms", 0), VERDICT_BREACH);
    e = judge(LAT, (struct threshold){0}, "avg<50ms", 0, 1);
    assert_int_equal(e.verdict, VERDICT_INCONCLUSIVE);
    assert_non_null(strstr(e.reason, "too few seconds"));
}

/* A time-out is only known to have taken longer: below the limit it proves nothing for a pass. */
static void lower_bounds_do_not_prove_a_pass(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++)
        meter_trend(&meter, LAT, 0, i % 10 ? TAG_OK : TAG_FAILED, i / 100, 200000000);
    assert_int_equal(judge_verdict(LAT, "p(50)<500ms", 0), VERDICT_PASS);
    assert_int_equal(judge_verdict(LAT, "p(95)<500ms", 0), VERDICT_INCONCLUSIVE);
    assert_int_equal(judge_verdict(LAT, "max<500ms", 0), VERDICT_INCONCLUSIVE);
    assert_int_equal(judge_verdict(LAT, "p(95)>100ms", 0), VERDICT_PASS);
    assert_int_equal(judge_verdict(LAT, "p(95)<100ms", 0), VERDICT_BREACH);
}

static void bursts_count_for_less(void **state)
{
    struct evidence e;

    (void)state;
    /* 60 of 3,000 failures: spread out a breach of 1%, in one second of 30 no proof of anything. */
    for (int i = 0; i < 3000; i++)
        meter_rate(&meter, FAILED, 0, TAG_OK, i / 100, i / 100 == 12 && i % 100 < 60);
    e = judge(FAILED, (struct threshold){0}, "rate<1%", 0, -1);
    assert_int_equal(e.verdict, VERDICT_INCONCLUSIVE);
    assert_true(e.phi > 30);
    assert_non_null(strstr(e.reason, "independent ones)"));
}

UNIT_GROUP(judge, cmocka_unit_test_setup_teardown(rates, judge_begin, judge_end),
           cmocka_unit_test_setup_teardown(lower_bounds_do_not_prove_a_pass, judge_begin,
                                           judge_end),
           cmocka_unit_test_setup_teardown(margins, judge_begin, judge_end),
           cmocka_unit_test_setup_teardown(quantiles, judge_begin, judge_end),
           cmocka_unit_test_setup_teardown(small_numbers, judge_begin, judge_end),
           cmocka_unit_test_setup_teardown(a_bucket_never_makes_a_breach, judge_begin, judge_end),
           cmocka_unit_test_setup_teardown(no_samples_are_no_pass, judge_begin, judge_end),
           cmocka_unit_test_setup_teardown(min_samples, judge_begin, judge_end),
           cmocka_unit_test_setup_teardown(counters_and_gauges_are_facts, judge_begin, judge_end),
           cmocka_unit_test_setup_teardown(averages, judge_begin, judge_end),
           cmocka_unit_test_setup_teardown(bursts_count_for_less, judge_begin, judge_end))

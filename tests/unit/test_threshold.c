#include "unit.h"

#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "stats/threshold.h"

static const struct metric time_trend = {"lat", METRIC_TREND, UNIT_TIME, "x"};
static const struct metric size_trend = {"size", METRIC_TREND, UNIT_BYTES, "x"};
static const struct metric counter = {"hits", METRIC_COUNTER, UNIT_NONE, "x"};
static const struct metric bytes = {"data", METRIC_COUNTER, UNIT_BYTES, "x"};
static const struct metric gauge = {"vus", METRIC_GAUGE, UNIT_NONE, "x"};
static const struct metric ratio = {"held", METRIC_GAUGE, UNIT_RATIO, "x"};
static const struct metric pace = {"pace", METRIC_GAUGE, UNIT_PER_SECOND, "x"};
static const struct metric rate = {"failed", METRIC_RATE, UNIT_RATIO, "x"};

static struct arena arena;

static int release(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static const struct {
    const char *text;
    const struct metric *m;
    enum aggregation agg;
    double quantile;
    enum comparison cmp;
    double limit;
} accepted[] = {
    {"p(99)<500", &time_trend, AGG_P, 0.99, CMP_LT, 500e6},
    {"p(99.9) <= 500ms", &time_trend, AGG_P, 0.999, CMP_LE, 500e6},
    {" p(95)<1s ", &time_trend, AGG_P, 0.95, CMP_LT, 1e9},
    {"p(0)>1us", &time_trend, AGG_P, 0, CMP_GT, 1e3},
    {"p(100)<1.5m", &time_trend, AGG_P, 1, CMP_LT, 90e9},
    {"p( 1e1 )<1h", &time_trend, AGG_P, 0.1, CMP_LT, 3600e9},
    {"avg<20", &time_trend, AGG_AVG, 0, CMP_LT, 20e6},
    {"med\t<\t7ns", &time_trend, AGG_MED, 0.5, CMP_LT, 7},
    {"min>0.5", &time_trend, AGG_MIN, 0, CMP_GT, 5e5},
    {"max<=250 ms", &time_trend, AGG_MAX, 0, CMP_LE, 250e6},
    {"max<3\u00b5s", &time_trend, AGG_MAX, 0, CMP_LT, 3e3},
    {"count>=10", &time_trend, AGG_COUNT, 0, CMP_GE, 10},
    {"p(50)<64KiB", &size_trend, AGG_P, 0.5, CMP_LT, 65536},
    {"max<=1MiB", &size_trend, AGG_MAX, 0, CMP_LE, 1048576},
    {"max<=12B", &size_trend, AGG_MAX, 0, CMP_LE, 12},
    {"count>=10000", &counter, AGG_COUNT, 0, CMP_GE, 10000},
    {"count===0", &counter, AGG_COUNT, 0, CMP_EQ, 0},
    {"count==+1e3", &counter, AGG_COUNT, 0, CMP_EQ, 1000},
    {"count!=.5", &counter, AGG_COUNT, 0, CMP_NE, 0.5},
    {"rate>100/s", &counter, AGG_RATE, 0, CMP_GT, 100},
    {"rate>90/m", &counter, AGG_RATE, 0, CMP_GT, 1.5},
    {"rate>100", &counter, AGG_RATE, 0, CMP_GT, 100},
    {"count<5GiB", &bytes, AGG_COUNT, 0, CMP_LT, 5368709120.},
    {"rate<2KiB/s", &bytes, AGG_RATE, 0, CMP_LT, 2048},
    {"value>-5", &gauge, AGG_VALUE, 0, CMP_GT, -5},
    {"min>=3", &gauge, AGG_MIN, 0, CMP_GE, 3},
    {"value>=90%", &ratio, AGG_VALUE, 0, CMP_GE, 0.9},
    {"max<6/m", &pace, AGG_MAX, 0, CMP_LT, 0.1},
    {"rate<0.01", &rate, AGG_RATE, 0, CMP_LT, 0.01},
    {"rate<0.1%", &rate, AGG_RATE, 0, CMP_LT, 0.001},
    {"rate>=99.5%", &rate, AGG_RATE, 0, CMP_GE, 0.995},
    {"rate==0%", &rate, AGG_RATE, 0, CMP_EQ, 0},
    {"rate<=0", &rate, AGG_RATE, 0, CMP_LE, 0},
    {"rate>=1", &rate, AGG_RATE, 0, CMP_GE, 1},
    {"rate>0", &rate, AGG_RATE, 0, CMP_GT, 0},
};

static void expressions(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++) {
        struct threshold t = {.confidence = 0.9, .line = 7};
        struct err e = {""};

        if (!threshold_parse(&t, accepted[i].text, &arena, &e) ||
            !threshold_check(&t, accepted[i].m, &e))
            fail_msg("%s", e.text);
        assert_int_equal(t.agg, accepted[i].agg);
        assert_int_equal(t.cmp, accepted[i].cmp);
        assert_true(fabs(t.quantile - accepted[i].quantile) < 1e-15);
        if (t.limit != accepted[i].limit)
            fail_msg("%s: %.17g", accepted[i].text, t.limit);
        assert_true(t.confidence == 0.9 && t.line == 7);
    }
}

static void nonsense_is_refused(void **state)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "no comparison"},
        {"p(99)", "no comparison"},
        {"p(99)=5", "no comparison"},
        {"p(99)!5", "no comparison"},
        {"<5", "no aggregation \"\""},
        {"p99<5", "no aggregation \"p99\""},
        {"AVG<5", "no aggregation"},
        {"avg <", "no limit"},
        {"avg<x", "not a number"},
        {"avg<ms", "not a number"},
        {"avg<==5", "not a number"},
        {"avg====5", "not a number"},
        {"avg<nan", "not a number"},
        {"avg<inf", "not a number"},
        {"avg<0x10", "not a number"},
        {"avg<-0x10", "not a number"},
        {"avg<1e999", "not a number"},
        {"avg<..5", "not a number"},
        {"avg<--5", "not a number"},
        {"avg<- 5", "not a number"},
        {"p()<5", "not a quantile"},
        {"p(NaN)<5", "not a quantile"},
        {"p(99<5", "not a quantile"},
        {"p(99))<5", "not a quantile"},
        {"p(9 9)<5", "not a quantile"},
        {"p(-1)<5", "between 0 and 100"},
        {"p(100.1)<5", "between 0 and 100"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct threshold t = {0};
        struct err e = {""};

        if (threshold_parse(&t, cases[i].text, &arena, &e))
            fail_msg("\"%s\" was accepted", cases[i].text);
        if (!strstr(e.text, cases[i].message))
            fail_msg("\"%s\": %s", cases[i].text, e.text);
    }
}

static void misfits_are_found(void **state)
{
    static const struct {
        const char *text;
        const struct metric *m;
        const char *message;
    } cases[] = {
        {"rate<5", &time_trend, "lat is a trend, which has avg, min, max, med, p(N) and count"},
        {"value<5", &counter, "hits is a counter, which has count and rate"},
        {"avg<5", &gauge, "vus is a gauge, which has value, min and max"},
        {"count<5", &rate, "failed is a rate, which has rate"},
        {"p(99)<5%", &time_trend, "\"%\" is not a unit of lat (try ns"},
        {"p(99)<5 parsecs", &time_trend, "\"parsecs\" is not a unit"},
        {"p(99)<1m30s", &time_trend, "\"m30s\" is not a unit"},
        {"count<5ms", &time_trend, "it is a plain number"},
        {"count<5/s", &counter, "it is a plain number"},
        {"rate<5ms", &rate, "try % or a share"},
        {"rate<5%", &counter, "try /s"},
        {"p(99)<1e308h", &time_trend, "too large"},
        {"rate<=100%", &rate, "is always true: failed is never below 0 or above 100%"},
        {"rate<150%", &rate, "always true"},
        {"rate<5", &rate, "always true"}, /* 500%, where 5% was meant */
        {"rate>=0", &rate, "always true"},
        {"rate!=-1", &rate, "always true"},
        {"rate<0", &rate, "always false"},
        {"rate>100%", &rate, "always false"},
        {"rate>=101%", &rate, "always false"},
        {"rate==2", &rate, "always false"},
        {"p(95)>=0", &time_trend, "is always true: lat is never below 0"},
        {"p(95)<0", &time_trend, "always false"},
        {"avg<=-1", &time_trend, "always false"},
        {"max>-1", &time_trend, "always true"},
        {"count>=0", &counter, "always true"},
        {"count==-1", &counter, "always false"},
        {"value<0", &ratio, "always false"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct threshold t = {0};
        struct err e = {""};

        if (!threshold_parse(&t, cases[i].text, &arena, &e))
            fail_msg("%s", e.text);
        if (threshold_check(&t, cases[i].m, &e))
            fail_msg("\"%s\" was accepted", cases[i].text);
        if (!strstr(e.text, cases[i].message))
            fail_msg("\"%s\": %s", cases[i].text, e.text);
    }
}

static void selectors(void **state)
{
    struct selector s;
    struct err e;

    (void)state;
    assert_true(selector_parse(&s, " op_ok ", &arena, &e));
    assert_string_equal(s.metric, "op_ok");
    assert_int_equal(s.tag_count, 0);
    assert_true(selector_parse(&s, "op_ok{step:control}", &arena, &e));
    assert_string_equal(s.metric, "op_ok");
    assert_string_equal(s.tags[0].name, "step");
    assert_string_equal(s.tags[0].value, "control");
    assert_true(selector_parse(&s, "m{ url: http://a:80/x , \"b\":'c d' } ", &arena, &e));
    assert_int_equal(s.tag_count, 2);
    assert_string_equal(s.tags[0].name, "url");
    assert_string_equal(s.tags[0].value, "http://a:80/x");
    assert_string_equal(s.tags[1].name, "b");
    assert_string_equal(s.tags[1].value, "c d");
}

static void broken_selectors(void **state)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "names no metric"},
        {"{a:b}", "names no metric"},
        {"m{a:b", "unmatched brace"},
        {"m}a:b{", "unmatched brace"},
        {"m a:b}", "unmatched brace"},
        {"m{a:b}x", "goes on after"},
        {"m{}", "tag:value"},
        {"m{a}", "\"a\" is not of the form tag:value"},
        {"m{a:b,}", "tag:value"},
        {"m{a:}", "tag \"a\" has no value"},
        {"m{:b}", "without a name"},
        {"m{a:b,a:c}", "tag \"a\" twice"},
        {"m{a:1,b:1,c:1,d:1,e:1,f:1,g:1,h:1,i:1}", "more than 8 tags"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct selector s;
        struct err e = {""};

        if (selector_parse(&s, cases[i].text, &arena, &e))
            fail_msg("\"%s\" was accepted", cases[i].text);
        if (!strstr(e.text, cases[i].message))
            fail_msg("\"%s\": %s", cases[i].text, e.text);
    }
}

static void samples_needed(void **state)
{
    static const struct {
        const char *text;
        const struct metric *m;
        uint64_t n;
    } cases[] = {
        {"p(99)<1s", &time_trend, 299}, {"p(99.9)<1s", &time_trend, 2995},
        {"p(1)>1ms", &time_trend, 299}, {"med<1s", &time_trend, 5},
        {"max<1s", &time_trend, 0},     {"rate<0.1%", &rate, 2995},
        {"rate>=99.5%", &rate, 598},    {"rate==0%", &rate, 0},
        {"rate<=0", &rate, 0},          {"count<5", &counter, 0},
        {"p(100)<1s", &time_trend, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct threshold t = {0};
        struct err e;

        assert_true(threshold_parse(&t, cases[i].text, &arena, &e));
        assert_true(threshold_check(&t, cases[i].m, &e));
        assert_int_equal(threshold_needs(&t, cases[i].m, 0.95), cases[i].n);
    }
}

UNIT_GROUP(threshold, cmocka_unit_test_teardown(expressions, release),
           cmocka_unit_test_teardown(nonsense_is_refused, release),
           cmocka_unit_test_teardown(misfits_are_found, release),
           cmocka_unit_test_teardown(selectors, release),
           cmocka_unit_test_teardown(broken_selectors, release),
           cmocka_unit_test_teardown(samples_needed, release))

/* The Prometheus text format, selectors, quantiles, and what two readings amount to. */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "driver/scrape.h"
#include "net/prom.h"

static struct arena arena;

static int end(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static bool one(const char *line, struct prom_sample *s)
{
    struct prom r;

    prom_init(&r, line, strlen(line));
    return prom_next(&r, s);
}

static void samples_are_read(void **state)
{
    const char *text =
        "# HELP a x\n\n a 1\r\nb{} 2 1700000000\nc:d{x=\"1\", y=\"a\\\\b\\\"}\\n\",} "
        "+Inf # {id=\"7\"} 3\nd{le=\"0.5\"} NaN";
    struct prom_sample s;
    struct prom r;
    char value[16];

    (void)state;
    prom_init(&r, text, strlen(text));
    assert_true(prom_next(&r, &s) && s.value == 1 && s.name_len == 1 && r.line == 3);
    assert_true(prom_next(&r, &s) && s.value == 2);
    assert_true(prom_next(&r, &s) && isinf(s.value));
    assert_true(prom_label(&s, "y", value, sizeof(value)));
    assert_string_equal(value, "a\\b\"}\n");
    assert_false(prom_label(&s, "y", value, 6));
    assert_false(prom_label(&s, "z", value, sizeof(value)));
    assert_true(prom_next(&r, &s) && isnan(s.value));
    assert_false(prom_next(&r, &s));
    assert_null(r.why);
}

static void what_is_not_of_the_format_is_refused(void **state)
{
    static const char *const bad[] = {"1a 1",
                                      "a",
                                      "a x",
                                      "a{x} 1",
                                      "a{x=\"1} 1",
                                      "a{x=1} 1",
                                      "a{x=\"1\"",
                                      "a 0x10",
                                      "a{x=\"1\"y=\"2\"} 1",
                                      "a{x=\"\n\"} 1",
                                      "a 1e",
                                      "{} 1",
                                      "{\"a\" 1",
                                      "a{\"b\"} 1",
                                      "{x=\"1\",\"a\"} 1",
                                      "{\"a\",\"b\"} 1",
                                      "a 1 x",
                                      "a 1 2 3",
                                      "a{x!=\"1\"} 1"};
    struct prom_sample s;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(one(bad[i], &s));
}

static void names_may_stand_in_quotes(void **state)
{
    const char *text = "{\"my.metric\",\"a label\"=\"x\"} 3\n{ \"a\\\"b\" , } 4 1.5 # {t=\"1\"} 2\n"
                       "# EOF\nafter the end\n";
    struct prom_selector sel;
    struct prom_sample s;
    struct prom r;
    struct err e;

    (void)state;
    prom_init(&r, text, strlen(text));
    assert_true(prom_next(&r, &s) && s.value == 3);
    assert_true(prom_selector(&sel, "{\"my.metric\",\"a label\"=\"x\"}", &arena, &e) && sel.utf8);
    assert_true(prom_matches(&sel, "", &s));
    assert_true(prom_selector(&sel, "{\"my.metric\",\"a label\"=\"y\"}", &arena, &e));
    assert_false(prom_matches(&sel, "", &s));
    assert_true(prom_selector(&sel, "{\"my.\"}", &arena, &e) && prom_matches(&sel, "metric", &s));
    assert_true(prom_next(&r, &s) && s.value == 4);
    assert_true(prom_selector(&sel, "{\"a\\\"b\"}", &arena, &e) && prom_matches(&sel, "", &s));
    assert_false(prom_next(&r, &s));
    assert_null(r.why);
    assert_false(prom_selector(&sel, "a{\"b\"}", &arena, &e));
    assert_false(prom_selector(&sel, "{x=\"1\"}", &arena, &e));
}

static bool chosen(const char *selector, const char *line)
{
    struct prom_selector sel;
    struct prom_sample s;
    struct err e;

    assert_true(prom_selector(&sel, selector, &arena, &e));
    assert_true(one(line, &s));
    return prom_matches(&sel, "", &s);
}

static void selectors_have_the_operators_of_promql(void **state)
{
    struct prom_selector sel;
    struct err e;

    (void)state;
    assert_true(chosen("n{code=~\"5..\"}", "n{code=\"503\"} 1"));
    assert_false(chosen("n{code=~\"5.\"}", "n{code=\"503\"} 1"));
    assert_true(chosen("n{code!~\"5..|4..\"}", "n{code=\"200\"} 1"));
    assert_false(chosen("n{code!~\"5..|4..\"}", "n{code=\"404\"} 1"));
    assert_true(chosen("n{code!=\"200\"}", "n{code=\"500\"} 1"));
    assert_false(chosen("n{code != \"200\" , }", "n{code=\"200\"} 1"));
    /* A label that is not there is empty. */
    assert_true(chosen("n{code=\"\"}", "n 1"));
    assert_true(chosen("n{code!=\"200\"}", "n 1"));
    assert_true(chosen("n{path=\"a\\\\b\\n\"}", "n{path=\"a\\\\b\\n\"} 1"));
    assert_false(prom_selector(&sel, "n{code=~\"(\"}", &arena, &e));
    assert_non_null(strstr(e.text, "not a pattern"));
    assert_false(prom_selector(&sel, "n{code=\"1\"", &arena, &e));
    assert_false(prom_selector(&sel, "n{code=\"1\"}x", &arena, &e));
    assert_false(prom_selector(&sel, "n{code=\"1\" a=\"2\"}", &arena, &e));
}

static void selectors_choose_by_name_and_labels(void **state)
{
    struct prom_selector sel;
    struct prom_sample s;
    struct err e;

    (void)state;
    assert_true(prom_selector(&sel, "a{x=\"1\",y=\"q\\\"\"}", &arena, &e));
    assert_true(one("a{z=\"3\",y=\"q\\\"\",x=\"1\"} 1", &s) && prom_matches(&sel, "", &s));
    assert_true(one("a{y=\"q\\\"\",x=\"2\"} 1", &s) && !prom_matches(&sel, "", &s));
    assert_true(one("ab{y=\"q\\\"\",x=\"1\"} 1", &s) && !prom_matches(&sel, "", &s));
    assert_true(prom_matches(&sel, "b", &s));
    assert_false(prom_selector(&sel, "a{x=1}", &arena, &e));
    assert_false(prom_selector(&sel, "a{x=\"1\"} ", &arena, &e));
    assert_false(prom_selector(&sel, "", &arena, &e));
}

static void quantiles_are_those_of_prometheus(void **state)
{
    static const struct prom_bucket b[] = {{0.1, 10}, {0.2, 30}, {0.5, 40}, {INFINITY, 50}};
    static const struct prom_bucket below[] = {{-1, 10}, {0, 20}, {INFINITY, 20}};

    (void)state;
    assert_true(fabs(prom_quantile(0.1, b, 4) - 0.05) < 1e-12);
    assert_true(fabs(prom_quantile(0.4, b, 4) - 0.15) < 1e-12);
    assert_true(fabs(prom_quantile(0.7, b, 4) - 0.35) < 1e-12);
    assert_true(prom_quantile(0.99, b, 4) == 0.5);
    assert_true(prom_quantile(0.25, below, 3) == -1);
    assert_true(isnan(prom_quantile(0.5, b, 3)));
    assert_true(isnan(prom_quantile(0.5, b, 0)));
    assert_true(isnan(prom_quantile(0.5, b + 3, 1)));
}

static struct scrape_series series[3];
static struct scrape_value out[3];

static void clear(void)
{
    for (int i = 0; i < 3; i++)
        scrape_series_free(&series[i]);
    memset(series, 0, sizeof(series));
}

static bool reading(struct scrape_plan *p, bool first, const char *text)
{
    struct scrape_text t = {text, strlen(text), false};
    struct err e;

    return scrape_read(p, series, first, &t, out, &e);
}

static void open_metrics_without_its_end_is_cut_short(void **state)
{
    struct scrape_metric m = {.as = SCRAPE_VALUE, .scale = 1};
    struct scrape_text t = {.data = "n 1\nn{a=\"2\"} 2\n# EOF\n", .open_metrics = true};
    struct scrape_plan p = {&m, 1};
    struct err e;

    (void)state;
    assert_true(prom_selector(&m.selector, "n", &arena, &e));
    t.len = strlen(t.data);
    assert_true(scrape_read(&p, series, true, &t, out, &e));
    t.len -= strlen("\n");
    assert_true(scrape_read(&p, series, false, &t, out, &e));
    t.len -= strlen("# EOF");
    assert_false(scrape_read(&p, series, false, &t, out, &e));
    assert_string_equal(
        e.text, "the exposition is cut short after line 2: OpenMetrics ends with \"# EOF\"");
    t.open_metrics = false;
    assert_true(scrape_read(&p, series, false, &t, out, &e));
    clear();
}

static void two_readings_make_a_delta(void **state)
{
    struct scrape_metric m[3] = {{.as = SCRAPE_DELTA, .scale = 1},
                                 {.as = SCRAPE_VALUE, .scale = 2},
                                 {.as = SCRAPE_QUANTILE, .quantile = 0.5, .scale = 1e3}};
    struct scrape_plan p = {m, 3};
    struct err e;

    (void)state;
    assert_true(prom_selector(&m[0].selector, "n", &arena, &e));
    assert_true(prom_selector(&m[1].selector, "g", &arena, &e));
    assert_true(prom_selector(&m[2].selector, "h", &arena, &e));
    assert_true(reading(&p, true,
                        "n{c=\"1\"} 100\nn{c=\"2\"} 5\ng 7\nh_bucket{le=\"1\"} 50\n"
                        "h_bucket{le=\"+Inf\"} 90\n"));
    assert_false(out[0].any || out[2].any);
    assert_true(out[1].any && out[1].value == 14);
    /* One grew by 3, one began anew and has 2, one is new with 4. */
    assert_true(reading(&p, false,
                        "n{c=\"2\"} 2\nn{c=\"1\"} 103\nn{c=\"3\"} 4\ng 8\nh_bucket{le=\"1\"} 54\n"
                        "h_bucket{le=\"+Inf\"} 94\n"));
    assert_true(out[0].any && out[0].value == 9);
    assert_true(out[2].any && out[2].value == 500);
    assert_false(reading(&p, false, "n 1\ng 1\n"));
    assert_false(reading(&p, false, "n 1\ng 1\nh_bucket{le=\"1\" 1\n"));
    /* What could not be read has not become what the next one is compared with. */
    assert_true(reading(&p, false,
                        "n{c=\"1\"} 104\ng 1\nh_bucket{le=\"1\"} 54\nh_bucket{le=\"+Inf\"} 94\n"));
    assert_true(out[0].value == 1);
    clear();
}

/* One metric, read again and again. */
static struct scrape_metric metric;

static void begin(enum scrape_as as)
{
    struct err e;

    clear();
    metric = (struct scrape_metric){.as = as, .quantile = 0.5, .scale = 1};
    assert_true(prom_selector(&metric.selector, "n", &arena, &e));
}

static double then(bool first, const char *text)
{
    struct scrape_plan p = {&metric, 1};

    assert_true(reading(&p, first, text));
    return out[0].any ? out[0].value : NAN;
}

static void a_series_is_the_same_one_however_it_is_written(void **state)
{
    (void)state;
    begin(SCRAPE_DELTA);
    then(true, "n{a=\"1\",b=\"2\"} 100\nn{a=\"2\",le=\"1\"} 7\nn{a=\"2\",le=\"2\"} 9\n");
    assert_true(then(false, "n{b=\"2\",a=\"1\",c=\"\"} 101 1700\r\nn{le=\"1\",a=\"2\"} 8\n"
                            "n{a=\"2\",le=\"2\"} 9\n") == 2);
    /* One that is missing from a reading, or says NaN in it, has not begun anew after it. */
    assert_true(then(false, "n{a=\"1\",b=\"2\"} NaN\nn{a=\"2\",le=\"2\"} 10\n") == 1);
    assert_true(then(false, "n{a=\"1\",b=\"2\"} 103\nn{a=\"2\",le=\"1\"} 9\n") == 3);
    /* The first of two counts. */
    assert_true(then(false, "n{a=\"1\",b=\"2\"} 104\nn{b=\"2\",a=\"1\"} 999\n") == 1);
    clear();
}

static void what_is_no_number_is_no_value(void **state)
{
    (void)state;
    begin(SCRAPE_VALUE);
    assert_true(then(true, "n{a=\"1\"} 2\nn{a=\"2\"} NaN\nn{a=\"3\"} 5\n") == 7);
    assert_true(isnan(then(false, "n NaN\n")) && isnan(out[0].raw));
    assert_true(isnan(then(false, "n{a=\"1\"} +Inf\nn{a=\"2\"} 1\n")));
    assert_true(isnan(then(false, "n{a=\"1\"} +Inf\nn{a=\"2\"} -Inf\n")));
    begin(SCRAPE_DELTA);
    then(true, "n 1\n");
    assert_true(isnan(then(false, "n NaN\n")));
    assert_true(then(false, "n 4\n") == 3);
    clear();
}

static void the_quantiles_of_summaries_are_not_added(void **state)
{
    const char *two = "n{m=\"a\",quantile=\"0.9\"} 3\nn{m=\"b\",quantile=\"0.9\"} 5\n";
    struct scrape_plan p = {&metric, 1};

    (void)state;
    begin(SCRAPE_VALUE);
    assert_true(then(true, "n{quantile=\"0.9\"} 3\n") == 3);
    assert_false(reading(&p, false, two));
    begin(SCRAPE_MAX);
    assert_true(then(true, two) == 5);
    begin(SCRAPE_MIN);
    assert_true(then(true, two) == 3 && out[0].raw == 3);
    clear();
}

#define HIST(a, b, c) \
    "n_bucket{le=\"1.0\"} " #a "\nn_bucket{le=\"2\"} " #b "\nn_bucket{le=\"+Inf\"} " #c "\n"

static void a_histogram_begins_anew_as_a_whole(void **state)
{
    struct scrape_plan p = {&metric, 1};

    (void)state;
    begin(SCRAPE_QUANTILE);
    assert_true(isnan(then(true, HIST(0, 100, 100))) && out[0].raw == 1.5);
    /* Only the bucket le=2 has become smaller; all three are new. */
    assert_true(then(false, HIST(50, 60, 100)) == 1);
    assert_true(series[0].added.v[2].count == 100);
    /* As many below 1 as below 2 came in between, and none beyond; the order of lines is free. */
    assert_true(then(false, "n_bucket{le=\"+Inf\"} 200\nn_bucket{le=\"2.0\"} 160\n"
                            "n_bucket{le=\"1\"} 150\n") *
                    3 ==
                2);
    assert_false(reading(&p, false, "n_bucket{le=\"1\"} 1\nn_bucket{le=\"2\"} 2\n"));
    assert_false(reading(&p, false, "n_bucket{le=\"x\"} 1\nn_bucket{le=\"+Inf\"} 2\n"));
    assert_false(reading(&p, false, "n_bucket 1\n"));
    clear();
}

UNIT_GROUP(scrape, cmocka_unit_test(samples_are_read),
           cmocka_unit_test(what_is_not_of_the_format_is_refused),
           cmocka_unit_test_teardown(selectors_choose_by_name_and_labels, end),
           cmocka_unit_test_teardown(names_may_stand_in_quotes, end),
           cmocka_unit_test_teardown(selectors_have_the_operators_of_promql, end),
           cmocka_unit_test_teardown(a_series_is_the_same_one_however_it_is_written, end),
           cmocka_unit_test_teardown(what_is_no_number_is_no_value, end),
           cmocka_unit_test_teardown(the_quantiles_of_summaries_are_not_added, end),
           cmocka_unit_test_teardown(a_histogram_begins_anew_as_a_whole, end),
           cmocka_unit_test(quantiles_are_those_of_prometheus),
           cmocka_unit_test_teardown(open_metrics_without_its_end_is_cut_short, end),
           cmocka_unit_test_teardown(two_readings_make_a_delta, end))

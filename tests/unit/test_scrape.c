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
    static const char *const bad[] = {"1a 1",          "a",          "a x",
                                      "a{x} 1",        "a{x=\"1} 1", "a{x=1} 1",
                                      "a{x=\"1\"",     "a 0x10",     "a{x=\"1\"y=\"2\"} 1",
                                      "a{x=\"\n\"} 1", "a 1e",       "{} 1"};
    struct prom_sample s;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(one(bad[i], &s));
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
    static const struct prom_bucket below[] = {{-1, 10}, {0, 20}};

    (void)state;
    assert_true(fabs(prom_quantile(0.1, b, 4) - 0.05) < 1e-12);
    assert_true(fabs(prom_quantile(0.4, b, 4) - 0.15) < 1e-12);
    assert_true(fabs(prom_quantile(0.7, b, 4) - 0.35) < 1e-12);
    assert_true(prom_quantile(0.99, b, 4) == 0.5);
    assert_true(prom_quantile(0.25, below, 2) == -1);
    assert_true(isnan(prom_quantile(0.5, b, 0)));
    assert_true(isnan(prom_quantile(0.5, b + 3, 1)));
}

static struct scrape_series series[3];
static struct scrape_value out[3];

static bool reading(struct scrape_plan *p, bool first, const char *text)
{
    struct err e;

    return scrape_read(p, series, first, text, strlen(text), out, &e);
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
    for (int i = 0; i < 3; i++)
        scrape_series_free(&series[i]);
}

UNIT_GROUP(scrape, cmocka_unit_test(samples_are_read),
           cmocka_unit_test(what_is_not_of_the_format_is_refused),
           cmocka_unit_test_teardown(selectors_choose_by_name_and_labels, end),
           cmocka_unit_test(quantiles_are_those_of_prometheus),
           cmocka_unit_test_teardown(two_readings_make_a_delta, end))

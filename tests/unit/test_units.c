#include "unit.h"

#include <math.h>

#include "base/units.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void durations_are_gos_and_have_days(void **state)
{
    static const struct {
        const char *text;
        int64_t ns;
    } good[] = {
        {"0", 0},
        {"0s", 0},
        {"250ms", 250000000},
        {"1.5s", 1500000000},
        {"1m30s", INT64_C(90000000000)},
        {"2d12h", INT64_C(216000000000000)},
        {"1d", INT64_C(86400000000000)},
        {".5s", 500000000},
        {"1.s", 1000000000},
        {"3us", 3000},
        {"3\u00b5s", 3000},
        {"3\u03bcs", 3000},
        {"7ns", 7},
        {"1h1m1s1ms", INT64_C(3661001000000)},
        {"0.0000000001s", 0},
        {"0.3333333333333333333333s", 333333333},
        {"9223372036854775807ns", INT64_MAX},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        int64_t ns = -1;

        if (!units_duration(good[i].text, &ns) || ns != good[i].ns)
            fail_msg("\"%s\" gave %lld", good[i].text, (long long)ns);
    }
}

static void refused_durations(void **state)
{
    static const char *const bad[] = {
        "",
        "5",
        "s",
        "-1s",
        "+1s",
        " 1s",
        "1s ",
        "1 s",
        "1x",
        "1sm",
        ".s",
        "1..5s",
        "0x1s",
        "nan",
        "inf",
        "1h2d",
        "1e3s",
        "00",
        "9223372036854775808ns",
        "300y",
        "106752d",
        "99999999999999999999s",
        "1S",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        int64_t ns = 42;

        if (units_duration(bad[i], &ns) || ns != 42)
            fail_msg("\"%s\" was accepted, or touched the output", bad[i]);
    }
}

static void sizes_have_both_families_of_units(void **state)
{
    static const struct {
        const char *text;
        int64_t bytes;
    } good[] = {
        {"0", 0},
        {"512", 512},
        {"512B", 512},
        {"64KiB", 65536},
        {"1MB", 1000000},
        {"1.5MiB", 1572864},
        {"2kB", 2000},
        {"2KB", 2000},
        {"1GiB", 1 << 30},
        {"1TB", INT64_C(1000000000000)},
        {"9223372036854775807", INT64_MAX},
    };
    static const char *const bad[] = {
        "",           "B",   "1.5", "-1", "1 KiB", "1K", "1kib", "1KiBx", "9223372036854775808",
        "9000000TiB", "1e3",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        int64_t bytes = -1;

        if (!units_size(good[i].text, &bytes) || bytes != good[i].bytes)
            fail_msg("\"%s\" gave %lld", good[i].text, (long long)bytes);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        int64_t bytes = 42;

        if (units_size(bad[i], &bytes) || bytes != 42)
            fail_msg("\"%s\" was accepted, or touched the output", bad[i]);
    }
}

struct real {
    const char *text;
    double value;
};

static void check_reals(bool (*parse)(const char *, double *), const struct real *good, size_t n,
                        const char *const *bad)
{
    for (size_t i = 0; i < n; i++) {
        double v = -1;

        if (!parse(good[i].text, &v) || fabs(v - good[i].value) > 1e-12 * fabs(good[i].value))
            fail_msg("\"%s\" gave %g", good[i].text, v);
    }
    for (; *bad; bad++) {
        double v = 42;

        if (parse(*bad, &v) || v < 42 || v > 42)
            fail_msg("\"%s\" was accepted, or touched the output", *bad);
    }
}

static void rates_ratios_and_numbers(void **state)
{
    static const struct real rates[] = {
        {"200/s", 200},      {"12k/m", 200}, {"1.5M/s", 1.5e6},
        {"5/h", 5.0 / 3600}, {"0/s", 0},     {"1e3/s", 1000},
    };
    static const struct real ratios[] = {
        {"1%", 0.01}, {"0.01", 0.01}, {"100%", 1}, {"250%", 2.5}, {"0", 0}};
    static const struct real numbers[] = {
        {"0.5", 0.5}, {"1e6", 1e6}, {".5", 0.5}, {"5.", 5}, {"1E-3", 1e-3}};
    static const char *const bad_rates[] = {"",      "200",     "/s",       "-1/s", "1/x",
                                            "1/ms",  "1k",      "1 /s",     "1/s ", "1K/s",
                                            "nan/s", "1e999/s", "1e308k/s", NULL};
    static const char *const bad_ratios[] = {"",    "%",    "-1%", "1%%", "1 %",
                                             "inf", "nan%", "0x1", NULL};
    static const char *const bad_numbers[] = {"",    ".",    "-1",    "+1",       "1e",
                                              "1e+", "0x10", "1e999", "infinity", "nan",
                                              "1,5", " 1",   "1 ",    NULL};

    (void)state;
    check_reals(units_rate, rates, COUNT(rates), bad_rates);
    check_reals(units_ratio, ratios, COUNT(ratios), bad_ratios);
    check_reals(units_number, numbers, COUNT(numbers), bad_numbers);
}

static void integers_stop_at_64_bits(void **state)
{
    static const char *const bad[] = {
        "", "-", "+1", "1.0", "1e3", "0x1", " 1", "9223372036854775808", "-9223372036854775809"};
    int64_t v;

    (void)state;
    assert_true(units_int("-9223372036854775808", &v) && v == INT64_MIN);
    assert_true(units_int("9223372036854775807", &v) && v == INT64_MAX);
    assert_true(units_int("007", &v) && v == 7);
    for (size_t i = 0; i < COUNT(bad); i++) {
        v = 42;
        if (units_int(bad[i], &v) || v != 42)
            fail_msg("\"%s\" was accepted, or touched the output", bad[i]);
    }
}

static void durations_print_three_digits(void **state)
{
    static const struct {
        double ns;
        const char *text;
    } t[] = {
        {0, "0s"},        {1, "1ns"},        {999.6, "1us"},  {12345678, "12.3ms"},
        {999.6e6, "1s"},  {1.5e9, "1.5s"},   {59.96e9, "1m"}, {90e9, "1m30s"},
        {3599.7e9, "1h"}, {5400e9, "1h30m"}, {86399e9, "1d"}, {216000e9, "2d12h"},
        {-5e6, "-5ms"},
    };
    char buf[UNITS_MAX];

    (void)state;
    for (size_t i = 0; i < COUNT(t); i++)
        assert_string_equal(units_print_duration(t[i].ns, buf), t[i].text);
}

static void counts_rates_ratios_and_sizes_print(void **state)
{
    char buf[UNITS_MAX];

    (void)state;
    assert_string_equal(units_print_count(12345, buf), "12,345");
    assert_string_equal(units_print_count(1234567, buf), "1,234,567");
    assert_string_equal(units_print_count(-12345, buf), "-12,345");
    assert_string_equal(units_print_count(-123, buf), "-123");
    assert_string_equal(units_print_count(0.25, buf), "0.25");
    assert_string_equal(units_print_count(1e300, buf), "1e+300");
    assert_string_equal(units_print_rate(1000, buf), "1000/s");
    assert_string_equal(units_print_rate(0.5, buf), "0.5/s");
    assert_string_equal(units_print_ratio(0.0125, buf), "1.25%");
    assert_string_equal(units_print_ratio(1, buf), "100%");
    assert_string_equal(units_print_size(65536, buf), "64 KiB");
    assert_string_equal(units_print_size(1048575, buf), "1 MiB");
}

/* A success rate of 99.95% that prints as 100% hides the failures it is about. */
static void ratios_near_one_do_not_round_to_one(void **state)
{
    char buf[UNITS_MAX];

    (void)state;
    assert_string_equal(units_print_ratio(0.9995, buf), "99.95%");
    assert_string_equal(units_print_ratio(0.99995, buf), "99.995%");
    assert_string_equal(units_print_ratio(0.995, buf), "99.5%");
}

UNIT_GROUP(units, cmocka_unit_test(durations_are_gos_and_have_days),
           cmocka_unit_test(refused_durations), cmocka_unit_test(sizes_have_both_families_of_units),
           cmocka_unit_test(rates_ratios_and_numbers), cmocka_unit_test(integers_stop_at_64_bits),
           cmocka_unit_test(durations_print_three_digits),
           cmocka_unit_test(counts_rates_ratios_and_sizes_print),
           cmocka_unit_test(ratios_near_one_do_not_round_to_one))

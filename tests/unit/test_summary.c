/* What people read: summary.txt. */
#include "unit.h"

#include <string.h>

#include "base/buf.h"
#include "fixture_result.h"
#include "report/files.h"
#include "report/table.h"
#include "report/text.h"
#include "run/result.h"

struct page {
    struct arena arena;
    struct run_result *r;
    struct buf text;
};

static void render(struct page *p, bool color)
{
    buf_clear(&p->text);
    summary_text(p->r, color, &p->text);
}

static void open_page(struct page *p)
{
    *p = (struct page){0};
    p->r = fixture_result(&p->arena);
    render(p, false);
}

static void close_page(struct page *p)
{
    buf_free(&p->text);
    fixture_free(p->r, &p->arena);
}

static void assert_has(const struct page *p, const char *what)
{
    if (!strstr(buf_text(&p->text), what))
        fail_msg("\"%s\" is not in:\n%s", what, buf_text(&p->text));
}

static void verdict_comes_first(void **state)
{
    struct page p;

    (void)state;
    open_page(&p);
    assert_ptr_equal(strstr(p.text.data, "BREACH: sustained-rate: op_duration p(99) is 9.91ms"),
                     p.text.data);
    assert_has(&p, "(exit 1)");
    p.r->exit_code = 0;
    p.r->complete = false;
    render(&p, false);
    assert_ptr_equal(strstr(p.text.data, "INCONCLUSIVE: the run is not complete (exit 3)"),
                     p.text.data);
    close_page(&p);
}

static void evidence_is_told(void **state)
{
    struct page p;

    (void)state;
    open_page(&p);
    assert_has(&p, "op_duration p(99)<=5ms    9.91ms    5ms  -4.91ms  3,000  9.41ms..10.4ms\n");
    assert_has(&p, "op_failed rate<=1%            2%     1%      -1%  3,000      1.9%..2.1%\n");
    assert_has(&p, "warning");
    assert_has(&p, "forget-the-fleet: not run, the run was told to leave everything");
    assert_has(&p, "sustained-rate: 69 x timeout (target): no answer");
    assert_has(&p, "... and 2 other kinds");
    assert_null(strstr(p.text.data, " 65 x "));
    assert_has(&p, "Was it us? Operations began 21.5us (median)");
    assert_has(&p, "shakedown judge results/r-1 --set NAME=VALUE");
    close_page(&p);
}

static void lines_fit_and_are_clean(void **state)
{
    struct page p;

    (void)state;
    open_page(&p);
    p.r->services[0].failure = "exited with 1";
    p.r->services[0].last_lines =
        "one\n\033]0;title\a two " FIXTURE_SECRET
        " 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789"
        " 0123456789 0123456789 0123456789\n\n";
    render(&p, false);
    assert_null(strstr(p.text.data, "\033"));
    assert_null(strstr(p.text.data, FIXTURE_SECRET));
    assert_has(&p, "\n    one\n");
    for (char *line = strtok(p.text.data, "\n"); line; line = strtok(NULL, "\n")) {
        if (text_width(line) > TEXT_COLUMNS)
            fail_msg("too long: %s", line);
        assert_int_not_equal(line[strlen(line) - 1], ' ');
    }
    close_page(&p);
}

static void color_changes_nothing_else(void **state)
{
    struct page p;
    struct buf plain = {0};

    (void)state;
    open_page(&p);
    render(&p, true);
    assert_has(&p, "\033[1;31mBREACH\033[0m");
    for (const char *s = p.text.data; *s; s++) {
        if (*s == '\033')
            s = strchr(s, 'm');
        else
            buf_addc(&plain, *s);
    }
    render(&p, false);
    assert_string_equal(buf_text(&plain), buf_text(&p.text));
    buf_free(&plain);
    close_page(&p);
}

static void long_cells_break_the_row(void **state)
{
    struct table t = {.columns = 3, .left = 3};
    struct buf out = {0};
    char wide[120];

    (void)state;
    memset(wide, 'w', sizeof(wide) - 1);
    wide[sizeof(wide) - 1] = '\0';
    table_add(&t, "pass", STYLE_PLAIN);
    table_add(&t, "short", STYLE_PLAIN);
    table_add(&t, "12", STYLE_PLAIN);
    table_add(&t, "x", STYLE_PLAIN);
    table_add(&t, wide, STYLE_PLAIN);
    table_add(&t, "3", STYLE_PLAIN);
    table_print(&t, 2, false, &out);
    assert_ptr_equal(strstr(out.data, "  pass  short  12\n  x     www"), out.data);
    assert_non_null(strstr(out.data, "w\n                3\n"));
    buf_free(&out);
}

static void text_is_cleaned(void **state)
{
    static const struct {
        const char *from, *to;
    } cases[] = {
        {"plain \xC3\xA4 \xE2\x82\xAC \xF0\x9F\x9A\xA2",
         "plain \xC3\xA4 \xE2\x82\xAC \xF0\x9F\x9A\xA2"},
        {"a\033[31mb\r\nc\x7F", "a [31mb  c "},
        {"\xC2\x9B"
         "31m",
         " 31m"}, /* CSI as one C1 character */
        {"\xC0\x80\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
        {"\xEF\xBF\xBF.", "\xEF\xBF\xBD."}, /* not a character */
        {"\xE2\x80\xAE"
         "txt.exe",
         " txt.exe"}, /* right-to-left override */
        {"cut \xE2\x82", "cut \xEF\xBF\xBD\xEF\xBF\xBD"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct buf b = {0};

        text_add(&b, cases[i].from);
        assert_string_equal(buf_text(&b), cases[i].to);
        buf_free(&b);
    }
}

static void nothing_has_no_sign(void **state)
{
    char text[UNITS_MAX];

    (void)state;
    assert_string_equal(text_quantity(UNIT_RATIO, -0.0, text), "0%");
    assert_string_equal(text_quantity(UNIT_RATIO, -0.01, text), "-1%");
}

static void times_are_read_back(void **state)
{
    static const char *const bad[] = {"", "2026-11-20", "2026-13-20T19:33:59.123Z",
                                      "2026-11-20T19:33:59.123Zx", "0001-01-01T00:00:00.000Z"};
    char text[TEXT_TIME_MAX];
    uint64_t t = UINT64_C(1795203239123000000);

    (void)state;
    assert_int_equal(text_time_parse(text_time(t, text)), t);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_int_equal(text_time_parse(bad[i]), 0);
}

UNIT_GROUP(summary, cmocka_unit_test(verdict_comes_first), cmocka_unit_test(evidence_is_told),
           cmocka_unit_test(lines_fit_and_are_clean), cmocka_unit_test(color_changes_nothing_else),
           cmocka_unit_test(long_cells_break_the_row), cmocka_unit_test(text_is_cleaned),
           cmocka_unit_test(nothing_has_no_sign), cmocka_unit_test(times_are_read_back))

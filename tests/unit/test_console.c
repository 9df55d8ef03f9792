/* The run on the terminal and on GitHub Actions. */
#include "unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "fixture_result.h"
#include "report/console.h"
#include "report/files.h"
#include "report/github.h"
#include "report/text.h"
#include "report/ticker.h"
#include "run/observer.h"
#include "run/result.h"

struct scene {
    struct arena arena;
    struct run_result *r;
    struct buf text;
    char path[64];
    int saved; /* the real stderr */
};

static void open_scene(struct scene *s)
{
    int fd;

    *s = (struct scene){.path = "/tmp/shakedown-console-XXXXXX"};
    s->r = fixture_result(&s->arena);
    fd = mkstemp(s->path);
    assert_true(fd >= 0);
    s->saved = dup(STDERR_FILENO);
    dup2(fd, STDERR_FILENO);
    close(fd);
}

/* What was printed since the last call. */
static const char *printed(struct scene *s)
{
    struct err e;

    buf_clear(&s->text);
    assert_true(fs_read(s->path, 1 << 20, &s->text, &e));
    assert_int_equal(ftruncate(STDERR_FILENO, 0), 0);
    lseek(STDERR_FILENO, 0, SEEK_SET);
    return buf_text(&s->text);
}

static void close_scene(struct scene *s)
{
    dup2(s->saved, STDERR_FILENO);
    close(s->saved);
    unlink(s->path);
    buf_free(&s->text);
    fixture_free(s->r, &s->arena);
}

static struct live live_of(const struct run_result *r, double seconds)
{
    return (struct live){.step = r->phases[1].steps[0].step,
                         .elapsed_ns = (uint64_t)(seconds * NS_PER_S),
                         .length_ns = 30 * NS_PER_S,
                         .ended = 1234,
                         .failed = 7,
                         .in_flight = 32,
                         .rate = 1000,
                         .p95_ns = 12.3e6,
                         .started = true};
}

static void live_line_never_wraps(void **state)
{
    struct scene s;
    struct ticker t = {0};
    struct live l;

    (void)state;
    open_scene(&s);
    for (int columns = 1; columns < 140; columns++) {
        struct buf b = {0};

        l = live_of(s.r, columns);
        ticker_line(&l, &t, columns, columns % 2, &b);
        assert_true(text_width(buf_text(&b)) < columns);
        assert_null(strchr(buf_text(&b), '\n'));
        if (columns == 139) {
            assert_non_null(strstr(b.data, "12.3ms"));
            assert_non_null(strstr(b.data, "32 in flight"));
            assert_non_null(strstr(b.data, "████████████████"));
            assert_non_null(
                strstr(b.data, "████████████\033[0m")); /* twelve points, all the same */
        }
        buf_free(&b);
    }
    close_scene(&s);
}

static void plain_line_once_an_interval(void **state)
{
    static const double at[] = {0.1, 4.9, 5.1, 5.3, 9.9, 10, 23, 24.9};
    static const bool due[] = {false, false, true, false, false, true, true, false};
    struct scene s;
    struct ticker t = {0};
    struct buf b = {0};

    (void)state;
    open_scene(&s);
    for (size_t i = 0; i < sizeof(at) / sizeof(*at); i++) {
        struct live l = live_of(s.r, at[i]);

        assert_int_equal(ticker_plain(&l, &t, &b), due[i]);
    }
    assert_ptr_equal(strstr(b.data, "  sustained-rate: 5s/30s, 1,234 operations, 1000/s, 7 failed, "
                                    "p95 12.3ms, 32 in flight\n"),
                     b.data);
    buf_free(&b);
    close_scene(&s);
}

/* A gauge of the driver's, once it has a value. */
static void what_is_up_stands_on_live_lines(void **state)
{
    struct scene s;
    struct ticker t = {0};
    struct buf b = {0};
    struct live l;

    (void)state;
    open_scene(&s);
    l = live_of(s.r, 6);
    l.gauge = "streams_up";
    l.shown = -1;
    assert_true(ticker_plain(&l, &t, &b));
    assert_null(strstr(b.data, "up"));
    l.elapsed_ns = 12 * NS_PER_S;
    l.shown = 19950;
    assert_true(ticker_plain(&l, &t, &b));
    assert_non_null(strstr(b.data, ", 32 in flight, 19,950 streams up\n"));
    buf_clear(&b);
    ticker_line(&l, &t, 139, false, &b);
    assert_non_null(strstr(b.data, "19,950 streams up"));
    buf_free(&b);
    close_scene(&s);
}

static void play(struct scene *s, const struct console_opts *o)
{
    struct observer *ob = console_observer(o, &s->arena);
    struct live l = live_of(s->r, 6);
    const struct phase_result *p = &s->r->phases[1];

    if (ob->run_begin)
        ob->run_begin(ob->ctx, s->r);
    if (ob->phase_begin)
        ob->phase_begin(ob->ctx, s->r, p);
    for (int i = 0; ob->tick && i < 2; i++)
        ob->tick(ob->ctx, p, &l, 1);
    if (ob->note)
        ob->note(ob->ctx, "service backend:\033[2J ::add-mask::x " FIXTURE_SECRET);
    if (ob->phase_end)
        ob->phase_end(ob->ctx, s->r, p);
    ob->run_end(ob->ctx, s->r);
}

static void plain_output_has_no_escapes(void **state)
{
    struct scene s;
    const char *text;

    (void)state;
    open_scene(&s);
    play(&s, &(struct console_opts){0});
    text = printed(&s);
    assert_null(strstr(text, "\033"));
    assert_null(strstr(text, FIXTURE_SECRET));
    assert_non_null(strstr(text, "service backend: [2J ::add-mask::x ***\n"));
    assert_non_null(strstr(text, "  BREACH  sustained-rate: op_duration p(99)<=5ms: p(99) is"));
    assert_non_null(strstr(text, "\nBREACH: sustained-rate"));
    play(&s, &(struct console_opts){.quiet = true});
    assert_ptr_equal(strstr(printed(&s), "\nBREACH: "), buf_text(&s.text));
    close_scene(&s);
}

static void tty_redraws_in_place(void **state)
{
    struct scene s;
    const char *first, *second;

    (void)state;
    open_scene(&s);
    play(&s, &(struct console_opts){.tty = true});
    first = strstr(printed(&s), "\033[K\n");
    assert_non_null(first);
    second = strstr(first, "\033[1A\r");
    assert_ptr_equal(second, first + strlen("\033[K\n"));
    /* A note takes the live line away before it prints. */
    assert_non_null(strstr(second, "\033[K\n\033[1A\r\033[Jservice backend:"));
    close_scene(&s);
}

static void environment_chooses(void **state)
{
    struct scene s;
    struct console_opts o;

    (void)state;
    open_scene(&s); /* stderr is a file now */
    setenv("TERM", "xterm", 1);
    unsetenv("NO_COLOR");
    unsetenv("FORCE_COLOR");
    unsetenv("GITHUB_ACTIONS");
    console_defaults(&o);
    assert_true(!o.tty && !o.color && !o.github && !o.quiet);
    setenv("FORCE_COLOR", "1", 1);
    setenv("GITHUB_ACTIONS", "true", 1);
    console_defaults(&o);
    assert_true(o.color && o.github);
    setenv("FORCE_COLOR", "0", 1);
    setenv("GITHUB_ACTIONS", "false", 1);
    console_defaults(&o);
    assert_true(!o.color && !o.github);
    unsetenv("FORCE_COLOR");
    unsetenv("GITHUB_ACTIONS");
    close_scene(&s);
}

static void terminal_is_recognised(void **state)
{
    struct console_opts o;
    int master = posix_openpt(O_RDWR | O_NOCTTY), slave, saved = dup(STDERR_FILENO);
    bool ok;

    (void)state;
    assert_true(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    assert_true(slave >= 0);
    dup2(slave, STDERR_FILENO);
    setenv("TERM", "xterm", 1);
    console_defaults(&o);
    ok = o.tty && o.color;
    setenv("NO_COLOR", "1", 1);
    console_defaults(&o);
    ok = ok && o.tty && !o.color;
    unsetenv("NO_COLOR");
    setenv("TERM", "dumb", 1);
    console_defaults(&o);
    ok = ok && !o.tty && !o.color;
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(slave);
    close(master);
    assert_true(ok);
}

static void commands_are_switched_off(void **state)
{
    struct buf b = {0};

    (void)state;
    github_guard(&b, "nothing to fear", "t0ken");
    assert_string_equal(b.data, "nothing to fear\n");
    buf_clear(&b);
    github_guard(&b, "x ##[group]y\n", "t0ken");
    assert_string_equal(b.data, "::stop-commands::t0ken\nx ##[group]y\n::t0ken::\n");
    buf_clear(&b);
    github_group(&b, "100%\nof a,b:c");
    assert_string_equal(b.data, "::group::100%25%0Aof a,b:c\n");
    buf_free(&b);
}

static int lines_with(const char *text, const char *start)
{
    int n = 0;

    for (const char *p = text; (p = strstr(p, start)); p++)
        n += p == text || p[-1] == '\n';
    return n;
}

static void annotations_are_bounded(void **state)
{
    struct scene s;
    struct buf b = {0};
    struct finding many[20] = {0}, **end;

    (void)state;
    open_scene(&s);
    github_annotations(s.r, &b);
    assert_non_null(strstr(b.data, "::error file=suites/edge-gate.yaml,line=14,col=7,title="
                                   "sustained-rate%3A op_duration p(99)<=5ms::p(99) is 9.91ms"));
    assert_int_equal(lines_with(b.data, "::"), 3); /* breach, inconclusive, warning */
    assert_int_equal(lines_with(b.data, "::warning "), 1);
    assert_int_equal(lines_with(b.data, "::notice "), 1);
    assert_null(strstr(b.data, FIXTURE_SECRET));
    for (end = &s.r->findings; *end; end = &(*end)->next)
        ;
    for (int i = 0; i < 20; i++, end = &(*end)->next) {
        many[i] = (struct finding){.state = FOUND_BREACH, .name = "x", .message = "y"};
        *end = &many[i];
    }
    buf_clear(&b);
    github_annotations(s.r, &b);
    assert_int_equal(lines_with(b.data, "::error "), 9);
    assert_int_equal(lines_with(b.data, "::"), 10);
    assert_non_null(strstr(b.data, "and 14 more"));
    buf_free(&b);
    close_scene(&s);
}

static void step_summary_is_bounded(void **state)
{
    struct scene s;
    struct buf b = {0};
    static struct finding many[2000];

    (void)state;
    open_scene(&s);
    summary_markdown(s.r, &b);
    assert_ptr_equal(strstr(b.data, "### edge-gate: breach\n"), b.data);
    assert_non_null(strstr(b.data,
                           "| BREACH | sustained-rate | sustained-rate: op\\_duration p\\(99\\)"
                           "&#60;=5ms | 9.91ms | -4.91ms | 3,000 |"));
    assert_null(strstr(b.data, "<b>"));
    for (int i = 0; i < 2000; i++)
        many[i] = (struct finding){.state = FOUND_BREACH,
                                   .name = "<<<<<<<<<<<<",
                                   .message = "&&&&&&&",
                                   .next = i < 1999 ? &many[i + 1] : NULL};
    s.r->findings = many;
    buf_clear(&b);
    summary_markdown(s.r, &b);
    assert_in_range(b.len, SUMMARY_MARKDOWN_MAX / 2, SUMMARY_MARKDOWN_MAX);
    assert_non_null(strstr(b.data, "</pre></details>\n"));
    buf_free(&b);
    close_scene(&s);
}

static void github_gets_its_files(void **state)
{
    struct scene s;
    struct buf b = {0};
    struct err e;
    char path[] = "/tmp/shakedown-output-XXXXXX";
    const char *text;
    int fd;

    (void)state;
    open_scene(&s);
    fd = mkstemp(path);
    assert_int_equal(write(fd, "before=1\n", 9), 9);
    close(fd);
    setenv("GITHUB_OUTPUT", path, 1);
    setenv("GITHUB_STEP_SUMMARY", path, 1);
    play(&s, &(struct console_opts){.github = true});
    unsetenv("GITHUB_OUTPUT");
    unsetenv("GITHUB_STEP_SUMMARY");
    assert_true(fs_read(path, 1 << 20, &b, &e));
    unlink(path);
    assert_ptr_equal(strstr(b.data, "before=1\n### edge-gate: breach"), b.data);
    assert_int_equal(lines_with(b.data, "verdict<<"), 1);
    assert_non_null(strstr(b.data, "\nbreach\n"));
    assert_non_null(strstr(b.data, "\nresults/r-1\n"));
    text = printed(&s);
    assert_int_equal(lines_with(text, "::group::sustained-rate\n"), 1);
    assert_int_equal(lines_with(text, "::endgroup::\n"), 1);
    assert_true(lines_with(text, "::stop-commands::") >= 2); /* the note, and the summary */
    assert_int_equal(lines_with(text, "::error "), 1);
    buf_free(&b);
    close_scene(&s);
}

UNIT_GROUP(console, cmocka_unit_test(live_line_never_wraps),
           cmocka_unit_test(plain_line_once_an_interval),
           cmocka_unit_test(what_is_up_stands_on_live_lines),
           cmocka_unit_test(plain_output_has_no_escapes), cmocka_unit_test(tty_redraws_in_place),
           cmocka_unit_test(environment_chooses), cmocka_unit_test(terminal_is_recognised),
           cmocka_unit_test(commands_are_switched_off), cmocka_unit_test(annotations_are_bounded),
           cmocka_unit_test(step_summary_is_bounded), cmocka_unit_test(github_gets_its_files))

#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "cmd/args.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct all {
    const char *suite;
    struct texts rest, set;
    double rate;
    int64_t max_rows, wait;
    bool quiet, cleanup, no_color, rate_given;
    const char *out;
    int color;
};

static const char *const colors[] = {"auto", "always", "never", NULL};

#define OPT_OF struct all
static const struct opt table[] = {
    OPT_TEXT(suite, NULL, "the suite to run", .flags = OPT_POSITIONAL | OPT_REQUIRED),
    OPT_TEXTS(rest, "more of them", .flags = OPT_POSITIONAL),
    OPT_RATE(rate, "5/s", "arrivals", OPT_GIVEN(rate_given)),
    OPT_INT(max_rows, "10", "rows", .min = 1, .max = 100),
    OPT_DURATION(wait, "1s", "patience"),
    OPT_TEXTS(set, "name=value", .short_name = 's'),
    OPT_BOOL(quiet, "false", "say less", .short_name = 'q'),
    OPT_BOOL(cleanup, "true", "clean up"),
    OPT_BOOL(no_color, "false", "no colours"),
    OPT_TEXT(out, NULL, "results directory", .short_name = 'o', .flags = OPT_PATH),
    OPT_CHOICE(color, "auto", "colours", .choices = colors),
    {0},
};
#undef OPT_OF

static struct arena arena;
static struct diags diags;
static struct all out;

static enum args_result bind_words(const char *line)
{
    static char *argv[32];
    struct bind b = {.arena = &arena, .diags = &diags};
    char *words = arena_strdup(&arena, line), *save = NULL;
    int argc = 0;

    for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save))
        argv[argc++] = w;
    argv[argc] = NULL;
    out = (struct all){0};
    diags_init(&diags, "shakedown run", &arena);
    return args_bind(table, argc, argv, &out, &b);
}

static char *printed(void)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    diags_print(&diags, f);
    fclose(f);
    return text;
}

static int end(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static void defaults_hold(void **state)
{
    (void)state;
    assert_int_equal(bind_words("s.yaml"), ARGS_OK);
    assert_string_equal(out.suite, "s.yaml");
    assert_int_equal(out.max_rows, 10);
    assert_true(out.cleanup);
    assert_false(out.quiet || out.rate_given);
    assert_null(out.out);
    assert_int_equal(out.set.n, 0);
}

static void every_form_binds(void **state)
{
    (void)state;
    assert_int_equal(
        bind_words("--max-rows 7 s.yaml --rate=12k/m -s a=b --no-cleanup --set c=d=e -qo dir "
                   "--no-color --color never --wait 2s -sx=y"),
        ARGS_OK);
    assert_int_equal(out.max_rows, 7);
    assert_true(out.rate > 199.99 && out.rate < 200.01 && out.rate_given);
    assert_int_equal(out.set.n, 3);
    assert_string_equal(out.set.v[0], "a=b");
    assert_string_equal(out.set.v[1], "c=d=e");
    assert_string_equal(out.set.v[2], "x=y");
    assert_true(out.quiet && out.no_color);
    assert_false(out.cleanup);
    assert_string_equal(out.out, "dir");
    assert_int_equal(out.color, 2);
    assert_int_equal(out.wait, INT64_C(2000000000));
}

static void positionals_and_repetition(void **state)
{
    (void)state;
    assert_int_equal(bind_words("- a b -- --rate -q"), ARGS_OK);
    assert_string_equal(out.suite, "-");
    assert_int_equal(out.rest.n, 4);
    assert_string_equal(out.rest.v[2], "--rate");
    assert_int_equal(
        bind_words("s --max-rows 1 --max-rows 2 --quiet=true --quiet=false --no-quiet --cleanup"),
        ARGS_OK);
    assert_int_equal(out.max_rows, 2);
    assert_false(out.quiet);
    assert_true(out.cleanup);
    assert_int_equal(bind_words("s --out="), ARGS_OK);
    assert_string_equal(out.out, "");
    assert_int_equal(bind_words("s -o --rate"), ARGS_OK);
    assert_string_equal(out.out, "--rate");
}

static void help_wins_over_mistakes(void **state)
{
    (void)state;
    assert_int_equal(bind_words("--help"), ARGS_HELP);
    assert_int_equal(bind_words("-h"), ARGS_HELP);
    assert_int_equal(bind_words("--rate x -qh"), ARGS_HELP);
    assert_int_equal(bind_words("s --out --help"), ARGS_OK);
}

static void each_mistake_has_its_message(void **state)
{
    static const struct {
        const char *line, *mistake;
    } t[] = {
        {"s --rate x", "--rate: \"x\" is not a rate (try 200/s or 12k/m)"},
        {"s --rate=", "--rate: \"\" is not a rate (try 200/s or 12k/m)"},
        {"s --max-rows 101", "--max-rows: \"101\" is out of range (1 to 100)"},
        {"s --max_rows 1", "no option --max_rows (did you mean --max-rows?)"},
        {"s --wait 5", "--wait: \"5\" needs a unit (did you mean 5s or 5ms?)"},
        {"s --rat 5/s", "no option --rat (did you mean --rate?)"},
        {"s --nothing=x", "no option --nothing"},
        {"s --hepl", "no option --hepl (did you mean --help?)"},
        {"s -x", "no option -x"},
        {"s --rate", "--rate: needs a value (arrivals)"},
        {"s -o", "-o: needs a value (results directory)"},
        {"s --quiet=maybe", "--quiet: \"maybe\" is neither true nor false"},
        {"s --no-cleanup=true", "--no-cleanup: takes no value"},
        {"s --no-rate", "no option --no-rate"},
        {"s --color=red", "--color: \"red\" is not one of auto, always, never"},
        {"", "SUITE is missing (the suite to run)"},
        {"--nothing", "no option --nothing\nshakedown run: SUITE is missing (the suite to run)"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(t); i++) {
        enum args_result result = bind_words(t[i].line);
        char *text = printed(), want[512];

        if (result != ARGS_WRONG)
            fail_msg("accepted: %s", t[i].line);
        snprintf(want, sizeof(want), "shakedown run: %s\n", t[i].mistake);
        assert_string_equal(text, want);
        free(text);
    }
}

static void without_a_table_nothing_is_taken(void **state)
{
    struct bind b = {.arena = &arena, .diags = &diags};
    char word[] = "x", *argv[] = {word, NULL};
    char *text;

    (void)state;
    diags_init(&diags, "shakedown version", &arena);
    assert_int_equal(args_bind(NULL, 0, argv, NULL, &b), ARGS_OK);
    assert_int_equal(args_bind(NULL, 1, argv, NULL, &b), ARGS_WRONG);
    text = printed();
    assert_string_equal(text, "shakedown version: unexpected argument \"x\"\n");
    free(text);
}

static void help_lists_the_options(void **state)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    (void)state;
    args_print_help(table, f);
    fclose(f);
    assert_non_null(strstr(text, "  SUITE                  the suite to run (required)\n"));
    assert_non_null(strstr(text, "      --max-rows number  rows (1 to 100; default 10)\n"));
    assert_non_null(strstr(text, "  -o, --out PATH         results directory\n"));
    assert_non_null(strstr(text, "      --[no-]cleanup     clean up (default true)\n"));
    assert_non_null(strstr(text, "  -h, --help             print this\n"));
    free(text);
}

UNIT_GROUP(args, cmocka_unit_test_teardown(defaults_hold, end),
           cmocka_unit_test_teardown(every_form_binds, end),
           cmocka_unit_test_teardown(positionals_and_repetition, end),
           cmocka_unit_test_teardown(help_wins_over_mistakes, end),
           cmocka_unit_test_teardown(each_mistake_has_its_message, end),
           cmocka_unit_test_teardown(without_a_table_nothing_is_taken, end),
           cmocka_unit_test_teardown(help_lists_the_options, end))

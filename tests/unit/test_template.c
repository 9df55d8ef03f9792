#include "unit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "spec/dataset.h"
#include "spec/template.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char *columns[] = {"id", "full name"};
static const char *cells[] = {"7", "Ann", "42", "Bo"};
static const bool numeric_columns[] = {true, false};
static const struct dataset data = {columns, 2, cells, 2, numeric_columns};
static const char *const captures[] = {"leaf", "n", NULL};
static const struct template_scope everything = {&data, captures, true};
static const struct template_scope nothing;
static struct arena arena;

static int end(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static const struct template *compile(const char *text)
{
    struct err e;
    const struct template *t = template_compile(text, &everything, &arena, &e);

    if (!t)
        fail_msg("%s: %s", text, e.text);
    return t;
}

static const char *render(const char *text, uint64_t iteration)
{
    static char out[256];
    static const char *const values[] = {"ab:cd", NULL};
    uint64_t rng = 1;
    struct template_values v = {
        .iteration = iteration, .vu = 3, .agent = 12345, .rng = &rng, .captures = values};
    size_t len = template_render(compile(text), &v, out, sizeof(out) - 1);

    assert_true(len < sizeof(out));
    out[len] = '\0';
    assert_true(len <= template_bound(compile(text), strlen("ab:cd")));
    return out;
}

static void rendered_texts(void **state)
{
    static const struct {
        const char *text;
        uint64_t iteration;
        const char *result;
    } t[] = {
        {"", 0, ""},
        {"plain 100% % {x}", 0, "plain 100% % {x}"},
        {"%%{agent}", 0, "%{agent}"},
        {"%%%{vu}", 0, "%%{vu}"},
        {"a%{iteration}b", 0, "a0b"},
        {"%{iteration}", UINT64_MAX, "18446744073709551615"},
        {"%{iteration:03d}|%{iteration:03d}", 7, "007|007"},
        {"%{iteration:03d}", 12345, "12345"},
        {"ag-%{agent:05d}-%{vu}", 0, "ag-12345-3"},
        {"ag-%{agent:08d}", 0, "ag-00012345"},
        {"%{cycle(1,3)}", 0, "1"},
        {"%{cycle(1,3)}", 5, "3"},
        {"%{cycle(1,5000):05d}", 5000, "00001"},
        {"%{cycle(-2, 2)}", 1, "-1"},
        {"%{cycle(-2,2):04d}", 1, "-001"},
        {"%{cycle(-9223372036854775808,9223372036854775807)}", 0, "-9223372036854775808"},
        {"%{random(5,5)}", 0, "5"},
        {"%{data.id}/%{data.full name}", 0, "7/Ann"},
        {"%{data.id}/%{data.full name}", 3, "42/Bo"},
        {"%{data.id:04d}/%{data.full name:04d}", 0, "0007/Ann"},
        {"<%{leaf}><%{n}>", 0, "<ab:cd><>"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(t); i++)
        assert_string_equal(render(t[i].text, t[i].iteration), t[i].result);
}

static void refused_texts(void **state)
{
    static const struct {
        const struct template_scope *scope;
        const char *text, *mistake;
    } t[] = {
        {&everything, "a %{agent",
         "\"%{agent\" has no closing brace (write %%{ for the text itself)"},
        {&everything, "%{}", "\"%{}\" names nothing (write %%{ for the text itself)"},
        {&everything, "%{itration}",
         "\"%{itration}\": nothing is called \"itration\" here (did you mean \"iteration\"?)"},
        {&everything, "%{laef}",
         "\"%{laef}\": nothing is called \"laef\" here (did you mean \"leaf\"?)"},
        {&nothing, "%{leaf}",
         "\"%{leaf}\": nothing is called \"leaf\" here (write %%{ for the text itself)"},
        {&nothing, "%{agent}", "\"%{agent}\": only an agent-fleet has agents"},
        {&nothing, "%{data.id}", "\"%{data.id}\": this step has no data: file"},
        {&everything, "%{data.name}",
         "\"%{data.name}\": no column \"name\" in the data (columns: id, full name)"},
        {&everything, "%{agent:5d}",
         "\"%{agent:5d}\": the only format is a zero-padded width, such as :05d"},
        {&everything, "%{agent:05x}",
         "\"%{agent:05x}\": the only format is a zero-padded width, such as :05d"},
        {&everything, "%{agent:}",
         "\"%{agent:}\": the only format is a zero-padded width, such as :05d"},
        {&everything, "%{agent:00d}", "\"%{agent:00d}\": a width is 1 to 64"},
        {&everything, "%{agent:065d}", "\"%{agent:065d}\": a width is 1 to 64"},
        {&everything, "%{agent:0-5d}", "\"%{agent:0-5d}\": a width is 1 to 64"},
        {&everything, "%{vu(1)}", "\"%{vu(1)}\": vu takes no arguments"},
        {&everything, "%{random}",
         "\"%{random}\": random takes two whole numbers, the lower one first, as in random(1,100)"},
        {&everything, "%{random(5,1)}",
         "\"%{random(5,1)}\": random takes two whole numbers, the lower one first, as in "
         "random(1,100)"},
        {&everything, "%{cycle(1,x)}",
         "\"%{cycle(1,x)}\": cycle takes two whole numbers, the lower one first, as in "
         "cycle(1,100)"},
        {&everything, "%{cycle(1,2}", "\"%{cycle(1,2}\": expected \")\" at the end"},
        {&everything, "%{cycle(1,2)x}", "\"%{cycle(1,2)x}\": expected \")\" at the end"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(t); i++) {
        struct err e;

        if (template_compile(t[i].text, t[i].scope, &arena, &e))
            fail_msg("accepted: %s", t[i].text);
        assert_string_equal(e.text, t[i].mistake);
    }
}

static void constants_are_known(void **state)
{
    (void)state;
    assert_string_equal(template_constant(compile("")), "");
    assert_string_equal(template_constant(compile("a%%{b}")), "a%{b}");
    assert_null(template_constant(compile("a%{vu}")));
}

static void single_references_know_their_type(void **state)
{
    bool numeric;

    (void)state;
    assert_true(template_is_single(compile("%{iteration}"), &numeric) && numeric);
    assert_true(template_is_single(compile("%{iteration:05d}"), &numeric) && !numeric);
    assert_true(template_is_single(compile("%{random(1,2)}"), &numeric) && numeric);
    assert_true(template_is_single(compile("%{uuid}"), &numeric) && !numeric);
    assert_true(template_is_single(compile("%{data.id}"), &numeric) && numeric);
    assert_true(template_is_single(compile("%{data.full name}"), &numeric) && !numeric);
    assert_true(template_is_single(compile("%{leaf}"), &numeric) && !numeric);
    assert_false(template_is_single(compile("x%{vu}"), &numeric));
    assert_false(template_is_single(compile("%{vu}%{vu}"), &numeric));
    assert_false(template_is_single(compile("x"), &numeric));
}

static void bounds_are_exact(void **state)
{
    (void)state;
    assert_int_equal(template_bound(compile("abc"), 9), 3);
    assert_int_equal(template_bound(compile("%{iteration}"), 9), 20);
    assert_int_equal(template_bound(compile("%{iteration:030d}"), 9), 30);
    assert_int_equal(template_bound(compile("a%{uuid}b"), 9), 38);
    assert_int_equal(template_bound(compile("%{data.full name}"), 9), 3);
    assert_int_equal(template_bound(compile("%{leaf}%{n:012d}"), 9), 21);
}

static void output_is_cut_at_the_room(void **state)
{
    uint64_t rng = 1;
    struct template_values v = {.iteration = 123456, .rng = &rng};
    const struct template *t = compile("abc%{iteration}def");

    (void)state;
    for (size_t room = 0; room <= 14; room++) {
        char out[16];

        memset(out, '#', sizeof(out));
        assert_int_equal(template_render(t, &v, out, room), 12);
        assert_memory_equal(out, "abc123456def", room < 12 ? room : 12);
        for (size_t i = room < 12 ? room : 12; i < sizeof(out); i++)
            assert_int_equal(out[i], '#');
    }
}

static void uuids_are_version_4_and_differ(void **state)
{
    uint64_t rng = 7;
    struct template_values v = {.rng = &rng};
    const struct template *t = compile("%{uuid}");
    char last[36] = {0};

    (void)state;
    for (int i = 0; i < 1000; i++) {
        char out[36];

        assert_int_equal(template_render(t, &v, out, sizeof(out)), 36);
        assert_int_equal(out[14], '4');
        assert_non_null(memchr("89ab", out[19], 4));
        assert_true(out[8] == '-' && out[13] == '-' && out[18] == '-' && out[23] == '-');
        assert_memory_not_equal(out, last, 36);
        memcpy(last, out, 36);
    }
}

static void random_covers_its_range(void **state)
{
    uint64_t rng = 7;
    struct template_values v = {.rng = &rng};
    const struct template *t = compile("%{random(-1,8)}");
    int seen[10] = {0};

    (void)state;
    for (int i = 0; i < 10000; i++) {
        char out[8] = {0};
        int n;

        template_render(t, &v, out, sizeof(out) - 1);
        n = atoi(out);
        assert_in_range(n + 1, 0, 9);
        seen[n + 1]++;
    }
    for (int i = 0; i < 10; i++)
        assert_in_range(seen[i], 800, 1200);
}

static void unix_ms_is_the_wall_clock(void **state)
{
    uint64_t before = wall_ns() / NS_PER_MS, then = strtoull(render("%{unix_ms}", 0), NULL, 10);

    (void)state;
    assert_in_range(then, before, wall_ns() / NS_PER_MS);
}

UNIT_GROUP(template, cmocka_unit_test_teardown(rendered_texts, end),
           cmocka_unit_test_teardown(refused_texts, end),
           cmocka_unit_test_teardown(constants_are_known, end),
           cmocka_unit_test_teardown(single_references_know_their_type, end),
           cmocka_unit_test_teardown(bounds_are_exact, end),
           cmocka_unit_test_teardown(output_is_cut_at_the_room, end),
           cmocka_unit_test_teardown(uuids_are_version_4_and_differ, end),
           cmocka_unit_test_teardown(random_covers_its_range, end),
           cmocka_unit_test_teardown(unix_ms_is_the_wall_clock, end))

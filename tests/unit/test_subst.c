#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "spec/subst.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct arena arena;

static bool lookup(void *ctx, const char *name, struct subst_value *out, struct err *e)
{
    static const struct {
        const char *name;
        struct subst_value value;
    } known[] = {
        {"rate", {.text = "100"}},
        {"empty", {.text = ""}},
        {"unset", {.text = NULL}},
        {"env.HOME", {.text = "/root"}},
        {"env.NONE", {.text = NULL}},
        {"service.my-backend.port", {.text = "8443", .services = 4}},
        {"service.db.port.admin", {.text = "1", .services = 1}},
        {"secrets.token", {.text = "s3cret", .secret = true}},
        {"phase.a-b.output", {.text = "", .deferred = true}},
        {"dollar", {.text = "${rate}"}},
    };

    (void)ctx;
    for (size_t i = 0; i < COUNT(known); i++) {
        if (strcmp(known[i].name, name) == 0) {
            *out = known[i].value;
            return true;
        }
    }
    return err_set(e, "no variable \"%s\"", name);
}

static int end(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static void accepted_forms(void **state)
{
    static const struct {
        const char *text, *result;
    } t[] = {
        {"", ""},
        {"plain", "plain"},
        {"${rate}/s", "100/s"},
        {"a${rate}b${rate}c", "a100b100c"},
        {"$", "$"},
        {"$x ^a$ $$ $1", "$x ^a$ $$ $1"},
        {"$${rate}", "${rate}"},
        {"$$${rate}", "$${rate}"},
        {"$${{x}}", "${{x}}"},
        {"a}b", "a}b"},
        {"${rate:-5}${rate-5}", "100100"},
        {"${unset:-5}|${unset-6}|${unset-}", "5|6|"},
        {"${empty:-5}|${empty-6}|${empty}", "5||"},
        {"${rate:+x}|${rate+y}|${empty:+x}|${empty+y}|${unset+y}", "x|y||y|"},
        {"${rate:?needed}${rate?}", "100100"},
        {"${unset:-${empty:-${rate}}}", "100"},
        {"${unset:-a${rate}b}", "a100b"},
        {"${rate:-${nothing}}", "100"},
        {"${unset:-:-?+}", ":-?+"},
        {"${unset:-$${x}}", "${x}"},
        {"${env.HOME}", "/root"},
        {"${env.NONE-x-y}", "x-y"},
        {"${service.my-backend.port}", "8443"},
        {"${service.db.port.admin}", "1"},
        {"${dollar}", "${rate}"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(t); i++) {
        struct subst_value v;
        struct err e;

        if (!subst_text(t[i].text, lookup, NULL, &arena, &v, &e))
            fail_msg("%s: %s", t[i].text, e.text);
        assert_string_equal(v.text, t[i].result);
    }
}

static void refused_forms(void **state)
{
    static const struct {
        const char *text, *mistake;
    } t[] = {
        {"${none}", "no variable \"none\""},
        {"${none:-default}", "no variable \"none\""},
        {"${unset}", "\"unset\" is not set (give a value, or a default with ${unset:-...})"},
        {"${unset:?}",
         "\"unset\" is not set or empty (give a value, or a default with ${unset:-...})"},
        {"${unset:?say ${rate}}", "\"unset\" is not set: say 100"},
        {"${empty:?why}", "\"empty\" is not set: why"},
        {"${unset?${secrets.token}}", "\"unset\" is not set"},
        {"${unset:-${none}}", "no variable \"none\""},
        {"${{ rate }}", "\"${{\" means nothing here: write ${name}, or $${{ for the text itself"},
        {"x ${rate", "\"${rate\" has no closing brace (write $${ for the text itself)"},
        {"${rate:-${rate}",
         "\"${rate:-${rate}\" has no closing brace (write $${ for the text itself)"},
        {"${}", "\"${}\": a name must follow \"${\" (write $${ for the text itself)"},
        {"${ rate }", "\"${ rate }\": a name must follow \"${\" (write $${ for the text itself)"},
        {"${1}", "\"${1}\": a name must follow \"${\" (write $${ for the text itself)"},
        {"${rate:}", "\"${rate:}\": after the name stands one of :- - :? ? :+ +"},
        {"${rate:=5}", "\"${rate:=5}\": after the name stands one of :- - :? ? :+ +"},
        {"${rate!}", "\"${rate!}\": after the name stands one of :- - :? ? :+ +"},
        {"${rate }", "\"${rate }\": after the name stands one of :- - :? ? :+ +"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(t); i++) {
        struct subst_value v = {.services = 42};
        struct err e;

        if (subst_text(t[i].text, lookup, NULL, &arena, &v, &e))
            fail_msg("accepted: %s", t[i].text);
        assert_string_equal(e.text, t[i].mistake);
        assert_int_equal(v.services, 42);
    }
}

static struct subst_value value_of(const char *text)
{
    struct subst_value v;
    struct err e;

    if (!subst_text(text, lookup, NULL, &arena, &v, &e))
        fail_msg("%s: %s", text, e.text);
    return v;
}

static void flags_are_those_of_what_is_used(void **state)
{
    struct subst_value v = value_of("${service.my-backend.port}${service.db.port.admin}");

    (void)state;
    assert_int_equal(v.services, 5);
    assert_false(v.secret);
    assert_true(value_of("x${secrets.token}").secret);
    assert_true(value_of("${unset:-${secrets.token}}").secret);
    assert_false(value_of("${rate:-${secrets.token}}").secret);
    assert_false(value_of("${secrets.token:+set}").secret);
    assert_int_equal(value_of("${rate:-${service.db.port.admin}}").services, 0);
}

/* What is not known yet is not unset either: its default must not win. */
static void deferred_text_is_empty_as_a_whole(void **state)
{
    struct subst_value v = value_of("a ${phase.a-b.output:-no} ${rate}");

    (void)state;
    assert_true(v.deferred);
    assert_string_equal(v.text, "");
    assert_true(value_of("${phase.a-b.output:+yes}").deferred);
    assert_true(value_of("${phase.a-b.output:?why}").deferred);
    assert_false(value_of("${rate:-${phase.a-b.output}}").deferred);
}

static void nesting_and_growth_are_bounded(void **state)
{
    struct buf text = {0};
    struct subst_value v;
    struct err e;

    (void)state;
    for (int i = 0; i < 40; i++)
        buf_adds(&text, "${unset:-");
    for (int i = 0; i < 40; i++)
        buf_addc(&text, '}');
    assert_false(subst_text(buf_text(&text), lookup, NULL, &arena, &v, &e));
    assert_string_equal(e.text, "${...} nested more than 16 levels deep");
    buf_clear(&text);
    for (int i = 0; i < 400000; i++)
        buf_adds(&text, "${rate}");
    assert_false(subst_text(buf_text(&text), lookup, NULL, &arena, &v, &e));
    assert_string_equal(e.text, "expands to more than 1048576 bytes");
    buf_free(&text);
}

UNIT_GROUP(subst, cmocka_unit_test_teardown(accepted_forms, end),
           cmocka_unit_test_teardown(refused_forms, end),
           cmocka_unit_test_teardown(flags_are_those_of_what_is_used, end),
           cmocka_unit_test_teardown(deferred_text_is_empty_as_a_whole, end),
           cmocka_unit_test_teardown(nesting_and_growth_are_bounded, end))

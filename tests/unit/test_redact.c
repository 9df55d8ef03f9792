#include "unit.h"

#include <string.h>

#include "base/buf.h"
#include "base/redact.h"

static int forget(void **state)
{
    (void)state;
    redact_reset();
    return 0;
}

static void expect_text(const char *in, const char *want)
{
    struct buf out = {0};

    redact(in, strlen(in), &out);
    assert_string_equal(buf_text(&out), want);
    buf_free(&out);
}

static void every_form_of_a_secret_is_covered(void **state)
{
    static const struct {
        const char *in, *want;
    } cases[] = {
        {"a p\"w/ü?ok b", "a *** b"},
        {"p%22w%2F%C3%BC%3Fok!", "***!"},
        {"p%22w%2f%c3%bc%3fok!", "***!"},
        {"p%22w/%C3%BC%3Fok", "***"},
        {"{\"p\\\"w\\/ü?ok\"}", "{\"***\"}"},
        {"\"p\\\"w/\\u00fc?ok\"", "\"***\""},
        {"\"p\\u0022w/\\u00FC?ok\"", "\"***\""},
        {"x cCJ3L8O8P29r y", "x *** y"},            /* standard alphabet */
        {"x cCJ3L8O8P29rMQ== y", "x ***MQ== y"},    /* longer text behind it */
        {"Basic dTpwIncvw7w/b2s=", "Basic dTp***"}, /* of "u:" and the secret */
        {"it was p\"w/ü", "it was ***"},            /* cut in the middle of it */
        {"it was p\"w/ü..., expected", "it was ***..., expected"},
        {"it was p\"w/ü or so", "it was p\"w/ü or so"},
        {"it was p\"w/", "it was p\"w/"}, /* too short to tell */
        {"p\"w/ü?okp\"w/ü?ok", "******"},
        {"", ""},
    };

    (void)state;
    redact_add("p\"w/ü?ok");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect_text(cases[i].in, cases[i].want);
}

static void a_word_that_a_secret_begins_with_stays(void **state)
{
    (void)state;
    redact_add("loadtest-token-of-some-length");
    expect_text("loadtest", "loadtest");
    expect_text("it was loadtest...", "it was ***...");
    expect_text("it was loadtest-token-", "it was ***");
}

static void base64_is_found_with_and_without_padding(void **state)
{
    (void)state;
    redact_add("abcd");    /* YWJjZA== */
    redact_add("?\?>>~~"); /* Pz8+Pn5+ or Pz8-Pn5- */
    redact_add("12345");   /* MTIzNDU= */
    expect_text("YWJjZA==.", "***.");
    expect_text("YWJjZA.", "***.");
    expect_text("YWJjZAo=.", "***o=."); /* with the newline that echo adds */
    expect_text("Pz8+Pn5+", "***");
    expect_text("Pz8-Pn5-", "***");
    expect_text("MTIzNDU=", "***");
    expect_text("MTIzNDU", "***");
}

static void the_longest_secret_wins_and_overlaps_leave_nothing(void **state)
{
    (void)state;
    redact_add("token");
    redact_add("token-long");
    redact_add("long-tail");
    expect_text("token-long", "***");
    expect_text("tokens", "***s");
    expect_text("token-long-tail.", "***.");
}

static void short_texts_are_no_secrets(void **state)
{
    (void)state;
    redact_add("abc");
    redact_add("");
    expect_text("abc", "abc");
}

static void the_userinfo_of_urls_goes(void **state)
{
    (void)state;
    expect_text("postgres://me:pa@ss@db:5432/x?u=a@b", "postgres://***@db:5432/x?u=a@b");
    expect_text("see http://host/a@b", "see http://host/a@b");
    expect_text("http://u@h http://host", "http://***@h http://host");
}

static void bytes_that_are_no_text_pass(void **state)
{
    static const char in[] = "a\0%\\\\u\xff token%";
    struct buf out = {0};

    (void)state;
    redact_add("token");
    redact(in, sizeof(in) - 1, &out);
    assert_int_equal(out.len, sizeof(in) - 1 - 2);
    assert_memory_equal(out.data, "a\0%\\\\u\xff ***%", out.len);
    buf_free(&out);
}

#define redact_test(f) cmocka_unit_test_teardown(f, forget)

UNIT_GROUP(redact, redact_test(every_form_of_a_secret_is_covered),
           redact_test(a_word_that_a_secret_begins_with_stays),
           redact_test(base64_is_found_with_and_without_padding),
           redact_test(the_longest_secret_wins_and_overlaps_leave_nothing),
           redact_test(short_texts_are_no_secrets), redact_test(the_userinfo_of_urls_goes),
           redact_test(bytes_that_are_no_text_pass))

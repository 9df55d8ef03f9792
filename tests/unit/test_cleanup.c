/* What a bulk-delete endpoint may answer, and what that means for the hosts of a run. */
#include "unit.h"

#include <string.h>

#include "base/buf.h"
#include "base/redact.h"
#include "driver/cleanup.h"

struct answer {
    long status;
    const char *body;
    int64_t created;
    enum cleanup_verdict verdict;
    const char *why; /* a part of the reason; "": none */
};

static const struct answer answers[] = {
    {200, "{\"deleted\":5,\"failed\":[]}", 5, CLEANUP_DONE, ""},
    {200, "{\"deleted\":0,\"failed\":[]}", 0, CLEANUP_DONE, ""},
    {200, "{\"deleted\":0,\"failed\":[]}", -1, CLEANUP_DONE, ""},
    {200, "{\"deleted\":5,\"failed\":[]}", -1, CLEANUP_MORE, ""},
    {200, "{\"deleted\":4,\"failed\":[]}", 5, CLEANUP_MORE, ""},
    {200, "{\"deleted\":0,\"failed\":[]}", 5, CLEANUP_REFUSED, "0 hosts were deleted, and 5"},
    {200, "{\"deleted\":6,\"failed\":[]}", 5, CLEANUP_REFUSED, "others had names"},
    {200, "{\"deleted\":4,\"failed\":[\"h1: FK\"]}", 5, CLEANUP_REFUSED, "1 host could not"},
    {200, "{\"deleted\":5,\"failed\":[\"h1: FK\"]}", 5, CLEANUP_REFUSED, "h1: FK"},
    {200, "{\"deleted\":5,\"failed\":[7]}", 5, CLEANUP_REFUSED, "does not say why"},
    {200, "{\"deleted\":-5,\"failed\":[]}", 5, CLEANUP_ODD, "no {"},
    {200, "{\"deleted\":\"5\",\"failed\":[]}", 5, CLEANUP_ODD, "no {"},
    {200, "{\"deleted\":5}", 5, CLEANUP_ODD, "no {"},
    {200, "<!doctype html>", 5, CLEANUP_ODD, "no {"},
    {200, "", 5, CLEANUP_ODD, "no {"},
    {307, "", 5, CLEANUP_REFUSED, "/login"},
    {503, "{\"error\":\"Load-test admin endpoint is disabled\"}", 5, CLEANUP_REFUSED,
     "switched off at the server (Load-test"},
    {401, "{\"error\":\"Unauthorized\"}", 5, CLEANUP_REFUSED, "does not take the key"},
    {400, "{\"error\":\"bad prefix\"}", 5, CLEANUP_REFUSED, "status 400: bad prefix"},
    {405, "", 5, CLEANUP_REFUSED, "status 405"},
    {502, "Bad Gateway", 5, CLEANUP_ODD, "status 502"},
    {200, "{\"deleted\":9223372036854775807,\"failed\":[]}", -1, CLEANUP_ODD, "no {"},
};

static void each_answer_has_its_meaning(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        const struct answer *a = &answers[i];
        struct cleanup_count count = {.created = a->created};
        struct buf body = {0};
        char why[200] = "";

        buf_adds(&body, a->body);
        if (cleanup_judge(a->status, "/login", &body, &count, why, sizeof(why)) != a->verdict ||
            !strstr(why, a->why) || (!*a->why && *why))
            fail_msg("status %ld, %s: \"%s\"", a->status, a->body, why);
        buf_free(&body);
    }
}

/* An endpoint may delete a part at a time, and an attempt may follow another. */
static void answers_add_up(void **state)
{
    static const char *const parts[] = {"{\"deleted\":2,\"failed\":[]}",
                                        "{\"deleted\":3,\"failed\":[]}"};
    struct cleanup_count count = {.created = 5};
    struct buf body = {0};
    char why[200] = "";

    (void)state;
    for (int i = 0; i < 2; i++) {
        buf_clear(&body);
        buf_adds(&body, parts[i]);
        assert_int_equal(cleanup_judge(200, "", &body, &count, why, sizeof(why)),
                         i == 0 ? CLEANUP_MORE : CLEANUP_DONE);
    }
    assert_int_equal(count.deleted, 5);
    buf_free(&body);
}

/* Where a server repeats the key in its words, no half of it is left by the cut. */
static void words_are_cut_after_secrets_are_found(void **state)
{
    static const char location[] =
        "/a-login-page-with-a-long-name?with=a-key&of=secret-admin-key-0123456789";
    struct cleanup_count count = {.created = 5};
    struct buf body = {0};
    char why[200];

    (void)state;
    redact_add("secret-admin-key-0123456789");
    cleanup_judge(307, location, &body, &count, why, sizeof(why));
    assert_null(strstr(why, "secret"));
    buf_printf(&body, "{\"error\":\"%085d%s\"}", 0, "secret-admin-key-0123456789");
    cleanup_judge(503, "", &body, &count, why, sizeof(why));
    assert_null(strstr(why, "secret"));
    buf_free(&body);
    redact_reset();
}

/* After a request whose effect is not known, fewer may be left than were made; never more. */
static void a_lost_answer_may_have_deleted_any_number(void **state)
{
    struct cleanup_count fewer = {.created = 5, .lost = true}, more = fewer;
    struct buf none = {0}, six = {0};
    char why[200];

    (void)state;
    buf_adds(&none, "{\"deleted\":0,\"failed\":[]}");
    buf_adds(&six, "{\"deleted\":6,\"failed\":[]}");
    assert_int_equal(cleanup_judge(200, "", &none, &fewer, why, sizeof(why)), CLEANUP_DONE);
    assert_int_equal(cleanup_judge(200, "", &six, &more, why, sizeof(why)), CLEANUP_REFUSED);
    buf_free(&none);
    buf_free(&six);
}

static void a_prefix_belongs_to_load_tests(void **state)
{
    static const char *const good[] = {"loadtest", "loadtest-a", "loadtest-nightly-2"};
    static const char *const bad[] = {"",           "l",           "load",       "loadtest-",
                                      "loadtests",  "Loadtest",    "loadtest_a", "loadtest-%",
                                      "loadtest-_", "loadtest-a ", "prod",       "loadtest-a-"};
    char longest[130];

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(cleanup_is_prefix(good[i]));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(cleanup_is_prefix(bad[i]));
    memset(longest, 'a', sizeof(longest));
    memcpy(longest, "loadtest-", 9);
    longest[101] = '\0';
    assert_false(cleanup_is_prefix(longest));
    longest[100] = '\0';
    assert_true(cleanup_is_prefix(longest));
}

UNIT_GROUP(cleanup, cmocka_unit_test(each_answer_has_its_meaning), cmocka_unit_test(answers_add_up),
           cmocka_unit_test(words_are_cut_after_secrets_are_found),
           cmocka_unit_test(a_lost_answer_may_have_deleted_any_number),
           cmocka_unit_test(a_prefix_belongs_to_load_tests))

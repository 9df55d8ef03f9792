#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/grpc.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define MAX      100

/* Gives the bytes in pieces of `step`; what came out as one text, messages in brackets. */
static const char *read_all(const char *bytes, size_t len, size_t step)
{
    static char out[1024];
    struct grpc_reader r = {0};
    size_t n = 0;

    out[0] = '\0';
    for (size_t at = 0; at < len; at += step) {
        size_t piece = len - at < step ? len - at : step;
        char *copy = malloc(piece);
        struct grpc_span in = {memcpy(copy, bytes + at, piece), piece}, m;
        enum grpc_event what;

        while ((what = grpc_next(&r, &in, MAX, &m)) == GRPC_MESSAGE)
            n += (size_t)snprintf(out + n, sizeof(out) - n, "[%.*s]", (int)m.len, m.data);
        assert_int_equal(in.len, 0);
        free(copy);
        if (what != GRPC_MORE) {
            snprintf(out + n, sizeof(out) - n, "%s", what == GRPC_COMPRESSED ? "flag" : "large");
            in = (struct grpc_span){"\0\0\0\0\0", 5};
            assert_int_equal(grpc_next(&r, &in, MAX, &m), what);
            break;
        }
    }
    if (!grpc_reader_is_clean(&r) && !strstr(out, "flag") && !strstr(out, "large"))
        snprintf(out + strlen(out), sizeof(out) - strlen(out), "...");
    grpc_reader_free(&r);
    assert_true(grpc_reader_is_clean(&r));
    return out;
}

#define BYTES(s) s, sizeof(s) - 1

static void messages_come_out_however_they_are_cut(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *want;
    } cases[] = {
        {BYTES(""), ""},
        {BYTES("\0\0\0\0\0"), "[]"},
        {BYTES("\0\0\0\0\3abc"), "[abc]"},
        {BYTES("\0\0\0\0\3abc\0\0\0\0\0\0\0\0\0\5defgh"), "[abc][][defgh]"},
        {BYTES("\0\0\0\0\3abc\0\0\0\0\2d"), "[abc]..."},
        {BYTES("\0\0\0"), "..."},
        {BYTES("\0\0\0\0\1a\1\0\0\0\1b"), "[a]flag"},
        {BYTES("\0\0\0\0\1a\0\0\0\0\x65"), "[a]large"},
        {BYTES("\0\xff\xff\xff\xff"), "large"},
        {BYTES("\2\xff\xff\xff\xff"), "flag"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        for (size_t step = 1; step <= 24; step++)
            assert_string_equal(read_all(cases[i].bytes, cases[i].len, step), cases[i].want);
}

static void a_promise_of_length_costs_nothing(void **state)
{
    char zeros[4096] = {0};
    struct grpc_reader r = {0};
    struct grpc_span in = {"\0\0\x40\0\0x", 6}, m;
    size_t given = 1;

    (void)state;
    assert_int_equal(grpc_next(&r, &in, GRPC_MESSAGE_MAX, &m), GRPC_MORE);
    for (;;) {
        in = (struct grpc_span){zeros, sizeof(zeros)};
        given += sizeof(zeros);
        if (grpc_next(&r, &in, GRPC_MESSAGE_MAX, &m) == GRPC_MESSAGE)
            break;
    }
    assert_int_equal(m.len, GRPC_MESSAGE_MAX);
    assert_int_equal(given - in.len, GRPC_MESSAGE_MAX);
    assert_int_equal(m.data[0], 'x');
    grpc_reader_free(&r);
}

static void a_prefix_is_big_endian(void **state)
{
    char out[GRPC_PREFIX];

    (void)state;
    grpc_prefix(out, 0x01020304);
    assert_memory_equal(out, "\0\1\2\3\4", 5);
}

static void status_codes(void **state)
{
    static const struct {
        const char *text;
        int want; /* -1: refused */
    } cases[] = {
        {"0", GRPC_OK},
        {"16", GRPC_UNAUTHENTICATED},
        {"05", GRPC_NOT_FOUND},
        {"17", GRPC_UNKNOWN},
        {"99999999999999999999", GRPC_UNKNOWN},
        {"", -1},
        {"-1", -1},
        {"1 ", -1},
        {"x", -1},
    };
    enum grpc_code code;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        bool ok = grpc_code_parse(cases[i].text, strlen(cases[i].text), &code);

        assert_int_equal(ok ? (int)code : -1, cases[i].want);
    }
    for (int i = 0; i < GRPC_CODES; i++)
        assert_non_null(grpc_code_names[i]);
    assert_string_equal(grpc_code_names[GRPC_UNIMPLEMENTED], "UNIMPLEMENTED");
    assert_int_equal(grpc_code_of_http(404), GRPC_UNIMPLEMENTED);
    assert_int_equal(grpc_code_of_http(503), GRPC_UNAVAILABLE);
    assert_int_equal(grpc_code_of_http(200), GRPC_UNKNOWN);
}

static void content_types(void **state)
{
    static const struct {
        const char *text;
        bool ok;
    } cases[] = {
        {"application/grpc", true},
        {"application/grpc+proto", true},
        {"Application/gRPC;charset=utf-8", true},
        {"application/grpc-web", false},
        {"application/grp", false},
        {"text/html", false},
        {"", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(grpc_content_type(cases[i].text, strlen(cases[i].text)), cases[i].ok);
}

static void words_of_the_peer_are_decoded_and_fit_to_be_shown(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"plain", "plain"},
        {"100%25", "100%"},
        {"caf%C3%A9", "caf\xc3\xa9"},
        {"caf\xc3\xa9", "caf\xc3\xa9"},
        {"a%0Ab%1b", "a b "},
        {"%", "%"},
        {"%4", "%4"},
        {"%zz%41", "%zzA"},
        {"%C3", "?"},
        {"%ED%A0%80x", "???x"},
        {"\xff\xfe", "??"},
    };
    char out[16];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t n = grpc_message_decode(cases[i].in, strlen(cases[i].in), out, sizeof(out));

        assert_string_equal(out, cases[i].out);
        assert_int_equal(n, strlen(out));
    }
    assert_int_equal(grpc_message_decode("abcdef", 6, out, 4), 3);
    assert_string_equal(out, "abc");
    assert_int_equal(grpc_message_decode("ab%C3%A9d", 9, out, 4), 2);
    assert_int_equal(grpc_message_decode("ab", 2, out, 1), 0);
    assert_int_equal(grpc_message_decode("ab", 2, out, 0), 0);
}

static void words_are_encoded(void **state)
{
    char out[16];

    (void)state;
    grpc_message_encode("a b%\n\xc3\xa9", 7, out, sizeof(out));
    assert_string_equal(out, "a b%25%0A%C3%A9");
    assert_int_equal(grpc_message_encode("ab%", 3, out, 5), 2);
}

static void deadlines(void **state)
{
    static const struct {
        int64_t ns;
        const char *text;
        int64_t back;
    } cases[] = {
        {0, "0n", 0},
        {1500, "1500n", 1500},
        {INT64_C(30000000000), "30000000u", INT64_C(30000000000)},
        {INT64_C(100000000001), "100001m", INT64_C(100001000000)},
        {INT64_MAX, "2562048H", INT64_MAX},
    };
    static const char *const bad[] = {"", "n", "5", "5x", "-1S", "123456789S", "1 S"};
    char out[12];
    int64_t ns;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        grpc_timeout_print(cases[i].ns, out);
        assert_string_equal(out, cases[i].text);
        assert_true(grpc_timeout_parse(out, strlen(out), &ns));
        assert_int_equal(ns, cases[i].back);
    }
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_false(grpc_timeout_parse(bad[i], strlen(bad[i]), &ns));
}

UNIT_GROUP(grpc, cmocka_unit_test(messages_come_out_however_they_are_cut),
           cmocka_unit_test(a_promise_of_length_costs_nothing),
           cmocka_unit_test(a_prefix_is_big_endian), cmocka_unit_test(status_codes),
           cmocka_unit_test(content_types),
           cmocka_unit_test(words_of_the_peer_are_decoded_and_fit_to_be_shown),
           cmocka_unit_test(words_are_encoded), cmocka_unit_test(deadlines))

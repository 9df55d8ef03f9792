/* UTF-8 against its definition: every sequence of up to three bytes, and all lengths of four. */
#include "base/utf8.h"

#include <string.h>

#include "unit.h"

/* RFC 3629 3, backwards: the code point that the bytes stand for must need just so many. */
static bool is_character(const uint8_t *p, size_t len)
{
    static const uint8_t leads[][2] = {{0x80, 0}, {0xe0, 0xc0}, {0xf0, 0xe0}, {0xf8, 0xf0}};
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    uint32_t code;

    if ((p[0] & leads[len - 1][0]) != leads[len - 1][1])
        return false;
    code = p[0] & (uint8_t)~leads[len - 1][0];
    for (size_t i = 1; i < len; i++) {
        if (p[i] >> 6 != 2)
            return false;
        code = code << 6 | (p[i] & 0x3f);
    }
    return code >= least[len - 1] && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
}

static void compare(const uint8_t *p, size_t len)
{
    bool one = is_character(p, len);
    uint32_t state = 0;

    if (utf8_length(p, len) == len ? !one : one)
        fail_msg("%02x %02x %02x %02x, %zu bytes", p[0], p[1], p[2], p[3], len);
    if (!one)
        return;
    assert_true(utf8_is(p, len));
    for (size_t i = 0; i < len; i++) {
        assert_true(utf8_check(&state, p + i, 1));
        assert_int_equal(state == 0, i + 1 == len);
        assert_int_equal(utf8_is(p, i), i == 0);
    }
}

static void characters_are_those_of_the_definition(void **state)
{
    static const uint8_t ends[] = {0x7f, 0x80, 0xbf, 0xc0};

    (void)state;
    for (uint32_t n = 0; n < 1u << 24; n++) {
        uint8_t p[4] = {(uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n, 0};

        if ((n & 0xffff) == 0)
            compare(p, 1);
        if ((n & 0xff) == 0)
            compare(p, 2);
        if (p[0] >= 0xc0) /* below, the first byte alone decides */
            compare(p, 3);
    }
    for (uint32_t n = 0; n < 1u << 16; n++)
        for (int i = 0; i < 4; i++)
            compare((uint8_t[]){(uint8_t)(0xf0 | n >> 12), (uint8_t)(n >> 4),
                                (uint8_t)(0x80 | (n & 0x3f)), ends[i]},
                    4);
}

static void text_is_all_characters(void **state)
{
    (void)state;
    assert_true(utf8_is("", 0));
    assert_true(utf8_is("a\0b", 3));
    assert_true(utf8_is("\xc3\xa4 \xf0\x9f\x98\x80 z", 9));
    assert_false(utf8_is("\xc3\xa4 \xf0\x9f\x98", 6));
    assert_false(utf8_is("a\xff", 2));
    assert_int_equal(utf8_length("", 0), 0);
    assert_int_equal(utf8_length("ab", 2), 1);
}

UNIT_GROUP(utf8, cmocka_unit_test(characters_are_those_of_the_definition),
           cmocka_unit_test(text_is_all_characters));

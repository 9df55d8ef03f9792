#include "base/utf8.h"

/*
 * The state between two bytes of a character: the lowest and the highest byte that may come next,
 * and how many are to come.
 */
#define NEXT(low, high, count) ((uint32_t)(low) << 16 | (high) << 8 | (count))
#define NONE                   UINT32_MAX

static uint32_t after_first(uint8_t c)
{
    if (c < 0x80)
        return 0;
    if (c < 0xc2 || c > 0xf4)
        return NONE;
    if (c < 0xe0)
        return NEXT(0x80, 0xbf, 1);
    if (c < 0xf0)
        return NEXT(c == 0xe0 ? 0xa0 : 0x80, c == 0xed ? 0x9f : 0xbf, 2);
    return NEXT(c == 0xf0 ? 0x90 : 0x80, c == 0xf4 ? 0x8f : 0xbf, 3);
}

static uint32_t after(uint32_t state, uint8_t c)
{
    if (state == 0)
        return after_first(c);
    if (c < state >> 16 || c > (state >> 8 & 0xff))
        return NONE;
    return (state & 0xff) == 1 ? 0 : NEXT(0x80, 0xbf, (state & 0xff) - 1);
}

bool utf8_check(uint32_t *state, const void *piece, size_t len)
{
    const uint8_t *p = piece;

    for (size_t i = 0; i < len; i++)
        if ((*state = after(*state, p[i])) == NONE)
            return false;
    return true;
}

bool utf8_is(const void *text, size_t len)
{
    uint32_t state = 0;

    return utf8_check(&state, text, len) && state == 0;
}

size_t utf8_length(const void *text, size_t len)
{
    const uint8_t *p = text;
    uint32_t state = 0;

    for (size_t i = 0; i < len; i++) {
        state = after(state, p[i]);
        if (state == 0 || state == NONE)
            return state == 0 ? i + 1 : 0;
    }
    return 0;
}

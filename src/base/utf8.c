#include "base/utf8.h"

/* How many bytes a character that begins with `c` has; 0: none begins like that. */
static ptrdiff_t length_of(unsigned char c)
{
    return c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
}

bool utf8_is(const void *text, size_t len)
{
    const unsigned char *p = text, *end = p + len;

    while (p < end) {
        ptrdiff_t n = length_of(*p);

        if (n == 0 || n > end - p)
            return false;
        for (ptrdiff_t i = 1; i < n; i++)
            if ((p[i] & 0xc0) != 0x80)
                return false;
        if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) ||
            (*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] > 0x8f))
            return false;
        p += n;
    }
    return true;
}

#include "net/base64url.h"

#include <stdint.h>

#include "base/buf.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void base64url_add(struct buf *out, const void *data, size_t len)
{
    const uint8_t *in = data;

    buf_reserve(out, len / 3 * 4 + 5);
    for (size_t i = 0; i < len; i += 3) {
        size_t left = len - i;
        uint32_t bits = (uint32_t)in[i] << 16;

        bits |= left > 1 ? (uint32_t)in[i + 1] << 8 : 0;
        bits |= left > 2 ? in[i + 2] : 0;
        buf_addc(out, alphabet[bits >> 18]);
        buf_addc(out, alphabet[bits >> 12 & 63]);
        if (left > 1)
            buf_addc(out, alphabet[bits >> 6 & 63]);
        if (left > 2)
            buf_addc(out, alphabet[bits & 63]);
    }
}

static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

bool base64url_decode(struct buf *out, const char *text, size_t len)
{
    size_t before = out->len;
    uint32_t bits = 0;
    int have = 0;

    for (size_t i = 0; i < len; i++) {
        int v = value_of(text[i]);

        if (v < 0)
            goto bad;
        bits = bits << 6 | (uint32_t)v;
        have += 6;
        if (have >= 8) {
            have -= 8;
            buf_addc(out, (char)(bits >> have));
            bits &= (1u << have) - 1;
        }
    }
    if (have < 6 && bits == 0)
        return true;
bad:
    out->len = before;
    if (out->data)
        out->data[before] = '\0';
    return false;
}

bool base64url_is(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (value_of(text[i]) < 0)
            return false;
    return len > 0;
}

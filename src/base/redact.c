/*
 * redact.c - finding secrets in the forms in which they travel.
 *
 * A secret is matched byte by byte, each byte plain, percent-encoded or JSON-escaped, in any
 * mixture: encoders differ in what they leave alone, and one matcher covers them all.  Base64
 * regroups bits, so there a secret looks different at each of three alignments; the characters that
 * it alone determines are kept for each, which also finds a password inside the base64 of
 * "user:password".  Matches that overlap are covered as one.
 */
#include "base/redact.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

#define SECRET_MIN 4
#define CUT_MIN    6 /* of a secret's beginning where a text was cut */

struct base64_form {
    char *text; /* characters that the secret alone determines */
    size_t len;
    bool mixed; /* the next character holds its last bits */
};

struct secret {
    char *text;
    size_t len;
    struct base64_form base64[3]; /* by the number of bytes before it, modulo 3 */
};

static struct secret *secrets; /* longest first */
static int secret_count;

/* Base64 (RFC 4648 section 4) of `lead` unknown bytes and the secret. */
static void encode_base64(struct base64_form *form, const char *text, size_t len, size_t lead)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t first = (lead * 8 + 5) / 6, end = (lead + len) * 8 / 6;

    form->text = xcalloc(1, end - first + 1);
    form->len = end - first;
    form->mixed = (lead + len) % 3 != 0;
    for (size_t i = first; i < end; i++) {
        size_t bit = i * 6 - lead * 8, at = bit / 8, next = at + 1 < len ? at + 1 : at;
        unsigned pair = (unsigned)(uint8_t)text[at] << 8 | (uint8_t)text[next];

        form->text[i - first] = digits[pair >> (10 - bit % 8) & 63];
    }
}

void redact_add(const char *secret)
{
    size_t len = strlen(secret);
    struct secret *s;
    int at = 0;

    if (len < SECRET_MIN)
        return;
    while (at < secret_count && secrets[at].len >= len) {
        if (strcmp(secrets[at].text, secret) == 0)
            return;
        at++;
    }
    secrets = xrealloc(secrets, sizeof(*secrets) * (size_t)(secret_count + 1));
    memmove(secrets + at + 1, secrets + at, sizeof(*secrets) * (size_t)(secret_count - at));
    secret_count++;
    s = &secrets[at];
    *s = (struct secret){.text = xcalloc(1, len + 1), .len = len};
    memcpy(s->text, secret, len);
    for (size_t lead = 0; lead < 3; lead++)
        encode_base64(&s->base64[lead], secret, len, lead);
}

static void wipe(char *text, size_t len)
{
    explicit_bzero(text, len);
    free(text);
}

void redact_reset(void)
{
    for (int i = 0; i < secret_count; i++) {
        wipe(secrets[i].text, secrets[i].len);
        for (int f = 0; f < 3; f++)
            wipe(secrets[i].base64[f].text, secrets[i].base64[f].len);
    }
    free(secrets);
    secrets = NULL;
    secret_count = 0;
}

static int hex_value(const char *at, const char *end, int digits)
{
    int value = 0;

    if (end - at < digits)
        return -1;
    for (int i = 0; i < digits; i++) {
        unsigned char c = (unsigned char)at[i];

        if (!isxdigit(c))
            return -1;
        value = value * 16 + (isdigit(c) ? c - '0' : tolower(c) - 'a' + 10);
    }
    return value;
}

/* The character that \uXXXX (or a surrogate pair, RFC 8259 section 7) stands for; its length. */
static size_t read_unicode_escape(const char *at, const char *end, uint32_t *code)
{
    int high = end - at >= 6 && at[0] == '\\' && at[1] == 'u' ? hex_value(at + 2, end, 4) : -1;
    int low;

    if (high < 0)
        return 0;
    *code = (uint32_t)high;
    if (high < 0xd800 || high > 0xdbff || end - at < 12 || at[6] != '\\' || at[7] != 'u')
        return 6;
    low = hex_value(at + 8, end, 4);
    if (low < 0xdc00 || low > 0xdfff)
        return 6;
    *code = 0x10000 + (((uint32_t)high & 0x3ff) << 10 | ((uint32_t)low & 0x3ff));
    return 12;
}

static size_t put_utf8(uint32_t code, char out[4])
{
    size_t len = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};

    for (size_t i = len - 1; i > 0; i--, code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3f));
    out[0] = (char)(lead[len] | code);
    return len;
}

/*
 * Matches the start of `secret` against the text, encoded in one of the ways; the bytes used of the
 * text, and of the secret in `*taken`.  0: no match.
 */
static size_t match_encoded(const char *secret, size_t left, const char *at, const char *end,
                            size_t *taken)
{
    static const char escapes[] = "bfnrt\"\\/", meanings[] = "\b\f\n\r\t\"\\/";
    const char *escape;
    char utf8[4];
    uint32_t code;
    size_t used;

    *taken = 1;
    if (*at == '%' && hex_value(at + 1, end, 2) == (uint8_t)*secret)
        return 3;
    if (*at == '+' && *secret == ' ')
        return 1;
    if (*at != '\\' || end - at < 2)
        return 0;
    escape = memchr(escapes, at[1], sizeof(escapes) - 1);
    if (escape && meanings[escape - escapes] == *secret)
        return 2;
    used = read_unicode_escape(at, end, &code);
    if (used == 0)
        return 0;
    *taken = put_utf8(code, utf8);
    return *taken <= left && memcmp(utf8, secret, *taken) == 0 ? used : 0;
}

static size_t match_text(const struct secret *s, const char *at, const char *end)
{
    const char *start = at;
    size_t done = 0;

    while (done < s->len) {
        size_t taken = 1, used;

        if (at == end)
            return 0;
        used = match_encoded(s->text + done, s->len - done, at, end, &taken);
        if (used == 0 && *at == s->text[done])
            used = taken = 1;
        if (used == 0)
            return 0;
        at += used;
        done += taken;
    }
    return (size_t)(at - start);
}

/* The URL-safe alphabet (RFC 4648 section 5) differs in two characters. */
static char standard_digit(char c)
{
    return c == '-' ? '+' : c == '_' ? '/' : c;
}

static size_t match_base64(const struct base64_form *form, const char *at, const char *end)
{
    size_t len = form->len;

    if ((size_t)(end - at) < len)
        return 0;
    for (size_t i = 0; i < len; i++)
        if (standard_digit(at[i]) != form->text[i])
            return 0;
    if (!form->mixed)
        return len;
    if (at + len < end && (isalnum((unsigned char)at[len]) || memchr("+/-_", at[len], 4)))
        len++;
    for (int pad = 0; pad < 2 && at + len < end && at[len] == '='; pad++)
        len++;
    return len;
}

/* "user:password@" behind "://" (RFC 3986 section 3.2): the length up to the '@'. */
static size_t match_userinfo(const char *text, const char *at, const char *end)
{
    size_t len = 0;

    if (at - text < 3 || memcmp(at - 3, "://", 3) != 0)
        return 0;
    for (const char *p = at; p < end && !isspace((unsigned char)*p) && !strchr("/?#\"'<>", *p); p++)
        if (*p == '@')
            len = (size_t)(p - at);
    return len;
}

static size_t match_any(const char *text, const char *at, const char *end)
{
    size_t longest = match_userinfo(text, at, end);

    for (int i = 0; i < secret_count; i++) {
        size_t len = match_text(&secrets[i], at, end);

        longest = len > longest ? len : longest;
        for (int f = 0; f < 3; f++) {
            len = match_base64(&secrets[i].base64[f], at, end);
            longest = len > longest ? len : longest;
        }
    }
    return longest;
}

/*
 * The beginning of a secret where a text was cut.  Dots say so; without them a text that ends with
 * a few bytes of a secret just ends with a word, as "loadtest" is of "loadtest-token", and only
 * half of the secret or more counts.
 */
static size_t match_cut(const char *at, const char *end)
{
    for (int i = 0; i < secret_count; i++) {
        const struct secret *s = &secrets[i];
        bool dots;
        size_t n = 0;

        while (n < s->len && at + n < end && at[n] == s->text[n])
            n++;
        dots = end - at - (ptrdiff_t)n >= 3 && memcmp(at + n, "...", 3) == 0;
        if (n >= CUT_MIN && n < s->len && (dots || (at + n == end && 2 * n >= s->len)))
            return n;
    }
    return 0;
}

void redact(const char *text, size_t len, struct buf *out)
{
    const char *end = text + len, *covered = text, *plain = text;

    for (const char *at = text; at < end; at++) {
        size_t hit = match_any(text, at, end);

        if (hit == 0)
            hit = match_cut(at, end);
        if (hit == 0)
            continue;
        if (at >= covered) {
            if (at > plain)
                buf_add(out, plain, (size_t)(at - plain));
            buf_adds(out, "***");
        }
        if (at + hit > covered)
            plain = covered = at + hit;
    }
    if (plain < end)
        buf_add(out, plain, (size_t)(end - plain));
}

/*
 * grpc.c - messages are handed out where they lie; only one that is cut in two is copied.
 *
 * The piece that came first goes into a block of its own, which grows with what arrives and not
 * with what a prefix promises: a peer that announces 4 MiB on each of a million streams and sends
 * nothing costs a few bytes.
 */
#include "net/grpc.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/utf8.h"

#define PARTIAL_FIRST 64

struct grpc_partial {
    uint32_t len, cap; /* of data, prefix included */
    bool done;         /* it was handed out and goes at the next call */
    uint8_t broken;    /* enum grpc_event; 0: it is not */
    char data[];
};

const char *const grpc_code_names[GRPC_CODES + 1] = {
    [GRPC_OK] = "OK",
    [GRPC_CANCELLED] = "CANCELLED",
    [GRPC_UNKNOWN] = "UNKNOWN",
    [GRPC_INVALID_ARGUMENT] = "INVALID_ARGUMENT",
    [GRPC_DEADLINE_EXCEEDED] = "DEADLINE_EXCEEDED",
    [GRPC_NOT_FOUND] = "NOT_FOUND",
    [GRPC_ALREADY_EXISTS] = "ALREADY_EXISTS",
    [GRPC_PERMISSION_DENIED] = "PERMISSION_DENIED",
    [GRPC_RESOURCE_EXHAUSTED] = "RESOURCE_EXHAUSTED",
    [GRPC_FAILED_PRECONDITION] = "FAILED_PRECONDITION",
    [GRPC_ABORTED] = "ABORTED",
    [GRPC_OUT_OF_RANGE] = "OUT_OF_RANGE",
    [GRPC_UNIMPLEMENTED] = "UNIMPLEMENTED",
    [GRPC_INTERNAL] = "INTERNAL",
    [GRPC_UNAVAILABLE] = "UNAVAILABLE",
    [GRPC_DATA_LOSS] = "DATA_LOSS",
    [GRPC_UNAUTHENTICATED] = "UNAUTHENTICATED",
};

bool grpc_code_parse(const char *text, size_t len, enum grpc_code *code)
{
    uint32_t value = 0;

    if (len == 0)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!isdigit((unsigned char)text[i]))
            return false;
        if (value < GRPC_CODES)
            value = value * 10 + (uint32_t)(text[i] - '0');
    }
    *code = value < GRPC_CODES ? (enum grpc_code)value : GRPC_UNKNOWN;
    return true;
}

enum grpc_code grpc_code_of_http(int status)
{
    switch (status) {
    case 400:
        return GRPC_INTERNAL;
    case 401:
        return GRPC_UNAUTHENTICATED;
    case 403:
        return GRPC_PERMISSION_DENIED;
    case 404:
        return GRPC_UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504:
        return GRPC_UNAVAILABLE;
    default:
        return GRPC_UNKNOWN;
    }
}

bool grpc_content_type(const char *value, size_t len)
{
    static const char name[] = "application/grpc";
    const size_t n = sizeof(name) - 1;

    return len >= n && strncasecmp(value, name, n) == 0 &&
           (len == n || value[n] == '+' || value[n] == ';');
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* In place; the text is not longer afterwards.  A character that was cut off at the end goes. */
static size_t make_printable(char *text, size_t len, bool cut)
{
    unsigned char *p = (unsigned char *)text;

    for (size_t i = 0; i < len;) {
        size_t n = utf8_length(p + i, len - i);

        if (n == 0 && cut && len - i < 4 && p[i] >= 0xc2)
            return i;
        if (n == 0)
            p[i] = '?';
        else if (p[i] < 0x20 || p[i] == 0x7f)
            p[i] = ' ';
        i += n ? n : 1;
    }
    return len;
}

size_t grpc_message_decode(const char *text, size_t len, char *out, size_t size)
{
    size_t n = 0, i = 0;

    if (size == 0)
        return 0;
    while (i < len && n + 1 < size) {
        if (text[i] == '%' && len - i > 2 && hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0) {
            out[n++] = (char)(hex(text[i + 1]) << 4 | hex(text[i + 2]));
            i += 3;
        } else {
            out[n++] = text[i++];
        }
    }
    n = make_printable(out, n, i < len);
    out[n] = '\0';
    return n;
}

size_t grpc_message_encode(const char *text, size_t len, char *out, size_t size)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t n = 0;

    if (size == 0)
        return 0;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        bool plain = c >= 0x20 && c <= 0x7e && c != '%';

        if (n + (plain ? 1 : 3) >= size)
            break;
        if (plain) {
            out[n++] = (char)c;
        } else {
            out[n++] = '%';
            out[n++] = digits[c >> 4];
            out[n++] = digits[c & 15];
        }
    }
    out[n] = '\0';
    return n;
}

static const struct {
    char unit;
    int64_t ns;
} timeout_units[] = {
    {'n', 1},
    {'u', 1000},
    {'m', 1000000},
    {'S', 1000000000},
    {'M', INT64_C(60000000000)},
    {'H', INT64_C(3600000000000)},
};
#define TIMEOUT_UNITS  (sizeof(timeout_units) / sizeof(timeout_units[0]))
#define TIMEOUT_DIGITS 99999999

void grpc_timeout_print(int64_t ns, char out[12])
{
    size_t u = 0;
    int64_t n;

    if (ns < 0)
        ns = 0;
    while (u + 1 < TIMEOUT_UNITS && ns > TIMEOUT_DIGITS * timeout_units[u].ns)
        u++;
    n = ns / timeout_units[u].ns + (ns % timeout_units[u].ns != 0);
    snprintf(out, 12, "%d%c", (int)(n > TIMEOUT_DIGITS ? TIMEOUT_DIGITS : n),
             timeout_units[u].unit);
}

bool grpc_timeout_parse(const char *text, size_t len, int64_t *ns)
{
    int64_t value = 0;

    if (len < 2 || len > 9)
        return false;
    for (size_t i = 0; i + 1 < len; i++) {
        if (!isdigit((unsigned char)text[i]))
            return false;
        value = value * 10 + (text[i] - '0');
    }
    for (size_t u = 0; u < TIMEOUT_UNITS; u++) {
        if (text[len - 1] != timeout_units[u].unit)
            continue;
        if (__builtin_mul_overflow(value, timeout_units[u].ns, ns))
            *ns = INT64_MAX;
        return true;
    }
    return false;
}

void grpc_prefix(char out[GRPC_PREFIX], size_t len)
{
    out[0] = 0;
    out[1] = (char)(len >> 24);
    out[2] = (char)(len >> 16);
    out[3] = (char)(len >> 8);
    out[4] = (char)len;
}

static uint32_t length_of(const char *prefix)
{
    const unsigned char *p = (const unsigned char *)prefix;

    return (uint32_t)p[1] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 8 | p[4];
}

/* What a whole prefix says: GRPC_MESSAGE if the message may be read. */
static enum grpc_event look(const char *prefix, size_t max)
{
    if (prefix[0] != 0)
        return GRPC_COMPRESSED;
    return length_of(prefix) > max ? GRPC_TOO_LARGE : GRPC_MESSAGE;
}

static struct grpc_partial *partial_with(struct grpc_reader *r, size_t cap)
{
    struct grpc_partial *p = r->partial;

    if (!p) {
        p = xrealloc(NULL, sizeof(*p) + cap);
        *p = (struct grpc_partial){.cap = (uint32_t)cap};
    } else if (p->cap < cap) {
        p = xrealloc(p, sizeof(*p) + cap);
        p->cap = (uint32_t)cap;
    }
    return r->partial = p;
}

static enum grpc_event broken(struct grpc_reader *r, enum grpc_event why, struct grpc_span *in)
{
    partial_with(r, 0)->broken = (uint8_t)why;
    in->data += in->len;
    in->len = 0;
    return why;
}

/* Moves bytes from `in` until the reader holds `want` of them, or `in` is empty. */
static bool gather(struct grpc_reader *r, struct grpc_span *in, size_t want)
{
    struct grpc_partial *p = r->partial;
    size_t had = p ? p->len : 0, n = want - had;

    if (n > in->len)
        n = in->len;
    if (!p || p->cap < had + n) {
        size_t cap = had * 2 > had + n ? had * 2 : had + n;

        p = partial_with(r, cap < PARTIAL_FIRST ? PARTIAL_FIRST : cap < want ? cap : want);
    }
    memcpy(p->data + had, in->data, n);
    p->len = (uint32_t)(had + n);
    in->data += n;
    in->len -= n;
    return p->len == want;
}

static enum grpc_event go_on(struct grpc_reader *r, struct grpc_span *in, size_t max,
                             struct grpc_span *message)
{
    enum grpc_event what;

    if (r->partial->len < GRPC_PREFIX && !gather(r, in, GRPC_PREFIX))
        return GRPC_MORE;
    what = look(r->partial->data, max);
    if (what != GRPC_MESSAGE)
        return broken(r, what, in);
    if (!gather(r, in, GRPC_PREFIX + (size_t)length_of(r->partial->data)))
        return GRPC_MORE;
    r->partial->done = true;
    *message = (struct grpc_span){r->partial->data + GRPC_PREFIX, r->partial->len - GRPC_PREFIX};
    return GRPC_MESSAGE;
}

enum grpc_event grpc_next(struct grpc_reader *r, struct grpc_span *in, size_t max,
                          struct grpc_span *message)
{
    enum grpc_event what;
    size_t len;

    if (r->partial && r->partial->broken)
        return broken(r, r->partial->broken, in);
    if (r->partial && r->partial->done)
        grpc_reader_free(r);
    if (r->partial)
        return go_on(r, in, max, message);
    if (in->len == 0)
        return GRPC_MORE;
    if (in->len < GRPC_PREFIX) {
        gather(r, in, GRPC_PREFIX);
        return GRPC_MORE;
    }
    what = look(in->data, max);
    if (what != GRPC_MESSAGE)
        return broken(r, what, in);
    len = length_of(in->data);
    if (in->len - GRPC_PREFIX < len) {
        gather(r, in, GRPC_PREFIX + len);
        return GRPC_MORE;
    }
    *message = (struct grpc_span){in->data + GRPC_PREFIX, len};
    in->data += GRPC_PREFIX + len;
    in->len -= GRPC_PREFIX + len;
    return GRPC_MESSAGE;
}

bool grpc_reader_is_clean(const struct grpc_reader *r)
{
    return !r->partial || r->partial->done;
}

void grpc_reader_free(struct grpc_reader *r)
{
    free(r->partial);
    r->partial = NULL;
}

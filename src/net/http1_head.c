/*
 * http1_head.c - start lines, fields and the framing they ask for (RFC 9112 sections 3 to 6).
 */
#include "net/http1_head.h"

#include <string.h>
#include <strings.h>

struct framing { /* what the fields of one head say */
    bool length, coding, close, keep;
};

/* RFC 9110 5.6.2: the characters of methods and field names. */
static bool token_char(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           (c && strchr("!#$%&'*+.^_`|~", c));
}

static bool is_token(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!token_char((unsigned char)s[i]))
            return false;
    return len > 0;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct http1_span trim(const char *s, size_t len)
{
    while (len > 0 && is_blank(*s))
        s++, len--;
    while (len > 0 && is_blank(s[len - 1]))
        len--;
    return (struct http1_span){s, len};
}

static bool span_is(const struct http1_span *s, const char *text)
{
    return s->len == strlen(text) && strncasecmp(s->data, text, s->len) == 0;
}

/*
 * Cuts the next line off `rest`, without its end.  False if it holds a bare CR, which some readers
 * take for a line end and others do not.
 */
static bool next_line(struct http1_span *rest, struct http1_span *line)
{
    const char *lf = memchr(rest->data, '\n', rest->len);
    size_t len = lf ? (size_t)(lf - rest->data) : rest->len;

    *line = (struct http1_span){rest->data, len};
    rest->data += len + (lf != NULL);
    rest->len -= len + (lf != NULL);
    if (line->len > 0 && line->data[line->len - 1] == '\r')
        line->len--;
    return !memchr(line->data, '\r', line->len);
}

/* RFC 9112 2.3: "HTTP/1." and one digit; the digit or -1. */
static int version_minor(const char *s, size_t len)
{
    return len == 8 && memcmp(s, "HTTP/1.", 7) == 0 && is_digit(s[7]) ? s[7] - '0' : -1;
}

/* RFC 9112 4; a missing reason may lack its space too, as it does from many servers. */
static const char *read_status_line(struct http1 *p, const struct http1_span *line)
{
    const char *s = line->data;
    int minor = line->len >= 8 ? version_minor(s, 8) : -1;

    if (minor < 0)
        return "the answer does not begin with HTTP/1.x";
    if (line->len < 12 || s[8] != ' ' || !is_digit(s[9]) || !is_digit(s[10]) || !is_digit(s[11]) ||
        (line->len > 12 && s[12] != ' '))
        return "malformed status line";
    p->minor = (uint8_t)minor;
    p->status = (uint16_t)((s[9] - '0') * 100 + (s[10] - '0') * 10 + (s[11] - '0'));
    return p->status >= 100 ? NULL : "status below 100";
}

static bool is_target(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)s[i] <= ' ' || s[i] == 0x7f)
            return false;
    return len > 0;
}

/* RFC 9112 3: method, target and version with single spaces between them. */
static const char *read_request_line(struct http1 *p, const struct http1_span *line)
{
    const char *end = line->data + line->len, *target, *version;
    const char *space = memchr(line->data, ' ', line->len);
    int minor;

    if (!space || !is_token(line->data, (size_t)(space - line->data)))
        return "malformed method";
    target = space + 1;
    space = memchr(target, ' ', (size_t)(end - target));
    if (!space || !is_target(target, (size_t)(space - target)))
        return "malformed request target";
    version = space + 1;
    minor = version_minor(version, (size_t)(end - version));
    if (minor < 0)
        return "the request line does not end with HTTP/1.x";
    p->minor = (uint8_t)minor;
    p->method_len = (uint32_t)(target - 1 - line->data);
    p->target_at = (uint32_t)(target - line->data);
    p->target_len = (uint32_t)(space - target);
    return NULL;
}

/* RFC 9110 8.6: digits alone; lists and repetitions are where smuggling begins. */
static const char *read_length(struct http1 *p, const struct http1_span *value)
{
    int64_t n = 0;

    if (value->len == 0)
        return "malformed content-length";
    for (size_t i = 0; i < value->len; i++) {
        if (!is_digit(value->data[i]))
            return "malformed content-length";
        if (__builtin_mul_overflow(n, 10, &n) ||
            __builtin_add_overflow(n, value->data[i] - '0', &n))
            return "content-length is too large";
    }
    p->length = n;
    return NULL;
}

static void read_connection(struct framing *f, struct http1_span rest)
{
    while (rest.len > 0) {
        const char *comma = memchr(rest.data, ',', rest.len);
        size_t len = comma ? (size_t)(comma - rest.data) : rest.len;
        struct http1_span item = trim(rest.data, len);

        f->close |= span_is(&item, "close");
        f->keep |= span_is(&item, "keep-alive");
        rest.data += len + (comma != NULL);
        rest.len -= len + (comma != NULL);
    }
}

/* Only three fields say how a message is framed; the length of the name sorts out nearly all. */
static const char *read_framing(struct http1 *p, struct framing *f, const struct http1_span *name,
                                const struct http1_span *value)
{
    if (name->len == 14 && span_is(name, "content-length")) {
        if (f->length)
            return "repeated content-length";
        f->length = true;
        return read_length(p, value);
    }
    if (name->len == 17 && span_is(name, "transfer-encoding")) {
        if (f->coding)
            return "repeated transfer-encoding";
        if (!span_is(value, "chunked"))
            return "transfer coding other than chunked";
        f->coding = true;
    } else if (name->len == 10 && span_is(name, "connection")) {
        read_connection(f, *value);
    }
    return NULL;
}

/* The field lines of a head or trailer section, up to its empty line. */
static const char *read_fields(struct http1 *p, struct http1_span rest, struct framing *f)
{
    struct http1_span line, name, value;
    const char *colon, *why;

    for (int n = 0; rest.len > 0; n++) {
        if (!next_line(&rest, &line))
            return "bare CR in the head";
        if (line.len == 0)
            return NULL;
        if (n == HTTP1_FIELDS_MAX)
            return "too many header fields";
        if (is_blank(line.data[0]))
            return "folded header field";
        colon = memchr(line.data, ':', line.len);
        if (!colon)
            return "header field without a colon";
        name = (struct http1_span){line.data, (size_t)(colon - line.data)};
        if (!is_token(name.data, name.len))
            return "malformed header field name";
        value = trim(colon + 1, line.len - name.len - 1);
        why = f ? read_framing(p, f, &name, &value) : NULL;
        if (why)
            return why;
    }
    return NULL;
}

/* RFC 9112 6.3, in its order. */
static const char *choose_body(struct http1 *p, const struct framing *f)
{
    bool response = p->kind == HTTP1_RESPONSE;

    p->chunked = f->coding;
    p->keep_alive = !f->close && (p->minor >= 1 || f->keep);
    p->left = 0;
    if (f->coding && f->length)
        return "content-length beside transfer-encoding";
    if (f->coding && p->minor == 0)
        return "transfer-encoding in HTTP/1.0";
    if (response && (p->no_body || p->status < 200 || p->status == 204 || p->status == 304)) {
        p->state = S_DONE;
        p->keep_alive &= p->status != 101;
    } else if (f->coding) {
        p->state = S_CHUNK_SIZE;
    } else if (f->length) {
        p->left = (uint64_t)p->length;
        p->state = p->left ? S_LENGTH : S_DONE;
    } else if (response) {
        p->keep_alive = false;
        p->state = S_UNTIL_CLOSE;
    } else {
        p->state = S_DONE;
    }
    return NULL;
}

const char *http1_read_head(struct http1 *p, const struct http1_span *head)
{
    struct http1_span rest = *head, line;
    struct framing f = {0};
    const char *why;

    p->length = -1;
    if (memchr(head->data, '\0', head->len))
        return "NUL in the head";
    if (!next_line(&rest, &line))
        return "bare CR in the head";
    why = p->kind == HTTP1_RESPONSE ? read_status_line(p, &line) : read_request_line(p, &line);
    if (!why)
        why = read_fields(p, rest, &f);
    return why ? why : choose_body(p, &f);
}

const char *http1_read_trailer(struct http1 *p, struct http1_span section)
{
    if (memchr(section.data, '\0', section.len))
        return "NUL in the trailer section";
    return read_fields(p, section, NULL);
}

bool http1_field(const struct http1_span *head, const char *name, struct http1_span *value)
{
    struct http1_span rest = *head, line;
    size_t len = strlen(name);

    next_line(&rest, &line);
    while (rest.len > 0) {
        next_line(&rest, &line);
        if (line.len > len && line.data[len] == ':' && strncasecmp(line.data, name, len) == 0) {
            *value = trim(line.data + len + 1, line.len - len - 1);
            return true;
        }
    }
    return false;
}

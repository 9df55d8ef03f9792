#include "target/request.h"

#include <string.h>
#include <strings.h>

bool span_is(struct http1_span s, const char *text)
{
    return strlen(text) == s.len && memcmp(s.data, text, s.len) == 0;
}

static bool span_is_any(struct http1_span s, const char *text)
{
    return strlen(text) == s.len && strncasecmp(s.data, text, s.len) == 0;
}

static struct http1_span span_from(struct http1_span s, size_t at)
{
    return (struct http1_span){s.data + at, s.len - at};
}

static struct http1_span trim(const char *s, const char *end)
{
    while (s < end && (*s == ' ' || *s == '\t'))
        s++;
    while (s < end && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
        end--;
    return (struct http1_span){s, (size_t)(end - s)};
}

/* RFC 9112 3.2.2: from the absolute form only path and query matter here. */
static struct http1_span strip_authority(struct http1_span target)
{
    const char *scheme_end = memmem(target.data, target.len, "://", 3);
    struct http1_span rest;
    size_t at = 0;

    if (target.len == 0 || target.data[0] == '/' || !scheme_end)
        return target;
    rest = span_from(target, (size_t)(scheme_end + 3 - target.data));
    while (at < rest.len && rest.data[at] != '/' && rest.data[at] != '?')
        at++;
    return at < rest.len ? span_from(rest, at) : (struct http1_span){"/", 1};
}

/* One walk finds all that matters to every request; the first letter sorts out nearly all. */
static void read_fields(struct request *rq)
{
    struct http1_span rest = rq->head;
    struct field f;
    int hosts = 0;

    while (field_next(&rest, &f)) {
        char first = f.name.data[0] | 0x20;

        if (first == 'h')
            hosts += span_is_any(f.name, "host");
        else if (first == 'e' && span_is_any(f.name, "expect"))
            rq->expects = span_is_any(f.value, "100-continue");
        else if (first == 'x' && f.name.len >= sizeof(REQUEST_KNOB_PREFIX))
            rq->knobs |=
                strncasecmp(f.name.data, REQUEST_KNOB_PREFIX, sizeof(REQUEST_KNOB_PREFIX) - 1) == 0;
    }
    rq->host = hosts == 1;
}

void request_init(struct request *rq, const struct http1 *p, struct http1_span head)
{
    struct http1_span target =
        strip_authority((struct http1_span){head.data + p->target_at, p->target_len});
    const char *mark = memchr(target.data, '?', target.len);

    *rq = (struct request){.head = head, .method = {head.data, p->method_len}, .path = target};
    rq->minor = p->minor;
    rq->head_only = span_is(rq->method, "HEAD");
    read_fields(rq);
    if (!mark)
        return;
    rq->path.len = (size_t)(mark - target.data);
    rq->query = span_from(target, rq->path.len + 1);
}

bool field_next(struct http1_span *rest, struct field *f)
{
    const char *lf = memchr(rest->data, '\n', rest->len), *line, *colon;

    /* What `rest` begins with is the line that was dealt with last. */
    if (!lf)
        return false;
    *rest = span_from(*rest, (size_t)(lf + 1 - rest->data));
    line = rest->data;
    lf = memchr(line, '\n', rest->len);
    colon = lf ? memchr(line, ':', (size_t)(lf - line)) : NULL;
    if (!colon)
        return false;
    f->name = (struct http1_span){line, (size_t)(colon - line)};
    f->value = trim(colon + 1, lf);
    return true;
}

bool query_next(struct http1_span *rest, struct field *f)
{
    const char *end, *equals;

    if (rest->len == 0)
        return false;
    end = memchr(rest->data, '&', rest->len);
    end = end ? end : rest->data + rest->len;
    equals = memchr(rest->data, '=', (size_t)(end - rest->data));
    f->name = (struct http1_span){rest->data, (size_t)((equals ? equals : end) - rest->data)};
    f->value = equals ? (struct http1_span){equals + 1, (size_t)(end - equals - 1)}
                      : (struct http1_span){end, 0};
    *rest = span_from(*rest, (size_t)(end - rest->data));
    if (rest->len)
        *rest = span_from(*rest, 1);
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool query_decode(struct http1_span value, char *text, size_t size)
{
    size_t n = 0;

    for (size_t i = 0; i < value.len; i++) {
        int c = (unsigned char)value.data[i];

        if (c == '+') {
            c = ' ';
        } else if (c == '%') {
            int high = i + 2 < value.len ? hex_digit(value.data[i + 1]) : -1;
            int low = high >= 0 ? hex_digit(value.data[i + 2]) : -1;

            if (low < 0)
                return false;
            c = high * 16 + low;
            i += 2;
        }
        if (c < ' ' || c == 0x7f || n + 1 >= size)
            return false;
        text[n++] = (char)c;
    }
    text[n] = '\0';
    return true;
}

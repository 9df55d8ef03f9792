#include "net/h2_fields.h"

#include <ctype.h>
#include <string.h>

struct line {
    char *at, *end; /* without its line end */
};

static bool next_line(char **rest, const char *end, struct line *line)
{
    char *lf = memchr(*rest, '\n', (size_t)(end - *rest));

    if (!lf)
        return false;
    *line = (struct line){*rest, lf > *rest && lf[-1] == '\r' ? lf - 1 : lf};
    *rest = lf + 1;
    return line->at < line->end;
}

static bool is(const struct h2_field *f, const char *name)
{
    return f->name_len == strlen(name) && memcmp(f->name, name, f->name_len) == 0;
}

static bool is_of_connection(const struct h2_field *f)
{
    switch (f->name[0]) {
    case 'c':
        return is(f, "connection");
    case 'k':
        return is(f, "keep-alive");
    case 'p':
        return is(f, "proxy-connection");
    case 't':
        return is(f, "transfer-encoding") ||
               (is(f, "te") && (f->value_len != 8 || memcmp(f->value, "trailers", 8) != 0));
    case 'u':
        return is(f, "upgrade");
    default:
        return false;
    }
}

static bool is_secret(const struct h2_field *f)
{
    return is(f, "authorization") || is(f, "proxy-authorization") || is(f, "cookie");
}

static bool split(struct line line, struct h2_field *f)
{
    char *colon = memchr(line.at, ':', (size_t)(line.end - line.at)), *value, *end = line.end;

    if (!colon || colon == line.at)
        return false;
    for (char *p = line.at; p < colon; p++)
        *p = (char)tolower((unsigned char)*p);
    for (value = colon + 1; value < end && (*value == ' ' || *value == '\t');)
        value++;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    *f = (struct h2_field){line.at, value, (size_t)(colon - line.at), (size_t)(end - value), false};
    f->secret = is_secret(f);
    return true;
}

static struct h2_field pseudo(const char *name, const char *value, size_t len)
{
    return (struct h2_field){name, value, strlen(name), len, false};
}

/* The lines behind the first; a request's host goes to `*host`. */
static int add_lines(char *rest, const char *end, struct h2_field *host, struct h2_field *out,
                     int n, int room)
{
    struct h2_field f;
    struct line line;

    while (n < room && next_line(&rest, end, &line)) {
        if (!split(line, &f) || is_of_connection(&f))
            continue;
        if (host && is(&f, "host"))
            *host = pseudo(":authority", f.value, f.value_len);
        else
            out[n++] = f;
    }
    return n;
}

int h2_fields_request(char *head, size_t len, bool secure, struct h2_field *out, int room)
{
    const char *scheme = secure ? "https" : "http", *end = head + len;
    char *rest = head, *space, *target;
    struct line line;
    size_t target_len;

    if (room < 4 || !next_line(&rest, end, &line))
        return 0;
    space = memchr(line.at, ' ', (size_t)(line.end - line.at));
    if (!space)
        return 0;
    target = space + 1;
    space = memchr(target, ' ', (size_t)(line.end - target));
    target_len = (size_t)((space ? space : line.end) - target);
    out[0] = pseudo(":method", line.at, (size_t)(target - 1 - line.at));
    out[1] = pseudo(":scheme", scheme, strlen(scheme));
    out[2] = pseudo(":authority", "", 0);
    out[3] = pseudo(":path", target, target_len);
    return add_lines(rest, end, &out[2], out, 4, room);
}

int h2_fields_response(char *head, size_t len, struct h2_field *out, int room)
{
    char *rest = head;
    struct line line;

    if (room < 1 || !next_line(&rest, head + len, &line) || line.end - line.at < 12)
        return 0;
    out[0] = pseudo(":status", line.at + 9, 3);
    return add_lines(rest, head + len, NULL, out, 1, room);
}

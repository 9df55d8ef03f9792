#include "net/prom.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/rng.h"

#define NUMBER_MAX 63
#define LABELS_MAX 128

struct label {
    const char *name, *value; /* the value as written, between its quotes */
    size_t name_len, value_len;
};

static bool is_name_byte(char c, bool first)
{
    return isalpha((unsigned char)c) || c == '_' || c == ':' ||
           (!first && isdigit((unsigned char)c));
}

static size_t name_length(const char *p, const char *end)
{
    size_t n = 0;

    while (p + n < end && is_name_byte(p[n], n == 0))
        n++;
    return n;
}

static const char *skip_blanks(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    return p;
}

/* Reads one `name="value"` at `*p` and what separates it from the next; false: it is none. */
static bool read_label(const char **p, const char *end, struct label *l)
{
    const char *at = skip_blanks(*p, end);

    l->name = at;
    l->name_len = name_length(at, end);
    at = skip_blanks(at + l->name_len, end);
    if (l->name_len == 0 || at == end || *at++ != '=')
        return false;
    at = skip_blanks(at, end);
    if (at == end || *at++ != '"')
        return false;
    l->value = at;
    while (at < end && *at != '"' && *at != '\n')
        at += *at == '\\' && end - at > 1 && at[1] != '\n' ? 2 : 1;
    if (at >= end || *at != '"')
        return false;
    l->value_len = (size_t)(at++ - l->value);
    at = skip_blanks(at, end);
    if (at < end && *at == ',')
        at = skip_blanks(at + 1, end);
    else if (at < end && *at != '}')
        return false;
    *p = at;
    return true;
}

/* From behind the opening brace to behind the closing one; NULL if they are no labels. */
static const char *skip_labels(const char *p, const char *end)
{
    struct label l;

    p = skip_blanks(p, end);
    for (int n = 0; p < end && *p != '}'; n++)
        if (n == LABELS_MAX || !read_label(&p, end, &l))
            return NULL;
    return p < end ? p + 1 : NULL;
}

static bool read_number(const char **p, const char *end, double *value)
{
    char text[NUMBER_MAX + 1], *stop;
    size_t n = 0;

    while (*p + n < end && (*p)[n] != ' ' && (*p)[n] != '\t' && n < NUMBER_MAX)
        n++;
    memcpy(text, *p, n);
    text[n] = '\0';
    *value = strtod(text, &stop);
    *p += n;
    return n > 0 && *stop == '\0' && !strpbrk(text, "xXpP(");
}

void prom_init(struct prom *r, const char *text, size_t len)
{
    *r = (struct prom){.p = text, .end = text + len};
}

static bool read_sample(struct prom *r, const char *p, const char *end, struct prom_sample *s)
{
    const char *closed;

    s->name = p;
    s->name_len = name_length(p, end);
    if (s->name_len == 0) {
        r->why = "it does not begin with the name of a metric";
        return false;
    }
    p = skip_blanks(p + s->name_len, end);
    s->labels = p;
    s->labels_len = 0;
    if (p < end && *p == '{') {
        closed = skip_labels(p + 1, end);
        if (!closed) {
            r->why = "its labels are malformed";
            return false;
        }
        s->labels = p + 1;
        s->labels_len = (size_t)(closed - 1 - s->labels);
        p = closed;
    }
    p = skip_blanks(p, end);
    if (!read_number(&p, end, &s->value)) {
        r->why = "its value is no number";
        return false;
    }
    return true;
}

bool prom_next(struct prom *r, struct prom_sample *s)
{
    while (r->p < r->end && !r->why) {
        const char *line = r->p, *end = memchr(line, '\n', (size_t)(r->end - line));

        r->line++;
        r->p = end ? end + 1 : r->end;
        end = end ? end : r->end;
        if (end > line && end[-1] == '\r')
            end--;
        line = skip_blanks(line, end);
        if (line < end && *line != '#')
            return read_sample(r, line, end, s);
    }
    return false;
}

static size_t unescape(const struct label *l, char *out, size_t size)
{
    size_t n = 0;

    for (size_t i = 0; i < l->value_len; i++) {
        char c = l->value[i];

        if (c == '\\' && i + 1 < l->value_len) {
            c = l->value[++i];
            c = c == 'n' ? '\n' : c;
        }
        if (n + 1 < size)
            out[n] = c;
        n++;
    }
    out[n < size ? n : size - 1] = '\0';
    return n;
}

bool prom_label(const struct prom_sample *s, const char *name, char *out, size_t size)
{
    const char *p = s->labels, *end = s->labels + s->labels_len;
    struct label l;

    while (p < end && read_label(&p, end, &l))
        if (l.name_len == strlen(name) && memcmp(l.name, name, l.name_len) == 0)
            return unescape(&l, out, size) < size;
    return false;
}

static uint64_t hash(uint64_t h, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
    return rng_mix(h + len);
}

uint64_t prom_key(const struct prom_sample *s)
{
    const char *p = s->labels, *end = s->labels + s->labels_len;
    uint64_t h = hash(UINT64_C(0xcbf29ce484222325), s->name, s->name_len);
    struct label l;

    while (p < end && read_label(&p, end, &l)) {
        if (l.name_len == 2 && memcmp(l.name, "le", 2) == 0)
            continue;
        h = hash(h, l.name, l.name_len);
        h = hash(h, l.value, l.value_len);
    }
    return h;
}

bool prom_selector(struct prom_selector *out, const char *text, struct arena *arena, struct err *e)
{
    const char *end = text + strlen(text), *p = text + name_length(text, end);
    char value[PROM_VALUE_MAX];
    struct label l;

    *out = (struct prom_selector){.name = arena_strndup(arena, text, (size_t)(p - text))};
    if (p == text)
        return err_set(e, "\"%s\" does not begin with the name of a metric", text);
    if (p == end)
        return true;
    if (*p != '{' || skip_labels(p + 1, end) != end)
        return err_set(e, "\"%s\" is not name{label=\"value\",...}", text);
    out->labels = arena_array(arena, const char *, LABELS_MAX);
    out->values = arena_array(arena, const char *, LABELS_MAX);
    for (p = skip_blanks(p + 1, end); *p != '}' && read_label(&p, end, &l);) {
        if (unescape(&l, value, sizeof(value)) >= sizeof(value))
            return err_set(e, "the value of label \"%.*s\" is too long", (int)l.name_len, l.name);
        out->labels[out->count] = arena_strndup(arena, l.name, l.name_len);
        out->values[out->count++] = arena_strdup(arena, value);
    }
    return true;
}

bool prom_matches(const struct prom_selector *sel, const char *suffix, const struct prom_sample *s)
{
    size_t len = strlen(sel->name), more = strlen(suffix);
    char value[PROM_VALUE_MAX];

    if (s->name_len != len + more || memcmp(s->name, sel->name, len) != 0 ||
        memcmp(s->name + len, suffix, more) != 0)
        return false;
    for (int i = 0; i < sel->count; i++)
        if (!prom_label(s, sel->labels[i], value, sizeof(value)) ||
            strcmp(value, sel->values[i]) != 0)
            return false;
    return true;
}

double prom_quantile(double q, const struct prom_bucket *b, int n)
{
    double rank, from, below;
    int i = 0;

    if (n == 0 || !(b[n - 1].count > 0))
        return NAN;
    rank = q * b[n - 1].count;
    while (i < n - 1 && b[i].count < rank)
        i++;
    if (isinf(b[i].le))
        return n > 1 ? b[n - 2].le : NAN;
    from = i > 0 ? b[i - 1].le : b[0].le > 0 ? 0 : b[0].le;
    below = i > 0 ? b[i - 1].count : 0;
    if (!(b[i].count > below))
        return b[i].le;
    return from + (b[i].le - from) * (rank - below) / (b[i].count - below);
}

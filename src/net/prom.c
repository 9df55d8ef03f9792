#include "net/prom.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/rng.h"
#include "net/pattern.h"

#define NUMBER_MAX 63
#define LABELS_MAX 128

struct label {
    const char *name, *value; /* as written, between their quotes; no value: the metric's name */
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

/* From behind an opening quote to the closing one; NULL if the line ends before. */
static const char *skip_quoted(const char *p, const char *end)
{
    while (p < end && *p != '"' && *p != '\n')
        p += *p == '\\' && end - p > 1 && p[1] != '\n' ? 2 : 1;
    return p < end && *p == '"' ? p : NULL;
}

static const char *read_quoted(const char *p, const char *end, const char **text, size_t *len)
{
    const char *closed = p < end && *p == '"' ? skip_quoted(p + 1, end) : NULL;

    if (!closed)
        return NULL;
    *text = p + 1;
    *len = (size_t)(closed - *text);
    return skip_blanks(closed + 1, end);
}

/* A label's name, or one in quotes; to what follows it.  NULL: it is none. */
static const char *read_name(const char *p, const char *end, const char **text, size_t *len)
{
    if (p < end && *p == '"')
        p = read_quoted(p, end, text, len);
    else
        p = skip_blanks(p + (*len = name_length(*text = p, end)), end);
    return *len > 0 ? p : NULL;
}

/* Behind the comma that may follow; NULL: something else does. */
static const char *skip_comma(const char *p, const char *end)
{
    if (p < end && *p == ',')
        return skip_blanks(p + 1, end);
    return p == end || *p == '}' ? p : NULL;
}

/* Reads one `name="value"` at `*p` and what separates it from the next; false: it is none. */
static bool read_label(const char **p, const char *end, struct label *l)
{
    const char *at;

    *l = (struct label){0};
    at = read_name(skip_blanks(*p, end), end, &l->name, &l->name_len);
    if (at && at < end && *at == '=')
        at = read_quoted(skip_blanks(at + 1, end), end, &l->value, &l->value_len);
    else if (at && l->name[-1] != '"')
        at = NULL;
    at = at ? skip_comma(at, end) : NULL;
    *p = at ? at : *p;
    return at != NULL;
}

/*
 * From behind the opening brace to behind the closing one; NULL if they are no labels.  A name of
 * the metric among them comes first, and only if it was not in front of the brace.
 */
static const char *skip_labels(const char *p, const char *end, struct prom_sample *s)
{
    struct label l;

    p = skip_blanks(p, end);
    for (int n = 0; p < end && *p != '}'; n++) {
        if (n == LABELS_MAX || !read_label(&p, end, &l))
            return NULL;
        if (!l.value && (n > 0 || s->name_len > 0))
            return NULL;
        if (!l.value) {
            s->name = l.name;
            s->name_len = l.name_len;
        }
    }
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

static bool wrong(struct prom *r, const char *why)
{
    r->why = why;
    return false;
}

/* A time stamp may follow, and an exemplar, which begins with #. */
static bool is_rest(const char *p, const char *end)
{
    double when;

    p = skip_blanks(p, end);
    if (p < end && *p != '#' && !read_number(&p, end, &when))
        return false;
    p = skip_blanks(p, end);
    return p == end || *p == '#';
}

static bool read_sample(struct prom *r, const char *p, const char *end, struct prom_sample *s)
{
    const char *closed;

    *s = (struct prom_sample){.name = p, .name_len = name_length(p, end)};
    if (s->name_len == 0 && *p != '{')
        return wrong(r, "it does not begin with the name of a metric");
    p = skip_blanks(p + s->name_len, end);
    s->labels = p;
    if (p < end && *p == '{') {
        closed = skip_labels(p + 1, end, s);
        if (!closed)
            return wrong(r, "its labels are malformed");
        if (s->name_len == 0)
            return wrong(r, "it has no name of a metric");
        s->labels = p + 1;
        s->labels_len = (size_t)(closed - 1 - s->labels);
        p = closed;
    }
    p = skip_blanks(p, end);
    if (!read_number(&p, end, &s->value))
        return wrong(r, "its value is no number");
    return is_rest(p, end) || wrong(r, "something other than a time stamp follows its value");
}

static bool is_end(const char *line, const char *end)
{
    return end - line == 5 && memcmp(line, "# EOF", 5) == 0;
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
        r->ended = is_end(line, end);
        if (r->ended)
            r->p = r->end;
        else if (line < end && *line != '#')
            return read_sample(r, line, end, s);
    }
    return false;
}

/* Undoes escapes as far as there is room; true if there was, for all of it. */
static bool unescape(const char *text, size_t len, char *out, size_t size)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        char c = text[i];

        if (c == '\\' && i + 1 < len) {
            c = text[++i];
            c = c == 'n' ? '\n' : c;
        }
        if (n + 1 < size)
            out[n] = c;
        n++;
    }
    out[n < size ? n : size - 1] = '\0';
    return n < size;
}

static bool is_text(const char *text, size_t len, const char *want)
{
    char plain[PROM_VALUE_MAX];

    if (!memchr(text, '\\', len))
        return len == strlen(want) && memcmp(text, want, len) == 0;
    return unescape(text, len, plain, sizeof(plain)) && strcmp(plain, want) == 0;
}

bool prom_label(const struct prom_sample *s, const char *name, char *out, size_t size)
{
    const char *p = s->labels, *end = s->labels + s->labels_len;
    struct label l;

    while (p < end && read_label(&p, end, &l))
        if (l.value && is_text(l.name, l.name_len, name))
            return unescape(l.value, l.value_len, out, size);
    return false;
}

static uint64_t hash(uint64_t h, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
    return rng_mix(h + len);
}

uint64_t prom_key(const struct prom_sample *s, const char *except)
{
    const char *p = s->labels, *end = s->labels + s->labels_len;
    uint64_t key = hash(UINT64_C(0xcbf29ce484222325), s->name, s->name_len);
    struct label l;

    while (p < end && read_label(&p, end, &l))
        if (l.value && l.value_len > 0 && !(except && is_text(l.name, l.name_len, except)))
            key += hash(hash(0, l.name, l.name_len), l.value, l.value_len);
    return key;
}

static const char *plain(const char *text, size_t len, struct arena *arena)
{
    char *out = arena_alloc(arena, len + 1);

    unescape(text, len, out, len + 1);
    return out;
}

static bool set_matcher(struct prom_matcher *m, const char *op, const struct label *l,
                        struct arena *arena, struct err *e)
{
    m->label = plain(l->name, l->name_len, arena);
    m->value = plain(l->value, l->value_len, arena);
    m->negated = *op == '!';
    if (l->value_len >= PROM_VALUE_MAX)
        return err_set(e, "the value of label \"%s\" is too long", m->label);
    if (op[1] != '~')
        return true;
    m->pattern = pattern_compile(arena_printf(arena, "\\A(?s:%s)\\z", m->value), arena, e);
    return m->pattern || err_wrap(e, "label \"%s\"", m->label);
}

/* One matcher at `*p`, or the metric's name in quotes; false: it is neither. */
static bool read_matcher(const char **p, const char *end, struct prom_selector *out,
                         struct arena *arena, struct err *e)
{
    static const char *const ops[] = {"=~", "!~", "!=", "="};
    const char *at = *p, *op = NULL;
    struct label l = {0};

    at = read_name(at, end, &l.name, &l.name_len);
    for (size_t i = 0; at && !op && i < sizeof(ops) / sizeof(ops[0]); i++)
        op = strncmp(at, ops[i], strlen(ops[i])) == 0 ? ops[i] : NULL;
    out->utf8 |= at && l.name[-1] == '"';
    if (op) {
        at = read_quoted(skip_blanks(at + strlen(op), end), end, &l.value, &l.value_len);
        if (!at || out->count == LABELS_MAX ||
            !set_matcher(&out->v[out->count++], op, &l, arena, e))
            return false;
    } else if (at && l.name[-1] == '"' && !*out->name) {
        out->name = plain(l.name, l.name_len, arena);
    } else {
        return false;
    }
    at = skip_comma(at, end);
    *p = at ? at : *p;
    return at != NULL;
}

bool prom_selector(struct prom_selector *out, const char *text, struct arena *arena, struct err *e)
{
    const char *end = text + strlen(text), *p = text + name_length(text, end);

    *out = (struct prom_selector){.name = arena_strndup(arena, text, (size_t)(p - text))};
    if (p == text && *p != '{')
        return err_set(e, "\"%s\" does not begin with the name of a metric", text);
    if (p == end)
        return true;
    err_set(e, "\"%s\" is not name{label=\"value\",...} (nor !=, =~ or !~)", text);
    out->v = arena_array(arena, struct prom_matcher, LABELS_MAX);
    for (p = skip_blanks(p, end) + (*p == '{'); *(p = skip_blanks(p, end)) != '}';)
        if (!read_matcher(&p, end, out, arena, e))
            return false;
    if (!*out->name)
        return err_set(e, "\"%s\" has no name of a metric", text);
    return p + 1 == end;
}

bool prom_named(const struct prom_selector *sel, const char *suffix, const struct prom_sample *s)
{
    size_t len = strlen(sel->name), more = strlen(suffix);
    char name[PROM_VALUE_MAX];

    if (!memchr(s->name, '\\', s->name_len))
        return s->name_len == len + more && memcmp(s->name, sel->name, len) == 0 &&
               memcmp(s->name + len, suffix, more) == 0;
    return unescape(s->name, s->name_len, name, sizeof(name)) && strlen(name) == len + more &&
           memcmp(name, sel->name, len) == 0 && strcmp(name + len, suffix) == 0;
}

/* A label that is not there is an empty one, as in PromQL. */
static bool has(const struct prom_sample *s, const struct prom_matcher *m)
{
    char value[PROM_VALUE_MAX] = "";

    prom_label(s, m->label, value, sizeof(value));
    if (m->pattern)
        return pattern_search(m->pattern, value, strlen(value)) != m->negated;
    return (strcmp(value, m->value) == 0) != m->negated;
}

bool prom_matches(const struct prom_selector *sel, const char *suffix, const struct prom_sample *s)
{
    if (!prom_named(sel, suffix, s))
        return false;
    for (int i = 0; i < sel->count; i++)
        if (!has(s, &sel->v[i]))
            return false;
    return true;
}

double prom_quantile(double q, const struct prom_bucket *b, int n)
{
    double rank, from, below;
    int i = 0;

    if (n == 0 || !isinf(b[n - 1].le) || !(b[n - 1].count > 0))
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

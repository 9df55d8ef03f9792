#include "stats/threshold.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "stats/interval.h"
#include "stats/quantity.h"

const char *const aggregation_names[] = {"count", "rate", "value", "avg",
                                         "min",   "max",  "med",   "p(N)"};

static const struct {
    const char *text;
    enum comparison cmp;
} operators[] = {
    /* longer ones first, for none may hide another */
    {"===", CMP_EQ}, {"<=", CMP_LE}, {">=", CMP_GE}, {"==", CMP_EQ},
    {"!=", CMP_NE},  {"<", CMP_LT},  {">", CMP_GT},
};
#define OPERATORS (sizeof(operators) / sizeof(operators[0]))

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static const char *skip_blanks(const char *s)
{
    while (is_blank(*s))
        s++;
    return s;
}

/* s..end without the blanks around it and without quotes around that, if `quotes`. */
static const char *trimmed(const char *s, const char *end, bool quotes, struct arena *arena)
{
    while (s < end && (is_blank(*s) || (quotes && strchr("\"'", *s))))
        s++;
    while (end > s && (is_blank(end[-1]) || (quotes && strchr("\"'", end[-1]))))
        end--;
    return arena_strndup(arena, s, (size_t)(end - s));
}

/* One `tag:value`, s..end. */
static bool tag_parse(struct selector *sel, const char *s, const char *end, const char *text,
                      struct arena *arena, struct err *e)
{
    const char *colon = memchr(s, ':', (size_t)(end - s));
    struct tag *tag = &sel->tags[sel->tag_count];

    if (!colon)
        return err_set(e, "selector \"%s\": \"%s\" is not of the form tag:value", text,
                       trimmed(s, end, false, arena));
    if (sel->tag_count == MAX_TAGS)
        return err_set(e, "selector \"%s\" has more than %d tags", text, MAX_TAGS);
    tag->name = trimmed(s, colon, true, arena);
    tag->value = trimmed(colon + 1, end, true, arena);
    if (!*tag->name)
        return err_set(e, "selector \"%s\" has a tag without a name", text);
    if (!*tag->value)
        return err_set(e, "selector \"%s\": tag \"%s\" has no value", text, tag->name);
    for (int i = 0; i < sel->tag_count; i++)
        if (!strcmp(sel->tags[i].name, tag->name))
            return err_set(e, "selector \"%s\" has tag \"%s\" twice", text, tag->name);
    sel->tag_count++;
    return true;
}

bool selector_parse(struct selector *s, const char *text, struct arena *arena, struct err *e)
{
    const char *open = strchr(text, '{'), *close = strrchr(text, '}'), *p;

    *s = (struct selector){0};
    s->metric = trimmed(text, open ? open : text + strlen(text), false, arena);
    if (!open != !close || (close && close < open))
        return err_set(e, "selector \"%s\" has an unmatched brace", text);
    if (!*s->metric)
        return err_set(e, "selector \"%s\" names no metric", text);
    if (!open)
        return true;
    if (*skip_blanks(close + 1))
        return err_set(e, "selector \"%s\" goes on after its closing brace", text);
    for (p = open + 1;; p++) {
        const char *end = p + strcspn(p, ",");

        if (end > close)
            end = close;
        if (!tag_parse(s, p, end, text, arena, e))
            return false;
        p = end;
        if (p == close)
            return true;
    }
}

void selector_print(const struct selector *s, struct buf *out)
{
    buf_adds(out, s->metric);
    for (int i = 0; i < s->tag_count; i++)
        buf_printf(out, "%s%s:%s", i ? "," : "{", s->tags[i].name, s->tags[i].value);
    if (s->tag_count)
        buf_addc(out, '}');
}

/*
 * A decimal number as Go and k6 read one, from the start of `s`; *end is what follows.  strtod()
 * alone would also take "nan", "inf" and hexadecimal.
 */
static bool number_parse(const char *s, double *value, const char **end)
{
    const char *p = s + (*s == '-' || *s == '+');
    char *stop;

    if (!is_digit(p[*p == '.']) || p[1] == 'x' || p[1] == 'X')
        return false;
    *value = strtod(s, &stop);
    *end = stop;
    return stop != s && isfinite(*value);
}

static bool aggregation_parse(struct threshold *t, const char *name, struct err *e)
{
    const char *end;
    double n;

    for (int i = AGG_COUNT; i < AGG_P; i++)
        if (!strcmp(name, aggregation_names[i])) {
            t->agg = (enum aggregation)i;
            t->quantile = i == AGG_MED ? 0.5 : 0;
            return true;
        }
    if (name[0] == 'p' && number_parse(name + 1, &n, &end) && !*end)
        return err_set(e, "threshold \"%s\": no aggregation \"%s\" (did you mean \"p(%s)\"?)",
                       t->text, name, name + 1);
    if (strncmp(name, "p(", 2) != 0)
        return err_set(
            e,
            "threshold \"%s\": no aggregation \"%s\" (there are count, rate, value, avg, "
            "min, max, med and p(N))",
            t->text, name);
    if (!number_parse(skip_blanks(name + 2), &n, &end) || strcmp(skip_blanks(end), ")") != 0)
        return err_set(e, "threshold \"%s\": \"%s\" is not a quantile (try p(99) or p(99.9))",
                       t->text, name);
    if (n < 0 || n > 100)
        return err_set(e, "threshold \"%s\": the N of p(N) lies between 0 and 100", t->text);
    t->agg = AGG_P;
    t->quantile = n / 100;
    return true;
}

static bool limit_parse(struct threshold *t, const char *text, struct arena *arena, struct err *e)
{
    const char *end;

    if (!*text)
        return err_set(e, "threshold \"%s\" has no limit", t->text);
    if (!number_parse(text, &t->number, &end))
        return err_set(e, "threshold \"%s\": \"%s\" is not a number with a unit (try 500ms or 1%%)",
                       t->text, text);
    t->unit = arena_strdup(arena, skip_blanks(end));
    return true;
}

bool threshold_parse(struct threshold *t, const char *text, struct arena *arena, struct err *e)
{
    const char *end = text + strlen(text);
    const char *at = text + strcspn(text, "<>=!");

    t->text = trimmed(text, end, false, arena);
    for (size_t i = 0; i < OPERATORS; i++) {
        size_t len = strlen(operators[i].text);

        if (strncmp(at, operators[i].text, len) != 0)
            continue;
        t->cmp = operators[i].cmp;
        return aggregation_parse(t, trimmed(text, at, false, arena), e) &&
               limit_parse(t, trimmed(at + len, end, false, arena), arena, e);
    }
    return err_set(e, "threshold \"%s\" has no comparison (try p(99)<500ms or rate<1%%)", t->text);
}

static bool limit_resolve(struct threshold *t, const struct metric *m, struct err *e)
{
    enum quantity q = quantity_of(t->agg, m);

    if (!quantity_read(q, t->number, t->unit, &t->limit))
        return err_set(e, "threshold \"%s\": \"%s\" is not a unit of %s (%s)", t->text, t->unit,
                       m->name, quantity_hint(q));
    if (!isfinite(t->limit))
        return err_set(e, "threshold \"%s\": the limit is too large", t->text);
    return true;
}

static const char *const aggregations_of[] = {
    [METRIC_COUNTER] = "count and rate",
    [METRIC_GAUGE] = "value, min and max",
    [METRIC_RATE] = "rate",
    [METRIC_TREND] = "avg, min, max, med, p(N) and count",
};

static bool has_aggregation(enum metric_type type, enum aggregation agg)
{
    static const unsigned sets[] = {
        [METRIC_COUNTER] = 1u << AGG_COUNT | 1u << AGG_RATE,
        [METRIC_GAUGE] = 1u << AGG_VALUE | 1u << AGG_MIN | 1u << AGG_MAX,
        [METRIC_RATE] = 1u << AGG_RATE,
        [METRIC_TREND] = 1u << AGG_AVG | 1u << AGG_MIN | 1u << AGG_MAX | 1u << AGG_MED |
                         1u << AGG_P | 1u << AGG_COUNT,
    };

    return sets[type] >> agg & 1;
}

/* 1 if the comparison holds for every number in low..high, -1 if for none, 0 otherwise. */
static int holds(enum comparison cmp, double limit, double low, double high)
{
    switch (cmp) {
    case CMP_LT:
        return high < limit ? 1 : low >= limit ? -1 : 0;
    case CMP_LE:
        return high <= limit ? 1 : low > limit ? -1 : 0;
    case CMP_GT:
        return low > limit ? 1 : high <= limit ? -1 : 0;
    case CMP_GE:
        return low >= limit ? 1 : high < limit ? -1 : 0;
    case CMP_EQ:
        return limit < low || limit > high ? -1 : low == high ? 1 : 0;
    case CMP_NE:
        return limit < low || limit > high ? 1 : low == high ? -1 : 0;
    }
    return 0;
}

bool threshold_check(struct threshold *t, const struct metric *m, struct err *e)
{
    bool bounded = m->type == METRIC_RATE;
    int always;

    if (!has_aggregation(m->type, t->agg))
        return err_set(e, "threshold \"%s\": %s is a %s, which has %s", t->text, m->name,
                       metric_type_names[m->type], aggregations_of[m->type]);
    if (!limit_resolve(t, m, e))
        return false;
    if (m->type == METRIC_GAUGE && m->unit == UNIT_NONE) /* may be negative */
        return true;
    always = holds(t->cmp, t->limit, 0, bounded ? 1 : INFINITY);
    if (!always)
        return true;
    return err_set(e, "threshold \"%s\" is always %s: %s is never below 0%s", t->text,
                   always > 0 ? "true" : "false", m->name, bounded ? " or above 100%" : "");
}

bool threshold_met(const struct threshold *t, double value)
{
    return holds(t->cmp, t->limit, value, value) > 0;
}

bool threshold_is_upper(const struct threshold *t)
{
    return t->cmp == CMP_LT || t->cmp == CMP_LE;
}

uint64_t threshold_needs(const struct threshold *t, const struct metric *m, double confidence)
{
    bool upper = threshold_is_upper(t);
    double share; /* the limit of the share of samples on the wrong side */

    if (t->cmp == CMP_EQ || t->cmp == CMP_NE)
        return 0;
    if (m->type == METRIC_RATE)
        share = upper ? t->limit : 1 - t->limit;
    else if (t->agg == AGG_P || t->agg == AGG_MED)
        share = upper ? 1 - t->quantile : t->quantile;
    else
        return t->agg == AGG_AVG ? 2 : 0;
    return share > 0 && share < 1 ? interval_needed(share, confidence) : 0;
}

#include "stats/reason.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "stats/quantity.h"

struct wording {
    const struct threshold *t;
    const struct metric *m;
    const struct evidence *e;
    enum quantity quantity;
    char limit[UNITS_MAX];
};

/* As the user wrote it, where that has a unit. */
static void limit_print(struct wording *w)
{
    if (*w->t->unit)
        snprintf(w->limit, sizeof(w->limit), "%.12g%s", w->t->number, w->t->unit);
    else
        quantity_print(w->quantity, w->t->limit, w->limit);
}

/* A value that is not the limit must not look like it. */
static const char *value_print(const struct wording *w, double value, char buf[UNITS_MAX])
{
    char limit[UNITS_MAX];

    quantity_print(w->quantity, value, buf);
    if (value != w->t->limit && !strcmp(buf, quantity_print(w->quantity, w->t->limit, limit)))
        quantity_print_exact(w->quantity, value, buf);
    return buf;
}

/* "p(99.9)", "avg". */
static void add_aggregation(const struct threshold *t, struct buf *b)
{
    if (t->agg == AGG_P)
        buf_printf(b, "p(%.10g)", t->quantile * 100);
    else
        buf_adds(b, aggregation_names[t->agg]);
}

static bool ends_in(const char *name, const char *end)
{
    size_t a = strlen(name), n = strlen(end);

    return a >= n && !strcmp(name + a - n, end);
}

/* "1.2% failed (36 of 3,000), limit 1%" or "p(99) is 612ms, limit 500ms". */
static void add_observed(const struct wording *w, struct buf *b)
{
    char value[UNITS_MAX], hits[UNITS_MAX], n[UNITS_MAX];

    value_print(w, w->e->observed, value);
    if (w->m->type == METRIC_RATE) {
        if (ends_in(w->m->name, "failed"))
            buf_printf(b, "%s failed", value);
        else if (ends_in(w->m->name, "ok"))
            buf_printf(b, "%s ok", value);
        else
            buf_printf(b, "rate is %s", value);
        buf_printf(b, " (%s of %s)", units_print_count(w->e->hits, hits),
                   units_print_count((double)w->e->n, n));
    } else {
        add_aggregation(w->t, b);
        buf_printf(b, " is %s", value);
    }
    buf_printf(b, ", limit %s%s", w->t->cmp == CMP_NE ? "not " : "", w->limit);
}

/* The bound of a breach is the one towards the limit, that of a pass the one towards it, too. */
static void add_bound(const struct wording *w, struct buf *b)
{
    char value[UNITS_MAX];
    bool breach = w->e->verdict == VERDICT_BREACH;
    bool lower = threshold_is_upper(w->t) == breach;

    buf_printf(b, "; the %.10g%% %s bound %s %s", w->e->confidence * 100, lower ? "lower" : "upper",
               value_print(w, lower ? w->e->low : w->e->high, value),
               breach ? "lies beyond it" : "meets it");
}

static void add_undecided(const struct wording *w, struct buf *b)
{
    uint64_t needed = threshold_needs(w->t, w->m, w->e->confidence);
    double bound = threshold_is_upper(w->t) ? w->e->high : w->e->low;
    char value[UNITS_MAX], count[UNITS_MAX];

    if (!threshold_met(w->t, w->e->observed))
        buf_printf(b, ": too close to call at %.10g%%", w->e->confidence * 100);
    else if (isfinite(bound))
        buf_printf(b, "; the %.10g%% %s bound %s does not meet it", w->e->confidence * 100,
                   threshold_is_upper(w->t) ? "upper" : "lower", value_print(w, bound, value));
    else
        buf_printf(b, "; no %.10g%% bound can be had", w->e->confidence * 100);
    if ((double)w->e->n / w->e->phi < (double)needed)
        buf_printf(b, ", and a pass takes %s independent samples to prove",
                   units_print_count((double)needed, count));
}

/* "(n 3,000)", where the sentence has not said it yet; and what these are worth. */
static void add_samples(const struct wording *w, struct buf *b)
{
    char n[UNITS_MAX], worth[UNITS_MAX];
    bool said = w->m->type == METRIC_RATE;
    bool fewer = w->e->phi >= 1.5;

    if (said && !fewer)
        return;
    units_print_count(round((double)w->e->n / w->e->phi), worth);
    buf_adds(b, " (");
    if (!said)
        buf_printf(b, "n %s", units_print_count((double)w->e->n, n));
    if (fewer)
        buf_printf(b, "%sworth %s independent ones", said ? "" : ", ", worth);
    buf_adds(b, ")");
}

static const char *finish(struct buf *b, struct arena *arena)
{
    const char *text = arena_strdup(arena, buf_text(b));

    buf_free(b);
    return text;
}

const char *reason_text(const struct threshold *t, const struct metric *m, const struct evidence *e,
                        enum ground ground, struct arena *arena)
{
    struct wording w = {.t = t, .m = m, .e = e, .quantity = quantity_of(t->agg, m)};
    struct buf b = {0};

    limit_print(&w);
    add_observed(&w, &b);
    if (ground == GROUND_BOUNDS)
        buf_adds(&b, ", but operations without an answer took longer than that by an unknown time");
    else if (ground == GROUND_SHORT && e->verdict == VERDICT_INCONCLUSIVE)
        buf_adds(&b, ": too few seconds of samples to call");
    else if (e->verdict == VERDICT_INCONCLUSIVE)
        add_undecided(&w, &b);
    else if (ground == GROUND_ESTIMATE && (e->verdict == VERDICT_BREACH || t->confidence > 0))
        add_bound(&w, &b);
    if (m->type == METRIC_TREND || ground == GROUND_ESTIMATE)
        add_samples(&w, &b);
    return finish(&b, arena);
}

const char *reason_no_samples(const struct metric *m, const struct evidence *e, struct arena *arena)
{
    if (e->to <= e->from)
        return arena_printf(arena, "%s has no samples", m->name);
    return arena_printf(arena, "%s has no samples from second %d to %d", m->name, e->from, e->to);
}

const char *reason_few_samples(const struct threshold *t, const struct evidence *e,
                               const char *rest, struct arena *arena)
{
    char n[UNITS_MAX], asked[UNITS_MAX];

    return arena_printf(arena, "%s of the %s samples asked for (min_samples); %s",
                        units_print_count((double)e->n, n),
                        units_print_count((double)t->min_samples, asked), rest);
}

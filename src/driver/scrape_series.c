#include "driver/scrape.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/units.h"
#include "spec/diag.h"

#define POINTS_MAX  200000 /* of one metric in one reading */
#define BUCKETS_MAX 10000

struct row_opts {
    const char *metric, *as;
    bool optional;
};

#define OPT_OF struct row_opts
static const struct opt row_opts[] = {
    OPT_TEXT(metric, NULL, "name, with labels that its series must have (= != =~ !~)",
             .flags = OPT_REQUIRED),
    OPT_TEXT(as, "value", "delta, value, min, max or quantile N"),
    OPT_BOOL(optional, "false", "an endpoint that does not have it is no failure"),
    {0},
};
#undef OPT_OF

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);

    return n >= m && strcmp(s + n - m, end) == 0;
}

/* Prometheus's base units are part of the name. */
static void set_unit(struct scrape_metric *m)
{
    const char *name = m->selector.name;
    bool whole = ends_with(name, "_seconds") || ends_with(name, "_seconds_total") ||
                 ends_with(name, "_seconds_sum");

    m->scale = 1;
    if (whole) {
        m->metric.unit = UNIT_TIME;
        m->scale = 1e9;
    } else if (ends_with(name, "_bytes") || ends_with(name, "_bytes_total")) {
        m->metric.unit = UNIT_BYTES;
    }
}

static bool set_as(struct scrape_metric *m, const char *as)
{
    static const char *const plain[] = {[SCRAPE_DELTA] = "delta",
                                        [SCRAPE_VALUE] = "value",
                                        [SCRAPE_MIN] = "min",
                                        [SCRAPE_MAX] = "max"};

    for (int i = SCRAPE_DELTA; i <= SCRAPE_MAX; i++) {
        if (strcmp(as, plain[i]) != 0)
            continue;
        m->as = (enum scrape_as)i;
        m->metric.type = m->as == SCRAPE_DELTA ? METRIC_COUNTER : METRIC_GAUGE;
        m->metric.paired = m->as == SCRAPE_DELTA;
        return true;
    }
    m->metric.type = METRIC_GAUGE;
    m->metric.paired = true;
    m->as = SCRAPE_QUANTILE;
    return strncmp(as, "quantile ", 9) == 0 && units_number(as + 9, &m->quantile) &&
           m->quantile > 0 && m->quantile < 1;
}

static bool plan_row(struct scrape_metric *m, const struct node *n, const char *path,
                     const struct bind *b)
{
    struct row_opts o;
    struct err e;

    if (!opt_bind(row_opts, NULL, n, path, &o, b))
        return false;
    if (n->type != NODE_MAP)
        return diag_add(b->diags, n->at, "%s: expected a map with `metric` and `as`", path);
    m->optional = o.optional;
    m->metric.name = arena_strdup(b->arena, n->key);
    m->metric.help = "read from the endpoint";
    m->metric.told = true;
    if (!prom_selector(&m->selector, o.metric, b->arena, &e))
        return diag_add(b->diags, n->at, "%s.metric: %s", path, e.text);
    if (!set_as(m, o.as))
        return diag_add(b->diags, n->at,
                        "%s.as: \"%s\" is none of delta, value, min, max and quantile N (such as "
                        "quantile 0.99)",
                        path, o.as);
    set_unit(m);
    return true;
}

bool scrape_plan(struct scrape_plan *out, const struct node *node, const char *path,
                 const struct bind *b)
{
    bool ok = true;

    *out = (struct scrape_plan){0};
    if (node->type != NODE_MAP || node->count == 0 || node->count > SCRAPE_METRICS_MAX)
        return diag_add(b->diags, node->at, "%s: expected a map of 1 to %d metrics", path,
                        SCRAPE_METRICS_MAX);
    out->v = arena_array(b->arena, struct scrape_metric, node->count);
    for (const struct node *n = node->first; n; n = n->next)
        ok &= plan_row(&out->v[out->n++], n, arena_printf(b->arena, "%s.%s", path, n->key), b);
    return ok;
}

static bool add_point(struct scrape_points *p, const struct scrape_point *point)
{
    if (p->n == POINTS_MAX)
        return false;
    if (p->n == p->cap) {
        p->cap = p->cap ? p->cap * 2 : 16;
        p->v = xrealloc(p->v, sizeof(*p->v) * (size_t)p->cap);
    }
    p->v[p->n++] = *point;
    return true;
}

static bool bound_of(const struct prom_sample *s, double *le)
{
    char text[64], *end;

    if (!prom_label(s, "le", text, sizeof(text)) || !*text)
        return false;
    *le = strtod(text, &end);
    return *end == '\0' && !isnan(*le);
}

/*
 * A series that says NaN has nothing to say, such as the quantile of a summary without samples: it
 * is left out, as if it were not there.
 */
static bool take(const struct scrape_metric *m, struct scrape_series *s,
                 const struct prom_sample *sample, int line, struct err *e)
{
    const char *suffix = m->as == SCRAPE_QUANTILE ? "_bucket" : "";
    struct scrape_point point = {0, 0, sample->value, line};
    char quantile[32];

    if (!prom_named(&m->selector, suffix, sample))
        return true;
    s->seen = true;
    if (!prom_matches(&m->selector, suffix, sample))
        return true;
    if (isnan(sample->value)) {
        s->nothing = true;
        return true;
    }
    if (m->as == SCRAPE_QUANTILE && !bound_of(sample, &point.le))
        return err_set(e, "line %d of the answer: a bucket without a bound in its label \"le\"",
                       line);
    s->summary |= prom_label(sample, "quantile", quantile, sizeof(quantile));
    point.key = prom_key(sample, m->as == SCRAPE_QUANTILE ? "le" : NULL);
    return add_point(&s->now, &point) ||
           err_set(e, "\"%s\" has more than %d series", m->selector.name, POINTS_MAX);
}

static int compare(const void *a, const void *b)
{
    const struct scrape_point *x = a, *y = b;

    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return x->le < y->le ? -1 : x->le > y->le;
}

static int compare_lines(const void *a, const void *b)
{
    const struct scrape_point *x = a, *y = b;
    int order = compare(x, y);

    return order ? order : (x->line > y->line) - (x->line < y->line);
}

/* Of a series that stands there twice the first counts, as for Prometheus. */
static void arrange(struct scrape_points *p)
{
    int kept = 0;

    if (p->n > 1)
        qsort(p->v, (size_t)p->n, sizeof(*p->v), compare_lines);
    for (int i = 0; i < p->n; i++)
        if (kept == 0 || compare(&p->v[kept - 1], &p->v[i]) != 0)
            p->v[kept++] = p->v[i];
    p->n = kept;
}

static bool is_whole(const struct scrape_metric *m, const struct scrape_series *s, struct err *e)
{
    const struct scrape_points *p = &s->now;

    if (m->as == SCRAPE_VALUE && s->summary && p->n > 1)
        return err_set(e,
                       "the sum of %d quantiles of \"%s\" says nothing: choose one by its labels, "
                       "or `as: max`",
                       p->n, m->selector.name);
    for (int i = 0; m->as == SCRAPE_QUANTILE && i < p->n; i++)
        if ((i + 1 == p->n || p->v[i + 1].key != p->v[i].key) && !isinf(p->v[i].le))
            return err_set(e, "a histogram \"%s\" has no bucket le=\"+Inf\"", m->selector.name);
    return true;
}

/* Into its bucket; they keep their order. */
static void add_bucket(struct scrape_buckets *b, double le, double count)
{
    int low = 0, high = b->n;

    while (low < high) {
        int middle = (low + high) / 2;

        if (b->v[middle].le < le)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == b->n || b->v[low].le > le) {
        if (b->n == BUCKETS_MAX)
            return;
        b->v = xrealloc(b->v, sizeof(*b->v) * (size_t)(b->n + 1));
        memmove(&b->v[low + 1], &b->v[low], sizeof(*b->v) * (size_t)(b->n - low));
        b->v[low] = (struct prom_bucket){le, 0};
        b->n++;
    }
    b->v[low].count += count;
}

/*
 * Counts never fall from one bound to the next.  Where series have different bounds their sums may
 * do so, and then the greater count holds, as for Prometheus.
 */
static double quantile_of(struct scrape_buckets *scratch, const struct scrape_buckets *b, double q)
{
    scratch->n = 0;
    for (int i = 0; i < b->n; i++)
        add_bucket(scratch, b->v[i].le, b->v[i].count);
    for (int i = 1; i < scratch->n; i++)
        scratch->v[i].count = fmax(scratch->v[i].count, scratch->v[i - 1].count);
    return prom_quantile(q, scratch->v, scratch->n);
}

/* Of the point in `before`, which is sorted; NULL: it has none. */
static const struct scrape_point *earlier(const struct scrape_series *s,
                                          const struct scrape_point *p)
{
    if (s->before.n == 0)
        return NULL;
    return bsearch(p, s->before.v, (size_t)s->before.n, sizeof(*p), compare);
}

/* A series is all points of one key: a histogram begins anew with all its buckets, or with none. */
static bool began_anew(const struct scrape_series *s, int from, int to)
{
    for (int i = from; i < to; i++) {
        const struct scrape_point *old = earlier(s, &s->now.v[i]);

        if (!old || s->now.v[i].value < old->value)
            return true;
    }
    return false;
}

/*
 * What was added to each series since it was read last.  One that is smaller than it was has begun
 * anew from 0, as Prometheus takes it; one that was not there has begun, too.
 */
static double add_up(const struct scrape_metric *m, struct scrape_series *s)
{
    double total = 0;

    for (int from = 0, to; from < s->now.n; from = to) {
        bool anew;

        for (to = from + 1; to < s->now.n && s->now.v[to].key == s->now.v[from].key;)
            to++;
        anew = began_anew(s, from, to);
        for (int i = from; i < to; i++) {
            const struct scrape_point *p = &s->now.v[i];
            double delta = p->value - (anew ? 0 : earlier(s, p)->value);

            if (m->as == SCRAPE_QUANTILE)
                add_bucket(&s->added, p->le, delta);
            total += delta;
        }
    }
    return total;
}

static double say_now(const struct scrape_metric *m, struct scrape_series *s)
{
    const struct scrape_points *p = &s->now;
    struct scrape_buckets all = {0};
    double raw = p->n || !s->nothing ? 0 : NAN;

    if (m->as == SCRAPE_QUANTILE) {
        for (int i = 0; i < p->n; i++)
            add_bucket(&all, p->v[i].le, p->v[i].value);
        raw = quantile_of(&s->scratch, &all, m->quantile);
        free(all.v);
        return raw;
    }
    for (int i = 0; i < p->n; i++) {
        double v = p->v[i].value;

        if (m->as == SCRAPE_MIN || m->as == SCRAPE_MAX)
            raw = i == 0 ? v : m->as == SCRAPE_MIN ? fmin(raw, v) : fmax(raw, v);
        else
            raw += v;
    }
    return raw;
}

static void evaluate(const struct scrape_metric *m, struct scrape_series *s, bool first,
                     struct scrape_value *out)
{
    double delta = first ? 0 : add_up(m, s);

    *out = (struct scrape_value){.raw = say_now(m, s)};
    if (m->as == SCRAPE_DELTA) {
        out->any = !first && (s->now.n > 0 || !s->nothing) && isfinite(delta);
        out->value = delta * m->scale;
    } else if (m->as == SCRAPE_QUANTILE) {
        double q = first ? NAN : quantile_of(&s->scratch, &s->added, m->quantile);

        out->any = isfinite(q);
        out->value = q * m->scale;
    } else {
        out->any = s->now.n > 0 && isfinite(out->raw);
        out->value = out->raw * m->scale;
    }
}

/*
 * A series that is missing from one reading has not begun anew when it is back: what it said last
 * is kept, as far as there is room.
 */
static void turn_over(struct scrape_series *s)
{
    struct scrape_points old = s->before;
    int read = s->now.n;

    s->before = s->now;
    for (int i = 0; i < old.n; i++)
        if (read == 0 || !bsearch(&old.v[i], s->before.v, (size_t)read, sizeof(old.v[i]), compare))
            add_point(&s->before, &old.v[i]);
    if (s->before.n > read)
        qsort(s->before.v, (size_t)s->before.n, sizeof(*s->before.v), compare);
    s->now = old;
}

static bool take_all(const struct scrape_plan *p, struct scrape_series *series,
                     const struct scrape_text *t, struct err *e)
{
    struct prom_sample sample;
    struct prom r;

    for (int i = 0; i < p->n; i++) {
        series[i].now.n = 0;
        series[i].seen = series[i].nothing = series[i].summary = false;
    }
    prom_init(&r, t->data, t->len);
    while (prom_next(&r, &sample))
        for (int i = 0; i < p->n; i++)
            if (!take(&p->v[i], &series[i], &sample, r.line, e))
                return false;
    if (r.why)
        return err_set(e, "line %d of the answer: %s", r.line, r.why);
    if (t->open_metrics && !r.ended)
        return err_set(e,
                       "the exposition is cut short after line %d: OpenMetrics ends with \"# EOF\"",
                       r.line);
    return true;
}

static bool check_one(const struct scrape_metric *m, struct scrape_series *s, struct err *e)
{
    if (!s->seen && !m->optional)
        return err_set(e,
                       "the endpoint has no metric \"%s%s\" (one that begins with its first event "
                       "is `optional: true`)",
                       m->selector.name, m->as == SCRAPE_QUANTILE ? "_bucket" : "");
    arrange(&s->now);
    return is_whole(m, s, e);
}

bool scrape_read(const struct scrape_plan *p, struct scrape_series *series, bool first,
                 const struct scrape_text *text, struct scrape_value *out, struct err *e)
{
    if (!take_all(p, series, text, e))
        return false;
    for (int i = 0; i < p->n; i++)
        if (!check_one(&p->v[i], &series[i], e))
            return false;
    for (int i = 0; i < p->n; i++) {
        evaluate(&p->v[i], &series[i], first, &out[i]);
        turn_over(&series[i]);
    }
    return true;
}

void scrape_series_free(struct scrape_series *s)
{
    free(s->now.v);
    free(s->before.v);
    free(s->added.v);
    free(s->scratch.v);
}

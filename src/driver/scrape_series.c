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
    OPT_TEXT(metric, NULL, "name, with labels that its series must have", .flags = OPT_REQUIRED),
    OPT_TEXT(as, "value", "delta, value or quantile N"),
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
    m->metric.type = METRIC_GAUGE;
    m->metric.paired = strcmp(as, "value") != 0;
    if (strcmp(as, "value") == 0) {
        m->as = SCRAPE_VALUE;
        return true;
    }
    if (strcmp(as, "delta") == 0) {
        m->as = SCRAPE_DELTA;
        m->metric.type = METRIC_COUNTER;
        return true;
    }
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
    if (!prom_selector(&m->selector, o.metric, b->arena, &e))
        return diag_add(b->diags, n->at, "%s.metric: %s", path, e.text);
    if (!set_as(m, o.as))
        return diag_add(b->diags, n->at,
                        "%s.as: \"%s\" is none of delta, value and quantile N (such as quantile "
                        "0.99)",
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

static bool add_point(struct scrape_points *p, uint64_t key, double le, double value)
{
    if (p->n == POINTS_MAX)
        return false;
    if (p->n == p->cap) {
        p->cap = p->cap ? p->cap * 2 : 16;
        p->v = xrealloc(p->v, sizeof(*p->v) * (size_t)p->cap);
    }
    p->v[p->n++] = (struct scrape_point){key, le, value};
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

static bool take(const struct scrape_metric *m, struct scrape_series *s,
                 const struct prom_sample *sample)
{
    const char *suffix = m->as == SCRAPE_QUANTILE ? "_bucket" : "";
    size_t len = strlen(m->selector.name);
    double le = 0;

    if (sample->name_len == len + strlen(suffix) &&
        memcmp(sample->name, m->selector.name, len) == 0 &&
        memcmp(sample->name + len, suffix, strlen(suffix)) == 0)
        s->seen = true;
    if (!prom_matches(&m->selector, suffix, sample) || isnan(sample->value))
        return true;
    if (m->as == SCRAPE_QUANTILE && !bound_of(sample, &le))
        return true;
    return add_point(&s->now, prom_key(sample), le, sample->value);
}

static int compare(const void *a, const void *b)
{
    const struct scrape_point *x = a, *y = b;

    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return x->le < y->le ? -1 : x->le > y->le;
}

/* Into its bucket, which keep their order. */
static void add_bucket(struct scrape_series *s, double le, double count)
{
    int at = 0;

    while (at < s->bucket_count && s->buckets[at].le < le)
        at++;
    if (at == s->bucket_count || s->buckets[at].le > le) {
        if (s->bucket_count == BUCKETS_MAX)
            return;
        s->buckets = xrealloc(s->buckets, sizeof(*s->buckets) * (size_t)(s->bucket_count + 1));
        memmove(&s->buckets[at + 1], &s->buckets[at],
                sizeof(*s->buckets) * (size_t)(s->bucket_count - at));
        s->buckets[at] = (struct prom_bucket){le, 0};
        s->bucket_count++;
    }
    s->buckets[at].count += count;
}

/*
 * What was added to each series since the reading before.  One that is smaller than it was has
 * begun anew from 0, as Prometheus takes it; one that was not there has begun, too.
 */
static double add_up(const struct scrape_metric *m, struct scrape_series *s)
{
    double total = 0;
    int old = 0;

    for (int i = 0; i < s->now.n; i++) {
        const struct scrape_point *p = &s->now.v[i];
        double delta = p->value;

        while (old < s->before.n && compare(&s->before.v[old], p) < 0)
            old++;
        if (old < s->before.n && compare(&s->before.v[old], p) == 0 &&
            p->value >= s->before.v[old].value)
            delta -= s->before.v[old].value;
        if (m->as == SCRAPE_QUANTILE)
            add_bucket(s, p->le, delta);
        total += delta;
    }
    return total;
}

static void evaluate(const struct scrape_metric *m, struct scrape_series *s, bool first,
                     struct scrape_value *out)
{
    double delta = 0;

    *out = (struct scrape_value){0};
    if (s->now.n > 1)
        qsort(s->now.v, (size_t)s->now.n, sizeof(*s->now.v), compare);
    for (int i = 0; i < s->now.n; i++)
        out->raw += s->now.v[i].value;
    if (!first)
        delta = add_up(m, s);
    if (m->as == SCRAPE_VALUE) {
        out->any = s->now.n > 0 && isfinite(out->raw);
        out->value = out->raw * m->scale;
    } else if (m->as == SCRAPE_DELTA) {
        out->any = !first && isfinite(delta);
        out->value = delta * m->scale;
    } else if (!first) {
        double q = prom_quantile(m->quantile, s->buckets, s->bucket_count);

        out->any = isfinite(q);
        out->value = q * m->scale;
    }
}

static void turn_over(struct scrape_series *s)
{
    struct scrape_points old = s->before;

    s->before = s->now;
    s->now = old;
}

static bool take_all(const struct scrape_plan *p, struct scrape_series *series, const char *text,
                     size_t len, struct err *e)
{
    struct prom_sample sample;
    struct prom r;

    for (int i = 0; i < p->n; i++) {
        series[i].now.n = 0;
        series[i].seen = false;
    }
    prom_init(&r, text, len);
    while (prom_next(&r, &sample))
        for (int i = 0; i < p->n; i++)
            if (!take(&p->v[i], &series[i], &sample))
                return err_set(e, "\"%s\" has more than %d series", p->v[i].selector.name,
                               POINTS_MAX);
    if (r.why)
        return err_set(e, "line %d of the answer: %s", r.line, r.why);
    return true;
}

bool scrape_read(const struct scrape_plan *p, struct scrape_series *series, bool first,
                 const char *text, size_t len, struct scrape_value *out, struct err *e)
{
    if (!take_all(p, series, text, len, e))
        return false;
    for (int i = 0; i < p->n; i++)
        if (!series[i].seen && !p->v[i].optional)
            return err_set(e, "the endpoint has no metric \"%s%s\"", p->v[i].selector.name,
                           p->v[i].as == SCRAPE_QUANTILE ? "_bucket" : "");
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
    free(s->buckets);
}

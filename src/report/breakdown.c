#include "report/breakdown.h"

#include <math.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "report/document.h"
#include "report/figures.h"
#include "run/result.h"

/* Adds up two series of one metric; the slices of `into` stay what they were. */
static void add(struct series *into, const struct series *from)
{
    if (!from->n)
        return;
    into->min = into->n ? fmin(into->min, from->min) : from->min;
    into->max = into->n ? fmax(into->max, from->max) : from->max;
    into->n += from->n;
    into->hits += from->hits;
    into->sum += from->sum;
    into->last = from->last;
    if (from->hist && !into->hist)
        into->hist = xcalloc(1, sizeof(*into->hist));
    if (from->hist)
        hist_merge(into->hist, from->hist);
}

struct total { /* one metric over several steps */
    struct series s;
    double seconds; /* from the first to the last second of any of them */
};

static bool same(const struct metric *a, const struct metric *b)
{
    return strcmp(a->name, b->name) == 0 && a->type == b->type && a->unit == b->unit;
}

/* Steps of one phase run at the same time, phases one after another. */
static bool total(const struct run_result *r, const struct metric *m, breakdown_fn *counts,
                  const void *ctx, struct total *t)
{
    *t = (struct total){.s = {.metric = m}};
    for (int i = 0; i < r->phase_count; i++) {
        double longest = 0;

        for (int k = 0; k < r->phases[i].phase->step_count; k++) {
            struct step_result sr = figures_step(&r->phases[i], k);
            struct series s;
            double seconds;

            if (!sr.begun || !counts(&sr, ctx) || !figures_series(&sr, m->name, -1, &s, &seconds))
                continue;
            if (same(s.metric, m)) {
                add(&t->s, &s);
                longest = fmax(longest, s.n ? seconds : 0);
            }
            series_free(&s);
        }
        t->seconds += longest;
    }
    return t->s.n > 0;
}

/* Steps share most of their metrics, and many have no sample: a metric is added up once. */
static bool is_new(json_t *looked, const struct metric *m)
{
    struct buf key = {0};
    bool found;

    buf_printf(&key, "%s %d %d", m->name, (int)m->type, (int)m->unit);
    found = document_get(looked, buf_text(&key)) != NULL;
    if (!found)
        document_set(looked, buf_text(&key), json_true());
    buf_free(&key);
    return !found;
}

static void add_metrics(json_t *all, json_t *looked, const struct run_result *r,
                        const struct step_result *sr, breakdown_fn *counts, const void *ctx)
{
    const struct meter_shape *shape = sr->meter.shape;
    struct total t;

    for (int i = 0; shape && i < shape->metric_count; i++) {
        if (document_get(all, shape->metrics[i]->name) || !is_new(looked, shape->metrics[i]))
            continue;
        if (total(r, shape->metrics[i], counts, ctx, &t))
            document_set(all, shape->metrics[i]->name, figures_metric(&t.s, t.seconds));
        series_free(&t.s);
    }
}

json_t *breakdown_metrics(const struct run_result *r, breakdown_fn *counts, const void *ctx)
{
    json_t *all = json_object(), *looked = json_object();

    for (int i = 0; i < r->phase_count; i++)
        for (int k = 0; k < r->phases[i].phase->step_count; k++) {
            struct step_result sr = figures_step(&r->phases[i], k);

            if (sr.begun && counts(&sr, ctx))
                add_metrics(all, looked, r, &sr, counts, ctx);
        }
    json_decref(looked);
    return all;
}

static const char *tag_of(const struct step *s, const char *name)
{
    for (int i = 0; i < s->tag_count; i++)
        if (strcmp(s->tags[i].name, name) == 0)
            return s->tags[i].value;
    return NULL;
}

static bool has_tag(const struct step_result *sr, const void *ctx)
{
    const struct tag *wanted = ctx;
    const char *value = tag_of(sr->step, wanted->name);

    return value && strcmp(value, wanted->value) == 0;
}

static void add_tags(json_t *by_tag, const struct run_result *r, const struct step *step)
{
    for (int i = 0; i < step->tag_count; i++) {
        const struct tag *t = &step->tags[i];
        json_t *values = document_get(by_tag, t->name);

        if (strcmp(t->name, "step") == 0 || strcmp(t->name, "phase") == 0)
            continue;
        if (!values) {
            document_set(by_tag, t->name, json_object());
            values = document_get(by_tag, t->name);
        }
        if (values && !document_get(values, t->value))
            document_set(values, t->value, breakdown_metrics(r, has_tag, t));
    }
}

json_t *breakdown_json(const struct run_result *r)
{
    json_t *by_tag = json_object();

    for (int i = 0; i < r->phase_count; i++)
        for (int k = 0; k < r->phases[i].phase->step_count; k++) {
            struct step_result sr = figures_step(&r->phases[i], k);

            if (sr.begun)
                add_tags(by_tag, r, sr.step);
        }
    return by_tag;
}

struct tier {
    const char *target;
    bool tagged; /* only those with `tier: connector` */
};

static bool is_connector(const struct step *s)
{
    const char *tier = tag_of(s, "tier");

    return tier && strcmp(tier, "connector") == 0;
}

static bool is_of_tier(const struct step_result *sr, const void *ctx)
{
    const struct tier *t = ctx;
    const char *target = tag_of(sr->step, "target");

    return target && strcmp(target, t->target) == 0 && sr->step->load.executor != EX_ONCE &&
           (!t->tagged || is_connector(sr->step));
}

static json_t *connector(const struct run_result *r, const struct tier *tier)
{
    struct total time, failed, ended;
    bool timed = total(r, &engine_metrics[M_OP_DURATION], is_of_tier, tier, &time);
    bool sent = total(r, &engine_metrics[M_OP_FAILED], is_of_tier, tier, &failed);
    bool any = total(r, &engine_metrics[M_ITERATIONS], is_of_tier, tier, &ended);
    static const struct {
        const char *key;
        double q;
    } quantiles[] = {{"p50", 0.5}, {"p95", 0.95}, {"p99", 0.99}};
    json_t *o = any ? json_object() : json_null();

    for (size_t i = 0; any && i < sizeof(quantiles) / sizeof(*quantiles); i++)
        json_object_set_new(o, quantiles[i].key,
                            timed ? document_ms(hist_quantile(time.s.hist, quantiles[i].q))
                                  : json_null());
    if (any) {
        json_object_set_new(o, "max", timed ? document_ms(time.s.max) : json_null());
        json_object_set_new(o, "avg",
                            timed ? document_ms(time.s.sum / (double)time.s.n) : json_null());
        json_object_set_new(o, "error_rate",
                            sent ? document_number((double)failed.s.hits / (double)failed.s.n)
                                 : json_null());
        json_object_set_new(o, "iterations", document_number(ended.s.sum));
    }
    series_free(&time.s);
    series_free(&failed.s);
    series_free(&ended.s);
    return o;
}

json_t *breakdown_tier(const struct run_result *r)
{
    json_t *o = json_object();
    struct tier tier = {0};

    for (int i = 0; i < r->phase_count; i++)
        for (int k = 0; k < r->phases[i].phase->step_count; k++)
            tier.tagged |= is_connector(&r->phases[i].phase->steps[k]);
    for (int i = 0; i < r->suite->target_count; i++) {
        tier.target = r->suite->targets[i].name;
        document_set(o, tier.target, connector(r, &tier));
    }
    return o;
}

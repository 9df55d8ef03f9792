#include "report/figures.h"

#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "report/document.h"
#include "run/window.h"

struct step_result figures_step(const struct phase_result *p, int i)
{
    return p->steps ? p->steps[i] : (struct step_result){.step = &p->phase->steps[i]};
}

struct view { /* a step, one of its windows, or some of its seconds */
    const struct step_result *sr;
    struct windows w;
    enum window window;
    int from, to; /* to 0: not by seconds */
};

/* What a threshold that names no window would judge. */
static struct view view_of(const struct step_result *sr)
{
    struct view v = {.sr = sr, .window = WINDOW_NONE};

    if (sr->attack) {
        v.window = WINDOW_DURING;
        windows_find(sr, &v.w);
    }
    return v;
}

/* `part` and `outcome` as in struct selection, -1 for all; false if the step has no such metric. */
static bool series_of(const struct view *v, const char *metric, int part, int outcome,
                      struct series *s)
{
    const struct step_result *sr = v->sr;
    struct selector whole = {.metric = metric};
    struct selection sel = {0};

    if (!sr->meter.shape || step_metric(sr->step, metric) < 0 ||
        !step_select(sr->step, &whole, &sel))
        return false;
    sel.part = part;
    sel.outcome = outcome;
    windows_select(&v->w, v->window, &sel);
    if (v->to > 0) {
        sel.from = v->from;
        sel.to = v->to;
    }
    series_select(s, &sr->meter, &sel);
    return true;
}

static double seconds_of(const struct view *v, const struct series *s)
{
    return v->to > 0 ? v->to - v->from : step_seconds(v->sr, s, v->window != WINDOW_NONE);
}

static void get(const struct view *v, struct figures *f)
{
    struct series s;
    double seconds;

    *f = (struct figures){0};
    if (series_of(v, engine_metrics[M_OP_FAILED].name, -1, -1, &s)) {
        f->n = s.n;
        f->failed = s.hits;
        series_free(&s);
    }
    if (series_of(v, engine_metrics[M_OP_DURATION].name, -1, -1, &s)) {
        if (s.hist && s.n) {
            f->measured = true;
            f->p50 = hist_quantile(s.hist, 0.5);
            f->p95 = hist_quantile(s.hist, 0.95);
            f->p99 = hist_quantile(s.hist, 0.99);
        }
        series_free(&s);
    }
    if (series_of(v, engine_metrics[M_ITERATIONS].name, -1, -1, &s)) {
        seconds = seconds_of(v, &s);
        f->rate = seconds > 0 ? s.sum / seconds : 0;
        series_free(&s);
    }
}

void figures_get(const struct step_result *sr, struct figures *f)
{
    struct view v = view_of(sr);

    get(&v, f);
    windows_free(&v.w);
}

void figures_get_window(const struct step_result *sr, const struct windows *w, enum window window,
                        struct figures *f)
{
    struct view v = {.sr = sr, .w = *w, .window = window};

    get(&v, f);
}

void figures_get_seconds(const struct step_result *sr, int from, int to, struct figures *f)
{
    struct view v = {.sr = sr, .window = WINDOW_NONE, .from = from, .to = to};

    get(&v, f);
}

static json_t *quantity(const struct metric *m, double v)
{
    return m->unit == UNIT_TIME ? document_ms(v) : document_number(v);
}

const char *const figures_trend_stats[] = {"count", "avg",   "min",   "med",     "max",
                                           "p(90)", "p(95)", "p(99)", "p(99.9)", NULL};

static void trend_values(json_t *values, const struct series *s)
{
    static const double tails[] = {0.9, 0.95, 0.99, 0.999};
    const struct metric *m = s->metric;
    const char *const *name = figures_trend_stats;

    json_object_set_new(values, *name++, document_count(s->n));
    json_object_set_new(values, *name++, quantity(m, s->n ? s->sum / (double)s->n : 0));
    json_object_set_new(values, *name++, quantity(m, s->min));
    json_object_set_new(values, *name++, quantity(m, hist_quantile(s->hist, 0.5)));
    json_object_set_new(values, *name++, quantity(m, s->max));
    for (size_t i = 0; i < sizeof(tails) / sizeof(*tails); i++)
        json_object_set_new(values, *name++, quantity(m, hist_quantile(s->hist, tails[i])));
}

static json_t *values_of(const struct series *s, double seconds)
{
    json_t *values = json_object();

    switch (s->metric->type) {
    case METRIC_COUNTER:
        json_object_set_new(values, "count", document_number(s->sum));
        json_object_set_new(values, "rate", document_number(seconds > 0 ? s->sum / seconds : 0));
        break;
    case METRIC_GAUGE:
        json_object_set_new(values, "value", quantity(s->metric, s->last));
        json_object_set_new(values, "min", quantity(s->metric, s->min));
        json_object_set_new(values, "max", quantity(s->metric, s->max));
        break;
    case METRIC_RATE:
        json_object_set_new(values, "rate", document_number((double)s->hits / (double)s->n));
        json_object_set_new(values, "passes", document_count(s->hits));
        json_object_set_new(values, "fails", document_count(s->n - s->hits));
        break;
    case METRIC_TREND:
        trend_values(values, s);
    }
    return values;
}

json_t *figures_metric(const struct series *s, double seconds)
{
    static const char *const contains[] = {"default", "time", "data", "default", "default"};
    json_t *m = json_object();

    json_object_set_new(m, "type", document_word(metric_type_names[s->metric->type]));
    json_object_set_new(m, "contains", document_word(contains[s->metric->unit]));
    json_object_set_new(m, "values", values_of(s, seconds));
    return m;
}

bool figures_series(const struct step_result *sr, const char *metric, int part, struct series *s,
                    double *seconds)
{
    struct view v = view_of(sr);
    bool ok = series_of(&v, metric, part, -1, s);

    if (ok)
        *seconds = seconds_of(&v, s);
    windows_free(&v.w);
    return ok;
}

static void add_metric(json_t *to, const struct view *v, const struct series *s, const char *name)
{
    document_set(to, name, figures_metric(s, seconds_of(v, s)));
}

/* A part or an outcome of a metric is shown when it is not simply all of it. */
static void add_share(json_t *to, const struct view *v, const struct series *whole, int part,
                      int outcome, const char *tag, const char *value)
{
    struct series s;
    struct buf name = {0};

    if (!series_of(v, whole->metric->name, part, outcome, &s))
        return;
    if (s.n && s.n != whole->n) {
        buf_printf(&name, "%s{%s:%s}", whole->metric->name, tag, value);
        add_metric(to, v, &s, buf_text(&name));
        buf_free(&name);
    }
    series_free(&s);
}

static json_t *metrics_of(const struct view *v)
{
    const struct meter_shape *shape = v->sr->meter.shape;
    json_t *all = json_object();
    struct series s;

    for (int i = 0; shape && i < shape->metric_count; i++) {
        const char *name = shape->metrics[i]->name;

        if (!series_of(v, name, -1, -1, &s))
            continue;
        if (s.n) {
            add_metric(all, v, &s, name);
            for (int p = 1; p < shape->part_count; p++)
                if (meter_has_part(&v->sr->meter, i, p))
                    add_share(all, v, &s, p, -1, "part", shape->parts[p]);
            add_share(all, v, &s, -1, TAG_OK, "outcome", "ok");
            add_share(all, v, &s, -1, TAG_FAILED, "outcome", "failed");
        }
        series_free(&s);
    }
    return all;
}

json_t *figures_json(const struct step_result *sr)
{
    struct view v = view_of(sr);
    json_t *all = metrics_of(&v);

    windows_free(&v.w);
    return all;
}

json_t *figures_seconds_json(const struct step_result *sr, int from, int to)
{
    struct view v = {.sr = sr, .window = WINDOW_NONE, .from = from, .to = to};

    return metrics_of(&v);
}

static json_t *window_json(const struct view *v)
{
    json_t *o = json_object();
    int seconds = 0;

    for (int i = 0; i < v->w.seconds; i++)
        seconds += v->w.of[v->window][i];
    json_object_set_new(o, "seconds", document_number(seconds));
    json_object_set_new(o, "metrics", metrics_of(v));
    return o;
}

json_t *figures_during_json(const struct step_result *sr)
{
    struct view v = view_of(sr);
    json_t *o, *windows;
    int recovered;

    if (!sr->attack)
        return json_null();
    o = json_object();
    windows = json_object();
    recovered = windows_recovery(sr, &v.w);
    json_object_set_new(o, "attack", document_text(sr->attack->step->name));
    json_object_set_new(o, "attack_seconds", document_number(v.w.asked));
    json_object_set_new(o, "held_seconds", document_number(v.w.held));
    json_object_set_new(o, "recovered_after_ms",
                        recovered < 0 ? json_null() : document_ms(recovered * (double)NS_PER_S));
    for (int i = 0; i < WINDOWS; i++) {
        v.window = (enum window)i;
        json_object_set_new(windows, window_names[i], window_json(&v));
    }
    json_object_set_new(o, "windows", windows);
    windows_free(&v.w);
    return o;
}

#include "stats/meter.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define SECONDS_FIRST 64

static uint64_t to_bits(double v)
{
    uint64_t bits;

    memcpy(&bits, &v, sizeof(bits));
    return bits;
}

static double from_bits(uint64_t bits)
{
    double v;

    memcpy(&v, &bits, sizeof(v));
    return v;
}

static size_t cell_count(const struct meter_shape *shape)
{
    return (size_t)shape->metric_count * (size_t)shape->part_count * TAG_OUTCOMES;
}

static size_t cell_index(const struct meter *m, int metric, int part, enum tag_outcome o)
{
    return ((size_t)metric * (size_t)m->shape->part_count + (size_t)part) * TAG_OUTCOMES + o;
}

void meter_init(struct meter *m, const struct meter_shape *shape)
{
    m->shape = shape;
    m->cells = xcalloc(cell_count(shape), sizeof(struct cell *));
}

static void slices_free(struct slice *slices, int count)
{
    for (int i = 0; i < count; i++)
        sparse_free(&slices[i].dist);
    free(slices);
}

void meter_free(struct meter *m)
{
    if (m->cells)
        for (size_t i = 0; i < cell_count(m->shape); i++) {
            if (!m->cells[i])
                continue;
            slices_free(m->cells[i]->slices, m->cells[i]->seconds);
            free(m->cells[i]);
        }
    free(m->cells);
    *m = (struct meter){0};
}

static void add_seconds(struct cell *c, int second)
{
    size_t old = (size_t)c->cap, cap = old ? old : SECONDS_FIRST;

    while (cap <= (size_t)second)
        cap *= 2;
    if (cap != old) {
        c->slices = xrealloc(c->slices, cap * sizeof(*c->slices));
        memset(c->slices + old, 0, (cap - old) * sizeof(*c->slices));
        c->cap = (int)cap;
    }
    c->seconds = second + 1;
}

static __attribute__((noinline)) struct slice *make_slice(struct meter *m, size_t index, int metric,
                                                          int part, enum tag_outcome o, int second)
{
    struct cell *c = m->cells[index];

    if (!c) {
        c = m->cells[index] = xcalloc(1, sizeof(*c));
        c->metric = metric;
        c->part = part;
        c->outcome = o;
    }
    if (second < 0) /* due before the start: belongs to it */
        second = 0;
    if (second >= c->seconds)
        add_seconds(c, second);
    return &c->slices[second];
}

static inline struct slice *slice_at(struct meter *m, int metric, int part, enum tag_outcome o,
                                     int second)
{
    size_t index = cell_index(m, metric, part, o);
    struct cell *c = m->cells[index];

    /* As unsigned, a negative second is beyond the end as well. */
    if (__builtin_expect(c && (unsigned)second < (unsigned)c->seconds, 1))
        return &c->slices[second];
    return make_slice(m, index, metric, part, o, second);
}

struct slice *meter_slice(struct meter *m, int metric, int part, enum tag_outcome o, int second)
{
    return slice_at(m, metric, part, o, second);
}

const struct cell *meter_cell(const struct meter *m, int metric, int part, enum tag_outcome o)
{
    return m->cells[cell_index(m, metric, part, o)];
}

bool meter_has_part(const struct meter *m, int metric, int part)
{
    return meter_cell(m, metric, part, TAG_OK) || meter_cell(m, metric, part, TAG_FAILED);
}

void meter_trend(struct meter *m, int metric, int part, enum tag_outcome o, int second,
                 uint64_t value)
{
    struct slice *s = slice_at(m, metric, part, o, second);

    if (!s->n || value < s->min)
        s->min = value;
    if (value > s->max)
        s->max = value;
    s->n++;
    s->sum += (double)value;
    sparse_add(&s->dist, hist_index(value), 1);
}

void meter_count(struct meter *m, int metric, int part, enum tag_outcome o, int second, double n)
{
    struct slice *s;

    if (!isfinite(n) || n < 0)
        return;
    s = slice_at(m, metric, part, o, second);
    s->n++;
    s->sum += n;
}

void meter_rate(struct meter *m, int metric, int part, enum tag_outcome o, int second, bool hit)
{
    struct slice *s = slice_at(m, metric, part, o, second);

    s->n++;
    s->hits += hit;
}

void meter_gauge(struct meter *m, int metric, int part, enum tag_outcome o, int second,
                 double value)
{
    struct slice *s;

    if (!isfinite(value))
        return;
    s = slice_at(m, metric, part, o, second);
    if (!s->n || value < from_bits(s->min))
        s->min = to_bits(value);
    if (!s->n || value > from_bits(s->max))
        s->max = to_bits(value);
    s->n++;
    s->sum += value;
    s->last = value;
}

void meter_value(struct meter *m, int metric, int part, enum tag_outcome o, int second,
                 double value)
{
    if (m->shape->metrics[metric]->type == METRIC_GAUGE)
        meter_gauge(m, metric, part, o, second, value);
    else if (value >= 0x1p63)
        meter_trend(m, metric, part, o, second, UINT64_C(1) << 63);
    else if (value >= 0) /* neither a negative nor NaN */
        meter_trend(m, metric, part, o, second, (uint64_t)(value + 0.5));
}

static void merge_extremes(enum metric_type type, struct slice *into, const struct slice *from)
{
    bool below, above;

    if (type == METRIC_GAUGE) {
        below = from_bits(from->min) < from_bits(into->min);
        above = from_bits(from->max) > from_bits(into->max);
    } else {
        below = from->min < into->min;
        above = from->max > into->max;
    }
    if (!into->n || below)
        into->min = from->min;
    if (!into->n || above)
        into->max = from->max;
}

static void slice_merge(enum metric_type type, struct slice *into, const struct slice *from)
{
    if (!from->n)
        return;
    merge_extremes(type, into, from);
    into->n += from->n;
    into->hits += from->hits;
    into->sum += from->sum;
    into->last = from->last;
    sparse_merge(&into->dist, &from->dist);
}

void meter_merge(struct meter *into, const struct meter *from)
{
    meter_merge_seconds(into, from, 0, INT_MAX);
}

void meter_merge_seconds(struct meter *into, const struct meter *from, int first, int end)
{
    for (size_t i = 0; i < cell_count(from->shape); i++) {
        const struct cell *c = from->cells[i];

        for (int s = first; c && s < c->seconds && s < end; s++)
            if (c->slices[s].n)
                slice_merge(from->shape->metrics[c->metric]->type,
                            slice_at(into, c->metric, c->part, c->outcome, s), &c->slices[s]);
    }
}

int meter_seconds(const struct meter *m)
{
    int seconds = 0;

    for (size_t i = 0; i < cell_count(m->shape); i++)
        if (m->cells[i] && m->cells[i]->seconds > seconds)
            seconds = m->cells[i]->seconds;
    return seconds;
}

/* Adds up the slices; those of a gauge are in order, so its last value is the latest one. */
static void series_total(struct series *s)
{
    bool gauge = s->metric->type == METRIC_GAUGE;

    for (int i = 0; i < s->seconds; i++) {
        const struct slice *sl = &s->slices[i];
        double low = gauge ? from_bits(sl->min) : (double)sl->min;
        double high = gauge ? from_bits(sl->max) : (double)sl->max;

        if (!sl->n)
            continue;
        if (!s->n || low < s->min)
            s->min = low;
        if (!s->n || high > s->max)
            s->max = high;
        s->n += sl->n;
        s->hits += sl->hits;
        s->sum += sl->sum;
        s->last = sl->last;
    }
}

static void series_hist(struct series *s)
{
    struct hist *h = s->hist = xcalloc(1, sizeof(*h));

    for (int i = 0; i < s->seconds; i++) {
        const struct slice *sl = &s->slices[i];

        if (!sl->n)
            continue;
        if (!h->total || sl->min < h->min)
            h->min = sl->min;
        if (!h->total || sl->max > h->max)
            h->max = sl->max;
        h->sum += sl->sum;
        sparse_into(&sl->dist, h);
    }
}

static bool matches(const struct cell *c, const struct selection *sel)
{
    return c && c->metric == sel->metric && (sel->part < 0 || c->part == sel->part) &&
           (sel->outcome < 0 || (int)c->outcome == sel->outcome);
}

static bool wants(const struct selection *sel, int second)
{
    return !sel->only || (second < sel->only_count && sel->only[second]);
}

static void add_bounds(struct series *s, const struct slice *from)
{
    if (from->n == 0)
        return;
    if (!s->bounds)
        s->bounds = xcalloc(1, sizeof(*s->bounds));
    if (!s->bounds->total || from->min < s->bounds->min)
        s->bounds->min = from->min;
    if (from->max > s->bounds->max)
        s->bounds->max = from->max;
    sparse_into(&from->dist, s->bounds);
}

void series_select(struct series *s, const struct meter *m, const struct selection *sel)
{
    int end = meter_seconds(m);
    int from = sel->from > 0 ? sel->from : 0;
    int to = sel->to < 0 ? end : sel->to;

    if (to < from)
        to = from;
    while (from < to && !wants(sel, from))
        from++;
    while (to > from && !wants(sel, to - 1))
        to--;
    *s = (struct series){.metric = m->shape->metrics[sel->metric], .from = from, .to = to};
    for (int t = from; t < to; t++)
        s->seconds += wants(sel, t);
    s->length_s = s->seconds;
    s->slices = xcalloc((size_t)s->seconds, sizeof(*s->slices));
    for (size_t i = 0; i < cell_count(m->shape); i++) {
        const struct cell *c = m->cells[i];
        int at = 0;

        for (int t = from; matches(c, sel) && t < to && t < c->seconds; t++) {
            if (!wants(sel, t))
                continue;
            slice_merge(s->metric->type, &s->slices[at++], &c->slices[t]);
            if (s->metric->censored && c->outcome == TAG_FAILED)
                add_bounds(s, &c->slices[t]);
        }
    }
    series_total(s);
    if (s->metric->type == METRIC_TREND)
        series_hist(s);
}

/* Seconds of either that the other does not have are kept. */
static void widen(struct series *s, int from, int to)
{
    int first = from < s->from ? from : s->from, end = to > s->to ? to : s->to;
    struct slice *wider = xcalloc((size_t)(end - first), sizeof(*wider));

    if (s->seconds)
        memcpy(wider + (s->from - first), s->slices, sizeof(*wider) * (size_t)s->seconds);
    free(s->slices);
    s->slices = wider;
    s->from = first;
    s->to = end;
    s->seconds = end - first;
}

void series_join(struct series *into, const struct series *from)
{
    if (from->seconds == 0)
        return;
    if (into->seconds == 0)
        into->from = into->to = from->from;
    widen(into, from->from, from->to);
    for (int i = 0; i < from->seconds; i++)
        slice_merge(into->metric->type, &into->slices[from->from - into->from + i],
                    &from->slices[i]);
    into->length_s = from->length_s > into->length_s ? from->length_s : into->length_s;
    into->n = into->hits = 0;
    into->sum = into->last = into->min = into->max = 0;
    series_total(into);
    if (into->metric->type == METRIC_TREND) {
        free(into->hist);
        series_hist(into);
    }
    if (from->bounds && !into->bounds)
        into->bounds = xcalloc(1, sizeof(*into->bounds));
    if (from->bounds)
        hist_merge(into->bounds, from->bounds);
}

void series_free(struct series *s)
{
    slices_free(s->slices, s->slices ? s->seconds : 0);
    free(s->hist);
    free(s->bounds);
    *s = (struct series){0};
}

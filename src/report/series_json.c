/*
 * series_json.c - series.json, everything that was measured: one list of seconds for each cell.
 *
 *     {"metric": "op_duration", "part": 0, "outcome": "ok",
 *      "slices": [[3, 30125, 9900, 10100, "963:2 4"], 0, ...]}
 *
 * A second without samples is 0; with samples it is, by the metric's type,
 *
 *     counter [n, sum]      rate [n, hits]      gauge [n, sum, min, max, last]
 *     trend   [n, sum, min, max, buckets]
 *
 * in nanoseconds and bytes.  Buckets are those of hist.h in ascending order, each as its distance
 * from the one before and, unless it is 1, its count.  A text instead of a list of numbers because
 * an hour of a busy step has a million buckets.
 */
#include "report/series.h"

#include <math.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "report/document.h"
#include "report/figures.h"
#include "report/files.h"
#include "run/result.h"

#define SCHEMA      "shakedown.series/1"
#define MAX_SECONDS 8000000 /* over all cells: 12 weeks of one, a day of 90 */

static double from_bits(uint64_t bits)
{
    double v;

    memcpy(&v, &bits, sizeof(v));
    return v;
}

static uint64_t to_bits(double v)
{
    uint64_t bits;

    memcpy(&bits, &v, sizeof(bits));
    return bits;
}

static int by_index(const void *a, const void *b)
{
    const struct sparse_cell *x = a, *y = b;

    return x->index < y->index ? -1 : x->index > y->index;
}

static json_t *buckets_text(const struct sparse *s)
{
    struct sparse_cell *cells = xcalloc(s->used, sizeof(*cells));
    struct buf b = {0};
    uint32_t n = 0, last = 0;
    json_t *text;

    for (uint32_t i = 0; i < s->cap; i++)
        if (s->cells[i].count)
            cells[n++] = s->cells[i];
    qsort(cells, n, sizeof(*cells), by_index);
    for (uint32_t i = 0; i < n; i++) {
        buf_printf(&b, i ? " %u" : "%u", cells[i].index - last);
        if (cells[i].count != 1)
            buf_printf(&b, ":%u", cells[i].count);
        last = cells[i].index;
    }
    text = document_word(buf_text(&b));
    buf_free(&b);
    free(cells);
    return text;
}

static json_t *slice_json(enum metric_type type, const struct slice *s)
{
    json_t *v;

    if (!s->n)
        return json_integer(0);
    v = json_array();
    json_array_append_new(v, document_count(s->n));
    json_array_append_new(v,
                          type == METRIC_RATE ? document_count(s->hits) : document_number(s->sum));
    if (type == METRIC_GAUGE) {
        json_array_append_new(v, document_number(from_bits(s->min)));
        json_array_append_new(v, document_number(from_bits(s->max)));
        json_array_append_new(v, document_number(s->last));
    } else if (type == METRIC_TREND) {
        json_array_append_new(v, document_count(s->min));
        json_array_append_new(v, document_count(s->max));
        json_array_append_new(v, buckets_text(&s->dist));
    }
    return v;
}

static json_t *cell_json(const struct meter_shape *shape, const struct cell *c)
{
    const struct metric *m = shape->metrics[c->metric];
    json_t *o = json_object(), *slices = json_array();

    for (int i = 0; i < c->seconds; i++)
        json_array_append_new(slices, slice_json(m->type, &c->slices[i]));
    json_object_set_new(o, "metric", document_text(m->name));
    json_object_set_new(o, "part", document_number(c->part));
    json_object_set_new(o, "outcome", document_word(c->outcome == TAG_OK ? "ok" : "failed"));
    json_object_set_new(o, "slices", slices);
    return o;
}

static json_t *step_json(const struct step_result *sr)
{
    const struct meter_shape *shape = sr->meter.shape;
    json_t *o = json_object(), *cells = json_array();
    const struct cell *c;

    for (int m = 0; shape && m < shape->metric_count; m++)
        for (int p = 0; p < shape->part_count; p++)
            for (int t = 0; t < TAG_OUTCOMES; t++)
                if ((c = meter_cell(&sr->meter, m, p, (enum tag_outcome)t)))
                    json_array_append_new(cells, cell_json(shape, c));
    json_object_set_new(o, "name", document_text(sr->step->name));
    json_object_set_new(o, "cells", cells);
    return o;
}

void series_json(const struct run_result *r, struct buf *out)
{
    json_t *o = json_object(), *steps = json_array();

    for (int i = 0; i < r->phase_count; i++)
        for (int k = 0; k < r->phases[i].phase->step_count; k++) {
            struct step_result sr = figures_step(&r->phases[i], k);

            json_array_append_new(steps, step_json(&sr));
        }
    json_object_set_new(o, "schema", document_word(SCHEMA));
    json_object_set_new(o, "run", document_text(r->run_id));
    json_object_set_new(o, "steps", steps);
    document_write(o, false, out);
}

/* One number of a bucket text; false if there is none, or it is above `max`. */
static bool bucket_number(const char **s, uint32_t max, uint32_t *out)
{
    uint64_t v = 0;
    const char *p = *s;

    while (*p >= '0' && *p <= '9' && v <= max)
        v = v * 10 + (uint64_t)(*p++ - '0');
    if (p == *s || v > max)
        return false;
    *s = p;
    *out = (uint32_t)v;
    return true;
}

/* The buckets must add up to n, and the extremes lie in the first and the last of them. */
static bool read_buckets(const char *text, struct slice *s)
{
    uint32_t index = 0, step = 0, count;
    uint64_t total = 0;

    for (const char *p = text; *p; p += *p == ' ') {
        if (!bucket_number(&p, HIST_BUCKETS - 1, &step) || (total && step == 0))
            return false;
        index += step;
        count = 1;
        if (*p == ':' && (p++, !bucket_number(&p, UINT32_MAX, &count)))
            return false;
        if (count == 0 || index >= HIST_BUCKETS || (*p && *p != ' '))
            return false;
        if (total == 0 && hist_index(s->min) != index)
            return false;
        sparse_add(&s->dist, index, count);
        total += count;
    }
    return total == s->n && s->min <= s->max && hist_index(s->max) == index;
}

static bool number_at(const json_t *list, size_t i, double *out)
{
    const json_t *v = json_array_get(list, i);

    *out = json_number_value(v);
    return json_is_number(v) && isfinite(*out);
}

static bool count_at(const json_t *list, size_t i, uint64_t *out)
{
    const json_t *v = json_array_get(list, i);

    *out = (uint64_t)json_integer_value(v);
    return json_is_integer(v) && json_integer_value(v) >= 0;
}

static bool read_slice(enum metric_type type, const json_t *v, struct slice *s)
{
    static const size_t sizes[] = {2, 5, 2, 5}; /* by metric type */
    const char *buckets;
    double low, high;

    if (json_array_size(v) != sizes[type] || !count_at(v, 0, &s->n) || s->n == 0)
        return false;
    if (type == METRIC_RATE)
        return count_at(v, 1, &s->hits) && s->hits <= s->n;
    if (!number_at(v, 1, &s->sum))
        return false;
    if (type == METRIC_COUNTER)
        return s->sum >= 0;
    if (type == METRIC_GAUGE) {
        if (!number_at(v, 2, &low) || !number_at(v, 3, &high) || !number_at(v, 4, &s->last))
            return false;
        s->min = to_bits(low);
        s->max = to_bits(high);
        return low <= high;
    }
    buckets = json_string_value(json_array_get(v, 4));
    return count_at(v, 2, &s->min) && count_at(v, 3, &s->max) && s->sum >= 0 && buckets &&
           read_buckets(buckets, s);
}

static int metric_of(const struct meter_shape *shape, const char *name)
{
    for (int i = 0; name && i < shape->metric_count; i++)
        if (strcmp(shape->metrics[i]->name, name) == 0)
            return i;
    return -1;
}

static void read_cell(struct reading *rd, const json_t *from, struct step_result *sr, size_t *room)
{
    const struct meter_shape *shape = sr->meter.shape;
    const char *name = read_text(rd, from, "metric"), *tag = read_text(rd, from, "outcome");
    const json_t *slices = read_list(rd, from, "slices");
    uint64_t part = read_count(rd, from, "part");
    enum tag_outcome o = strcmp(tag, "ok") == 0 ? TAG_OK : TAG_FAILED;
    int metric = metric_of(shape, name);
    size_t n = json_array_size(slices);

    if (!rd->failed && (metric < 0 || part >= (uint64_t)shape->part_count))
        read_fault(rd, "step \"%.100s\" has no metric \"%.100s\" in part %d", sr->step->name, name,
                   (int)(part & 0xFFFF));
    else if (!rd->failed && (n > *room || meter_cell(&sr->meter, metric, (int)part, o)))
        read_fault(rd, "metric \"%.100s\" %s", name, n > *room ? "is too long" : "is there twice");
    if (rd->failed || n == 0)
        return;
    *room -= n;
    meter_slice(&sr->meter, metric, (int)part, o, (int)n - 1);
    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_array_get(slices, i);
        struct slice *s = meter_slice(&sr->meter, metric, (int)part, o, (int)i);

        if (json_is_integer(v) && json_integer_value(v) == 0)
            continue;
        if (!read_slice(shape->metrics[metric]->type, v, s)) {
            read_fault(rd, "metric \"%.100s\": second %zu is malformed", name, i);
            return;
        }
    }
}

static void read_step(struct reading *rd, const json_t *from, struct step_result *sr, size_t *room)
{
    const char *name = read_text(rd, from, "name");
    const json_t *cells = read_list(rd, from, "cells"), *cell;
    size_t i;

    if (!rd->failed && strcmp(name, sr->step->name) != 0)
        read_fault(rd, "step \"%.100s\" stands where the suite has \"%.100s\"", name,
                   sr->step->name);
    json_array_foreach(cells, i, cell)
    {
        if (!rd->failed)
            read_cell(rd, cell, sr, room);
    }
}

bool series_read(const char *text, size_t len, struct run_result *r, struct err *e)
{
    struct reading rd = {.arena = r->arena, .e = e, .file = "series.json"};
    json_t *root = document_parse(&rd, text, len, SCHEMA);
    const json_t *steps = read_list(&rd, root, "steps");
    size_t at = 0, room = MAX_SECONDS;

    for (int i = 0; i < r->phase_count && !rd.failed; i++)
        for (int k = 0; k < r->phases[i].phase->step_count && !rd.failed; k++)
            read_step(&rd, json_array_get(steps, at++), &r->phases[i].steps[k], &room);
    if (!rd.failed && at != json_array_size(steps))
        read_fault(&rd, "%zu steps, but the suite has %zu", json_array_size(steps), at);
    json_decref(root);
    return !rd.failed;
}

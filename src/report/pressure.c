#include "report/pressure.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/mem.h"
#include "report/document.h"
#include "report/summary.h"
#include "report/table.h"
#include "report/text.h"
#include "run/result.h"

#define ROWS 10

static const struct {
    const char *name, *metric;
} columns[PRESSURE_COLUMNS] = {
    [PRESSURE_HELD] = {"held", "connections_held"},
    [PRESSURE_ATTEMPTED] = {"attempted", "connections_attempted"},
    [PRESSURE_ESTABLISHED] = {"established", "connections_established"},
    [PRESSURE_REFUSED] = {"refused", "connections_refused"},
    [PRESSURE_EVICTED] = {"evicted", "connections_evicted"},
    [PRESSURE_REOPENED] = {"reopened", "connections_reopened"},
};

void pressure_find(const struct step_result *sr, struct pressure *p)
{
    struct series s;

    *p = (struct pressure){.seconds = sr->meter.cells ? meter_seconds(&sr->meter) : 0};
    for (int c = 0; c < PRESSURE_COLUMNS && p->seconds > 0; c++) {
        struct selection sel = {.metric = step_metric(sr->step, columns[c].metric),
                                .part = -1,
                                .outcome = -1,
                                .to = -1};

        if (sel.metric < 0)
            continue;
        series_select(&s, &sr->meter, &sel);
        p->by_second[c] = xcalloc((size_t)p->seconds, sizeof(double));
        for (int i = 0; i < s.seconds && i < p->seconds; i++)
            p->by_second[c][i] = s.slices[i].sum;
        series_free(&s);
    }
}

void pressure_free(struct pressure *p)
{
    for (int c = 0; c < PRESSURE_COLUMNS; c++)
        free(p->by_second[c]);
    *p = (struct pressure){0};
}

static double sum_of(const double *v, int from, int to)
{
    double sum = 0;

    for (int i = from; i < to; i++)
        sum += v[i];
    return sum;
}

static void add_number(struct table *t, double n)
{
    char text[UNITS_MAX];

    table_add(t, units_print_count(n, text), STYLE_PLAIN);
}

/* Seconds `from` to `to` - 1, each on average. */
static void add_row(struct table *t, const struct pressure *p, int from, int to)
{
    char name[48];

    snprintf(name, sizeof(name), "%d..%d s", from, to);
    table_add(t, name, STYLE_PLAIN);
    for (int c = 0; c < PRESSURE_COLUMNS; c++)
        if (p->by_second[c])
            add_number(t, sum_of(p->by_second[c], from, to) / (to - from));
}

static void add_total(struct table *t, const struct pressure *p)
{
    table_add(t, "in all", STYLE_PLAIN);
    for (int c = 0; c < PRESSURE_COLUMNS; c++)
        if (c == PRESSURE_HELD)
            table_add(t, "", STYLE_PLAIN);
        else if (p->by_second[c])
            add_number(t, sum_of(p->by_second[c], 0, p->seconds));
}

void pressure_table(const struct pressure *p, bool color, struct buf *out)
{
    int step = (p->seconds + ROWS - 1) / ROWS;
    struct table t = {.columns = 1, .left = 1};

    if (!p->by_second[PRESSURE_ATTEMPTED])
        return;
    for (int c = 0; c < PRESSURE_COLUMNS; c++)
        t.columns += p->by_second[c] != NULL;
    table_add(&t, "per second", STYLE_DIM);
    for (int c = 0; c < PRESSURE_COLUMNS; c++)
        if (p->by_second[c])
            table_add(&t, columns[c].name, STYLE_DIM);
    for (int from = 0; from < p->seconds; from += step)
        add_row(&t, p, from, from + step < p->seconds ? from + step : p->seconds);
    add_total(&t, p);
    table_print(&t, 4, color, out);
}

json_t *pressure_json(const struct step_result *sr)
{
    struct pressure p;
    json_t *o;

    if (!sr->begun || sr->step->load.executor != EX_HOLD_CONNECTIONS)
        return json_null();
    o = json_object();
    pressure_find(sr, &p);
    for (int c = 0; c < PRESSURE_COLUMNS; c++) {
        json_t *list = json_array();

        for (int i = 0; p.by_second[c] && i < p.seconds; i++)
            json_array_append_new(list, document_number(p.by_second[c][i]));
        if (p.by_second[c])
            json_object_set_new(o, columns[c].name, list);
        else
            json_decref(list);
    }
    pressure_free(&p);
    return o;
}

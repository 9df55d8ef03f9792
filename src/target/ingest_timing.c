/*
 * ingest_timing.c - when agents beat: how often each, how far apart, and whether their phases are
 * spread evenly over the interval.
 *
 * Evenness is the statistic of Kolmogorov and Smirnov: the largest distance between the share of
 * phases below a point and that point; for n phases at random it is below 1.63 / sqrt(n) in 99 of
 * 100 cases.
 */
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/units.h"
#include "target/ingest_pages.h"
#include "target/ingest_state.h"
#include "target/reply.h"
#include "target/request.h"
#include "target/server.h"

#define BINS        20
#define INTERVAL    INT64_C(30000000000)
#define KS_CRITICAL 1.63 /* at 1% */

struct timing {
    double *phase; /* in intervals, 0 to 1 */
    uint32_t n;
    uint64_t beats, beats_min, beats_max, gap_min_us, gap_max_us, first_ns, last_ns;
    uint64_t bins[BINS];
};

static int64_t interval_of(const struct request *rq)
{
    struct http1_span rest = rq->query;
    struct field f;
    char text[64];
    int64_t ns;

    while (query_next(&rest, &f))
        if (span_is(f.name, "interval") && query_decode(f.value, text, sizeof(text)) &&
            units_duration(text, &ns) && ns > 0)
            return ns;
    return INTERVAL;
}

static void add_agent(struct timing *t, const struct ingest_agent *a, uint64_t interval)
{
    uint64_t beats = a->beats, first = a->first_ns, last = a->last_ns;
    double phase = (double)(last % interval) / (double)interval;

    t->beats += beats;
    t->beats_min = beats < t->beats_min ? beats : t->beats_min;
    t->beats_max = beats > t->beats_max ? beats : t->beats_max;
    if (beats == 0)
        return;
    if (beats > 1 && a->gap_min_us < t->gap_min_us)
        t->gap_min_us = a->gap_min_us;
    if (a->gap_max_us > t->gap_max_us)
        t->gap_max_us = a->gap_max_us;
    t->first_ns = first < t->first_ns ? first : t->first_ns;
    t->last_ns = last > t->last_ns ? last : t->last_ns;
    t->bins[(size_t)(phase * BINS)]++;
    t->phase[t->n++] = phase;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double distance(const struct timing *t)
{
    double d = 0;

    for (uint32_t i = 0; i < t->n; i++) {
        double below = (double)i / t->n, above = (double)(i + 1) / t->n;

        d = fmax(d, fmax(t->phase[i] - below, above - t->phase[i]));
    }
    return d;
}

static json_t *describe(const struct timing *t, int64_t interval, uint32_t agents)
{
    json_t *bins = json_array();

    for (int i = 0; i < BINS; i++)
        json_array_append_new(bins, json_integer((json_int_t)t->bins[i]));
    return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:o,s:f,s:f}", "interval_ns",
                     (json_int_t)interval, "agents", (json_int_t)agents, "beating",
                     (json_int_t)t->n, "beats", (json_int_t)t->beats, "beats_min",
                     (json_int_t)(agents ? t->beats_min : 0), "beats_max", (json_int_t)t->beats_max,
                     "gap_min_us", (json_int_t)(t->gap_min_us == UINT64_MAX ? 0 : t->gap_min_us),
                     "gap_max_us", (json_int_t)t->gap_max_us, "first_ns",
                     (json_int_t)(t->n ? t->first_ns : 0), "last_ns", (json_int_t)t->last_ns,
                     "phases", bins, "ks", distance(t), "ks_critical",
                     t->n ? KS_CRITICAL / sqrt(t->n) : 1.0);
}

/* The phases are copied under the lock and looked at without it. */
void ingest_timing(const struct request *rq, const struct server *s, struct reply *re)
{
    struct timing t = {.beats_min = UINT64_MAX, .gap_min_us = UINT64_MAX, .first_ns = UINT64_MAX};
    struct ingest *g = s->config.ingest;
    int64_t interval = interval_of(rq);
    uint32_t agents;
    json_t *json;

    pthread_mutex_lock(&g->lock);
    agents = g->table.alive;
    t.phase = xcalloc(agents + 1, sizeof(*t.phase));
    for (uint32_t i = 0; i < g->table.count; i++)
        if (g->table.all[i])
            add_agent(&t, g->table.all[i], (uint64_t)interval);
    pthread_mutex_unlock(&g->lock);
    qsort(t.phase, t.n, sizeof(*t.phase), by_value);
    json = describe(&t, interval, agents);
    reply_json(re, 200, mem_check(json_dumps(json, JSON_COMPACT)));
    json_decref(json);
    free(t.phase);
}

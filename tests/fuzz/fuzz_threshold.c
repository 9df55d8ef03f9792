/* The first line is a selector, the rest an expression; what parses is checked and judged. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "stats/judge.h"
#include "stats/meter.h"
#include "stats/threshold.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct metric rows[] = {
    {"time", METRIC_TREND, UNIT_TIME, "x"},       {"size", METRIC_TREND, UNIT_BYTES, "x"},
    {"count", METRIC_COUNTER, UNIT_NONE, "x"},    {"bytes", METRIC_COUNTER, UNIT_BYTES, "x"},
    {"gauge", METRIC_GAUGE, UNIT_NONE, "x"},      {"ratio", METRIC_GAUGE, UNIT_RATIO, "x"},
    {"pace", METRIC_GAUGE, UNIT_PER_SECOND, "x"}, {"rate", METRIC_RATE, UNIT_RATIO, "x"},
};
#define ROWS ((int)(sizeof(rows) / sizeof(rows[0])))

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void fill(struct meter *m)
{
    for (int i = 0; i < 40; i++)
        for (int metric = 0; metric < ROWS; metric++)
            switch (rows[metric].type) {
            case METRIC_TREND:
                meter_trend(m, metric, 0, TAG_OK, i / 4, (uint64_t)i * i * i * 1000);
                break;
            case METRIC_COUNTER:
                meter_count(m, metric, 0, TAG_OK, i / 4, i);
                break;
            case METRIC_GAUGE:
                meter_gauge(m, metric, 0, TAG_OK, i / 4, i / 40.);
                break;
            case METRIC_RATE:
                meter_rate(m, metric, 0, TAG_OK, i / 4, i % 7 == 0);
                break;
            }
}

static void judge(struct threshold *t, const struct meter *m, int metric, struct arena *arena)
{
    struct evidence e;
    struct series s;

    require(isfinite(t->limit));
    series_select(&s, m, &(struct selection){metric, -1, -1, 0, -1});
    for (int proof = 0; proof < 2; proof++) {
        t->confidence = proof * 0.95;
        judge_threshold(t, &s, arena, &e);
        require(e.reason && *e.reason && isfinite(e.observed) && !isnan(e.margin) && e.phi >= 1);
        require(!e.has_interval || (isfinite(e.low) && isfinite(e.high) && e.low <= e.high));
        require(e.verdict != VERDICT_PASS || e.margin >= 0);
        require(e.verdict != VERDICT_BREACH || e.margin <= 0);
    }
    series_free(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct metric *metrics[ROWS];
    static const struct meter_shape shape = {metrics, ROWS, NULL, 1};
    struct arena arena = {0};
    struct threshold t = {0};
    struct selector sel;
    struct meter m;
    struct err e;
    char *text = arena_strndup(&arena, (const char *)data, size);
    char *line = strchr(text, '\n');

    for (int i = 0; i < ROWS; i++)
        metrics[i] = &rows[i];
    if (line)
        *line++ = '\0';
    if (selector_parse(&sel, text, &arena, &e))
        for (int i = 0; i < sel.tag_count; i++)
            require(*sel.metric && *sel.tags[i].name && *sel.tags[i].value);
    if (threshold_parse(&t, line ? line : text, &arena, &e)) {
        require(isfinite(t.number) && t.quantile >= 0 && t.quantile <= 1 && t.unit && t.text);
        meter_init(&m, &shape);
        fill(&m);
        for (int i = 0; i < ROWS; i++)
            if (threshold_check(&t, &rows[i], &e))
                judge(&t, &m, i, &arena);
        meter_free(&m);
    }
    arena_free(&arena);
    return 0;
}

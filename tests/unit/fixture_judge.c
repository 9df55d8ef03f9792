#include "unit.h"

#include "fixture_judge.h"

#include "base/arena.h"
#include "base/err.h"

static const struct metric rows[METRICS] = {
    {"op_duration", METRIC_TREND, UNIT_TIME, "x", .censored = true},
    {"op_failed", METRIC_RATE, UNIT_RATIO, "x"},
    {"op_ok", METRIC_RATE, UNIT_RATIO, "x"},
    {"missed_beats", METRIC_COUNTER, UNIT_NONE, "x"},
    {"vus", METRIC_GAUGE, UNIT_NONE, "x"},
    {"rows", METRIC_TREND, UNIT_NONE, "x"},
};
static const struct metric *const metrics[METRICS] = {&rows[0], &rows[1], &rows[2],
                                                      &rows[3], &rows[4], &rows[5]};
static const struct meter_shape shape = {metrics, METRICS, NULL, 1};

static struct arena arena;
struct meter meter;

int judge_begin(void **state)
{
    (void)state;
    meter_init(&meter, &shape);
    return 0;
}

int judge_end(void **state)
{
    (void)state;
    meter_free(&meter);
    arena_free(&arena);
    return 0;
}

void meter_reset(void)
{
    meter_free(&meter);
    meter_init(&meter, &shape);
}

struct evidence judge(int metric, struct threshold t, const char *text, int from, int to)
{
    struct series s;
    struct evidence e;
    struct err err;

    if (!threshold_parse(&t, text, &arena, &err) || !threshold_check(&t, metrics[metric], &err))
        fail_msg("%s", err.text);
    series_select(&s, &meter, &(struct selection){metric, -1, -1, from, to});
    judge_threshold(&t, &s, &arena, &e);
    series_free(&s);
    return e;
}

enum verdict judge_verdict(int metric, const char *text, double confidence)
{
    struct evidence e = judge(metric, (struct threshold){.confidence = confidence}, text, 0, -1);

    return e.verdict;
}

#include "run/live.h"

#include <string.h>

#include "run/lane.h"
#include "suite/suite.h"

#define READ(x) atomic_load_explicit(&(x), memory_order_relaxed)

static void add_lane(const struct lane_live *l, struct live *out)
{
    int64_t population = READ(l->population), shown = READ(l->shown);

    out->begun += READ(l->begun);
    out->ended += READ(l->ended);
    out->failed += READ(l->failed);
    out->in_flight += READ(l->in_flight);
    out->over &= READ(l->over);
    if (population >= 0)
        out->vus = (out->vus < 0 ? 0 : out->vus) + population;
    if (shown >= 0)
        out->shown = (out->shown < 0 ? 0 : out->shown) + shown;
}

static const char *live_gauge(const struct driver *d)
{
    for (const struct metric *m = d->metrics; m && m->name; m++)
        if (m->live)
            return m->name;
    return NULL;
}

/* Counters only grow, so the difference to the last sum is what the interval brought. */
static void count_interval(struct live_state *s, struct lane_run *const *lanes, int n)
{
    memset(&s->interval, 0, sizeof(s->interval));
    for (uint32_t i = 0; i < HIST_BUCKETS; i++) {
        uint32_t sum = 0, more;

        for (int k = 0; k < n; k++)
            sum += READ(lane_live(lanes[k])->duration[i]);
        more = sum - s->counts[i];
        s->counts[i] = sum;
        if (!more)
            continue;
        if (!s->interval.total)
            s->interval.min = hist_low(i);
        s->interval.max = hist_low(i + 1) - 1;
        s->interval.count[i] = more;
        s->interval.total += more;
    }
}

static uint64_t planned_by_now(const struct step *step, uint64_t elapsed)
{
    double length = (double)load_length(&step->load), planned = load_operations(&step->load);

    if (!load_is_open(&step->load) || length <= 0 || planned <= 0)
        return 0;
    if ((double)elapsed >= length)
        return (uint64_t)planned;
    if (step->load.executor == EX_CONSTANT_ARRIVAL_RATE)
        return (uint64_t)(planned * (double)elapsed / length);
    return 0;
}

void live_snapshot(struct live_state *s, struct lane_run *const *lanes, int lane_count,
                   const struct step *step, uint64_t start_ns, uint64_t now, struct live *out)
{
    int64_t length = load_length(&step->load);
    uint64_t due;

    *out = (struct live){
        .step = step, .vus = -1, .shown = -1, .over = true, .started = now >= start_ns};
    out->gauge = live_gauge(step->driver);
    out->elapsed_ns = now > start_ns ? now - start_ns : 0;
    out->length_ns = length == DURATION_UNTIL_STOPPED ? 0 : (uint64_t)length;
    out->planned = load_operations(&step->load);
    for (int i = 0; i < lane_count; i++)
        add_lane(lane_live(lanes[i]), out);
    due = planned_by_now(step, out->elapsed_ns);
    out->backlog = due > out->begun ? due - out->begun : 0;
    if (s->at_ns && now > s->at_ns)
        out->rate = (double)(out->ended - s->ended) * 1e9 / (double)(now - s->at_ns);
    count_interval(s, lanes, lane_count);
    out->p50_ns = hist_quantile(&s->interval, 0.5);
    out->p95_ns = hist_quantile(&s->interval, 0.95);
    s->at_ns = now;
    s->ended = out->ended;
}

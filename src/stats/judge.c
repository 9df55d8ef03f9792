/*
 * judge.c - rates and quantiles are one question.
 *
 * "p(99) < 500ms" says that at most 1% of all operations may take 500 ms or more, which is a rate
 * threshold on slow operations.  So both are judged by the exact binomial bounds of the share of
 * samples on the wrong side of a limit, with the same correction for samples that come in bursts.
 * The interval shown for a quantile comes from order statistics, which is the same test turned
 * round; only the width of a histogram bucket can make the two differ, and then there is no
 * breach.
 */
#include "stats/judge.h"

#include <math.h>

#include "base/mem.h"
#include "stats/interval.h"
#include "stats/meter.h"
#include "stats/reason.h"

#define CONFIDENCE 0.95

const char *const verdict_names[] = {"pass", "breach", "inconclusive"};

static double margin(const struct threshold *t, double observed)
{
    if (t->cmp == CMP_EQ || t->cmp == CMP_NE)
        return (t->cmp == CMP_EQ ? -1 : 1) * fabs(observed - t->limit);
    return threshold_is_upper(t) ? t->limit - observed : observed - t->limit;
}

static enum ground judge_fact(const struct threshold *t, struct evidence *out)
{
    out->verdict = threshold_met(t, out->observed) ? VERDICT_PASS : VERDICT_BREACH;
    return GROUND_FACT;
}

/* `beyond` and `inside`: what the bounds prove about the side of the limit. */
static enum ground judge_estimate(const struct threshold *t, bool beyond, bool inside,
                                  struct evidence *out)
{
    bool met = threshold_met(t, out->observed);

    if (!met && beyond)
        out->verdict = VERDICT_BREACH;
    else if (met && !beyond && (inside || t->confidence <= 0))
        out->verdict = VERDICT_PASS;
    else
        out->verdict = VERDICT_INCONCLUSIVE;
    return GROUND_ESTIMATE;
}

/* `bad` of the samples are on the wrong side of the limit, and a share `limit` may be. */
static enum ground judge_share(const struct threshold *t, double bad, double limit,
                               struct evidence *out)
{
    double k = bad / out->phi, n = (double)out->n / out->phi;
    bool beyond = interval_rate_low(k, n, out->confidence) > limit;
    bool inside = interval_rate_high(k, n, out->confidence) <= limit;
    double bound = threshold_is_upper(t) ? out->low : out->high;

    return judge_estimate(t, beyond && !threshold_met(t, bound), inside, out);
}

/* The design effect of being a hit or, of a trend, above `value`. */
static double design_effect(const struct series *s, uint64_t value)
{
    double *hits = xcalloc((size_t)s->seconds, sizeof(*hits));
    double *n = xcalloc((size_t)s->seconds, sizeof(*n));
    double phi;

    for (int i = 0; i < s->seconds; i++) {
        const struct slice *sl = &s->slices[i];

        n[i] = (double)sl->n;
        hits[i] = s->hist ? sparse_above(&sl->dist, sl->min, sl->max, value) : (double)sl->hits;
    }
    phi = interval_design_effect(hits, n, s->seconds);
    free(hits);
    free(n);
    return phi;
}

/*
 * "None" and "all" need no proof: a single failure refutes rate==0%, and no number of samples could
 * prove it.
 */
static enum ground judge_rate(const struct threshold *t, const struct series *s,
                              struct evidence *out)
{
    double n = (double)s->n, k = (double)s->hits;

    out->observed = k / n;
    out->hits = k;
    out->phi = design_effect(s, 0);
    out->low = interval_rate_low(k / out->phi, n / out->phi, out->confidence);
    out->high = interval_rate_high(k / out->phi, n / out->phi, out->confidence);
    out->has_interval = true;
    if (t->cmp == CMP_EQ || t->cmp == CMP_NE || t->limit <= 0 || t->limit >= 1)
        return judge_fact(t, out);
    return threshold_is_upper(t) ? judge_share(t, k, t->limit, out)
                                 : judge_share(t, n - k, 1 - t->limit, out);
}

static uint64_t whole(double value)
{
    return value <= 0 ? 0 : value >= 0x1p63 ? UINT64_C(1) << 63 : (uint64_t)value;
}

/* The greatest value that lies below the limit, or on it where the comparison takes that in. */
static uint64_t last_below(const struct threshold *t)
{
    bool limit_is_above = t->cmp == CMP_LT || t->cmp == CMP_GE;

    return whole(limit_is_above ? ceil(t->limit) - 1 : floor(t->limit));
}

static void quantile_interval(const struct threshold *t, const struct hist *h, struct evidence *out)
{
    uint64_t low, high, edge, other;

    interval_ranks(h->total, t->quantile, 2 * out->confidence - 1, out->phi, &low, &high);
    out->high = INFINITY;
    if (low >= 1) {
        hist_rank(h, low, &edge, &other);
        out->low = (double)edge;
    }
    if (high <= h->total) {
        hist_rank(h, high, &other, &edge);
        out->high = (double)edge;
    }
    out->has_interval = low >= 1 && high <= h->total;
}

static enum ground judge_quantile(const struct threshold *t, const struct series *s,
                                  struct evidence *out)
{
    uint64_t edge = last_below(t);
    double above = hist_above(s->hist, edge), q = t->quantile;

    out->observed = hist_quantile(s->hist, q);
    out->hits = threshold_is_upper(t) ? above : (double)s->n - above;
    if (q <= 0 || q >= 1)
        return judge_fact(t, out);
    out->phi = fmax(design_effect(s, edge), design_effect(s, whole(out->observed)));
    quantile_interval(t, s->hist, out);
    if (t->cmp == CMP_EQ || t->cmp == CMP_NE)
        return judge_fact(t, out);
    return judge_share(t, out->hits, threshold_is_upper(t) ? 1 - q : q, out);
}

static enum ground judge_average(const struct threshold *t, const struct series *s,
                                 struct evidence *out)
{
    double *sums = xcalloc((size_t)s->seconds, sizeof(*sums));
    double *n = xcalloc((size_t)s->seconds, sizeof(*n));
    bool upper = threshold_is_upper(t), beyond = false, inside = false;
    enum ground ground;

    for (int i = 0; i < s->seconds; i++) {
        sums[i] = s->slices[i].sum;
        n[i] = (double)s->slices[i].n;
    }
    out->observed = s->sum / (double)s->n;
    out->has_interval = interval_mean(sums, n, s->seconds, out->confidence, &out->low, &out->high);
    free(sums);
    free(n);
    if (out->has_interval) {
        out->low = fmax(out->low, 0);
        beyond = upper ? out->low > t->limit : out->high < t->limit;
        inside = upper ? out->high <= t->limit : out->low >= t->limit;
    }
    if (t->cmp == CMP_EQ || t->cmp == CMP_NE)
        return judge_fact(t, out);
    ground = judge_estimate(t, beyond, inside, out);
    return out->has_interval ? ground : GROUND_SHORT;
}

/*
 * A pass that rests on values which are only known to be lower bounds: counted as what they may be,
 * they would be on the wrong side.
 */
static bool rests_on_bounds(const struct threshold *t, const struct series *s,
                            const struct evidence *out)
{
    double hidden, share = t->agg == AGG_P || t->agg == AGG_MED ? 1 - t->quantile : 0;

    if (!s->bounds || out->verdict != VERDICT_PASS || !threshold_is_upper(t) ||
        t->agg == AGG_COUNT || t->agg == AGG_MIN)
        return false;
    hidden = (double)s->bounds->total - hist_above(s->bounds, last_below(t));
    return hidden > 0 && out->hits + hidden > share * (double)s->n;
}

static enum ground judge_samples(const struct threshold *t, const struct series *s,
                                 struct evidence *out)
{
    if (s->metric->type == METRIC_RATE)
        return judge_rate(t, s, out);
    switch (t->agg) {
    case AGG_P:
    case AGG_MED:
        return judge_quantile(t, s, out);
    case AGG_AVG:
        return judge_average(t, s, out);
    case AGG_COUNT:
        out->observed = s->metric->type == METRIC_COUNTER ? s->sum : (double)s->n;
        break;
    case AGG_RATE:
        out->observed = s->length_s > 0 ? s->sum / s->length_s : 0;
        break;
    case AGG_MIN:
        out->observed = s->min;
        break;
    case AGG_MAX:
        out->observed = s->max;
        break;
    case AGG_VALUE:
        out->observed = s->last;
        break;
    }
    return judge_fact(t, out);
}

static void judge_nothing(const struct threshold *t, const struct series *s, struct arena *arena,
                          struct evidence *out)
{
    static const enum verdict verdicts[] = {
        [NO_DATA_INCONCLUSIVE] = VERDICT_INCONCLUSIVE,
        [NO_DATA_FAIL] = VERDICT_BREACH,
        [NO_DATA_PASS] = VERDICT_PASS,
    };

    out->has_value = false;
    out->verdict = verdicts[t->on_no_data];
    out->reason = reason_no_samples(s->metric, out, arena);
}

void judge_threshold(const struct threshold *t, const struct series *s, struct arena *arena,
                     struct evidence *out)
{
    enum ground ground;

    *out = (struct evidence){
        .has_value = true,
        .n = s->n,
        .confidence = t->confidence > 0 ? t->confidence : CONFIDENCE,
        .phi = 1,
        .from = s->from,
        .to = s->to,
    };
    /* Nothing counted is a count of 0 if we count; nothing else can be said of nothing. */
    if (!s->n && (s->metric->type != METRIC_COUNTER || s->metric->told)) {
        judge_nothing(t, s, arena, out);
        return;
    }
    ground = judge_samples(t, s, out);
    if (rests_on_bounds(t, s, out)) {
        out->verdict = VERDICT_INCONCLUSIVE;
        ground = GROUND_BOUNDS;
    }
    out->margin = margin(t, out->observed);
    out->reason = reason_text(t, s->metric, out, ground, arena);
    if (t->min_samples > 0 && out->n < (uint64_t)t->min_samples) {
        out->verdict = VERDICT_INCONCLUSIVE;
        out->reason = reason_few_samples(t, out, out->reason, arena);
    }
}

#include "run/arrivals.h"

#include <math.h>

#include "base/clock.h"
#include "base/mem.h"
#include "suite/load.h"

static double seconds(int64_t ns)
{
    return (double)ns / 1e9;
}

static void add_stage(struct arrivals *a, double length_s, double from_rate, double to_rate)
{
    int n = a->stage_count++;

    a->stages[n].length_s = length_s;
    a->stages[n].rate = from_rate;
    a->stages[n].slope = length_s > 0 ? (to_rate - from_rate) / length_s : 0;
    if (n == 0)
        return;
    a->stages[n].from_s = a->stages[n - 1].from_s + a->stages[n - 1].length_s;
    a->stages[n].before =
        a->stages[n - 1].before +
        (a->stages[n - 1].rate + a->stages[n - 1].slope * a->stages[n - 1].length_s / 2) *
            a->stages[n - 1].length_s;
}

void arrivals_init(struct arrivals *a, const struct load *load)
{
    double rate = load->start_rate;

    *a = (struct arrivals){0};
    a->stages = xcalloc((size_t)load->stage_count + 1, sizeof(*a->stages));
    if (load->executor == EX_CONSTANT_ARRIVAL_RATE) {
        double length =
            load->duration == DURATION_UNTIL_STOPPED ? INFINITY : seconds(load->duration);

        add_stage(a, length, load->rate, load->rate);
        return;
    }
    for (int i = 0; i < load->stage_count; i++) {
        add_stage(a, seconds(load->stages[i].duration), rate, load->stages[i].target);
        rate = load->stages[i].target;
    }
}

void arrivals_change(struct arrivals *a, uint64_t from_ns, double rate)
{
    int n = a->stage_count;

    a->stages = xrealloc(a->stages, ((size_t)n + 1) * sizeof(*a->stages));
    a->stages[n].from_s = a->stages[n].before = 0;
    if (n > 0)
        a->stages[n - 1].length_s = seconds((int64_t)from_ns) - a->stages[n - 1].from_s;
    add_stage(a, INFINITY, rate, rate);
}

void arrivals_fini(struct arrivals *a)
{
    free(a->stages);
    *a = (struct arrivals){0};
}

/*
 * The time at which the integral of rate + slope * t reaches x.  This form of the quadratic's root
 * has no difference of near-equal numbers, so it stays exact as the slope goes to zero.
 */
static double time_of(double rate, double slope, double x)
{
    double root = sqrt(fmax(rate * rate + 2 * slope * x, 0));

    return x <= 0 ? 0 : 2 * x / (rate + root);
}

uint64_t arrivals_due(struct arrivals *a, uint64_t k)
{
    for (; a->at < a->stage_count; a->at++) {
        double x = (double)k - a->stages[a->at].before, rate = a->stages[a->at].rate;
        double slope = a->stages[a->at].slope, length = a->stages[a->at].length_s;
        double all = rate <= 0 && slope <= 0 ? 0
                     : isinf(length)         ? INFINITY
                                             : (rate + slope * length / 2) * length;

        if (x < all - 1e-9)
            return (uint64_t)((a->stages[a->at].from_s + time_of(rate, slope, x)) * 1e9 + 0.5);
    }
    return UINT64_MAX;
}

uint64_t arrivals_before(const struct arrivals *a, uint64_t ns)
{
    double at = (double)ns / 1e9, n = 0;

    for (int i = 0; i < a->stage_count; i++) {
        double in = fmin(at - a->stages[i].from_s, a->stages[i].length_s);

        if (in <= 0)
            break;
        n = a->stages[i].before + (a->stages[i].rate + a->stages[i].slope * in / 2) * in;
    }
    return (uint64_t)ceil(n * (1 - 1e-12)); /* a whole number may come out a hair above itself */
}

double ramp_level(const struct load *load, int64_t ns, int64_t *changes_ns)
{
    double from = (double)load->start_vus;

    for (int i = 0; i < load->stage_count; i++) {
        const struct stage *s = &load->stages[i];
        double per_ns = s->duration > 0 ? (s->target - from) / (double)s->duration : 0;

        if (ns < s->duration) {
            double step = per_ns != 0 ? 1 / fabs(per_ns) : (double)s->duration;

            *changes_ns = (int64_t)fmin(fmax(step, (double)NS_PER_MS), (double)(s->duration - ns));
            return from + per_ns * (double)ns;
        }
        ns -= s->duration;
        from = s->target;
    }
    *changes_ns = INT64_MAX;
    return 0;
}

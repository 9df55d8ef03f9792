#include "run/held.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "stats/meter.h"

#define TENTH  (NS_PER_S / 10)
#define TENTHS 10

static double *tenth_of(struct held *h, int tenth)
{
    if (tenth >= h->cap) {
        int cap = tenth * 2 + 64;

        h->in = xrealloc(h->in, (size_t)cap * sizeof(*h->in));
        memset(h->in + h->cap, 0, (size_t)(cap - h->cap) * sizeof(*h->in));
        h->cap = cap;
    }
    if (tenth >= h->tenths)
        h->tenths = tenth + 1;
    return &h->in[tenth];
}

/* `count` more (or fewer) from `from_ns` to `to_ns`. */
static void add(struct held *h, double count, uint64_t from_ns, uint64_t to_ns)
{
    while (from_ns < to_ns) {
        uint64_t tenth = from_ns / TENTH, ends = (tenth + 1) * TENTH;
        uint64_t to = to_ns < ends ? to_ns : ends;

        *tenth_of(h, (int)tenth) += count * (double)(to - from_ns);
        from_ns = to;
    }
}

void held_add(struct held *h, uint64_t count, uint64_t until_ns)
{
    if (until_ns <= h->until_ns)
        return;
    add(h, (double)count, h->until_ns, until_ns);
    h->until_ns = until_ns;
}

void held_take(struct held *h, uint64_t from_ns)
{
    add(h, -1, from_ns, h->until_ns);
}

void held_merge(struct held *into, const struct held *from)
{
    for (int i = 0; i < from->tenths; i++)
        *tenth_of(into, i) += from->in[i];
    into->held_ns += from->held_ns;
    into->asked_ns += from->asked_ns;
    if (from->until_ns > into->until_ns)
        into->until_ns = from->until_ns;
}

bool held_ever(const struct held *h)
{
    for (int i = 0; i < h->tenths; i++)
        if (h->in[i] > 0)
            return true;
    return false;
}

double held_in(const struct held *h, int second)
{
    double sum = 0;

    for (int i = second * TENTHS; i < (second + 1) * TENTHS && i < h->tenths; i++)
        sum += h->in[i];
    return sum;
}

/* The highest tenth of a second; one that was cut short by the end is left out. */
static double peak_in(const struct held *h, int second)
{
    double most = 0;

    for (int i = second * TENTHS; i < (second + 1) * TENTHS && i < h->tenths; i++)
        if ((uint64_t)(i + 1) * TENTH <= h->until_ns && h->in[i] > most)
            most = h->in[i];
    return most / TENTH;
}

void held_report(const struct held *h, struct meter *m)
{
    if (h->asked_ns > 0)
        meter_gauge(m, M_HELD_RATIO, 0, TAG_OK, 0, h->held_ns / h->asked_ns);
    for (int i = 0; i * TENTHS < h->tenths; i++) {
        uint64_t length = h->until_ns - (uint64_t)i * NS_PER_S;

        meter_gauge(m, M_CONNECTIONS_HELD, 0, TAG_OK, i,
                    held_in(h, i) / (double)(length < NS_PER_S ? length : NS_PER_S));
        meter_gauge(m, M_CONNECTIONS_PEAK, 0, TAG_OK, i, peak_in(h, i));
    }
}

void held_free(struct held *h)
{
    free(h->in);
    *h = (struct held){0};
}

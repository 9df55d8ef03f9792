#include "run/held.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "stats/meter.h"

static double *second_of(struct held *h, int second)
{
    if (second >= h->cap) {
        int cap = second * 2 + 64;

        h->in = xrealloc(h->in, (size_t)cap * sizeof(*h->in));
        memset(h->in + h->cap, 0, (size_t)(cap - h->cap) * sizeof(*h->in));
        h->cap = cap;
    }
    if (second >= h->seconds)
        h->seconds = second + 1;
    return &h->in[second];
}

void held_add(struct held *h, uint64_t count, uint64_t until_ns)
{
    while (h->until_ns < until_ns) {
        int second = (int)(h->until_ns / NS_PER_S);
        uint64_t ends = (uint64_t)(second + 1) * NS_PER_S;
        uint64_t to = until_ns < ends ? until_ns : ends;

        *second_of(h, second) += (double)count * (double)(to - h->until_ns);
        h->until_ns = to;
    }
}

void held_take(struct held *h, uint64_t from_ns)
{
    while (from_ns < h->until_ns) {
        uint64_t second = from_ns / NS_PER_S, ends = (second + 1) * NS_PER_S;
        uint64_t to = h->until_ns < ends ? h->until_ns : ends;

        *second_of(h, (int)second) -= (double)(to - from_ns);
        from_ns = to;
    }
}

void held_merge(struct held *into, const struct held *from)
{
    for (int i = 0; i < from->seconds; i++)
        *second_of(into, i) += from->in[i];
    into->held_ns += from->held_ns;
    into->asked_ns += from->asked_ns;
    if (from->until_ns > into->until_ns)
        into->until_ns = from->until_ns;
}

bool held_ever(const struct held *h)
{
    for (int i = 0; i < h->seconds; i++)
        if (h->in[i] > 0)
            return true;
    return false;
}

void held_report(const struct held *h, struct meter *m)
{
    if (h->asked_ns > 0)
        meter_gauge(m, M_HELD_RATIO, 0, TAG_OK, 0, h->held_ns / h->asked_ns);
    for (int i = 0; i < h->seconds; i++) {
        uint64_t length = h->until_ns - (uint64_t)i * NS_PER_S;

        meter_gauge(m, M_CONNECTIONS_HELD, 0, TAG_OK, i,
                    h->in[i] / (double)(length < NS_PER_S ? length : NS_PER_S));
    }
}

void held_free(struct held *h)
{
    free(h->in);
    *h = (struct held){0};
}

#include "stats/hist.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"

#define SPARSE_FIRST 16

void hist_add(struct hist *h, uint64_t value)
{
    if (!h->total || value < h->min)
        h->min = value;
    if (!h->total || value > h->max)
        h->max = value;
    h->total++;
    h->sum += (double)value;
    h->count[hist_index(value)]++;
}

void hist_merge(struct hist *into, const struct hist *from)
{
    if (!from->total)
        return;
    if (!into->total || from->min < into->min)
        into->min = from->min;
    if (!into->total || from->max > into->max)
        into->max = from->max;
    into->total += from->total;
    into->sum += from->sum;
    for (uint32_t i = 0; i < HIST_BUCKETS; i++)
        into->count[i] += from->count[i];
}

/* The values that samples in a bucket can have, given the extremes of all samples. */
static void bounds(uint32_t index, uint64_t min, uint64_t max, uint64_t *low, uint64_t *high)
{
    *low = hist_low(index);
    *high = index == HIST_BUCKETS - 1 ? UINT64_MAX : hist_low(index + 1) - 1;
    if (*low < min)
        *low = min;
    if (*high > max)
        *high = max;
    if (*high < *low) /* only a damaged stored run */
        *high = *low;
}

/* The bucket that holds rank `r`, and how many samples lie in the buckets before it. */
static uint32_t bucket_of_rank(const struct hist *h, uint64_t r, uint64_t *before)
{
    uint64_t seen = 0;
    uint32_t i = 0;

    while (i < HIST_BUCKETS - 1 && seen + h->count[i] < r)
        seen += h->count[i++];
    *before = seen;
    return i;
}

void hist_rank(const struct hist *h, uint64_t r, uint64_t *low, uint64_t *high)
{
    uint64_t before;

    if (r < 1)
        r = 1;
    if (r > h->total)
        r = h->total;
    bounds(bucket_of_rank(h, r, &before), h->min, h->max, low, high);
}

double hist_quantile(const struct hist *h, double q)
{
    uint64_t before, low, high, rank;
    double exact = q * (double)h->total;
    uint32_t i;

    if (!h->total)
        return 0;
    if (q <= 0)
        return (double)h->min;
    if (q >= 1)
        return (double)h->max;
    /* 0.07 * 100 is a little more than 7 in binary, and yet means the seventh sample. */
    rank = (uint64_t)ceil(exact - exact * 1e-14);
    if (rank < 1)
        rank = 1;
    i = bucket_of_rank(h, rank, &before);
    bounds(i, h->min, h->max, &low, &high);
    return (double)low + (double)(high - low) * (double)(rank - before) / (double)h->count[i];
}

/* The share of a bucket's samples that are above `value`, taking them as evenly spread. */
static double share_above(uint32_t index, uint64_t min, uint64_t max, uint64_t value)
{
    uint64_t low, high;

    bounds(index, min, max, &low, &high);
    if (value < low)
        return 1;
    if (value >= high)
        return 0;
    return (double)(high - value) / ((double)(high - low) + 1);
}

double hist_above(const struct hist *h, uint64_t value)
{
    double n = 0;

    for (uint32_t i = hist_index(value); i < HIST_BUCKETS; i++)
        if (h->count[i])
            n += (double)h->count[i] * share_above(i, h->min, h->max, value);
    return n;
}

/* The cell of `index`, or the free one where it belongs.  There always is a free one. */
static struct sparse_cell *probe(const struct sparse *s, uint32_t index)
{
    uint32_t i = (index * 0x9e3779b1u) >> (32 - __builtin_ctz(s->cap));

    while (s->cells[i].count && s->cells[i].index != index)
        i = (i + 1) & (s->cap - 1);
    return &s->cells[i];
}

static void grow(struct sparse *s)
{
    struct sparse old = *s;

    s->cap = old.cap ? 2 * old.cap : SPARSE_FIRST;
    s->cells = xcalloc(s->cap, sizeof(*s->cells));
    for (uint32_t i = 0; i < old.cap; i++)
        if (old.cells[i].count)
            *probe(s, old.cells[i].index) = old.cells[i];
    free(old.cells);
}

void sparse_add(struct sparse *s, uint32_t index, uint32_t n)
{
    struct sparse_cell *c;

    if (!n)
        return;
    if (4 * s->used >= 3 * s->cap)
        grow(s);
    c = probe(s, index);
    if (!c->count) {
        c->index = index;
        s->used++;
    }
    c->count += n;
}

void sparse_merge(struct sparse *into, const struct sparse *from)
{
    for (uint32_t i = 0; i < from->cap; i++)
        sparse_add(into, from->cells[i].index, from->cells[i].count);
}

void sparse_into(const struct sparse *s, struct hist *h)
{
    for (uint32_t i = 0; i < s->cap; i++) {
        if (!s->cells[i].count)
            continue;
        h->count[s->cells[i].index] += s->cells[i].count;
        h->total += s->cells[i].count;
    }
}

double sparse_above(const struct sparse *s, uint64_t min, uint64_t max, uint64_t value)
{
    double n = 0;

    for (uint32_t i = 0; i < s->cap; i++)
        if (s->cells[i].count)
            n += s->cells[i].count * share_above(s->cells[i].index, min, max, value);
    return n;
}

void sparse_free(struct sparse *s)
{
    free(s->cells);
    *s = (struct sparse){0};
}

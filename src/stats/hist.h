/*
 * hist.h - a distribution of whole numbers in constant space.
 *
 * Log-linear buckets with HdrHistogram's layout for two significant digits and a unit of 1: values
 * below 256 are exact, above that each power of two has 128 buckets, so a reported value lies
 * within 1/128 (0.8%) of the true one.  Values are nanoseconds or bytes, up to 2^43 (2.4 hours);
 * what is larger counts in the last bucket, and `max` keeps it exactly.  Merging is addition and
 * loses nothing.
 *
 * Two forms: `struct hist` is dense, for totals; `struct sparse` holds only the buckets that were
 * hit, for the thousands of per-second slices of a run.
 */
#pragma once

#include <stdint.h>

#define HIST_SUB     128  /* buckets per power of two */
#define HIST_BUCKETS 4736 /* (43 - 7 + 1) * 128 */

struct hist {
    uint64_t total, min, max; /* min and max exact; 0 while total is 0 */
    double sum;
    uint64_t count[HIST_BUCKETS];
};

/* The bucket of a value and the lowest value of a bucket; hist_low(i + 1) - 1 is its highest. */
static inline uint32_t hist_index(uint64_t v)
{
    uint32_t shift;

    if (v < 2 * HIST_SUB)
        return (uint32_t)v;
    shift = 63 - (uint32_t)__builtin_clzll(v) - 7;
    if (shift > 35)
        return HIST_BUCKETS - 1;
    return shift * HIST_SUB + (uint32_t)(v >> shift);
}

static inline uint64_t hist_low(uint32_t index)
{
    uint32_t shift = index < 2 * HIST_SUB ? 0 : index / HIST_SUB - 1;

    return (uint64_t)(index - shift * HIST_SUB) << shift;
}

void hist_add(struct hist *h, uint64_t value);
void hist_merge(struct hist *into, const struct hist *from);

/*
 * The value that a share `q` (0..1) of all samples does not exceed, interpolated inside its bucket
 * and held between min and max; q 0 and 1 give these exactly.  0 without samples.
 */
double hist_quantile(const struct hist *h, double q);

/* The value of rank `r` (1..total) as the bounds of its bucket. */
void hist_rank(const struct hist *h, uint64_t r, uint64_t *low, uint64_t *high);

/*
 * Samples above `value`; those in its own bucket count by the share of the bucket above it.  Exact
 * for values below 256, below `min` and from `max` on.
 */
double hist_above(const struct hist *h, uint64_t value);

struct sparse_cell {
    uint32_t index, count;
};

struct sparse {                /* open addressing by bucket index; `cap` is 0 or a power of two */
    struct sparse_cell *cells; /* count 0: free */
    uint32_t used, cap;
};

/* `index` is below HIST_BUCKETS. */
void sparse_add(struct sparse *s, uint32_t index, uint32_t n);
void sparse_merge(struct sparse *into, const struct sparse *from);
void sparse_into(const struct sparse *s, struct hist *h); /* adds counts and total only */
/* hist_above() of samples whose extremes are `min` and `max`. */
double sparse_above(const struct sparse *s, uint64_t min, uint64_t max, uint64_t value);
void sparse_free(struct sparse *s);

#include "stats/interval.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

#include "stats/beta.h"

#define MAX_BLOCKS 60
#define MIN_BLOCKS 5

/*
 * Blocks must outlast what makes neighbours alike.  Many short ones know the variance best, but a
 * stall that spans several would pass for independent events; so few long ones are asked as well,
 * and the worse answer counts.
 */
static const int block_counts[] = {MAX_BLOCKS, 20};
#define BLOCKINGS (sizeof(block_counts) / sizeof(block_counts[0]))

double interval_beta(double a, double b, double x)
{
    return beta_share(a, b, x);
}

double interval_student(double p, double degrees)
{
    double central = fabs(2 * p - 1), x;

    /* t^2 / (degrees + t^2) is beta distributed; each form is used where it does not cancel. */
    if (central < 0.5) {
        x = beta_quantile(0.5, degrees / 2, central);
        return copysign(sqrt(degrees * x / (1 - x)), p - 0.5);
    }
    x = beta_quantile(degrees / 2, 0.5, 2 * fmin(p, 1 - p));
    return copysign(sqrt(degrees * (1 - x) / x), p - 0.5);
}

double interval_rate_low(double k, double n, double confidence)
{
    if (n <= 0 || k <= 0)
        return 0;
    if (k > n)
        k = n;
    return beta_quantile(k, n - k + 1, 1 - confidence);
}

double interval_rate_high(double k, double n, double confidence)
{
    if (n <= 0 || k >= n)
        return 1;
    if (k < 0)
        k = 0;
    return beta_quantile(k + 1, n - k, confidence);
}

/* The greatest rank j with P(no more than (j - 1) / phi of n / phi samples lie below q) <= tail. */
static uint64_t rank_below(uint64_t n, double above, double tail, double phi)
{
    uint64_t low = 0, high = n;

    while (low < high) {
        uint64_t j = low + (high - low + 1) / 2;
        double k = (double)(j - 1) / phi, all = (double)n / phi;

        if (beta_share(all - k, k + 1, above) <= tail)
            low = j;
        else
            high = j - 1;
    }
    return low;
}

void interval_ranks(uint64_t n, double q, double confidence, double phi, uint64_t *low,
                    uint64_t *high)
{
    double tail = (1 - confidence) / 2;

    *low = rank_below(n, 1 - q, tail, phi);
    *high = n + 1 - rank_below(n, q, tail, phi);
}

/* Seconds gathered into at most `most` blocks.  Empty blocks are left out. */
static int gather(const double *values, const double *n, int seconds, int most, double *sums,
                  double *sizes)
{
    int per = (seconds + most - 1) / most, blocks = 0;

    for (int from = 0; from < seconds; from += per) {
        sums[blocks] = sizes[blocks] = 0;
        for (int i = from; i < from + per && i < seconds; i++) {
            sums[blocks] += values[i];
            sizes[blocks] += n[i];
        }
        if (sizes[blocks] > 0)
            blocks++;
    }
    return blocks;
}

/*
 * The variance of the ratio sum(values) / sum(n), from how far each block is from it (Cochran,
 * Sampling Techniques, 6.3: blocks may differ in size).  0 with fewer than two blocks.
 */
static double ratio_variance(const double *values, const double *n, int seconds, int most,
                             double *ratio, int *blocks)
{
    double sums[MAX_BLOCKS], sizes[MAX_BLOCKS], sum = 0, size = 0, squares = 0;

    *blocks = gather(values, n, seconds, most, sums, sizes);
    for (int i = 0; i < *blocks; i++) {
        sum += sums[i];
        size += sizes[i];
    }
    *ratio = size > 0 ? sum / size : 0;
    if (*blocks < 2)
        return 0;
    for (int i = 0; i < *blocks; i++) {
        double off = sums[i] - *ratio * sizes[i];

        squares += off * off;
    }
    return squares / (size * size) * *blocks / (*blocks - 1);
}

static double design_effect(const double *hits, const double *n, int seconds, int most)
{
    double share, size = 0, phi, variance, scale;
    int blocks;

    variance = ratio_variance(hits, n, seconds, most, &share, &blocks);
    if (blocks < MIN_BLOCKS || share <= 0 || share >= 1)
        return 1;
    for (int i = 0; i < seconds; i++)
        size += n[i];
    phi = variance * size / (share * (1 - share));
    if (phi <= 1)
        return 1;
    /* Few blocks know the variance badly: Korn and Graubard, Survey Methodology 24, 1998. */
    scale = interval_student(0.95, blocks - 1) / interval_student(0.95, 1e9);
    return phi * scale * scale;
}

double interval_design_effect(const double *hits, const double *n, int seconds)
{
    double phi = 1;

    for (size_t i = 0; i < BLOCKINGS; i++)
        phi = fmax(phi, design_effect(hits, n, seconds, block_counts[i]));
    return phi;
}

bool interval_mean(const double *sums, const double *n, int seconds, double confidence, double *low,
                   double *high)
{
    double mean = 0, reach = 0;

    for (size_t i = 0; i < BLOCKINGS; i++) {
        int blocks;
        double variance = ratio_variance(sums, n, seconds, block_counts[i], &mean, &blocks);

        if (blocks < 2)
            return false;
        reach = fmax(reach, interval_student(confidence, blocks - 1) * sqrt(variance));
    }
    *low = mean - reach;
    *high = mean + reach;
    return true;
}

uint64_t interval_needed(double limit, double confidence)
{
    double n;

    if (limit >= 1 || confidence <= 0)
        return 1;
    if (limit <= 0 || confidence >= 1)
        return UINT64_MAX;
    n = log1p(-confidence) / log1p(-limit);
    return n < 0x1p63 ? (uint64_t)ceil(n - n * 1e-12) : UINT64_MAX;
}

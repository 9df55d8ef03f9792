/*
 * interval.h - how sure a number is.
 *
 * Rates: Clopper and Pearson's exact binomial bounds (Biometrika 26, 1934).  Quantiles: order
 * statistics, which assume nothing about the distribution (David and Nagaraja, Order Statistics,
 * 7.1).  Both take an effective sample size n / phi, where phi, the design effect, says how much
 * less the samples of this run tell than independent ones would, because a stall hits neighbours
 * together; it is estimated from the variance between blocks of whole seconds.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* The one-sided bounds at `confidence` of a share with k hits in n; both may be fractions. */
double interval_rate_low(double k, double n, double confidence);
double interval_rate_high(double k, double n, double confidence);

/*
 * Ranks (1..n) between which the quantile q lies with two-sided `confidence`; *low 0 or *high n + 1
 * says that n is too small for that side.
 */
void interval_ranks(uint64_t n, double q, double confidence, double phi, uint64_t *low,
                    uint64_t *high);

/*
 * The design effect of "a sample is a hit": `hits[i]` of `n[i]` samples in second i.  Seconds are
 * gathered into at most 60 blocks, and again into at most 20; the greater variance counts.  With
 * fewer than 5 blocks, or no hits, it is 1.  Never below 1; an excess over 1 includes Korn and
 * Graubard's allowance for the small number of blocks.
 */
double interval_design_effect(const double *hits, const double *n, int seconds);

/*
 * The one-sided bounds, by Student's t over the same blocks, of a mean whose second i has n[i]
 * samples that add up to sums[i].  False if there are fewer than two blocks.
 */
bool interval_mean(const double *sums, const double *n, int seconds, double confidence, double *low,
                   double *high);

/* Samples needed before `hits == 0` bounds a share below `limit` at `confidence`. */
uint64_t interval_needed(double limit, double confidence);

/*
 * The regularised incomplete beta function, and the t below which a share `p` of Student's
 * distribution lies (0.975 for a two-sided 95%).
 */
double interval_beta(double a, double b, double x);
double interval_student(double p, double degrees);

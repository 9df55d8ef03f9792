/*
 * beta.h - the regularised incomplete beta function, from which the binomial, the beta and
 * Student's distribution follow.
 */
#pragma once

/* The share of a beta(a, b) distribution below x.  a = 0 has all its weight at 0, b = 0 at 1. */
double beta_share(double a, double b, double x);

/* The x below which a share `p` of it lies. */
double beta_quantile(double a, double b, double p);

/*
 * beta.c - the continued fraction of the incomplete beta function (DLMF 8.17.22) by Lentz's method.
 *
 * Its factor x^a (1-x)^b / B(a,b) is the difference of huge logarithms when a and b are sample
 * counts.  Loader's form (Fast and Accurate Computation of Binomial Probabilities, 2000) has no
 * such difference: Stirling's formula cancels on paper, and what is left is a deviance, which is 0
 * at the mode, and small corrections.  Full precision at a billion samples is the result.
 */
#include "stats/beta.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>

#define HALF_LN_2PI 0.918938533204672741780329736406

/* ln Gamma(n + 1) less Stirling's formula for it. */
static double stirling_error(double n)
{
    double nn = n * n;
    int sign;

    if (n < 16)
        return lgamma_r(n + 1, &sign) - (n + 0.5) * log(n) + n - HALF_LN_2PI;
    return (1. / 12 - (1. / 360 - (1. / 1260 - (1. / 1680 - 1. / 1188 / nn) / nn) / nn) / nn) / n;
}

/* x ln(x/m) + m - x, by its series where x and m are close. */
static double deviance(double x, double m)
{
    double v = (x - m) / (x + m), term, sum;

    if (fabs(v) >= 0.1)
        return x * log(x / m) + m - x;
    sum = (x - m) * v;
    term = 2 * x * v;
    for (int j = 3; j < 1000; j += 2) {
        double next;

        term *= v * v;
        next = sum + term / j;
        if (next == sum)
            break;
        sum = next;
    }
    return sum;
}

/* x^a y^b / B(a, b), where x + y = 1. */
static double power_term(double a, double b, double x, double y)
{
    double n = a + b;

    return sqrt(a * b / n) * exp(stirling_error(n) - stirling_error(a) - stirling_error(b) -
                                 deviance(a, n * x) - deviance(b, n * y) - HALF_LN_2PI);
}

static double away_from_zero(double v)
{
    return fabs(v) < DBL_MIN / DBL_EPSILON ? DBL_MIN / DBL_EPSILON : v;
}

/* Converges fast for x < (a + 1) / (a + b + 2); the number of turns grows as sqrt(a + b). */
static double fraction(double a, double b, double x)
{
    double c = 1, d = 1 / away_from_zero(1 - (a + b) * x / (a + 1)), f = d;

    for (int m = 1; m < 1000000; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        double turn;

        d = 1 / away_from_zero(1 + even * d);
        c = away_from_zero(1 + even / c);
        f *= c * d;
        d = 1 / away_from_zero(1 + odd * d);
        c = away_from_zero(1 + odd / c);
        turn = c * d;
        f *= turn;
        if (fabs(turn - 1) <= DBL_EPSILON)
            break;
    }
    return f;
}

double beta_share(double a, double b, double x)
{
    double share;

    if (isnan(a) || isnan(b) || isnan(x))
        return NAN;
    if (x >= 1 || (a <= 0 && x >= 0))
        return 1;
    if (x <= 0 || b <= 0)
        return 0;
    if (x < (a + 1) / (a + b + 2))
        share = power_term(a, b, x, 1 - x) * fraction(a, b, x) / a;
    else
        share = 1 - power_term(b, a, 1 - x, x) * fraction(b, a, 1 - x) / b;
    return fmin(fmax(share, 0), 1);
}

double beta_quantile(double a, double b, double p)
{
    double low = 0, high = 1, x = a / (a + b);

    if (a <= 0 || p <= 0)
        return 0;
    if (b <= 0 || p >= 1)
        return 1;
    /* Newton's steps, with bisection wherever one would leave what is known to hold the answer. */
    for (int i = 0; i < 400 && high - low > 4 * DBL_EPSILON * high; i++) {
        double error = beta_share(a, b, x) - p;
        double slope = power_term(a, b, x, 1 - x) / (x * (1 - x));
        double next = x - error / slope;

        if (error == 0)
            break;
        if (error > 0)
            high = x;
        else
            low = x;
        if (!(next > low && next < high))
            next = low > 0 ? (low + high) / 2 : high / 16;
        if (fabs(next - x) <= DBL_EPSILON * x)
            break;
        x = next;
    }
    return x;
}

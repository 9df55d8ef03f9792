#include "target/dispersion.h"

static void close_window(struct dispersion *d, uint64_t window)
{
    uint32_t *count = &d->open[window % DISPERSION_OPEN];
    double n = (double)*count;

    d->sum += n;
    d->squares += n * n;
    *count = 0;
}

/* `window` becomes the newest; those that are then too old are closed. */
static void advance(struct dispersion *d, uint64_t window)
{
    uint64_t oldest = d->window < DISPERSION_OPEN ? 0 : d->window - DISPERSION_OPEN + 1;

    for (; oldest <= d->window && oldest + DISPERSION_OPEN <= window; oldest++)
        close_window(d, oldest);
    d->window = window; /* those skipped are empty and add nothing to either sum */
}

void dispersion_add(struct dispersion *d, uint64_t first, uint64_t arrival)
{
    uint64_t window = arrival > first ? (arrival - first) / d->width : 0;

    if (window > d->window)
        advance(d, window);
    if (window + DISPERSION_OPEN <= d->window)
        window = d->window - DISPERSION_OPEN + 1;
    d->open[window % DISPERSION_OPEN]++;
}

double dispersion_index(const struct dispersion *d)
{
    double n = (double)d->window, sum = d->sum, squares = d->squares, mean;

    for (uint64_t i = 1; i < DISPERSION_OPEN && i <= d->window; i++) {
        double count = d->open[(d->window - i) % DISPERSION_OPEN];

        sum += count;
        squares += count * count;
    }
    mean = n ? sum / n : 0;
    if (n < 2 || mean <= 0)
        return 0;
    return (squares - n * mean * mean) / (n - 1) / mean;
}

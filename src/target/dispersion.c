#include "target/dispersion.h"

static void close_window(struct dispersion *d)
{
    double n = (double)d->in_window;

    d->sum += n;
    d->squares += n * n;
    d->in_window = 0;
}

void dispersion_add(struct dispersion *d, uint64_t first, uint64_t arrival)
{
    uint64_t window = arrival > first ? (arrival - first) / d->width : 0;

    if (window > d->window) {
        close_window(d);
        d->window = window; /* those skipped are empty and add nothing to either sum */
    }
    d->in_window++;
}

double dispersion_index(const struct dispersion *d)
{
    double n = (double)d->window, mean = n ? d->sum / n : 0;

    if (n < 2 || mean <= 0)
        return 0;
    return (d->squares - n * mean * mean) / (n - 1) / mean;
}

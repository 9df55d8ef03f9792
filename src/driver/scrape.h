/*
 * scrape.h - the inside of the scrape driver; scrape.c has the operation, scrape_series.c what one
 * reading and the one before it say about each metric.
 */
#pragma once

#include "net/prom.h"
#include "spec/opt.h"
#include "stats/metric.h"

struct diags;
struct err;

#define SCRAPE_METRICS_MAX 20

enum scrape_as { SCRAPE_DELTA, SCRAPE_VALUE, SCRAPE_QUANTILE };

struct scrape_metric { /* as the suite has it; constant */
    struct metric metric;
    struct prom_selector selector;
    enum scrape_as as;
    double quantile;
    double scale; /* from the endpoint's unit to ours: seconds are nanoseconds here */
    bool optional;
};

struct scrape_plan {
    struct scrape_metric *v;
    int n;
};

/* `node` is the map of `metrics:`; false with mistakes in b->diags. */
bool scrape_plan(struct scrape_plan *out, const struct node *node, const char *path,
                 const struct bind *b);

struct scrape_point { /* one series, or one bucket of one, in one reading */
    uint64_t key;
    double le, value;
};

struct scrape_points {
    struct scrape_point *v;
    int n, cap;
};

struct scrape_series { /* of one metric, over the readings so far */
    struct scrape_points now, before;
    struct prom_bucket *buckets; /* what has been added since the first reading, not cumulative */
    int bucket_count;
    bool seen; /* this reading has the metric's name */
};

struct scrape_value {
    bool any;
    double value; /* in our unit */
    double raw;   /* the sum of what the endpoint says */
};

/*
 * Takes a reading into `series` (one for each metric of the plan) and says what it amounts to.
 * The first one is what later ones are compared with.  False: the text is not of the format, or a
 * metric is not in it; a later reading can be good again.
 */
bool scrape_read(const struct scrape_plan *p, struct scrape_series *series, bool first,
                 const char *text, size_t len, struct scrape_value *out, struct err *e);
void scrape_series_free(struct scrape_series *s);

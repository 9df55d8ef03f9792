/*
 * scrape.h - the inside of the scrape driver; scrape.c has the operation, scrape_try.c one reading,
 * scrape_series.c what it and the one before say about each metric.
 */
#pragma once

#include <pthread.h>

#include "base/buf.h"
#include "driver/driver.h"
#include "driver/expect.h"
#include "driver/request.h"
#include "net/prom.h"
#include "spec/opt.h"
#include "spec/template.h"
#include "stats/metric.h"

struct diags;
struct err;

#define SCRAPE_METRICS_MAX 20

enum scrape_as { SCRAPE_DELTA, SCRAPE_VALUE, SCRAPE_MIN, SCRAPE_MAX, SCRAPE_QUANTILE };

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
    int line; /* of the answer */
};

struct scrape_points {
    struct scrape_point *v;
    int n, cap;
};

struct scrape_buckets { /* by rising bound */
    struct prom_bucket *v;
    int n;
};

struct scrape_series { /* of one metric, over the readings so far */
    struct scrape_points now;
    struct scrape_points before;   /* of each series what was read of it last */
    struct scrape_buckets added;   /* since the first reading */
    struct scrape_buckets scratch; /* of this reading */
    bool seen;                     /* this reading has the metric's name */
    bool nothing;                  /* NaN was all that its series said */
    bool summary;                  /* they have the label `quantile` */
};

struct scrape_value {
    bool any;
    double value; /* in our unit */
    double raw;   /* what the endpoint says now, in its own; NaN: nothing */
};

struct scrape_text { /* an answer's body */
    const char *data;
    size_t len;
    bool open_metrics; /* its content type: without "# EOF" at its end it is not whole */
};

/*
 * Takes a reading into `series` (one for each metric of the plan) and says what it amounts to.
 * The first one is what later ones are compared with.  False: the text is not of the format, or a
 * metric is not in it; a later reading can be good again.
 */
bool scrape_read(const struct scrape_plan *p, struct scrape_series *series, bool first,
                 const struct scrape_text *text, struct scrape_value *out, struct err *e);
void scrape_series_free(struct scrape_series *s);

struct scrape_opts {
    const struct target *target;
    const char *path;
    struct named_templates headers;
    struct auth_opts auth;
    const struct node *metrics;
    const struct bind *bind;
    int64_t timeout;
};

struct scrape_job {
    struct scrape_plan plan;
    pthread_mutex_t lock;
    bool locked;       /* the lock has been made */
    bool any;          /* there has been a reading */
    uint64_t began_ns; /* of the latest reading */
    struct scrape_series *series;
    struct scrape_value *latest;
};

struct scrape_try { /* one reading */
    const struct job *job;
    uint64_t begun_ns;
    struct buf url, userinfo, head, body;
    struct buf *fields;   /* the options', then ours */
    const char **headers; /* NULL-terminated */
    enum outcome outcome;
    char why[WHY_MAX];
    struct scrape_value *values;
    bool read;
};

/* `x` is zeroed; job->priv is a struct scrape_job that has its plan. */
void scrape_try_init(struct scrape_try *x, const struct job *job);
void scrape_try_fini(struct scrape_try *x);
void scrape_try_set(struct scrape_try *x, const struct template_values *v); /* the request */

/* Blocks, on any thread; not 0 at `cancelled` makes it give up. */
void scrape_try_read(struct scrape_try *x, const volatile int *cancelled);

bool scrape_has_header(const struct scrape_opts *o, const char *name);

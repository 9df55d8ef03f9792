/*
 * prom.h - the text format of Prometheus and OpenMetrics endpoints, read sample by sample.
 *
 * The text comes from a peer: names, labels and numbers are checked, nothing is copied, and a line
 * that is not of the format ends the reading.  Types, help, time stamps and exemplars are skipped,
 * and so is what follows OpenMetrics' "# EOF".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct err;
struct pattern;

struct prom_sample {  /* points into the text */
    const char *name; /* as written, without the quotes of {"a name that needs them"} */
    size_t name_len;
    const char *labels; /* between the braces, as written */
    size_t labels_len;
    double value;
};

struct prom {
    const char *p, *end;
    int line;        /* of the sample that was read last */
    const char *why; /* what is wrong with that line; NULL: nothing */
    bool ended;      /* by "# EOF", which OpenMetrics demands and Prometheus' format has not */
};

void prom_init(struct prom *r, const char *text, size_t len);
bool prom_next(struct prom *r, struct prom_sample *s); /* false at the end, or with `why` */

/* The value of a label, with its escapes undone; false if it is not there or longer. */
bool prom_label(const struct prom_sample *s, const char *name, char *out, size_t size);

/*
 * Tells series apart, whatever the order of their labels; a label that is empty is none.  `except`
 * is left out of it: a histogram's buckets are one series but for `le`.  It may be NULL.
 */
uint64_t prom_key(const struct prom_sample *s, const char *except);

/* What a selector asks of one label: PromQL's = != =~ !~, patterns anchored at both ends. */
#define PROM_VALUE_MAX 1024
struct prom_matcher {
    const char *label, *value;
    const struct pattern *pattern; /* in place of the value */
    bool negated;
};

struct prom_selector { /* name{label="value",...} or {"name",label="value",...} */
    const char *name;
    struct prom_matcher *v;
    int count;
    bool utf8; /* it has a name in quotes, which an endpoint otherwise writes with _ in it */
};
bool prom_selector(struct prom_selector *out, const char *text, struct arena *arena, struct err *e);
bool prom_named(const struct prom_selector *sel, const char *suffix, const struct prom_sample *s);
bool prom_matches(const struct prom_selector *sel, const char *suffix, const struct prom_sample *s);

/*
 * The q-quantile of a histogram: `n` buckets by rising upper bound, with the counts at or below it.
 * Linear within a bucket, as Prometheus does it: the first one begins at 0 (if its bound is above),
 * and what lies in +Inf is told as the largest bound that is finite.  NAN without samples, and
 * without the bucket +Inf, which alone says how many there were.
 */
struct prom_bucket {
    double le, count;
};
double prom_quantile(double q, const struct prom_bucket *b, int n);

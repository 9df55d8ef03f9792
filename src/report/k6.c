/*
 * k6.c - the run in the shape that k6 hands to handleSummary() (k6's internal/js/summary.go), for
 * the many tools that read it.
 *
 * Metrics are those of the whole run under their names, and those of each step as the sub-metric
 * `name{step:NAME}`, where its thresholds stand; phases are groups.  What is ours and not k6's
 * beside it: `connector_tier` (breakdown.h).
 */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/rng.h"
#include "report/breakdown.h"
#include "report/document.h"
#include "report/figures.h"
#include "report/files.h"
#include "run/result.h"

#define ROOT_ID "d41d8cd98f00b204e9800998ecf8427e" /* of the empty path */

static bool always(const struct step_result *sr, const void *ctx)
{
    (void)sr;
    (void)ctx;
    return true;
}

/* k6 identifies groups and checks by a hash of their path; all that matters is that they differ. */
static json_t *id_of(const char *path)
{
    uint64_t a = 1, b = 2;
    char text[33];

    for (const char *p = path; *p; p++) {
        a = rng_mix(a ^ (unsigned char)*p);
        b = rng_mix(b + (unsigned char)*p);
    }
    snprintf(text, sizeof(text), "%016llx%016llx", (unsigned long long)a, (unsigned long long)b);
    return json_string(text);
}

/* The steps' names tell them apart, unless two phases use the same one. */
static void step_tags(const struct run_result *r, const struct step *step, const char *phase,
                      struct buf *out)
{
    int same = 0;

    for (int i = 0; i < r->phase_count; i++)
        for (int k = 0; k < r->phases[i].phase->step_count; k++)
            same += strcmp(r->phases[i].phase->steps[k].name, step->name) == 0;
    if (same > 1)
        buf_printf(out, "phase:%s,", phase);
    buf_printf(out, "step:%s", step->name);
}

static void metric_key(struct buf *key, const char *metric, const char *tags, const char *more)
{
    buf_clear(key);
    buf_printf(key, "%s{%s%s%s}", metric, tags, *more ? "," : "", more);
}

static void add_metric(json_t *metrics, const struct step_result *sr, const char *metric, int part,
                       const char *tags)
{
    struct buf key = {0}, more = {0};
    struct series s;
    double seconds;

    if (!figures_series(sr, metric, part, &s, &seconds))
        return;
    if (part > 0)
        buf_printf(&more, "part:%s", sr->meter.shape->parts[part]);
    metric_key(&key, metric, tags, buf_text(&more));
    if (s.n)
        document_set(metrics, buf_text(&key), figures_metric(&s, seconds));
    series_free(&s);
    buf_free(&key);
    buf_free(&more);
}

static void add_step(json_t *metrics, const struct step_result *sr, const char *tags)
{
    const struct meter_shape *shape = sr->meter.shape;

    for (int i = 0; shape && i < shape->metric_count; i++) {
        add_metric(metrics, sr, shape->metrics[i]->name, -1, tags);
        for (int part = 1; part < shape->part_count; part++)
            if (meter_has_part(&sr->meter, i, part))
                add_metric(metrics, sr, shape->metrics[i]->name, part, tags);
    }
}

/* Selectors beyond the step become part of the sub-metric's name, as k6 has it. */
static void selector_tags(const struct threshold *t, struct buf *out)
{
    const char *sep = "";

    for (int i = 0; i < t->selector.tag_count; i++) {
        const struct tag *tag = &t->selector.tags[i];

        if (strcmp(tag->name, "step") == 0)
            continue;
        buf_printf(out, "%s%s:%s", sep, tag->name, tag->value);
        sep = ",";
    }
}

/* The sub-metric that a threshold stands in, made if it is not there: with what was judged. */
static json_t *place_of(json_t *metrics, const struct step_result *sr, const struct finding *f,
                        const char *tags)
{
    struct buf key = {0}, more = {0};
    struct series s;
    json_t *at;

    selector_tags(f->threshold, &more);
    metric_key(&key, f->threshold->selector.metric, tags, buf_text(&more));
    at = document_get(metrics, buf_text(&key));
    if (!at && step_series(sr, &f->threshold->selector, &s)) {
        document_set(metrics, buf_text(&key), figures_metric(&s, s.length_s));
        at = document_get(metrics, buf_text(&key));
        series_free(&s);
    }
    buf_free(&key);
    buf_free(&more);
    return at;
}

static void add_threshold(json_t *metrics, const struct step_result *sr, const struct finding *f,
                          const char *tags)
{
    json_t *metric = place_of(metrics, sr, f, tags), *all, *one;

    if (!metric)
        return;
    all = json_object_get(metric, "thresholds");
    if (!all) {
        json_object_set_new(metric, "thresholds", json_object());
        all = json_object_get(metric, "thresholds");
    }
    one = json_object();
    json_object_set_new(one, "ok", json_boolean(f->state == FOUND_PASS || f->warn));
    document_set(all, f->threshold->text, one);
}

static void add_steps(json_t *metrics, const struct run_result *r)
{
    for (int i = 0; i < r->phase_count; i++)
        for (int k = 0; k < r->phases[i].phase->step_count; k++) {
            struct step_result sr = figures_step(&r->phases[i], k);
            struct buf tags = {0};

            step_tags(r, sr.step, r->phases[i].phase->name, &tags);
            if (sr.begun)
                add_step(metrics, &sr, buf_text(&tags));
            for (const struct finding *f = r->phases[i].findings; f; f = f->next)
                if (f->threshold && f->step && sr.meter.cells &&
                    strcmp(f->step, sr.step->name) == 0)
                    add_threshold(metrics, &sr, f, buf_text(&tags));
            buf_free(&tags);
        }
}

static void add_check(json_t *checks, const struct step_result *sr, const char *group)
{
    struct buf path = {0};
    struct series s;
    double seconds;
    json_t *o;

    if (!figures_series(sr, engine_metrics[M_CHECKS].name, -1, &s, &seconds))
        return;
    if (s.n) {
        o = json_object();
        buf_printf(&path, "%s::%s", group, sr->step->name);
        json_object_set_new(o, "name", document_text(sr->step->name));
        json_object_set_new(o, "path", document_text(buf_text(&path)));
        json_object_set_new(o, "id", id_of(buf_text(&path)));
        json_object_set_new(o, "passes", document_count(s.hits));
        json_object_set_new(o, "fails", document_count(s.n - s.hits));
        json_array_append_new(checks, o);
    }
    buf_free(&path);
    series_free(&s);
}

static json_t *group(const char *name, const char *path, json_t *id, json_t *groups, json_t *checks)
{
    json_t *o = json_object();

    json_object_set_new(o, "name", document_text(name));
    json_object_set_new(o, "path", document_text(path));
    json_object_set_new(o, "id", id);
    json_object_set_new(o, "groups", groups);
    json_object_set_new(o, "checks", checks);
    return o;
}

static json_t *root_group(const struct run_result *r)
{
    json_t *groups = json_array();

    for (int i = 0; i < r->phase_count; i++) {
        const struct phase_result *p = &r->phases[i];
        json_t *checks = json_array();
        struct buf path = {0};

        buf_printf(&path, "::%s", p->phase->name);
        for (int k = 0; k < p->phase->step_count; k++) {
            struct step_result sr = figures_step(p, k);

            if (sr.begun)
                add_check(checks, &sr, buf_text(&path));
        }
        json_array_append_new(groups, group(p->phase->name, buf_text(&path), id_of(buf_text(&path)),
                                            json_array(), checks));
        buf_free(&path);
    }
    return group("", "", json_string(ROOT_ID), groups, json_array());
}

static json_t *options(void)
{
    json_t *o = json_object(), *stats = json_array();

    for (int i = 0; figures_trend_stats[i]; i++)
        json_array_append_new(stats, json_string(figures_trend_stats[i]));
    json_object_set_new(o, "summaryTrendStats", stats);
    json_object_set_new(o, "summaryTimeUnit", json_string(""));
    json_object_set_new(o, "noColor", json_true());
    return o;
}

static json_t *state(const struct run_result *r)
{
    json_t *o = json_object();

    json_object_set_new(o, "isStdOutTTY", json_false());
    json_object_set_new(o, "isStdErrTTY", json_false());
    json_object_set_new(o, "testRunDurationMs", document_ms((double)r->elapsed_ns));
    return o;
}

void k6_summary(const struct run_result *r, struct buf *out)
{
    json_t *o = json_object(), *metrics = breakdown_metrics(r, always, NULL);

    add_steps(metrics, r);
    json_object_set_new(o, "root_group", root_group(r));
    json_object_set_new(o, "options", options());
    json_object_set_new(o, "state", state(r));
    json_object_set_new(o, "metrics", metrics);
    json_object_set_new(o, "setup_data", json_null());
    json_object_set_new(o, "connector_tier", breakdown_tier(r));
    document_write(o, true, out);
}

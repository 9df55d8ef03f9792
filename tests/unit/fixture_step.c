#include "fixture_step.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "run/failures.h"
#include "run/lane.h"
#include "suite/load.h"
#include "unit.h"

static void make_shape(struct meter_shape *s, struct arena *a, const struct driver *d,
                       const struct declared *more)
{
    const struct metric **all = arena_array(a, const struct metric *, 64);
    const char **parts = arena_array(a, const char *, more->part_count + 1);
    int n = 0;

    for (int i = 0; i < M_ENGINE_COUNT; i++)
        all[n++] = &engine_metrics[i];
    for (const struct metric *m = d->metrics; m && m->name; m++)
        all[n++] = m;
    for (int i = 0; i < more->metric_count; i++)
        all[n++] = more->metrics[i];
    for (int i = 0; i < more->part_count; i++)
        parts[i + 1] = more->parts[i];
    *s = (struct meter_shape){all, n, parts, more->part_count + 1};
}

static void add_up(struct bench *b, const struct meter *m, const struct meter_shape *s, int metric,
                   double *sum, uint64_t *samples)
{
    for (int part = 0; part < s->part_count; part++)
        for (int o = 0; o < TAG_OUTCOMES; o++) {
            const struct cell *c = meter_cell(m, metric, part, (enum tag_outcome)o);

            for (int i = 0; c && i < c->seconds; i++) {
                if (metric >= M_ENGINE_COUNT && part < BENCH_PARTS)
                    b->tagged[metric - M_ENGINE_COUNT][part][o] += c->slices[i].n;
                *sum += s->metrics[metric]->type == METRIC_RATE ? (double)c->slices[i].hits
                                                                : c->slices[i].sum;
                *samples += c->slices[i].n;
            }
        }
}

static void gather(struct bench *b, const struct lane_run *l, const struct meter_shape *s)
{
    const struct failures *f = lane_failures(l);
    double met = 0;
    uint64_t checks = 0;

    b->ok = (int)lane_totals(l)->ok;
    b->failed = (int)(lane_totals(l)->failed + lane_totals(l)->client_errors);
    b->outcome = f->n ? f->v[0].outcome : OP_OK;
    snprintf(b->why, sizeof(b->why), "%s", f->n ? f->v[0].why : "");
    for (int i = 0; i < BENCH_METRICS; i++)
        b->sum[i] = (double)(b->samples[i] = 0);
    memset(b->tagged, 0, sizeof(b->tagged));
    for (int i = M_ENGINE_COUNT; i < s->metric_count; i++)
        add_up(b, lane_meter(l), s, i, &b->sum[i - M_ENGINE_COUNT],
               &b->samples[i - M_ENGINE_COUNT]);
    add_up(b, lane_meter(l), s, M_CHECKS, &met, &checks);
    b->checks_met = (int)met;
    b->checks = (int)checks;
}

static void run_lane(struct lane_run *l, struct step_control *control)
{
    assert_true(lane_open(l));
    atomic_store(&control->start_ns, now_ns());
    lane_run(l);
    lane_close(l);
}

void bench_run(struct bench *b, const struct driver *d, const void *opts, int n)
{
    struct declared declared = {0};
    struct step_control control = {.stop_ns = UINT64_MAX, .grace_ns = NS_PER_S};
    struct load load = {.executor = n ? EX_PER_VU_ITERATIONS : EX_ONCE,
                        .vus = 1,
                        .iterations = n ? n : 1,
                        .max_in_flight = 4,
                        .max_duration = DURATION_UNTIL_STOPPED,
                        .lanes = 1};
    struct job job = {.name = "step",
                      .run_id = "run",
                      .opts = opts,
                      .arena = &b->arena,
                      .declared = &declared,
                      .verify = n == 0,
                      .lane_count = 1,
                      .max_ops = 4};
    struct meter_shape shape;
    struct lane_setup setup = {d, &job, &load, &shape, &control, 0, 1};
    struct lane_run *lane;
    struct err e;

    job.priv = arena_alloc(&b->arena, d->job_size);
    if (d->declare)
        d->declare(opts, &b->arena, &declared);
    make_shape(&shape, &b->arena, d, &declared);
    if (d->prepare && !d->prepare(&job, &e))
        fail_msg("%s", e.text);
    lane = lane_new(&setup);
    run_lane(lane, &control);
    gather(b, lane, &shape);
    lane_free(lane);
    if (d->collect)
        d->collect(&job);
}

void bench_free(struct bench *b)
{
    arena_free(&b->arena);
}

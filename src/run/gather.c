/* gather.c - what the lanes of a phase have measured, brought together once they have ended. */
#include "run/phase_state.h"

#include "base/arena.h"
#include "base/mem.h"
#include "run/failures.h"
#include "run/pacer.h"
#include "run/statuses.h"

void phase_fail_step(struct phase_run *p, struct step_run *s, const char *why)
{
    if (!s->result->failure)
        s->result->failure = arena_strdup(p->c->arena, why);
}

/* Of a fleet chance moves first beats, and so up to one beat of each agent: they are counted. */
static double planned(const struct step_run *s)
{
    const struct load *load = &s->step->load;

    if (load->duration == DURATION_UNTIL_STOPPED)
        return 0;
    if (load->executor == EX_AGENT_FLEET)
        return (double)pacer_beats(load, s->job.lane_count, s->seed);
    return load_operations(load);
}

static void count_engine(struct step_run *s, const struct held *held)
{
    struct step_result *r = s->result;

    r->planned = planned(s);
    if (r->planned > 0 && s->step->load.executor != EX_ONCE)
        meter_gauge(&s->meter, M_ACHIEVED_RATE, 0, TAG_OK, 0, (double)r->sent / r->planned);
    held_report(held, &s->meter);
    meter_merge(&r->meter, &s->meter);
    meter_free(&s->meter);
}

static void gather_step(struct phase_run *p, struct step_run *s)
{
    struct step_result *r = s->result;
    struct failures *f = xcalloc(1, sizeof(*f));
    struct statuses *statuses = xcalloc((size_t)r->shape.part_count, sizeof(*statuses));
    struct held held = {0};

    for (int k = 0; s->threads && k < s->job.lane_count; k++) {
        const struct lane_totals *t = lane_totals(s->lanes[k]);

        if (s->threads[k].created)
            pthread_join(s->threads[k].thread, NULL);
        r->sent += t->sent;
        r->ok += t->ok;
        r->failed += t->failed;
        r->client_errors += t->client_errors;
        r->dropped += t->dropped;
        r->unfinished += t->unfinished;
        held_merge(&held, &t->held);
        if (t->last_end_ns > s->start_ns && t->last_end_ns - s->start_ns > r->measured_ns)
            r->measured_ns = t->last_end_ns - s->start_ns;
        meter_merge(&r->meter, lane_meter(s->lanes[k]));
        failures_merge(f, lane_failures(s->lanes[k]));
        for (int part = 0; part < r->shape.part_count; part++)
            statuses_merge(&statuses[part], &lane_statuses(s->lanes[k])[part]);
    }
    r->errors = failures_list(f, p->c->arena);
    r->error_count = f->n;
    free(f);
    r->statuses = statuses_list(statuses, &r->shape, p->c->arena, &r->status_count);
    free(statuses);
    if (r->begun)
        count_engine(s, &held);
    held_free(&held);
}

/* A step without load is one operation that must succeed; its failure is told in its own words. */
static void explain_single(struct phase_run *p, struct step_run *s)
{
    struct step_result *r = s->result;

    if (!s->job.verify || !r->begun || r->failure || r->error_count == 0)
        return;
    phase_fail_step(p, s, r->errors[0].why);
    r->failure_is_breach = r->errors[0].outcome == OP_UNEXPECTED &&
                           !(s->step->driver->flags & DRIVER_BLOCKS) && !s->step->cleanup;
}

void phase_gather(struct phase_run *p)
{
    for (int i = 0; i < p->step_count; i++) {
        struct step_run *s = &p->steps[i];

        gather_step(p, s);
        if (s->prepared && s->step->driver->collect)
            s->step->driver->collect(&s->job);
        s->result->facts = s->job.facts;
        explain_single(p, s);
        for (int k = 0; s->lanes && k < s->job.lane_count; k++)
            lane_free(s->lanes[k]);
        free(s->live);
        free(s->ladder);
    }
}

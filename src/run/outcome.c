/* outcome.c - services become findings, and all findings the one exit code and its headline. */
#include "base/arena.h"
#include "run/result.h"

static void add_service_finding(struct run_result *r, const struct service_result *v)
{
    struct finding *f = arena_new(r->arena, struct finding), **tail = &r->findings;

    while (*tail)
        tail = &(*tail)->next;
    *tail = f;
    f->kind = FINDING_SERVICE;
    f->state = v->failure ? FOUND_INCONCLUSIVE : v->ready ? FOUND_PASS : FOUND_NOT_RUN;
    f->type = v->failure ? "infra" : "service";
    f->name = arena_printf(r->arena, "service %s", v->service->name);
    f->message = v->failure ? v->failure : v->ready ? "was ready and stayed up" : "was not started";
    f->line = v->service->at.line;
    f->col = v->service->at.col;
}

void services_judge(struct run_result *r)
{
    r->findings = NULL;
    for (int i = 0; i < r->service_count; i++)
        if (r->services[i].started || r->services[i].failure)
            add_service_finding(r, &r->services[i]);
}

struct tally {
    int count[4], thresholds;
    const struct finding *first[4];
    const char *where[4]; /* phase of the first */
};

static void tally_list(struct tally *t, const struct finding *f, const char *where)
{
    for (; f; f = f->next) {
        if (f->warn && f->state != FOUND_PASS)
            continue;
        if (!t->first[f->state]) {
            t->first[f->state] = f;
            t->where[f->state] = where;
        }
        t->count[f->state]++;
        t->thresholds += f->kind == FINDING_THRESHOLD && f->state != FOUND_NOT_RUN;
    }
}

static const char *sentence(const struct tally *t, enum finding_state state, struct arena *arena)
{
    const struct finding *f = t->first[state];
    const char *more =
        t->count[state] > 1 ? arena_printf(arena, " (and %d more)", t->count[state] - 1) : "";

    return arena_printf(arena, "%s: %s: %s%s", t->where[state], f->name, f->message, more);
}

void run_verdict(struct run_result *r)
{
    struct tally t = {0};

    tally_list(&t, r->findings, "services");
    for (int i = 0; i < r->phase_count; i++)
        tally_list(&t, r->phases[i].findings, r->phases[i].phase->name);
    if (t.count[FOUND_BREACH]) {
        r->exit_code = 1;
        r->headline = sentence(&t, FOUND_BREACH, r->arena);
    } else if (t.count[FOUND_INCONCLUSIVE]) {
        r->exit_code = 3;
        r->headline = sentence(&t, FOUND_INCONCLUSIVE, r->arena);
    } else if (r->interrupted || !t.count[FOUND_PASS]) {
        r->exit_code = 3;
        r->headline = r->interrupted ? "the run was interrupted" : "nothing was run";
    } else {
        r->exit_code = 0;
        r->headline = t.thresholds ? arena_printf(r->arena, "%s%d threshold%s held",
                                                  t.thresholds > 1 ? "all " : "", t.thresholds,
                                                  t.thresholds > 1 ? "s" : "")
                                   : "every step did its work";
    }
}

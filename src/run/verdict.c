/*
 * verdict.c - from what was measured to findings; outcome.c turns those into the exit code.
 *
 * A measurement that the runner itself could have spoiled must not decide: a pass is void if less
 * than 95% of the planned work was sent, and a breach of a latency limit is void if the excess is
 * no larger than the runner's own lag.  Everything else stands as it was judged.
 */
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/units.h"
#include "run/attack.h"
#include "run/fitness.h"
#include "run/result.h"
#include "run/cure.h"
#include "run/window.h"

#define ENOUGH_SENT  0.95
#define CLIENT_SHARE 0.01 /* of the operations that may fail for reasons of this machine */

const char *const finding_kind_names[] = {"threshold", "executed", "service", "cleanup"};
const char *const finding_state_names[] = {"pass", "breach", "inconclusive", "not-run"};

struct judging {
    struct phase_result *phase;
    const struct run_result *run;
    struct arena *arena;
    struct finding **tail;
};

static struct finding *add(struct judging *j, enum finding_kind kind, enum finding_state state,
                           const struct step_result *r, const char *type)
{
    struct finding *f = arena_new(j->arena, struct finding);

    f->kind = kind;
    f->state = state;
    f->type = type;
    f->step = r ? r->step->name : NULL;
    f->line = r ? r->step->at.line : 0;
    f->col = r ? r->step->at.col : 0;
    *j->tail = f;
    j->tail = &f->next;
    return f;
}

static const char *count(double n, struct arena *arena)
{
    char text[UNITS_MAX];

    return arena_strdup(arena, units_print_count(n, text));
}

static enum finding_kind kind_of(const struct step_result *r)
{
    return r->step->cleanup ? FINDING_CLEANUP : FINDING_EXECUTED;
}

static const char *executed_name(const struct judging *j, const struct step_result *r)
{
    const char *what = r->step->cleanup ? "cleaned up" : "executed";

    return j->phase->phase->parallel ? arena_printf(j->arena, "%s: %s", r->step->name, what) : what;
}

/* The first reason of a class, for the message. */
static const char *first_why(const struct step_result *r, enum fault fault)
{
    for (int i = 0; i < r->error_count; i++)
        if (outcomes[r->errors[i].outcome].fault == fault)
            return r->errors[i].why;
    return "unknown";
}

static bool too_little_sent(const struct step_result *r)
{
    return r->planned > 1 && (double)r->sent < ENOUGH_SENT * r->planned;
}

static bool too_many_client_errors(const struct step_result *r)
{
    return r->client_errors > 0 && (double)r->client_errors > CLIENT_SHARE * (double)r->sent;
}

/* Why nothing that the step measured can decide; NULL: it can. */
static const char *undecidable(const struct judging *j, const struct step_result *r,
                               const char **type)
{
    if (attack_never_held(r)) {
        *type = "infra";
        return arena_printf(j->arena, "no connection was ever held: %s",
                            r->error_count ? r->errors[0].why : "none got as far in time");
    }
    if (attack_missing(r, j->arena)) {
        *type = "inconclusive";
        return attack_missing(r, j->arena);
    }
    return NULL;
}

/* A failure to reach the target at all says where it is not, and nothing of how it is. */
static const char *unfounded_breach(const struct judging *j, const struct step_result *r,
                                    const struct finding *f)
{
    bool sampled = f->metric->type == METRIC_RATE || f->metric->type == METRIC_TREND;

    if (r->failure)
        return r->failure;
    if (fitness_never_reached(r))
        return arena_printf(j->arena, "the target was never reached: %s", r->errors[0].why);
    if (attack_was_lost(r, f->metric))
        return arena_printf(j->arena, "connections were lost on the way: %s",
                            first_why(r, FAULT_PATH));
    if (r->interrupted && !sampled) /* a count of what was cut short is no count of the whole */
        return "a signal ended the step before its time";
    return NULL;
}

/* Voids a breach that did not come from the target, or one no larger than our own lag. */
static void void_breach(struct judging *j, const struct step_result *r, struct finding *f)
{
    const char *why = unfounded_breach(j, r, f);
    double own, excess = -f->evidence.margin;
    char more[UNITS_MAX], lag[UNITS_MAX];

    if (why) {
        f->state = FOUND_INCONCLUSIVE;
        f->type = r->interrupted ? "interrupted" : "infra";
        f->message = arena_printf(j->arena, "%s; but %s", f->message, why);
        return;
    }
    if (f->metric->unit != UNIT_TIME || !load_is_open(&r->step->load))
        return;
    own = fitness_lag(r, 0, -1);
    if (own < FITNESS_LAG_NS || excess > own)
        return;
    f->state = FOUND_INCONCLUSIVE;
    f->type = "client";
    f->message = arena_printf(
        j->arena,
        "%s; but the excess of %s is no larger than this machine's own lag of %s: give the runner "
        "more CPU",
        f->message, units_print_duration(excess, more), units_print_duration(own, lag));
}

/* Voids a pass that less than the planned work stands behind. */
static void void_pass(struct judging *j, const struct step_result *r, struct finding *f)
{
    const char *why = r->failure                  ? r->failure
                      : r->interrupted            ? "a signal ended the step before its time"
                      : too_little_sent(r)        ? "the planned load was not sent"
                      : too_many_client_errors(r) ? "this machine did not send the planned load"
                                                  : NULL;

    if (!why)
        return;
    f->state = FOUND_INCONCLUSIVE;
    f->type = r->interrupted ? "interrupted" : r->failure ? "infra" : "client";
    f->message = arena_printf(j->arena, "%s; but %s", f->message, why);
}

static void find_failed(struct judging *j, const struct step_result *r)
{
    bool breach = r->failure_is_breach;
    struct finding *f = add(j, kind_of(r), breach ? FOUND_BREACH : FOUND_INCONCLUSIVE, r,
                            breach ? "expect" : "infra");

    f->name = executed_name(j, r);
    f->message = cure_text(r, j->arena);
}

/* A threshold on what was found decides; without one, that there is an answer at all. */
static void find_stepped(struct judging *j, const struct step_result *r, struct finding *f)
{
    const struct size_result *bad, *good = sizes_found(r, &bad);
    const struct size_result *last = r->size_count ? &r->sizes[r->size_count - 1] : NULL;
    bool asked = false;

    for (int i = 0; i < r->step->threshold_count; i++)
        asked |= step_is_answer(&r->step->thresholds[i]->selector);
    f->message = sizes_sentence(r, j->arena);
    if (!last || asked || (good && bad) || (!bad && last->verdict == VERDICT_PASS)) {
        f->state = last ? FOUND_PASS : FOUND_INCONCLUSIVE;
    } else if (bad) {
        f->state = FOUND_BREACH;
        f->type = "threshold";
    } else {
        f->type = last->unfit ? "client" : "inconclusive";
    }
}

/* The search ended before it found a size that does not hold: what it found is a lower bound. */
static void void_bound(struct judging *j, const struct step_result *r, struct finding *f)
{
    const struct threshold *t = f->threshold;
    const struct size_result *bad;
    bool proven = f->state == FOUND_PASS && (t->cmp == CMP_GE || t->cmp == CMP_GT);

    sizes_found(r, &bad);
    if (bad || proven || !f->evidence.has_value)
        return;
    f->state = FOUND_INCONCLUSIVE;
    f->type = "inconclusive";
    f->message = arena_printf(j->arena, "%s; but that is only a lower bound: %s", f->message,
                              sizes_sentence(r, j->arena));
}

/* The planned work was done, or how much of it was not and why. */
static void find_executed(struct judging *j, const struct step_result *r)
{
    struct finding *f = add(j, kind_of(r), FOUND_INCONCLUSIVE, r, "inconclusive");

    f->name = executed_name(j, r);
    if (undecidable(j, r, &f->type)) {
        f->message = undecidable(j, r, &f->type);
    } else if (r->interrupted) {
        f->type = "interrupted";
        f->message = arena_printf(j->arena, "a signal ended it after %s operations",
                                  count((double)r->sent, j->arena));
    } else if (r->sent == 0) {
        f->message = "nothing was sent";
    } else if (too_little_sent(r)) {
        f->type = "client";
        f->message = arena_printf(
            j->arena,
            "%s of %s planned operations were sent: raise `max_in_flight` or `lanes`, or lower "
            "the rate",
            count((double)r->sent, j->arena), count(r->planned, j->arena));
    } else if (too_many_client_errors(r)) {
        f->type = "client";
        f->message =
            arena_printf(j->arena, "%s of %s operations failed for a cause on this machine: %s",
                         count((double)r->client_errors, j->arena),
                         count((double)r->sent, j->arena), first_why(r, FAULT_CLIENT));
    } else if (r->step->load.executor == EX_STEPPING) {
        find_stepped(j, r, f);
    } else if (r->step->load.executor == EX_ONCE) {
        char took[UNITS_MAX];

        f->state = FOUND_PASS;
        f->message = arena_printf(j->arena, "done in %s",
                                  units_print_duration((double)r->measured_ns, took));
    } else {
        f->state = FOUND_PASS;
        f->message = arena_printf(j->arena, "%s operation%s sent", count((double)r->sent, j->arena),
                                  r->sent == 1 ? "" : "s");
    }
}

/* Takes back a verdict that something else than the target could have brought about. */
static void void_unfit(struct judging *j, const struct step_result *r, struct finding *f)
{
    const char *why = undecidable(j, r, &f->type);

    if (why) {
        f->state = FOUND_INCONCLUSIVE;
        f->message = arena_printf(j->arena, "%s; but %s", f->message, why);
    } else if (f->state == FOUND_PASS) {
        void_pass(j, r, f);
    } else if (f->state == FOUND_BREACH) {
        void_breach(j, r, f);
    }
}

double step_seconds(const struct step_result *r, const struct series *s, bool selected)
{
    double seconds = (double)r->measured_ns / 1e9 - s->from;

    if (selected)
        return s->seconds;
    return seconds > 0 ? seconds : 0;
}

bool step_series(const struct step_result *r, const struct selector *selector, struct series *s)
{
    struct windows w = {0};
    struct selection sel;

    if (!step_select(r->step, selector, &sel))
        return false;
    if (r->attack) {
        windows_find(r, &w);
        windows_select(&w, step_window(r->step, selector), &sel);
    }
    series_select(s, &r->meter, &sel);
    s->length_s = step_seconds(r, s, sel.only != NULL);
    windows_free(&w);
    return true;
}

static enum finding_state state_of(enum verdict v)
{
    return v == VERDICT_PASS ? FOUND_PASS : v == VERDICT_BREACH ? FOUND_BREACH : FOUND_INCONCLUSIVE;
}

static const char *threshold_name(const struct judging *j, const struct threshold *t)
{
    struct buf name = {0};
    const char *kept;

    selector_print(&t->selector, &name);
    kept = arena_printf(j->arena, "%s %s", buf_text(&name), t->text);
    buf_free(&name);
    return kept;
}

static void find_threshold(struct judging *j, const struct step_result *r,
                           const struct threshold *t)
{
    struct finding *f = add(j, FINDING_THRESHOLD, FOUND_NOT_RUN, r, "threshold");
    struct series s;

    f->threshold = t;
    f->warn = t->severity == SEVERITY_WARN;
    f->line = t->line;
    f->col = t->col;
    f->name = threshold_name(j, t);
    if (j->phase->phase->parallel)
        f->name = arena_printf(j->arena, "%s: %s", r->step->name, f->name);
    f->metric = r->step->metrics[step_metric(r->step, t->selector.metric)];
    if (!r->begun) {
        f->message = "the step did not run";
        return;
    }
    step_series(r, &t->selector, &s);
    judge_threshold(t, &s, j->arena, &f->evidence);
    series_free(&s);
    f->state = state_of(f->evidence.verdict);
    f->message = f->evidence.reason;
    if (f->state == FOUND_INCONCLUSIVE)
        f->type = "inconclusive";
    void_unfit(j, r, f);
    if (step_is_answer(&t->selector))
        void_bound(j, r, f);
}

/* A verdict on all steps together is void if it were on any one of them. */
static void find_together(struct judging *j, const struct threshold *t)
{
    const struct phase *phase = j->phase->phase;
    struct finding *f = add(j, FINDING_THRESHOLD, FOUND_NOT_RUN, NULL, "threshold");
    struct series all = {0};

    f->threshold = t;
    f->warn = t->severity == SEVERITY_WARN;
    f->line = t->line;
    f->col = t->col;
    f->name = threshold_name(j, t);
    f->metric = phase->whole->metrics[step_metric(phase->whole, t->selector.metric)];
    for (int i = 0; i < phase->step_count; i++) {
        const struct step_result *r = j->phase->steps ? &j->phase->steps[i] : NULL;
        struct selection sel;
        struct series s;

        if (!r || !r->begun) {
            series_free(&all);
            f->message = "a step did not run";
            return;
        }
        step_select(r->step, &t->selector, &sel);
        series_select(&s, &r->meter, &sel);
        s.length_s = step_seconds(r, &s, false);
        if (i == 0) {
            all = s;
            continue;
        }
        series_join(&all, &s);
        series_free(&s);
    }
    judge_threshold(t, &all, j->arena, &f->evidence);
    series_free(&all);
    f->state = state_of(f->evidence.verdict);
    f->message = f->evidence.reason;
    if (f->state == FOUND_INCONCLUSIVE)
        f->type = "inconclusive";
    for (int i = 0; i < phase->step_count; i++)
        void_unfit(j, &j->phase->steps[i], f);
}

/* Two thresholds written alike still need names of their own: readers keep only the first. */
static void number_repeats(struct phase_result *p, struct arena *arena)
{
    for (struct finding *f = p->findings; f; f = f->next) {
        int n = 1;

        for (struct finding *g = f->next; g; g = g->next)
            if (strcmp(g->name, f->name) == 0)
                g->name = arena_printf(arena, "%s (%d)", g->name, ++n);
    }
}

void phase_judge(struct phase_result *p, const struct run_result *r, struct arena *arena)
{
    struct judging j = {p, r, arena, &p->findings};

    p->findings = NULL;
    for (int i = 0; p->steps && i < p->phase->step_count; i++)
        if (p->steps[i].size_count > 0)
            sizes_conclude(&p->steps[i], arena);
    for (int i = 0; i < p->phase->step_count; i++) {
        const struct step *step = &p->phase->steps[i];
        struct step_result nothing = {.step = step};
        const struct step_result *s = p->steps ? &p->steps[i] : &nothing;

        if (p->skipped) {
            struct finding *f = add(&j, kind_of(s), FOUND_NOT_RUN, s, "skipped");

            f->name = executed_name(&j, s);
            f->message = p->skipped;
        } else if (s->failure || !s->begun) {
            struct step_result failed = *s;

            failed.failure = s->failure ? s->failure : "another step of the phase could not start";
            find_failed(&j, &failed);
        } else {
            find_executed(&j, s);
        }
        for (int k = 0; !p->skipped && k < step->threshold_count; k++)
            if (step->load.executor != EX_STEPPING ||
                step_is_answer(&step->thresholds[k]->selector))
                find_threshold(&j, s, step->thresholds[k]);
    }
    for (int k = 0; p->phase->whole && !p->skipped && k < p->phase->whole->threshold_count; k++)
        find_together(&j, p->phase->whole->thresholds[k]);
    number_repeats(p, arena);
}

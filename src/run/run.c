/*
 * run.c - one execution of a suite, from services up to verdict.
 *
 * Whatever happens on the way, the same end follows: the `when: always` phases, services down in
 * reverse, verdict, reports.
 */
#include "run/run.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/child.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/rng.h"
#include "run/journal.h"
#include "run/monitor.h"
#include "run/observer.h"
#include "run/phase.h"
#include "run/result.h"
#include "run/supervisor.h"

#define EXIT_INTERRUPTED 3

static volatile int interrupts;
static volatile int last_signal;

static void on_signal(int sig)
{
    last_signal = sig;
    if (++interrupts > 1) {
        child_kill_all();
        _exit(EXIT_INTERRUPTED);
    }
}

struct handlers {
    struct sigaction interrupt, terminate, hangup, pipe;
};

static void catch_signals(struct handlers *old)
{
    struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    struct sigaction ignore = {.sa_handler = SIG_IGN};

    interrupts = 0;
    sigaction(SIGINT, &sa, &old->interrupt);
    sigaction(SIGTERM, &sa, &old->terminate);
    sigaction(SIGHUP, &sa, &old->hangup);
    if (old->hangup.sa_handler == SIG_IGN) /* under nohup */
        sigaction(SIGHUP, &ignore, NULL);
    sigaction(SIGPIPE, &ignore, &old->pipe);
}

static void release_signals(const struct handlers *old)
{
    sigaction(SIGINT, &old->interrupt, NULL);
    sigaction(SIGTERM, &old->terminate, NULL);
    sigaction(SIGHUP, &old->hangup, NULL);
    sigaction(SIGPIPE, &old->pipe, NULL);
}

struct runner {
    const struct run_opts *o;
    struct run_result *r;
    struct phase_context context;
    bool could_not, breached, any_ran; /* what has happened so far */
    const char *why;                   /* of could_not */
};

static bool named(const char *const *list, const char *name)
{
    for (; list && *list; list++)
        if (strcmp(*list, name) == 0)
            return true;
    return false;
}

static bool selected(const struct run_opts *o, const struct phase *p)
{
    return (!o->only || named(o->only, p->name)) && !named(o->skip, p->name);
}

static uint64_t services_wanted(const struct run_opts *o)
{
    uint64_t wanted = 0;

    for (int i = 0; i < o->suite->phase_count; i++)
        if (selected(o, &o->suite->phases[i]))
            wanted |= phase_services(&o->suite->phases[i]);
    return suite_needed(o->suite, wanted) & ~o->running;
}

static void start_services(struct runner *x, uint64_t wanted)
{
    struct err e;

    if (wanted == 0)
        return;
    if (supervisor_up(x->context.supervisor, wanted, x->r->services, x->r->arena, &e))
        return;
    x->could_not = true;
    x->why = interrupts ? "the run was interrupted"
                        : arena_printf(x->r->arena, "could not start: %s", e.text);
}

/* NULL: it is to run. */
static const char *reason_to_skip(const struct runner *x, const struct phase *p)
{
    if (!selected(x->o, p))
        return "left out by --only or --skip";
    if (p->when == WHEN_ALWAYS && x->o->no_cleanup)
        return "left out by --no-cleanup";
    if (p->when == WHEN_ALWAYS)
        return x->any_ran ? NULL : "nothing ran that it could clean up after";
    if (interrupts || x->r->interrupted)
        return "the run was interrupted";
    if (x->could_not)
        return x->why;
    if (x->breached && (p->when == WHEN_PASSED || x->o->fail_fast))
        return "an earlier phase breached";
    return NULL;
}

static void note_interrupt(struct runner *x)
{
    if (interrupts && !x->r->interrupted)
        x->r->interrupted = last_signal == SIGTERM  ? "SIGTERM"
                            : last_signal == SIGHUP ? "SIGHUP"
                                                    : "SIGINT";
}

/* A step that ended "could not" stops the phases behind it; a breach does not. */
static void learn(struct runner *x, const struct phase_result *p)
{
    for (const struct finding *f = p->findings; f; f = f->next) {
        x->breached |= f->state == FOUND_BREACH && !f->warn;
        if (f->kind != FINDING_EXECUTED || f->state != FOUND_INCONCLUSIVE || x->could_not)
            continue;
        x->could_not = true;
        x->why = arena_printf(x->r->arena, "phase \"%s\" could not run", p->phase->name);
    }
}

static void give_up(struct runner *x, const char *why)
{
    x->could_not = true;
    x->why = arena_strdup(x->r->arena, why);
}

/* A service may also die between phases, and in the last one: its finding is made of its result. */
static void look_after_services(struct runner *x)
{
    struct err e;

    if (supervisor_healthy(x->context.supervisor, x->r->services, x->r->arena, &e) || x->could_not)
        return;
    give_up(x, e.text);
}

static void begin_phase(const struct runner *x, const struct phase_result *p)
{
    for (int i = 0; x->o->observers[i]; i++)
        if (x->o->observers[i]->phase_begin)
            x->o->observers[i]->phase_begin(x->o->observers[i]->ctx, x->r, p);
}

static void end_phase(const struct runner *x, const struct phase_result *p)
{
    for (int i = 0; x->o->observers[i]; i++)
        if (x->o->observers[i]->phase_end)
            x->o->observers[i]->phase_end(x->o->observers[i]->ctx, x->r, p);
}

/* "done" is what need not be done again; anything else, `shakedown cleanup` tries once more. */
static const char *state_of(const struct phase_result *p)
{
    for (const struct finding *f = p->findings; f; f = f->next)
        if (f->state == FOUND_BREACH || f->state == FOUND_INCONCLUSIVE)
            return "failed";
    return "done";
}

/* Nothing that the journal does not announce may be made. */
static void refuse(struct runner *x, struct phase *phase, struct phase_result *p, const char *why)
{
    p->started_wall_ns = wall_ns();
    p->steps = arena_array(x->r->arena, struct step_result, phase->step_count);
    for (int i = 0; i < phase->step_count; i++) {
        p->steps[i].step = &phase->steps[i];
        p->steps[i].failure = arena_strdup(x->r->arena, why);
    }
}

static void carry_out(struct runner *x, struct phase *phase, struct phase_result *p)
{
    volatile int ignored = 0;
    struct err e;

    x->context.interrupted = phase->when == WHEN_ALWAYS ? &ignored : &interrupts;
    if (journal_phase(x->o->journal, phase->name, &e))
        phase_run(&x->context, phase, p);
    else
        refuse(x, phase, p, e.text);
}

/* Ctrl-C does not cut a cleanup short; a second one ends the process (on_signal()). */
static void run_one(struct runner *x, struct phase *phase, struct phase_result *p)
{

    p->phase = phase;
    p->skipped = reason_to_skip(x, phase);
    if (!p->skipped) {
        begin_phase(x, p);
        x->any_ran |= phase->when != WHEN_ALWAYS;
        carry_out(x, phase, p);
    }
    note_interrupt(x);
    look_after_services(x);
    phase_judge(p, x->r, x->r->arena);
    if (!p->skipped)
        journal_ended(x->o->journal, phase->name, state_of(p));
    learn(x, p);
    services_judge(x->r);
    run_verdict(x->r);
    x->r->elapsed_ns = wall_ns() - x->r->started_wall_ns;
    if (!p->skipped)
        end_phase(x, p);
}

static void lag_of_run(struct run_result *r)
{
    struct hist *all = NULL;

    for (int i = 0; i < r->phase_count; i++) {
        for (int k = 0; r->phases[i].steps && k < r->phases[i].phase->step_count; k++) {
            struct selection sel = {M_SCHEDULE_LAG, -1, -1, 0, -1};
            const struct step_result *step = &r->phases[i].steps[k];
            struct series s;

            if (!step->begun || !load_is_open(&step->step->load))
                continue;
            series_select(&s, &step->meter, &sel);
            if (s.hist && !all)
                all = arena_new(r->arena, struct hist);
            if (s.hist)
                hist_merge(all, s.hist);
            series_free(&s);
        }
    }
    if (!all)
        return;
    /* Whole, as they are stored: a report made again later is the same to the byte. */
    r->monitor.lag_p50_ns = round(hist_quantile(all, 0.5));
    r->monitor.lag_p99_ns = round(hist_quantile(all, 0.99));
    r->monitor.lag_max_ns = (double)all->max;
}

static struct run_result *result_new(const struct run_opts *o, struct arena *arena)
{
    struct run_result *r = arena_new(arena, struct run_result);
    struct suite *s = o->suite;

    *r = (struct run_result){.suite = s, .run_id = o->run_id, .dir = o->dir, .arena = arena};
    r->started_wall_ns = wall_ns();
    r->service_count = s->service_count;
    r->services = arena_array(arena, struct service_result, s->service_count);
    for (int i = 0; i < s->service_count; i++)
        r->services[i].service = &s->services[i];
    r->phases = arena_array(arena, struct phase_result, s->phase_count);
    return r;
}

static uint64_t seed_of(const char *run_id)
{
    uint64_t h = 1;

    for (; *run_id; run_id++)
        h = rng_mix(h ^ (unsigned char)*run_id);
    return h;
}

static void finish(struct runner *x, struct monitor *m)
{
    struct run_result *r = x->r;

    monitor_finish(m, &r->monitor);
    lag_of_run(r);
    services_judge(r);
    r->elapsed_ns = wall_ns() - r->started_wall_ns;
    r->complete = true;
    run_verdict(r);
    for (int i = 0; x->o->observers[i]; i++)
        if (x->o->observers[i]->run_end)
            x->o->observers[i]->run_end(x->o->observers[i]->ctx, r);
}

static void tear_down(struct runner *x)
{
    struct supervisor *s = x->context.supervisor;
    struct buf left = {0};

    if (!x->o->no_cleanup) {
        supervisor_down(s);
    } else {
        supervisor_leave(s, &left);
        if (left.len)
            x->r->left_running = arena_strdup(x->r->arena, buf_text(&left));
        buf_free(&left);
    }
    supervisor_free(s);
}

/* Everything that is started from here on can be told by it; of runs within runs, by each. */
static void mark_children(const char *run_id, struct arena *arena)
{
    const char *outer = getenv(JOURNAL_MARK);

    setenv(JOURNAL_MARK, outer && *outer ? arena_printf(arena, "%s %s", outer, run_id) : run_id, 1);
}

struct run_result *run_suite(const struct run_opts *o, struct arena *arena)
{
    struct runner x = {.o = o, .r = result_new(o, arena), .any_ran = o->cleanup_only};
    struct supervisor_opts so = {.suite = o->suite,
                                 .results_dir = o->dir,
                                 .interrupted = &interrupts,
                                 .observer = o->observers[0],
                                 .journal = o->journal,
                                 .no_cleanup = o->no_cleanup};
    struct handlers old;
    struct monitor monitor;
    struct err e;

    mark_children(o->run_id, arena);
    if (!child_guard_begin(&e))
        give_up(&x, e.text);
    catch_signals(&old);
    monitor_start(&monitor);
    for (int i = 0; o->observers[i]; i++)
        if (o->observers[i]->run_begin)
            o->observers[i]->run_begin(o->observers[i]->ctx, x.r);
    x.context = (struct phase_context){.suite = o->suite,
                                       .run_id = o->run_id,
                                       .seed = seed_of(o->run_id),
                                       .result = x.r,
                                       .supervisor = supervisor_new(&so),
                                       .monitor = &monitor,
                                       .observers = o->observers,
                                       .journal = o->journal,
                                       .arena = arena};
    start_services(&x, services_wanted(o));
    note_interrupt(&x);
    for (int i = 0; i < o->suite->phase_count; i++) {
        x.r->phase_count = i + 1;
        run_one(&x, &o->suite->phases[i], &x.r->phases[i]);
    }
    look_after_services(&x);
    tear_down(&x);
    note_interrupt(&x);
    finish(&x, &monitor);
    release_signals(&old);
    child_guard_end();
    return x.r;
}

/*
 * phase.c - the life of a phase.
 *
 *     bind      steps with values that were not known before
 *     prepare   each step's driver, on the main thread
 *     open      every lane of every step, each on its own thread; all meet at the gate
 *     run       from one common moment; the main thread watches, shows and may end it early
 *     gather    threads joined, drivers collect, meters merged
 *
 * A step that cannot be prepared or opened ends the phase before anything is sent: half of a
 * parallel phase would measure something that nobody asked for.
 */
#include "run/phase_state.h"

#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "run/ladder.h"
#include "run/monitor.h"
#include "run/pacer.h"
#include "run/supervisor.h"

#define TICK_MS         200
#define INTERRUPT_GRACE (500 * NS_PER_MS) /* for operations in flight after Ctrl-C */

static void wait_at_gate(struct phase_run *p)
{
    pthread_mutex_lock(&p->lock);
    p->at_gate++;
    pthread_cond_broadcast(&p->gate);
    while (!p->gate_open)
        pthread_cond_wait(&p->gate, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

static void *lane_main(void *arg)
{
    struct lane_thread *t = arg;
    struct phase_run *p = t->step->phase;
    uint64_t one = 1;

    t->opened = lane_open(t->lane);
    wait_at_gate(p);
    if (t->opened && !atomic_load(&t->step->control.cancelled))
        lane_run(t->lane);
    lane_close(t->lane);
    p->running--;
    if (write(p->done_fd, &one, sizeof(one)) < 0)
        bug("eventfd");
    return NULL;
}

static bool prepare_step(struct phase_run *p, struct step_run *s)
{
    const struct step *step = s->step;
    const struct driver *d = step->driver;
    struct err e = {0};
    int lanes = (int)step->load.lanes;

    s->job = (struct job){.name = step->name,
                          .run_id = p->c->run_id,
                          .opts = step->opts,
                          .arena = p->c->arena,
                          .engine = &p->board,
                          .interrupted = p->c->interrupted,
                          .declared = &step->declared};
    s->job.priv = arena_alloc(p->c->arena, d->job_size);
    s->job.verify = step->load.executor == EX_ONCE;
    s->job.lane_count = lanes;
    if (load_model(&step->load) == EX_AGENT_FLEET)
        s->job.fleet = (struct fleet_shape){(uint32_t)step->load.agents, step->load.interval,
                                            step->load.ramp, step->load.executor == EX_STEPPING};
    for (int i = 0; i < lanes; i++)
        s->job.max_ops += pacer_slots(&step->load, i, lanes);
    step_shape(step, p->c->arena, &s->result->shape);
    meter_init(&s->result->meter, &s->result->shape);
    s->prepared = true;
    if (!d->prepare || d->prepare(&s->job, &e))
        return true;
    phase_fail_step(p, s, e.text);
    return false;
}

static void make_lanes(struct phase_run *p, struct step_run *s)
{
    int n = s->job.lane_count;

    s->threads = arena_array(p->c->arena, struct lane_thread, n);
    s->lanes = arena_array(p->c->arena, struct lane_run *, n);
    s->live = xcalloc(1, sizeof(*s->live));
    atomic_init(&s->control.stop_ns, UINT64_MAX);
    atomic_init(&s->control.grace_ns, (uint64_t)s->step->load.graceful_stop);
    if (s->job.verify)
        atomic_init(&s->control.grace_ns, INTERRUPT_GRACE);
    if (s->step->load.executor == EX_STEPPING)
        s->ladder = xcalloc(1, sizeof(*s->ladder));
    for (int i = 0; i < n; i++) {
        struct lane_setup setup = {s->step->driver, &s->job, &s->step->load, &s->result->shape,
                                   &s->control,     i,       s->seed,        s->ladder};

        s->lanes[i] = lane_new(&setup);
        s->threads[i] = (struct lane_thread){.step = s, .lane = s->lanes[i]};
        p->lane_count++;
    }
}

/* True if every lane is open.  The gate stays shut: nothing is sent before all are. */
static bool open_lanes(struct phase_run *p)
{
    bool ok = true;

    atomic_store(&p->running, p->lane_count);
    for (int i = 0; i < p->step_count; i++) {
        struct step_run *s = &p->steps[i];

        for (int k = 0; k < s->job.lane_count; k++) {
            struct lane_thread *t = &s->threads[k];

            if (pthread_create(&t->thread, NULL, lane_main, t) != 0)
                err_bug(__FILE__, __LINE__, "cannot create a thread");
            t->created = true;
        }
    }
    pthread_mutex_lock(&p->lock);
    while (p->at_gate < p->lane_count)
        pthread_cond_wait(&p->gate, &p->lock);
    pthread_mutex_unlock(&p->lock);
    for (int i = 0; i < p->step_count; i++) {
        for (int k = 0; k < p->steps[i].job.lane_count; k++) {
            if (p->steps[i].threads[k].opened)
                continue;
            phase_fail_step(p, &p->steps[i], lane_error(p->steps[i].lanes[k]));
            ok = false;
        }
    }
    return ok;
}

static void note_all(void *ctx, const char *line)
{
    const struct phase_run *p = ctx;

    for (int i = 0; p->c->observers[i]; i++)
        if (p->c->observers[i]->note)
            p->c->observers[i]->note(p->c->observers[i]->ctx, line);
}

/* Before the gate opens: the lanes find their first size there. */
static void begin_stepper(struct phase_run *p, struct step_run *s)
{
    s->stepper = arena_new(p->c->arena, struct stepper);
    *s->stepper = (struct stepper){.result = s->result,
                                   .control = &s->control,
                                   .ladder = s->ladder,
                                   .lanes = s->lanes,
                                   .lane_count = s->job.lane_count,
                                   .start_ns = s->start_ns,
                                   .arena = p->c->arena,
                                   .note = note_all,
                                   .ctx = p};
    stepper_begin(s->stepper);
}

static void open_gate(struct phase_run *p, bool go)
{
    uint64_t start = now_ns() + NS_PER_MS;

    for (int i = 0; i < p->step_count; i++) {
        struct step_run *s = &p->steps[i];

        s->start_ns = start + (uint64_t)s->step->load.start_time;
        s->result->begun = go;
        s->result->started_wall_ns = wall_ns() + (uint64_t)s->step->load.start_time;
        atomic_store(&s->control.cancelled, !go);
        atomic_store(&s->control.start_ns, s->start_ns);
        if (go)
            meter_init(&s->meter, &s->result->shape);
        if (go && s->ladder)
            begin_stepper(p, s);
    }
    pthread_mutex_lock(&p->lock);
    p->gate_open = true;
    pthread_cond_broadcast(&p->gate);
    pthread_mutex_unlock(&p->lock);
}

static bool is_over(const struct step_run *s)
{
    for (int k = 0; k < s->job.lane_count; k++)
        if (!atomic_load_explicit(&lane_live(s->lanes[k])->over, memory_order_relaxed))
            return false;
    return true;
}

/* Ends the steps that are not over: as planned, or in a hurry because they cannot go on. */
static void stop_steps(struct phase_run *p, bool hurry, bool interrupted)
{
    uint64_t now = now_ns();

    p->stopped = true;
    for (int i = 0; i < p->step_count; i++) {
        struct step_run *s = &p->steps[i];

        s->result->interrupted = interrupted && !is_over(s);
        if (hurry) {
            atomic_store(&s->control.cut, true);
            atomic_store(&s->control.grace_ns, INTERRUPT_GRACE);
        }
        atomic_store(&s->control.stop_ns, now);
    }
}

static bool until_stopped(const struct phase_run *p)
{
    for (int i = 0; i < p->step_count; i++)
        if (p->steps[i].step->load.duration == DURATION_UNTIL_STOPPED &&
            !p->steps[i].step->load.with_others)
            return true;
    return false;
}

/* Steps that last as long as the others: their end is now, once those are over. */
static void follow_others(struct phase_run *p)
{
    bool any = false;

    for (int i = 0; i < p->step_count; i++) {
        if (!p->steps[i].step->load.with_others && !is_over(&p->steps[i]))
            return;
        any |= p->steps[i].step->load.with_others;
    }
    for (int i = 0; any && i < p->step_count; i++)
        if (p->steps[i].step->load.with_others)
            atomic_store(&p->steps[i].control.stop_ns, now_ns());
    p->followed = any;
}

/* Ctrl-C is the planned end of `until-stopped`, and cuts everything else short. */
static void watch(struct phase_run *p)
{
    struct run_result *r = p->c->result;
    struct err e;

    monitor_tick(p->c->monitor);
    if (!p->followed)
        follow_others(p);
    if (p->stopped)
        return;
    if (*p->c->interrupted && until_stopped(p)) {
        *p->c->interrupted = 0;
        stop_steps(p, false, false);
    } else if (*p->c->interrupted) {
        stop_steps(p, true, true);
    } else if (p->c->supervisor && p->out->phase->when != WHEN_ALWAYS &&
               !supervisor_healthy(p->c->supervisor, r->services, p->c->arena, &e)) {
        for (int i = 0; i < p->step_count; i++)
            phase_fail_step(p, &p->steps[i], e.text);
        stop_steps(p, true, false);
    }
}

static void show(struct phase_run *p)
{
    uint64_t now = now_ns();

    for (int i = 0; i < p->step_count; i++) {
        struct step_run *s = &p->steps[i];
        struct live *l = &p->live[i];

        live_snapshot(s->live, s->lanes, s->job.lane_count, s->step, s->start_ns, now, l);
        if (l->vus >= 0 && l->started && !l->over)
            meter_gauge(&s->meter, M_VUS, 0, TAG_OK, (int)(l->elapsed_ns / NS_PER_S),
                        (double)l->vus);
    }
    for (int i = 0; p->c->observers[i]; i++)
        if (p->c->observers[i]->tick)
            p->c->observers[i]->tick(p->c->observers[i]->ctx, p->out, p->live, p->step_count);
}

/* ms until a stepping load wants to look again, at most `most`. */
static int step_on(struct phase_run *p, int most)
{
    uint64_t now = now_ns(), next = now + (uint64_t)most * NS_PER_MS;

    for (int i = 0; i < p->step_count; i++) {
        uint64_t wants = p->steps[i].stepper ? stepper_turn(p->steps[i].stepper, now) : UINT64_MAX;

        next = wants < next ? wants : next;
    }
    return next > now ? (int)((next - now + NS_PER_MS - 1) / NS_PER_MS) : 1;
}

static void follow(struct phase_run *p)
{
    struct pollfd pfd = {.fd = p->done_fd, .events = POLLIN};
    uint64_t count, shown = now_ns();
    int wait = TICK_MS;

    while (atomic_load(&p->running) > 0) {
        if (poll(&pfd, 1, wait) > 0 && read(p->done_fd, &count, sizeof(count)) < 0)
            bug("eventfd");
        watch(p);
        wait = step_on(p, TICK_MS);
        if (atomic_load(&p->running) > 0 && now_ns() - shown < TICK_MS * NS_PER_MS)
            continue;
        shown = now_ns();
        show(p);
    }
}

static void init(struct phase_run *p, struct phase_context *c, struct phase *phase,
                 struct phase_result *out)
{
    *p = (struct phase_run){.c = c, .out = out, .step_count = phase->step_count};
    p->board = (struct board){c->suite, c->journal, phase->name};
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->gate, NULL);
    p->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    p->steps = xcalloc((size_t)phase->step_count, sizeof(*p->steps));
    p->live = xcalloc((size_t)phase->step_count, sizeof(*p->live));
    for (int i = 0; i < phase->step_count; i++) {
        p->steps[i].phase = p;
        p->steps[i].seed = p->c->seed + (uint64_t)i;
        p->steps[i].step = &phase->steps[i];
        p->steps[i].result = &out->steps[i];
    }
}

static void fini(struct phase_run *p)
{
    close(p->done_fd);
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->gate);
    free(p->steps);
    free(p->live);
}

/* Values that a phase before this one has published; a mistake now is no usage error any more. */
static bool bind_deferred(struct phase_run *p, struct phase *phase)
{
    struct diags d;

    diags_init(&d, p->c->suite->file, p->c->arena);
    if (suite_bind_phase(p->c->suite, phase, &d))
        return true;
    for (const struct diag *g = d.first; g; g = g->next)
        if (!g->warning)
            phase_fail_step(p, &p->steps[0], g->text);
    return false;
}

static void run_steps(struct phase_run *p)
{
    bool ok = true;

    for (int i = 0; i < p->step_count && ok; i++)
        ok = prepare_step(p, &p->steps[i]);
    for (int i = 0; i < p->step_count && ok; i++)
        make_lanes(p, &p->steps[i]);
    if (ok) {
        open_gate(p, open_lanes(p));
        follow(p);
    }
    phase_gather(p);
}

void phase_run(struct phase_context *c, struct phase *phase, struct phase_result *out)
{
    uint64_t began = now_ns();
    struct phase_run p;

    out->started_wall_ns = wall_ns();
    out->steps = arena_array(c->arena, struct step_result, phase->step_count);
    for (int i = 0; i < phase->step_count; i++)
        out->steps[i].step = &phase->steps[i];
    init(&p, c, phase, out);
    if (bind_deferred(&p, phase)) {
        phase_link_attacks(out);
        run_steps(&p);
    }
    fini(&p);
    out->elapsed_ns = now_ns() - began;
}

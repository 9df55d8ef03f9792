/*
 * lane.c - the life of a lane, and its loop.
 *
 * One turn of the loop: fire the timers that are due, begin the operations that are due, then let
 * the event loop wait for I/O until the next of either.  The wait ends by a timerfd that is set to
 * an absolute time and only moved when something nearer comes up; libevent's own timers would cost
 * a system call a turn.  A sleeping thread wakes some 30 us late, so an open schedule is awaited by
 * polling for the last stretch (spin_ns), unless the rate is so high that the loop never sleeps
 * long, or the processors are all needed.  An operation that ends after the next one's due time
 * ends the loop's turn (due_ns), so that events which came together do not keep the schedule
 * waiting.
 */
#include "run/lane.h"

#include <errno.h>
#include <event2/event.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "run/lane_ladder.h"
#include "run/lane_state.h"
#include "suite/load.h"

#define LOOK_NS      (100 * NS_PER_MS) /* how often a lane looks at its control, at least */
#define SPIN_NS      (80 * NS_PER_US)
#define SPIN_RATE    20000.0 /* arrivals a second above which waiting by polling gains nothing */
#define LINGER_SHARE 4       /* of the polling before a due time, behind an answer */
#define BURST        128     /* operations begun before I/O gets a turn */
#define PACED_BURST  8       /* the same, where arrivals have a rate */

struct lane_run *lane_new(const struct lane_setup *s)
{
    struct lane_run *l = xcalloc(1, sizeof(*l));
    int n = pacer_slots(s->load, s->index, s->job->lane_count);

    l->setup = *s;
    l->wake_fd = -1;
    atomic_init(&l->live.shown, -1);
    l->lane = (struct lane){.job = s->job, .timers = &l->timers, .index = s->index, .op_count = n};
    l->lane.rng = s->seed ^ (uint64_t)(s->index + 1) * UINT64_C(0x9e3779b97f4a7c15);
    l->lane.priv = arena_alloc(&l->arena, s->driver->lane_size);
    l->lane.ops = arena_array(&l->arena, struct op, n);
    l->slots = arena_array(&l->arena, struct slot, n);
    for (int i = 0; s->driver->op_size && i < n; i++) {
        l->lane.ops[i].lane = &l->lane;
        l->lane.ops[i].priv = arena_alloc(&l->arena, s->driver->op_size);
    }
    l->statuses = arena_array(&l->arena, struct statuses, s->shape->part_count);
    meter_init(&l->meter, s->shape);
    pacer_init(&l->pacer, s->load, s->index, s->job->lane_count, s->seed);
    return l;
}

void lane_free(struct lane_run *l)
{
    meter_free(&l->meter);
    meter_free(&l->answer.meter);
    pacer_fini(&l->pacer);
    timers_free(&l->timers);
    arena_free(&l->arena);
    held_free(&l->totals.held);
    free(l);
}

/* Edge-triggered and never read: setting the timer again clears its count. */
static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
}

static struct event_base *base_new(void)
{
    struct event_config *cfg = event_config_new();
    struct event_base *base;

    event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK);
    base = event_base_new_with_config(cfg);
    event_config_free(cfg);
    return base;
}

bool lane_open(struct lane_run *l)
{
    l->lane.base = base_new();
    l->wake_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (!l->lane.base || l->wake_fd < 0)
        return err_errno(&l->err, "cannot create an event loop");
    l->wake = event_new(l->lane.base, l->wake_fd, EV_READ | EV_ET | EV_PERSIST, on_wake, l);
    if (!l->wake || event_add(l->wake, NULL) != 0)
        return err_set(&l->err, "cannot create an event loop");
    return !l->setup.driver->start || l->setup.driver->start(&l->lane, &l->err);
}

void lane_close(struct lane_run *l)
{
    if (l->lane.base && l->setup.driver->stop)
        l->setup.driver->stop(&l->lane);
    if (l->wake)
        event_free(l->wake);
    if (l->lane.base)
        event_base_free(l->lane.base);
    if (l->wake_fd >= 0)
        close(l->wake_fd);
    l->wake = NULL;
    l->lane.base = NULL;
    l->wake_fd = -1;
    atomic_store_explicit(&l->live.over, true, memory_order_relaxed);
}

void lane_account_held(struct lane_run *l, uint64_t now)
{
    uint64_t from = l->held_since_ns > l->ramp_end_ns ? l->held_since_ns : l->ramp_end_ns;

    if (now > l->pacer.end_ns)
        now = l->pacer.end_ns;
    if (l->setup.load->executor == EX_HOLD_CONNECTIONS)
        held_add(&l->totals.held, l->held, now > l->start_ns ? now - l->start_ns : 0);
    if (now > from)
        l->totals.held.held_ns += (double)l->held * (double)(now - from);
    if (now > l->held_since_ns)
        l->held_since_ns = now;
}

void lane_take_held(struct lane_run *l, uint64_t from_ns)
{
    uint64_t until = l->held_since_ns;

    if (l->setup.load->executor != EX_HOLD_CONNECTIONS || from_ns < l->start_ns)
        return;
    held_take(&l->totals.held, from_ns - l->start_ns);
    if (from_ns < l->ramp_end_ns)
        from_ns = l->ramp_end_ns;
    if (until > from_ns)
        l->totals.held.held_ns -= (double)(until - from_ns);
}

uint32_t lane_second(struct lane_run *l, uint64_t due_ns)
{
    if (due_ns - l->second_ns >= NS_PER_S) { /* wraps, and so holds, when due lies before */
        l->second = (uint32_t)((due_ns - l->start_ns) / NS_PER_S);
        l->second_ns = l->start_ns + l->second * NS_PER_S;
    }
    return l->second;
}

/*
 * How late the lane itself was.  Waiting until one of max_in_flight operations has ended is the
 * target's doing: it counts in op_duration, not here.
 */
static uint64_t lag_of(const struct lane_run *l, const struct op *op)
{
    uint64_t could = op->due_ns > l->freed_ns ? op->due_ns : l->freed_ns;

    return op->begun_ns > could ? op->begun_ns - could : 0;
}

/* Open models have no users; the operation's place is one, told from all that run at the same time.
 */
static uint32_t user_of(const struct lane_run *l, uint32_t at)
{
    return at * (uint32_t)l->setup.job->lane_count + (uint32_t)l->lane.index + 1;
}

/*
 * Those used last come first.  One that never was is taken last, so that room for very many costs
 * nothing until they are needed.
 */
static uint32_t take_free(struct lane_run *l)
{
    uint32_t at = l->free ? l->free - 1 : l->fresh++;

    if (l->free)
        l->free = l->slots[at].next_free;
    return at;
}

/* When that was: reading the clock again would cost as much as the rest of this. */
static uint64_t begin(struct lane_run *l, const struct arrival *a)
{
    uint64_t now = now_ns();
    uint32_t at = take_free(l);
    struct op *op = &l->lane.ops[at];

    l->slots[at].busy = true;
    l->busy++;
    l->totals.sent++;
    *op = (struct op){&l->lane,
                      op->priv,
                      a->due_ns,
                      now,
                      a->iteration,
                      a->vu ? a->vu : user_of(l, at),
                      a->agent,
                      lane_second(l, a->due_ns),
                      0};
    meter_trend(&l->meter, M_SCHEDULE_LAG, 0, TAG_OK, (int)op->second, lag_of(l, op));
    live_add(&l->live.begun, 1);
    atomic_store_explicit(&l->live.in_flight, l->busy, memory_order_relaxed);
    l->setup.driver->fire(&l->lane, op);
    return now;
}

/*
 * Begins what is due; when to come back: at once after a full burst, else at the next due time.
 * Where arrivals have a rate, bursts are short, and while events are at hand they and what is due
 * take turns: all that is due at once would need what those events are about to give back,
 * connections say, and take longer than doing one after the other.
 */
static uint64_t begin_due(struct lane_run *l, uint64_t now)
{
    int most = !l->paced ? BURST : event_base_got_break(l->lane.base) ? 1 : PACED_BURST;
    struct arrival a;
    uint64_t next = UINT64_MAX;

    l->due_ns = l->paced ? now : UINT64_MAX;
    for (int n = 0; lane_has_free(l) && now < l->deadline_ns; n++) {
        if (n == most)
            return 0;
        if (!pacer_take(&l->pacer, now, &a, &next)) {
            if (l->paced)
                l->due_ns = next;
            return next;
        }
        now = begin(l, &a);
    }
    return UINT64_MAX;
}

static uint64_t earliest(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void count_dropped(struct lane_run *l)
{
    uint64_t now = now_ns(), n = pacer_drop(&l->pacer, now);
    int second = (int)lane_second(l, earliest(now, l->end_ns));

    l->totals.dropped += n;
    if (n == 0)
        return;
    meter_count(&l->meter, M_DROPPED_ITERATIONS, 0, TAG_FAILED, second, (double)n);
    if (load_model(l->setup.load) == EX_AGENT_FLEET)
        meter_count(&l->meter, M_MISSED_BEATS, 0, TAG_OK, second, (double)n);
}

/*
 * The main thread may have ended the step early.  Of stepping that is when its answer is known:
 * what still waits for a target that cannot keep up is not sent to it any more.
 */
static void obey(struct lane_run *l)
{
    uint64_t stop = atomic_load_explicit(&l->setup.control->stop_ns, memory_order_relaxed);
    uint64_t grace = atomic_load_explicit(&l->setup.control->grace_ns, memory_order_relaxed);

    if (stop < l->end_ns) {
        l->end_ns = stop;
        l->stopped = true;
        pacer_stop(&l->pacer, stop);
        if (l->setup.ladder)
            count_dropped(l);
    }
    l->deadline_ns = l->end_ns > UINT64_MAX - grace ? UINT64_MAX : l->end_ns + grace;
}

static bool is_over(struct lane_run *l, uint64_t now)
{
    if (now >= l->deadline_ns)
        return true;
    if (l->setup.load->executor == EX_HOLD_CONNECTIONS)
        return now >= l->end_ns;
    return l->busy == 0 && pacer_exhausted(&l->pacer, now);
}

static void arm(struct lane_run *l, uint64_t when)
{
    struct itimerspec spec = {
        .it_value = {(time_t)(when / NS_PER_S), (long)(when % NS_PER_S)},
    };

    timerfd_settime(l->wake_fd, TFD_TIMER_ABSTIME, &spec, NULL);
    l->armed_ns = when;
}

static void wait_until(struct lane_run *l, uint64_t when, uint64_t now)
{
    uint64_t latest = now + LOOK_NS;

    if (when <= now + l->spin_ns || now < l->ended_ns + l->linger_ns) {
        event_base_loop(l->lane.base, EVLOOP_NONBLOCK | EVLOOP_ONCE);
        return;
    }
    when -= l->spin_ns;
    if (when > latest)
        when = latest;
    if (l->armed_ns <= now || when < l->armed_ns)
        arm(l, when);
    event_base_loop(l->lane.base, EVLOOP_ONCE);
}

static void turn(struct lane_run *l)
{
    uint64_t now = now_ns(), next;

    if (l->setup.ladder)
        lane_ladder_follow(l);
    timers_run(&l->timers, now);
    next = begin_due(l, now);
    if (l->setup.driver->flush)
        l->setup.driver->flush(&l->lane);
    obey(l);
    atomic_store_explicit(&l->live.population, pacer_population(&l->pacer), memory_order_relaxed);
    now = now_ns();
    if (is_over(l, now))
        return;
    next = earliest(next, timers_next(&l->timers));
    next = earliest(next, l->end_ns > now ? l->end_ns : l->deadline_ns);
    wait_until(l, next, now);
}

/*
 * At most half of the time, so that others get to run; and where the lanes take all processors, a
 * lane that polls would take them from the target.
 */
static uint64_t spin_for(const struct load *load, int lanes)
{
    double rate = load_peak_rate(load);
    bool spare = sysconf(_SC_NPROCESSORS_ONLN) > lanes;

    if (!spare || rate <= 0 || rate / lanes > SPIN_RATE)
        return 0;
    return earliest(SPIN_NS, (uint64_t)(1e9 * lanes / rate / 2));
}

static void ready(struct lane_run *l)
{
    const struct load *load = l->setup.load;
    uint64_t start = atomic_load(&l->setup.control->start_ns);
    double ramp_s = load->executor == EX_HOLD_CONNECTIONS && load->rate > 0
                        ? (double)load->connections / load->rate
                        : 0;

    l->start_ns = l->second_ns = start;
    pacer_start(&l->pacer, start);
    if (l->setup.ladder)
        lane_ladder_follow(l);
    l->end_ns = l->pacer.end_ns;
    l->held_since_ns = start;
    l->ramp_end_ns = start + (uint64_t)(ramp_s * 1e9);
    l->paced = load_peak_rate(load) > 0;
    l->spin_ns = spin_for(load, l->setup.job->lane_count);
    l->linger_ns = l->spin_ns / LINGER_SHARE;
    obey(l);
}

/* What is still in flight when the grace is over is recorded at its age, which is a lower bound. */
static void end_unfinished(struct lane_run *l)
{
    uint64_t now = now_ns();
    bool held = l->setup.load->executor == EX_HOLD_CONNECTIONS;
    bool excused; /* cut short by us, or by the end of the load while others were held */

    lane_account_held(l, now);
    excused = atomic_load(&l->setup.control->cut) || (held && held_ever(&l->totals.held));
    for (uint32_t i = 0; i < l->fresh; i++) {
        struct op *op = &l->lane.ops[i];

        if (!l->slots[i].busy)
            continue;
        if (held && l->slots[i].held) {
            if (l->setup.driver->last_look)
                l->setup.driver->last_look(op, now);
            if (!l->slots[i].busy)
                continue;
            op_done_at(op, OP_OK, NULL, now);
            continue;
        }
        l->totals.unfinished++;
        meter_count(&l->meter, M_UNFINISHED, op->part, TAG_FAILED, (int)op->second, 1);
        if (!excused)
            op_done_at(op, OP_ABORTED, "still unanswered when the time was over", now);
    }
}

void lane_run(struct lane_run *l)
{
    double ask_from, ask_to;

    ready(l);
    while (now_ns() < l->start_ns && now_ns() < l->end_ns) {
        obey(l);
        wait_until(l, l->start_ns, now_ns());
    }
    if (l->setup.driver->begin && !is_over(l, now_ns()))
        l->setup.driver->begin(&l->lane, l->start_ns);
    while (!is_over(l, now_ns()))
        turn(l);
    ask_from = (double)l->ramp_end_ns;
    ask_to = (double)earliest(l->end_ns, now_ns());
    if (ask_to > ask_from)
        l->totals.held.asked_ns = (double)l->pacer.wanted * (ask_to - ask_from);
    atomic_store_explicit(&l->live.population, -1, memory_order_relaxed);
    /* The driver's own clean-up must not report again: the operations end here first. */
    end_unfinished(l);
    count_dropped(l);
}

const struct lane_live *lane_live(const struct lane_run *l)
{
    return &l->live;
}

struct ladder_answer *lane_answer(struct lane_run *l)
{
    return &l->answer;
}

const char *lane_error(const struct lane_run *l)
{
    return l->err.text;
}

const struct meter *lane_meter(const struct lane_run *l)
{
    return &l->meter;
}

const struct lane_totals *lane_totals(const struct lane_run *l)
{
    return &l->totals;
}

const struct failures *lane_failures(const struct lane_run *l)
{
    return &l->failures;
}

const struct statuses *lane_statuses(const struct lane_run *l)
{
    return l->statuses;
}

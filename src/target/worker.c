#include "target/worker.h"

#include <errno.h>
#include <event2/event.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "net/h2_pool.h"
#include "target/errand.h"
#include "target/ledger.h"
#include "target/nexus.h"
#include "target/peer.h"
#include "target/server.h"

#define ACCEPT_BATCH 64
#define PAUSE_NS     (100 * NS_PER_MS)
#define SPIN_NS      (30 * NS_PER_US) /* polled before a departure, beyond the usual lateness */
#define LEAD_STEP_NS NS_PER_US
#define LEAD_MAX_NS  (150 * NS_PER_US)

struct listener {
    struct worker *worker;
    struct event *event;
    int fd;
};

#define WORKER_OF(t, member) ((struct worker *)((char *)(t)-offsetof(struct worker, member)))

static void pause_accepting(struct worker *w)
{
    if (w->paused || w->draining)
        return;
    w->paused = true;
    ledger_count(w->server->ledger, COUNT_ACCEPT_PAUSED, 1);
    for (int i = 0; i < w->server->config.listen_count; i++)
        event_del(w->listeners[i].event);
    timers_set(&w->deadlines, &w->resume, now_ns() + PAUSE_NS);
}

static void resume_accepting(struct worker *w)
{
    if (!w->paused || w->draining)
        return;
    w->paused = false;
    timers_cancel(&w->deadlines, &w->resume);
    for (int i = 0; i < w->server->config.listen_count; i++)
        event_add(w->listeners[i].event, NULL);
}

static void on_resume(struct timer *t, uint64_t now)
{
    (void)now;
    resume_accepting(WORKER_OF(t, resume));
}

void worker_room(struct worker *w)
{
    if (w->paused)
        resume_accepting(w);
}

/* The kernel's queue holds the rest until there is room. */
static bool out_of_room(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

/* False ends the batch. */
static bool accept_one(struct worker *w, int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd >= 0) {
        peer_new(w, fd, w->server->config.tls);
        return true;
    }
    if (out_of_room(errno))
        pause_accepting(w);
    /* Any other error is that of a connection which has gone already. */
    return errno != EAGAIN && !out_of_room(errno);
}

static void on_accept(evutil_socket_t fd, short what, void *ctx)
{
    struct worker *w = ((struct listener *)ctx)->worker;
    const struct server_config *c = &w->server->config;

    (void)what;
    for (int i = 0; i < ACCEPT_BATCH; i++) {
        if (ledger_open(w->server->ledger) >= c->max_connections) {
            pause_accepting(w);
            return;
        }
        if (!accept_one(w, fd))
            return;
    }
}

static void close_listeners(struct worker *w)
{
    for (int i = 0; i < w->server->config.listen_count; i++) {
        if (w->listeners[i].event)
            event_free(w->listeners[i].event);
        if (w->listeners[i].fd >= 0)
            close(w->listeners[i].fd);
        w->listeners[i] = (struct listener){.fd = -1};
    }
}

static void on_grace(struct timer *t, uint64_t now)
{
    (void)now;
    WORKER_OF(t, grace)->over = true;
}

static void on_stop(evutil_socket_t fd, short what, void *ctx)
{
    struct worker *w = ctx;
    struct peer *next;

    (void)fd;
    (void)what;
    w->over |= atomic_load(&w->server->stops) > 1;
    if (w->draining)
        return;
    w->draining = true;
    timers_cancel(&w->deadlines, &w->resume);
    close_listeners(w);
    if (w->links)
        links_drain(w->links);
    timers_set(&w->deadlines, &w->grace, now_ns() + w->server->config.grace);
    for (struct peer *p = w->peers; p; p = next) {
        next = peer_next(p);
        peer_drain(p);
    }
}

/*
 * How late a timer wakes is a property of the machine, from 5 us to more than 100 where an idle
 * processor has to be fetched back from a hypervisor.  `lead` follows the quantile 0.9 of it: nine
 * small steps down balance one large step up.
 */
static void learn_lead(struct worker *w, uint64_t late)
{
    if (late > w->lead)
        w->lead += 9 * LEAD_STEP_NS;
    else if (w->lead >= LEAD_STEP_NS)
        w->lead -= LEAD_STEP_NS;
    if (w->lead > LEAD_MAX_NS)
        w->lead = LEAD_MAX_NS;
}

static void on_tick(evutil_socket_t fd, short what, void *ctx)
{
    struct worker *w = ctx;
    uint64_t now = now_ns();

    (void)fd;
    (void)what;
    if (w->armed && now >= w->armed)
        learn_lead(w, now - w->armed);
    w->armed = 0;
}

/* A tick that is set too early wakes once for nothing, which is cheaper than moving it each time.
 */
static void arm(struct worker *w, uint64_t when)
{
    struct itimerspec at = {.it_value = {(time_t)(when / NS_PER_S), (long)(when % NS_PER_S)}};

    if (w->armed && w->armed <= when)
        return;
    w->armed = when;
    timerfd_settime(w->tick_fd, TFD_TIMER_ABSTIME, &at, NULL);
}

/*
 * The tick is set early by what timers are usually late, and the rest is spent polling: departures
 * are exact, and what arrives in the meantime is still read at once.
 */
static void wait_for_events(struct worker *w, uint64_t now)
{
    uint64_t due = timers_next(&w->dues), when = timers_next(&w->deadlines);
    uint64_t early = SPIN_NS + w->lead;

    if (due != UINT64_MAX && due - early < when)
        when = due - early;
    if (when <= now) {
        event_base_loop(w->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
        return;
    }
    if (when != UINT64_MAX)
        arm(w, when);
    event_base_loop(w->base, EVLOOP_ONCE);
}

/* Visitors of a hub are peers of their own and what still has to reach the hub. */
static bool is_done(const struct worker *w)
{
    return w->over || (w->draining && !w->peers && (!w->links || links_are_idle(w->links)));
}

void worker_run(struct worker *w)
{
    if (w->server->config.nexus)
        w->links = links_new(w, w->server->config.nexus);
    for (;;) {
        uint64_t now = now_ns();

        timers_run(&w->deadlines, now);
        timers_run(&w->dues, now);
        if (is_done(w))
            return;
        wait_for_events(w, now_ns());
    }
}

static void take_listeners(struct worker *w, const int *fds)
{
    int n = w->server->config.listen_count;

    w->listeners = xcalloc((size_t)n, sizeof(*w->listeners));
    for (int i = 0; i < n; i++)
        w->listeners[i] = (struct listener){.worker = w, .fd = fds[i]};
}

static bool accept_events(struct worker *w)
{
    for (int i = 0; i < w->server->config.listen_count; i++) {
        struct listener *l = &w->listeners[i];

        l->event = event_new(w->base, l->fd, EV_READ | EV_PERSIST, on_accept, l);
        if (!l->event || event_add(l->event, NULL) < 0)
            return false;
    }
    return true;
}

/*
 * The base gets no timers.  libevent would set its own clock anew at every turn of the loop, and on
 * a virtual machine that costs more than a request: a timerfd of ours is set only when it has to
 * be.
 */
static struct event_base *base_new(void)
{
    struct event_config *c = mem_check(event_config_new());
    struct event_base *base;

    event_config_set_flag(c, EVENT_BASE_FLAG_NOLOCK);
    event_config_require_features(c, EV_FEATURE_ET | EV_FEATURE_EARLY_CLOSE);
    base = event_base_new_with_config(c);
    event_config_free(c);
    return base;
}

static bool watch(struct worker *w)
{
    short edge = EV_READ | EV_ET | EV_PERSIST;

    w->tick_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    w->base = base_new();
    if (!w->base || w->tick_fd < 0)
        return false;
    w->tick = event_new(w->base, w->tick_fd, edge, on_tick, w);
    w->stop = event_new(w->base, w->server->stop_fd, edge, on_stop, w);
    return w->tick && w->stop && event_add(w->tick, NULL) == 0 && event_add(w->stop, NULL) == 0;
}

struct worker *worker_new(struct server *s, int number, const int *fds, struct err *e)
{
    struct worker *w = xcalloc(1, sizeof(*w));

    w->server = s;
    w->number = number;
    w->pool = h2_pool_new();
    w->resume.fire = on_resume;
    w->grace.fire = on_grace;
    take_listeners(w, fds);
    if (!watch(w) || !accept_events(w))
        err_set(e, "cannot make an event loop");
    else if (errands_start(w, s->config.page_threads, e))
        return w;
    worker_free(w);
    return NULL;
}

void worker_free(struct worker *w)
{
    if (!w)
        return;
    w->draining = true;
    links_free(w->links);
    while (w->peers)
        peer_close(w->peers);
    errands_stop(w);
    close_listeners(w);
    free(w->listeners);
    if (w->tick)
        event_free(w->tick);
    if (w->stop)
        event_free(w->stop);
    if (w->base)
        event_base_free(w->base);
    if (w->tick_fd >= 0)
        close(w->tick_fd);
    timers_free(&w->dues);
    timers_free(&w->deadlines);
    buf_free(&w->out);
    h2_pool_free(w->pool);
    free(w);
}

const char *worker_date(struct worker *w, uint64_t now)
{
    uint64_t wall;
    time_t s;
    struct tm tm;

    if (now < w->date_until)
        return w->date;
    wall = wall_ns();
    s = (time_t)(wall / NS_PER_S);
    strftime(w->date, sizeof(w->date), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&s, &tm));
    w->date_until = now + NS_PER_S - wall % NS_PER_S;
    return w->date;
}

/*
 * link.c - one backend's connection to its hub: dial, prove, stay, and dial again.
 *
 * Pauses double from the first to the longest, each swaying by a quarter either way, so that many
 * backends do not come back to a hub at the same moment.  A refusal cannot be cured by patience:
 * after five in a row the server gives up.
 */
#include "target/link.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/units.h"
#include "target/server.h"

#define REFUSALS_MAX       5
#define UNREAD_MAX         (4 << 20) /* bytes that wait for the hub: it asks and does not listen */
#define ATTEST_NS          (15 * NS_PER_S) /* from the connect until the hub has accepted */
#define SILENT_BEATS       2 /* after which 10 s have passed since the first unanswered ping */

#define LINK_OF(t, member) ((struct link *)((char *)(t)-offsetof(struct link, member)))

__attribute__((format(printf, 2, 3))) static void say(const struct link *l, const char *fmt, ...)
{
    char line[512], text[400];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    snprintf(line, sizeof(line), "backend %d: %s", l->number, text);
    for (char *p = line; *p; p++)
        if ((unsigned char)*p < ' ')
            *p = '?';
    l->owner->nexus->tell(line);
}

static void try_again(struct link *l)
{
    struct links *all = l->owner;
    double sway = 0.75 + rng_unit(rng_next(&all->rng)) / 2;
    uint64_t pause = (uint64_t)((double)l->pause * sway);
    char words[HUB_WORDS], when[UNITS_MAX];

    hubconn_words(&l->hub, words);
    say(l, "%s; next try in %s", words, units_print_duration((double)pause, when));
    l->pause = l->pause * 2 < all->nexus->retry_max ? l->pause * 2 : all->nexus->retry_max;
    timers_set(&all->worker->deadlines, &l->again, now_ns() + pause);
}

static bool was_refused(const struct hubconn *s)
{
    return (s->end == END_CLOSED && s->ws.code == WS_CODE_POLICY) ||
           (s->end == END_REFUSED && (s->ws.status == 401 || s->ws.status == 403));
}

static void ended(struct link *l)
{
    struct links *all = l->owner;
    char words[HUB_WORDS];

    tunnels_close(l);
    timers_cancel(&all->worker->deadlines, &l->beat);
    if (all->draining)
        return;
    l->refusals = was_refused(&l->hub) ? l->refusals + 1 : 0;
    if (l->refusals < REFUSALS_MAX) {
        try_again(l);
        return;
    }
    say(l, "refused %d times in a row, giving up: %s", l->refusals, hubconn_words(&l->hub, words));
    atomic_store(&all->nexus->gave_up, true);
    server_stop(all->worker->server);
}

static void accepted(struct link *l)
{
    struct nexus *n = l->owner->nexus;
    char line[64];
    int so_far;

    l->pause = n->retry;
    l->refusals = 0;
    l->silent = 0;
    timers_set(&l->owner->worker->deadlines, &l->beat, now_ns() + n->beat);
    say(l, "registered");
    if (l->registered)
        return;
    l->registered = true;
    so_far = atomic_fetch_add(&n->registered, 1) + 1;
    if (so_far < n->backends)
        return;
    snprintf(line, sizeof(line), "registered all %d backends", n->backends);
    n->tell(line);
}

static void hang_up(struct link *l, const char *why)
{
    wsconn_drop(&l->hub.ws);
    l->hub.end = END_PROTOCOL;
    snprintf(l->hub.ws.error.why, sizeof(l->hub.ws.error.why), "%s", why);
    ended(l);
}

static void message(struct link *l, const struct http1_span *data)
{
    control_read(l, data->data, data->len);
    if (wsconn_waiting(&l->hub.ws) > UNREAD_MAX)
        hang_up(l, "the hub does not read what it asks for");
}

static void on_event(struct hubconn *s, enum hubconn_event what, const struct http1_span *data)
{
    struct link *l = (struct link *)s;

    switch (what) {
    case HUB_ACCEPTED:
        accepted(l);
        break;
    case HUB_MESSAGE:
        message(l, data);
        break;
    case HUB_WRITABLE:
        tunnels_pump(l);
        break;
    case HUB_ENDED:
        ended(l);
        break;
    default:
        break;
    }
}

static void on_beat(struct timer *t, uint64_t now)
{
    struct link *l = LINK_OF(t, beat);
    struct hubconn *s = &l->hub;

    if (!s->accepted) {
        hang_up(l, "the hub has neither accepted nor refused");
        return;
    }
    l->silent = s->ws.received == l->heard ? l->silent + 1 : 0;
    l->heard = s->ws.received;
    if (l->silent >= SILENT_BEATS) {
        hang_up(l, "the hub has not answered a ping");
        return;
    }
    wsconn_send(&s->ws, WS_PING, "beat", 4);
    timers_set(&l->owner->worker->deadlines, &l->beat, now + l->owner->nexus->beat);
}

static void on_again(struct timer *t, uint64_t now)
{
    struct link *l = LINK_OF(t, again);

    l->heard = 0;
    timers_set(&l->owner->worker->deadlines, &l->beat, now + ATTEST_NS);
    hubconn_open(&l->hub, (unsigned)l->number, now);
}

static void link_init(struct link *l, struct links *all, int number)
{
    struct wsconn *ws = &l->hub.ws;

    l->owner = all;
    l->number = number;
    l->pause = all->nexus->retry;
    l->again.fire = on_again;
    l->beat.fire = on_beat;
    l->hub.attest = &all->nexus->attest;
    l->hub.event = on_event;
    ws->peer = &all->nexus->peer;
    ws->scratch = all->scratch;
    ws->conn.base = all->worker->base;
    ws->rng = rng_next(&all->rng);
    timers_set(&all->worker->deadlines, &l->again, now_ns());
}

struct links *links_new(struct worker *w, struct nexus *n)
{
    struct links *all = xcalloc(1, sizeof(*all));
    int threads = w->server->config.threads;

    all->worker = w;
    all->nexus = n;
    if (getrandom(&all->rng, sizeof(all->rng), 0) != sizeof(all->rng))
        all->rng = wall_ns();
    all->scratch = xcalloc(1, WSCONN_SCRATCH);
    all->chunk = xcalloc(1, NEXUS_FRAME_MAX);
    all->v = xcalloc((size_t)n->backends, sizeof(*all->v));
    for (int i = w->number; i < n->backends; i += threads)
        link_init(&all->v[all->n++], all, i + 1);
    return all;
}

void links_drain(struct links *all)
{
    all->draining = true;
    for (int i = 0; i < all->n; i++)
        timers_cancel(&all->worker->deadlines, &all->v[i].again);
}

bool links_are_idle(const struct links *all)
{
    for (int i = 0; i < all->n; i++)
        if (all->v[i].tunnel_count > 0 || wsconn_waiting(&all->v[i].hub.ws) > 0)
            return false;
    return true;
}

void links_free(struct links *all)
{
    if (!all)
        return;
    all->draining = true;
    for (int i = 0; i < all->n; i++) {
        struct link *l = &all->v[i];

        tunnels_close(l);
        wsconn_finish(&l->hub.ws, WS_CODE_GOING_AWAY, "the backend stops");
        wsconn_free(&l->hub.ws);
        timers_cancel(&all->worker->deadlines, &l->again);
        timers_cancel(&all->worker->deadlines, &l->beat);
    }
    free(all->v);
    free(all->scratch);
    free(all->chunk);
    free(all);
}

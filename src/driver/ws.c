/*
 * ws.c - one WebSocket conversation with a hub: upgrade, attestation, and then it is held open.
 *
 * What an operation waits for is said by its step: first for the hub's acceptance, or for the close
 * that was expected in its place; then until the time to hold it is over, when a close is still a
 * surprise; then for the peer's half of the closing handshake.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/units.h"
#include "driver/driver.h"
#include "driver/route.h"
#include "driver/hubconn.h"
#include "driver/target.h"
#include "net/pattern.h"
#include "net/tls.h"
#include "net/url.h"

#define WHY_MAX     256
#define MESSAGE_MAX (1 << 20)
#define FINISH_NS   NS_PER_S
#define DAY         INT64_C(86400000000000)

enum ws_metric {
    WS_CONNECTING,
    WS_SESSIONS,
    WS_SESSION_DURATION,
    WS_MSGS_SENT,
    WS_MSGS_RECEIVED,
    WS_ATTESTING,
    WS_REFUSED,
    WS_REAUTHS,
    WS_REAUTH_RTT,
    WS_METRICS,
};

struct ws_expect {
    bool accepted;
    int64_t close;
    const char *reason;
};

struct ws_opts {
    const struct target *target;
    struct attest_opts attest;
    struct ws_expect expect;
    int64_t hold, timeout, max_frame;
};

#define OPT_OF struct ws_expect
static const struct opt expect_rows[] = {
    OPT_BOOL(accepted, "true", "the hub accepts, and keeps the conversation open for `hold`"),
    OPT_INT(close, "0", "in place of that, the hub closes with this code", .min = 0, .max = 4999,
            .example = "1008"),
    OPT_TEXT(reason, NULL, "a pattern (PCRE2) that the reason of that close matches"),
    {0},
};
#undef OPT_OF

#define OPT_OF struct ws_opts
static const struct opt ws_table[] = {
    OPT_TARGET(target, "the hub, a wss: or ws: url", .flags = OPT_REQUIRED),
    OPT_SUB(attest, struct attest_opts, attest_table,
            "tokens to prove with that hostnames may be served; none are sent without it",
            OPT_GIVEN(attest.given)),
    OPT_SUB(expect, struct ws_expect, expect_rows, "how the hub has to behave"),
    OPT_DURATION(hold, "1s", "how long an accepted conversation stays open", .max = 365 * DAY),
    OPT_DURATION(timeout, "15s", "give up if the hub has neither accepted nor closed by then",
                 .min = 1000000, .max = DAY),
    OPT_SIZE(max_frame, "32785", "a larger frame of the hub is a protocol error", .min = 125,
             .max = MESSAGE_MAX),
    {0},
};
#undef OPT_OF

static const struct metric ws_metrics[] = {
    [WS_CONNECTING] = {"ws_connecting", METRIC_TREND, UNIT_TIME,
                       "from the connect to the end of the upgrade"},
    [WS_SESSIONS] = {"ws_sessions", METRIC_COUNTER, UNIT_NONE, "upgrades that succeeded"},
    [WS_SESSION_DURATION] = {"ws_session_duration", METRIC_TREND, UNIT_TIME,
                             "from the connect to the end of the conversation", .censored = true},
    [WS_MSGS_SENT] = {"ws_msgs_sent", METRIC_COUNTER, UNIT_NONE, "messages sent"},
    [WS_MSGS_RECEIVED] = {"ws_msgs_received", METRIC_COUNTER, UNIT_NONE, "messages received"},
    [WS_ATTESTING] = {"ws_attesting", METRIC_TREND, UNIT_TIME,
                      "from the end of the upgrade until the hub has accepted"},
    [WS_REFUSED] = {"ws_refused", METRIC_COUNTER, UNIT_NONE, "closes with code 1008"},
    [WS_REAUTHS] = {"reauths", METRIC_COUNTER, UNIT_NONE, "challenges answered and let pass"},
    [WS_REAUTH_RTT] = {"reauth_rtt", METRIC_TREND, UNIT_TIME,
                       "from the answer to a challenge until the hub has looked at it"},
    [WS_METRICS] = {0},
};

struct ws_job {
    const struct ws_opts *opts;
    struct wsconn_peer peer;
    struct attest attest;
    const struct pattern *reason;
};

struct ws_lane {
    char *scratch;
    unsigned turn;
};

enum step { STEP_IDLE, STEP_OPENING, STEP_HOLDING, STEP_FINISHING };

struct ws_op {
    struct hubconn hub; /* first: its events lead back here */
    struct op *op;
    struct timer timer;
    enum step step;
    uint64_t over_ns;                               /* when holding ended */
    uint64_t sent, received, bytes_sent, bytes_got; /* that have been counted already */
};

static bool ws_check(const void *opts, const struct node *at, const char *path, struct diags *d)
{
    const struct ws_opts *o = opts;
    struct pos pos = at ? at->at : (struct pos){0};
    int before = d->errors;
    struct err e;

    if (!o->target || !o->target->scheme) /* that has been told */
        return false;
    if (strcmp(o->target->scheme, "wss") != 0 && strcmp(o->target->scheme, "ws") != 0)
        diag_add(d, pos,
                 "%s.target: \"%s\" is a %s: url, and this driver speaks wss: and ws:", path,
                 o->target->name, o->target->scheme);
    if (!o->expect.accepted && o->expect.close == 0)
        diag_add(d, pos, "%s.expect: what is to happen, if not acceptance? (try close: 1008)",
                 path);
    if (o->expect.close > 0 && o->expect.close < 1000)
        diag_add(d, pos, "%s.expect.close: codes are 1000 to 4999", path);
    if (o->expect.reason && *o->expect.reason && o->expect.close == 0)
        diag_add(d, pos, "%s.expect.reason: only a close has one (try close: 1008)", path);
    if (o->expect.reason && !pattern_compile(o->expect.reason, d->arena, &e))
        diag_add(d, pos, "%s.expect.reason: %s", path, e.text);
    return d->errors == before;
}

static bool ws_prepare(struct job *job, struct err *e)
{
    static const char *const alpn[] = {"http/1.1", NULL};
    struct ws_job *j = job->priv;
    const struct ws_opts *o = job->opts;

    j->opts = o;
    j->peer.path = o->target->path;
    j->peer.host = url_authority(o->target->scheme, o->target->host, o->target->port, job->arena);
    j->peer.frame_max = (uint32_t)o->max_frame;
    j->peer.message_max = MESSAGE_MAX;
    if (o->attest.given && !attest_init(&j->attest, &o->attest, job->arena, e))
        return err_wrap(e, "attest");
    if (o->expect.reason && !(j->reason = pattern_compile(o->expect.reason, job->arena, e)))
        return false;
    return route_make(&j->peer.route, o->target, alpn, false, job->arena, e);
}

static void ws_collect(struct job *job)
{
    struct ws_job *j = job->priv;

    tls_ctx_free(j->peer.route.ctx);
    j->peer.route.ctx = NULL;
}

static const struct ws_job *job_of(const struct ws_op *w)
{
    return w->op->lane->job->priv;
}

/* Counted as it happens: a conversation that is held to the end of the load has no end of its own.
 */
static void account(struct ws_op *w)
{
    const struct wsconn *c = &w->hub.ws;

    if (c->messages_sent > w->sent)
        lane_count(w->op->lane, WS_MSGS_SENT, (double)(c->messages_sent - w->sent));
    if (c->messages_received > w->received)
        lane_count(w->op->lane, WS_MSGS_RECEIVED, (double)(c->messages_received - w->received));
    op_bytes(w->op, c->sent - w->bytes_sent, c->received - w->bytes_got);
    w->sent = c->messages_sent;
    w->received = c->messages_received;
    w->bytes_sent = c->sent;
    w->bytes_got = c->received;
}

static void done(struct ws_op *w, enum outcome outcome, const char *why, uint64_t end)
{
    const struct hubconn *s = &w->hub;

    account(w);
    if (s->ws.upgraded_ns || s->ws.status)
        op_status(w->op, s->ws.upgraded_ns ? 101 : s->ws.status);
    if (s->ws.upgraded_ns) {
        op_value(w->op, WS_CONNECTING, (double)(s->ws.upgraded_ns - s->ws.conn.opened_ns));
        op_value(w->op, WS_SESSION_DURATION, (double)(end - s->ws.conn.opened_ns));
    }
    if (s->accepted && s->attest)
        op_value(w->op, WS_ATTESTING, (double)(s->accepted_ns - s->ws.upgraded_ns));
    w->step = STEP_IDLE;
    timers_cancel(w->op->lane->timers, &w->timer);
    op_done_at(w->op, outcome, why, end);
}

static void wait_for(struct ws_op *w, enum step step, uint64_t when)
{
    w->step = step;
    timers_set(w->op->lane->timers, &w->timer, when);
}

static void accepted(struct ws_op *w)
{
    wait_for(w, STEP_HOLDING, w->hub.accepted_ns + (uint64_t)job_of(w)->opts->hold);
    if (job_of(w)->opts->expect.close == 0)
        op_held(w->op);
}

/* The hub closed, as it was expected to or not. */
static bool is_expected(const struct ws_op *w)
{
    const struct wsconn *c = &w->hub.ws;
    const struct ws_job *j = job_of(w);

    return w->hub.end == END_CLOSED && j->opts->expect.close == c->code && c->code != 0 &&
           (!j->reason || pattern_search(j->reason, c->reason, strlen(c->reason)));
}

static enum outcome outcome_of(const struct ws_op *w)
{
    switch (w->hub.end) {
    case END_CLOSED:
    case END_REFUSED:
        return OP_UNEXPECTED;
    case END_UNSENT:
        return job_of(w)->opts->expect.close ? OP_UNEXPECTED : OP_RESET;
    case END_PROTOCOL:
        return OP_PROTOCOL;
    default:
        return route_outcome(w->hub.ws.error.fault);
    }
}

static void ended(struct ws_op *w)
{
    const struct ws_opts *o = job_of(w)->opts;
    char words[HUB_WORDS], why[WHY_MAX];
    uint64_t now = now_ns();

    if (w->hub.end == END_CLOSED && w->hub.ws.code == WS_CODE_POLICY)
        op_count(w->op, WS_REFUSED, 1);
    if (w->step == STEP_FINISHING) {
        done(w, OP_OK, NULL, w->over_ns);
        return;
    }
    if (o->expect.close && w->hub.ws.upgraded_ns)
        op_check(w->op, is_expected(w));
    if (is_expected(w)) {
        done(w, OP_OK, NULL, now);
        return;
    }
    hubconn_words(&w->hub, words);
    if (w->hub.end == END_CLOSED && o->expect.close == w->hub.ws.code)
        snprintf(why, sizeof(why), "%.150s: the reason is another one", words);
    else if (o->expect.close && w->hub.end <= END_UNSENT)
        snprintf(why, sizeof(why), "%.150s: a close with %d was expected", words,
                 (int)o->expect.close);
    else
        snprintf(why, sizeof(why), "%s%.150s", w->hub.accepted ? "accepted, then " : "", words);
    done(w, outcome_of(w), why, now);
}

static void on_event(struct hubconn *s, enum hubconn_event what, const struct http1_span *data)
{
    struct ws_op *w = (struct ws_op *)s;

    (void)data;
    if (w->step == STEP_IDLE)
        return;
    account(w);
    switch (what) {
    case HUB_OPEN:
        lane_count(w->op->lane, WS_SESSIONS, 1);
        break;
    case HUB_ACCEPTED:
        accepted(w);
        break;
    case HUB_REAUTHED:
        lane_count(w->op->lane, WS_REAUTHS, 1);
        op_value(w->op, WS_REAUTH_RTT, (double)s->reauth_ns);
        break;
    case HUB_ENDED:
        ended(w);
        break;
    default:
        break;
    }
}

static void give_up(struct ws_op *w, uint64_t now)
{
    static const char *const missing[] = {"no connection", "no connection", "no TLS handshake",
                                          "no answer to the upgrade"};
    const struct ws_opts *o = job_of(w)->opts;
    const struct wsconn *c = &w->hub.ws;
    char limit[UNITS_MAX], why[WHY_MAX];

    snprintf(why, sizeof(why), "%s within %s",
             c->upgraded_ns ? "neither accepted nor closed" : missing[c->conn.state],
             units_print_duration((double)o->timeout, limit));
    wsconn_drop(&w->hub.ws);
    done(w, OP_TIMEOUT, why, now);
}

/* It was held for as long as it was to be; a close that was to come has not. */
static void held_enough(struct ws_op *w, uint64_t now)
{
    const struct ws_opts *o = job_of(w)->opts;
    char limit[UNITS_MAX], why[WHY_MAX];

    if (o->expect.close == 0) {
        w->over_ns = now;
        wait_for(w, STEP_FINISHING, now + FINISH_NS);
        wsconn_finish(&w->hub.ws, WS_CODE_NORMAL, NULL);
        return;
    }
    op_check(w->op, false);
    snprintf(why, sizeof(why), "accepted, and still open after %s: a close with %d was expected",
             units_print_duration((double)o->hold, limit), (int)o->expect.close);
    wsconn_finish(&w->hub.ws, WS_CODE_NORMAL, NULL);
    wsconn_drop(&w->hub.ws);
    done(w, OP_UNEXPECTED, why, now);
}

static void on_timer(struct timer *t, uint64_t now)
{
    struct ws_op *w = (struct ws_op *)((char *)t - offsetof(struct ws_op, timer));

    if (w->step == STEP_OPENING) {
        give_up(w, now);
    } else if (w->step == STEP_HOLDING) {
        held_enough(w, now);
    } else if (w->step == STEP_FINISHING) {
        wsconn_drop(&w->hub.ws);
        done(w, OP_OK, NULL, w->over_ns);
    }
}

static bool ws_start(struct lane *lane, struct err *e)
{
    struct ws_lane *l = lane->priv;
    struct ws_job *j = lane->job->priv;

    (void)e;
    l->scratch = xcalloc(1, WSCONN_SCRATCH);
    l->turn = (unsigned)lane->index;
    for (int i = 0; i < lane->op_count; i++) {
        struct ws_op *w = lane->ops[i].priv;

        w->op = &lane->ops[i];
        w->timer.fire = on_timer;
        w->hub.event = on_event;
        w->hub.attest = j->opts->attest.given ? &j->attest : NULL;
        w->hub.ws.peer = &j->peer;
        w->hub.ws.scratch = l->scratch;
        w->hub.ws.conn.base = lane->base;
        w->hub.ws.rng = rng_next(&lane->rng);
    }
    return true;
}

static void ws_fire(struct lane *lane, struct op *op)
{
    struct ws_lane *l = lane->priv;
    struct ws_op *w = op->priv;
    unsigned turn = l->turn;

    l->turn += (unsigned)lane->job->lane_count;
    w->sent = w->received = w->bytes_sent = w->bytes_got = 0;
    wait_for(w, STEP_OPENING, op->begun_ns + (uint64_t)job_of(w)->opts->timeout);
    hubconn_open(&w->hub, turn, now_ns());
}

static void ws_stop(struct lane *lane)
{
    struct ws_lane *l = lane->priv;

    for (int i = 0; l->scratch && i < lane->op_count; i++) {
        struct ws_op *w = lane->ops[i].priv;

        w->step = STEP_IDLE;
        wsconn_finish(&w->hub.ws, WS_CODE_GOING_AWAY, NULL);
        wsconn_free(&w->hub.ws);
        timers_cancel(lane->timers, &w->timer);
    }
    free(l->scratch);
    l->scratch = NULL;
}

const struct driver driver_ws = {
    .name = "ws",
    .brief = "WebSocket conversations with a hub: attestation, re-authentication, refusals",
    .opts = ws_table,
    .metrics = ws_metrics,
    .opts_size = sizeof(struct ws_opts),
    .job_size = sizeof(struct ws_job),
    .lane_size = sizeof(struct ws_lane),
    .op_size = sizeof(struct ws_op),
    .flags = DRIVER_HOLDS,
    .check = ws_check,
    .prepare = ws_prepare,
    .start = ws_start,
    .fire = ws_fire,
    .stop = ws_stop,
    .collect = ws_collect,
};

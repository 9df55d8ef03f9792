/*
 * tls.c - one TCP connect and one TLS handshake, and what came of it.
 *
 * The handshake ends when the client has checked the server's last message; bytes that wait for
 * this process in between are not the server's time (conn.h).  Two things take longer than that:
 *
 * A session to resume is handed out behind a handshake (RFC 8446 4.6.1).  So an operation whose
 * slot has none, the first one of each, makes a full handshake that is not counted, waits for a
 * session and only then begins the one that is measured.
 *
 * Verification is one of the expectations, so that a certificate that has expired is an answer and
 * no failure to get one: the handshake goes on, and what verification said is judged with the rest.
 *
 * A server that asks for a client certificate judges it after the client's part is over (4.4.2.4).
 * Then the operation says farewell and waits for what the server says to that: an alert, or the
 * end, which many servers make without a farewell of theirs.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/units.h"
#include "driver/driver.h"
#include "driver/route.h"
#include "driver/tls_expect.h"
#include "net/tls.h"
#include "net/tls_facts.h"

enum tls_metric { TLS_CONNECTING, TLS_HANDSHAKING, TLS_HANDSHAKES, TLS_RESUMED, TLS_METRICS };

enum { HANDSHAKE_FULL, HANDSHAKE_RESUMED };

static const char *const handshakes[] = {"full", "resumed", NULL};

struct tls_step_opts {
    struct tls_opts tls; /* what is written here comes before the target's */
    const struct target *target;
    int handshake;
    int64_t timeout;
    struct tls_expect_opts expect;
};

static const struct opt tls_table[] = {
#define OPT_OF struct tls_step_opts
    OPT_TARGET(target, "what to connect to; its url is https:, wss: or tcp: with a port",
               .flags = OPT_REQUIRED),
    OPT_CHOICE(handshake, "full",
               "full: a session is neither offered nor kept; resumed: each handshake resumes the "
               "session of an earlier one",
               .choices = handshakes),
    OPT_DURATION(timeout, "10s", "give up on one handshake after this long", .min = 1000000,
                 .max = INT64_C(3600000000000)),
    OPT_SUB(expect, struct tls_expect_opts, tls_expect_table,
            "what has to come of it; each is one check"),
#undef OPT_OF
#define OPT_OF struct tls_opts
    TLS_ROWS,
#undef OPT_OF
    {0},
};

static const struct metric tls_metrics[] = {
    [TLS_CONNECTING] = {"tcp_connecting", METRIC_TREND, UNIT_TIME, "TCP connects"},
    [TLS_HANDSHAKING] = {"tls_handshaking", METRIC_TREND, UNIT_TIME,
                         "TLS handshakes, from TCP connected to the server's last message checked"},
    [TLS_HANDSHAKES] = {"handshakes", METRIC_COUNTER, UNIT_NONE, "TLS handshakes completed"},
    [TLS_RESUMED] = {"tls_resumed", METRIC_COUNTER, UNIT_NONE,
                     "TLS handshakes that resumed a session"},
    [TLS_METRICS] = {0},
};

struct tls_job {
    const struct tls_step_opts *opts;
    struct conn_route route;
    struct tls_expect *expect;
    struct tls_facts *facts; /* of each lane */
};

struct tls_lane {
    struct tls_job *job;
    unsigned turn;
    struct tls_facts facts; /* of the lane's last handshake */
};

enum phase { IDLE, PRIMING, MEASURING, FAREWELL };

struct tls_op {
    struct conn conn;   /* first: ready() casts */
    struct timer timer; /* may fire early: `deadline` decides */
    struct op *op;
    uint64_t timer_at, deadline, end_ns;
    unsigned turn;
    enum phase phase;
    bool agreed; /* a farewell follows: the expectations were met */
    char why[WHY_MAX];
};

static struct tls_lane *lane_of(const struct tls_op *x)
{
    return x->op->lane->priv;
}

/* The target with what the step says otherwise. */
static struct target merge(const struct tls_step_opts *o)
{
    struct target t = *o->target;
    struct tls_opts *to = &t.tls;
    const struct tls_opts *from = &o->tls;

    t.scheme = "https";
    to->verify = from->verify_given ? from->verify : to->verify;
    to->ca = from->ca ? from->ca : to->ca;
    if (from->cert) {
        to->cert = from->cert;
        to->key = from->key;
    }
    to->server_name = from->server_name ? from->server_name : to->server_name;
    to->alpn = from->alpn.n > 0 ? from->alpn : to->alpn;
    to->min_version = from->min_version ? from->min_version : to->min_version;
    to->max_version = from->max_version ? from->max_version : to->max_version;
    to->ciphers = from->ciphers ? from->ciphers : to->ciphers;
    to->groups = from->groups ? from->groups : to->groups;
    return t;
}

static bool tls_check(const void *opts, const struct node *at, const char *path, struct diags *d)
{
    static const char *const schemes[] = {"https", "wss", "tcp", NULL};
    const struct tls_step_opts *o = opts;
    struct target t;
    int before = d->errors, i = 0;

    if (!o->target || !o->target->scheme) /* undeclared, or its url is wrong: that has been told */
        return false;
    while (schemes[i] && strcmp(schemes[i], o->target->scheme) != 0)
        i++;
    if (!schemes[i] || o->target->port == 0)
        return diag_add(d, at->at,
                        "%s.target: the url of \"%s\" is neither https: nor wss: nor tcp: with a "
                        "port, and this driver shakes hands with those",
                        path, o->target->name);
    t = merge(o);
    if (tls_opts_check(&o->tls, at, path, d) && t.tls.max_version &&
        t.tls.min_version > t.tls.max_version)
        diag_add(d, at->at, "%s: min_version is above the target's max_version", path);
    tls_expect_compile(&o->expect, t.tls.verify, node_find(at, "expect"), path, d->arena, d);
    return d->errors == before;
}

static bool tls_prepare(struct job *job, struct err *e)
{
    struct tls_job *j = job->priv;
    struct target t;
    struct diags d;

    j->opts = job->opts;
    t = merge(j->opts);
    diags_init(&d, "", job->arena);
    j->expect = tls_expect_compile(&j->opts->expect, t.tls.verify, NULL, job->name, job->arena, &d);
    if (!j->expect)
        return err_set(e, "%s", d.first->text);
    t.tls.examine = tls_expect_examines(j->expect);
    j->facts = arena_array(job->arena, struct tls_facts, job->lane_count);
    return route_make(&j->route, &t, NULL, j->opts->handshake == HANDSHAKE_RESUMED, job->arena, e);
}

static void finish(struct tls_op *x, enum outcome outcome, const char *why, uint64_t end)
{
    conn_close(&x->conn);
    x->phase = IDLE;
    op_done_at(x->op, outcome, why, end);
}

static void advance(struct tls_op *x);

static void open_connection(struct tls_op *x, enum phase phase, uint64_t now)
{
    struct tls_lane *l = lane_of(x);
    struct conn_error e;

    x->phase = phase;
    x->turn = l->turn;
    l->turn += (unsigned)x->op->lane->job->lane_count;
    if (!conn_open(&x->conn, &l->job->route, x->turn, now, &e))
        finish(x, route_outcome(e.fault), e.why, now);
    else if (x->conn.state != CONN_CONNECTING)
        advance(x);
}

static void report_times(struct tls_op *x)
{
    const struct conn *c = &x->conn;

    op_value(x->op, TLS_CONNECTING, (double)(c->connected_ns - c->opened_ns));
    op_value(x->op, TLS_HANDSHAKING, (double)c->securing_ns);
    op_count(x->op, TLS_HANDSHAKES, 1);
    if (c->resumed)
        op_count(x->op, TLS_RESUMED, 1);
}

static void end_agreed(struct tls_op *x)
{
    finish(x, x->agreed ? OP_OK : OP_UNEXPECTED, x->agreed ? NULL : x->why, x->end_ns);
}

static void shaken(struct tls_op *x)
{
    struct tls_lane *l = lane_of(x);
    struct conn *c = &x->conn;
    bool asked = l->job->opts->handshake == HANDSHAKE_RESUMED;

    x->end_ns = c->connected_ns + c->securing_ns;
    report_times(x);
    if (c->resumed != asked) {
        if (asked) { /* the server no longer knows the session: the next operation gets a new one */
            tls_session_free(c->session);
            c->session = NULL;
        }
        finish(x, OP_TLS,
               asked ? "the handshake was a full one, and a resumed one was asked for"
                     : "the handshake was resumed, and a full one was asked for",
               x->end_ns);
        return;
    }
    if (!tls_facts_update(&l->facts, c->ssl)) {
        finish(x, OP_PROTOCOL, "the server has shown no certificate", x->end_ns);
        return;
    }
    x->agreed = tls_expect_judge(l->job->expect, &l->facts, time(NULL), x->op, x->why);
    if (!tls_certificate_asked(c->ssl)) {
        end_agreed(x);
        return;
    }
    x->phase = FAREWELL;
    conn_shutdown(c);
}

/* Reads and throws away what comes behind a handshake; false if that was the connection's end. */
static bool drain(struct tls_op *x, struct conn_error *e)
{
    char bytes[4096];
    ssize_t n;

    *e = (struct conn_error){0};
    do
        n = conn_recv(&x->conn, bytes, sizeof(bytes), e);
    while (n > 0);
    return n == CONN_WAIT;
}

static void prime(struct tls_op *x)
{
    struct conn_error e;
    bool open = drain(x, &e);

    if (x->conn.session) {
        conn_close(&x->conn);
        open_connection(x, MEASURING, now_ns());
    } else if (!open) {
        finish(x, OP_TLS, "the server gave no session to resume", now_ns());
    }
}

static void part(struct tls_op *x)
{
    struct conn_error e;

    if (drain(x, &e))
        return;
    if (e.fault == CONN_FINE || (e.fault == CONN_RESET && !e.error)) /* its own farewell or none */
        end_agreed(x);
    else
        finish(x, route_outcome(e.fault), e.why, now_ns());
}

static void advance(struct tls_op *x)
{
    struct conn_error e;

    switch (conn_advance(&x->conn, x->turn, &e)) {
    case CONN_OPEN:
        if (x->phase == PRIMING)
            prime(x);
        else
            shaken(x);
        if (x->phase == FAREWELL)
            part(x);
        break;
    case CONN_CLOSED:
        finish(x, route_outcome(e.fault), e.why, now_ns());
        break;
    default:
        break;
    }
}

static void on_ready(struct conn *c)
{
    struct tls_op *x = (struct tls_op *)c;

    if (c->state != CONN_OPEN)
        advance(x);
    else if (x->phase == PRIMING)
        prime(x);
    else if (x->phase == FAREWELL)
        part(x);
}

/* How far it had come says what did not come in time. */
static const char *missing(const struct tls_op *x)
{
    if (x->conn.state == CONN_CONNECTING)
        return "connection";
    if (x->conn.state == CONN_SECURING)
        return "TLS handshake";
    return x->phase == PRIMING ? "session to resume" : "answer to the client certificate";
}

static void expire(struct timer *t, uint64_t now)
{
    struct tls_op *x = (struct tls_op *)((char *)t - offsetof(struct tls_op, timer));
    char limit[UNITS_MAX], why[WHY_MAX];

    if (x->phase == IDLE)
        return;
    if (now < x->deadline) {
        x->timer_at = x->deadline;
        timers_set(x->op->lane->timers, t, x->deadline);
        return;
    }
    units_print_duration((double)lane_of(x)->job->opts->timeout, limit);
    snprintf(why, sizeof(why), "no %s within %s", missing(x), limit);
    finish(x, OP_TIMEOUT, why, now);
}

static bool tls_start(struct lane *lane, struct err *e)
{
    struct tls_lane *l = lane->priv;

    (void)e;
    l->job = lane->job->priv;
    l->turn = (unsigned)lane->index;
    for (int i = 0; i < lane->op_count; i++) {
        struct tls_op *x = lane->ops[i].priv;

        x->op = &lane->ops[i];
        x->conn.ready = on_ready;
        x->conn.base = lane->base;
        x->timer.fire = expire;
    }
    return true;
}

static void tls_fire(struct lane *lane, struct op *op)
{
    struct tls_lane *l = lane->priv;
    struct tls_op *x = op->priv;
    bool needs_session = l->job->opts->handshake == HANDSHAKE_RESUMED && !x->conn.session;

    x->deadline = op->begun_ns + (uint64_t)l->job->opts->timeout;
    if (!timer_is_set(&x->timer) || x->timer_at > x->deadline) {
        x->timer_at = x->deadline;
        timers_set(lane->timers, &x->timer, x->deadline);
    }
    open_connection(x, needs_session ? PRIMING : MEASURING, op->begun_ns);
}

static void tls_stop(struct lane *lane)
{
    struct tls_lane *l = lane->priv;

    for (int i = 0; i < lane->op_count; i++) {
        struct tls_op *x = lane->ops[i].priv;

        timers_cancel(lane->timers, &x->timer);
        conn_free(&x->conn);
    }
    if (l->job) {
        tls_facts_free(&l->facts);
        l->job->facts[lane->index] = l->facts;
    }
}

static void tell(struct job *job, const char *key, const char *value)
{
    job_fact(job, key, value);
    if (job->verify)
        job_publish(job, key, value);
}

static void tell_facts(struct job *job, const struct tls_facts *f)
{
    char text[32];
    time_t until = (time_t)f->not_after;
    struct tm tm;

    tell(job, "protocol", f->protocol);
    tell(job, "cipher", f->cipher);
    tell(job, "group", f->group ? f->group : "");
    tell(job, "alpn", f->alpn);
    tell(job, "subject", f->subject);
    tell(job, "issuer", f->issuer);
    tell(job, "key", f->key);
    tell(job, "fingerprint", f->fingerprint);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&until, &tm));
    tell(job, "not_after", text);
    snprintf(text, sizeof(text), "%.0f",
             (double)(f->not_after - (int64_t)time(NULL)) / 86400 - 0.5);
    tell(job, "days_left", text);
}

static void tls_collect(struct job *job)
{
    struct tls_job *j = job->priv;

    for (int i = 0; j->facts && i < job->lane_count; i++)
        if (j->facts[i].protocol) {
            tell_facts(job, &j->facts[i]);
            break;
        }
    tls_ctx_free(j->route.ctx);
    j->route.ctx = NULL;
}

const struct driver driver_tls = {
    .name = "tls",
    .brief = "TLS handshakes: connect, shake hands, look at what was agreed, close",
    .opts = tls_table,
    .metrics = tls_metrics,
    .opts_size = sizeof(struct tls_step_opts),
    .job_size = sizeof(struct tls_job),
    .lane_size = sizeof(struct tls_lane),
    .op_size = sizeof(struct tls_op),
    .check = tls_check,
    .prepare = tls_prepare,
    .start = tls_start,
    .fire = tls_fire,
    .stop = tls_stop,
    .collect = tls_collect,
};

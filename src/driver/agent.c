/*
 * agent.c - the agent driver: a fleet of agents of the ingest service, over gRPC.
 *
 * One operation is one beat.  Everything else that an agent does (registering, opening its stream,
 * answering what the server pushes) has metrics of its own.
 */
#include "driver/agent.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/redact.h"
#include "driver/agent_lane.h"
#include "driver/cleanup.h"
#include "driver/route.h"
#include "driver/target.h"
#include "net/tls.h"
#include "net/url.h"
#include "spec/diag.h"

#define MS               INT64_C(1000000)
#define SECOND           (1000 * MS)
#define DAY              (86400 * SECOND)

#define AGENT_BYTES      1100 /* of one agent on a connection of 50, TLS included */
#define CONNECTION_BYTES 32768
#define KEPT_TOKENS      10000 /* agents up to which tokens are kept by themselves */

static const char *const answers[] = {"checks", "tasks", "queries", "inventory", "terminal", NULL};
static const char *const certificates[] = {"auto", "none", "connection", "agent", NULL};
static const char *const keeps[] = {"auto", "always", "never", NULL};

#define OPT_OF struct agent_opts
static const struct opt agent_table[] = {
    OPT_TARGET(target, "the ingest service, an https: url (http: for HTTP/2 without TLS)",
               .flags = OPT_REQUIRED),
    OPT_TEXT(token, NULL, "enrolment token that agents register with; from a secret",
             .flags = OPT_REQUIRED | OPT_SECRET, .example = "${secrets.enrolment}"),
    OPT_INT(fan_out, "50", "agents on one connection", .min = 1, .max = 100000),
    OPT_TEXTS(
        answer,
        "what the server may ask for: checks, tasks, queries, inventory, terminal; default: all "
        "but terminal, which newer servers do not have",
        .example = "[checks, tasks, queries, inventory]"),
    OPT_TEXT(
        hostname_prefix, "loadtest",
        "hostnames are prefix, run id and number; loadtest, or loadtest- and more, so that they "
        "can be cleaned up"),
    OPT_TEXT(version, "dev",
             "agent version; another than dev or the newest makes servers offer an "
             "update in every reply"),
    OPT_BOOL(csr, "true", "ask for a client certificate when registering"),
    OPT_CHOICE(
        client_certificate, "auto",
        "show the certificate from Register: auto where there is one, of the first agent of a "
        "connection, or of each agent (with fan_out 1)",
        .choices = certificates),
    OPT_INT(registration_concurrency, "32", "registrations at a time, over all lanes", .min = 1,
            .max = 10000),
    OPT_BOOL(preflight, "true",
             "register one agent more before the load, and stop if the token does not let it in"),
    OPT_CHOICE(
        keep_tokens, "auto",
        "keep each agent's token for its next stream, or register again to get one; auto: keep "
        "up to 10,000",
        .choices = keeps),
    OPT_RATIO(check_failure_rate, "5%", "share of the checks that fail"),
    OPT_RATIO(metrics_jitter, "0.1", "how far cpu, memory and disk drift from beat to beat"),
    OPT_DURATION(timeout, "30s", "give up on one beat after this long", .min = MS, .max = DAY),
    OPT_DURATION(register_timeout, "30s", "give up on one Register after this long", .min = MS,
                 .max = DAY),
    OPT_DURATION(poll, "30s", "how often an agent that is pending asks again", .min = 10 * MS,
                 .max = DAY),
    OPT_DURATION(late, "1s", "a beat sent later than this after it was due counts in beats_late",
                 .max = DAY),
    OPT_DURATION(renew, "0", "how often each agent renews its certificate, on average; 0: never",
                 .max = 365 * DAY),
    OPT_DURATION(drop_all, "0", "close every connection this long after the start; 0: never",
                 .max = 365 * DAY),
    OPT_DURATION(keepalive, "30s",
                 "ping a connection that has been silent for this long; servers allow 10s",
                 .min = 10 * SECOND, .max = DAY),
    OPT_DURATION(keepalive_timeout, "10s", "close it if no answer comes within this", .min = MS,
                 .max = DAY),
    {0},
};
#undef OPT_OF

static const struct metric agent_metrics[] = {
    [AM_BEAT_RTT] = {"beat_rtt", METRIC_TREND, UNIT_TIME,
                     "from the write of a beat to the arrival of its reply"},
    [AM_BEATS_DUE] = {"beats_due", METRIC_COUNTER, UNIT_NONE, "beats that fell due"},
    [AM_BEATS_SENT] = {"beats_sent", METRIC_COUNTER, UNIT_NONE, "of these, written to a stream"},
    [AM_BEATS_ANSWERED] = {"beats_answered", METRIC_COUNTER, UNIT_NONE,
                           "of these, answered by a reply"},
    [AM_BEATS_LATE] = {"beats_late", METRIC_COUNTER, UNIT_NONE,
                       "beats sent later than `late` after they were due"},
    [AM_BEATS_EXTRA] = {"beats_extra", METRIC_COUNTER, UNIT_NONE,
                        "messages out of turn: after a reconnect, with results"},
    [AM_STALENESS] = {"staleness", METRIC_TREND, UNIT_TIME,
                      "how long an agent had gone without a reply, at each reply and at the end",
                      .censored = true},
    [AM_STREAMS_UP] = {"streams_up", METRIC_GAUGE, UNIT_NONE,
                       "heartbeat streams on which a reply has come", .live = true},
    [AM_RECONNECTS] = {"reconnects", METRIC_COUNTER, UNIT_NONE,
                       "streams opened again by agents that had one before"},
    [AM_RPCS] = {"rpcs", METRIC_COUNTER, UNIT_NONE,
                 "calls and streams that ended, by grpc-status in the tag part"},
    [AM_REGISTRATIONS] = {"registrations", METRIC_COUNTER, UNIT_NONE, "Register calls begun"},
    [AM_ACTIVE] = {"registrations_active", METRIC_COUNTER, UNIT_NONE, "agents that became active"},
    [AM_PENDING] = {"registrations_pending", METRIC_COUNTER, UNIT_NONE,
                    "Register calls answered with pending"},
    [AM_REVOKED] = {"registrations_revoked", METRIC_COUNTER, UNIT_NONE,
                    "Register calls answered with revoked"},
    [AM_REGISTER_FAILED] = {"registrations_failed", METRIC_COUNTER, UNIT_NONE,
                            "Register calls that failed"},
    [AM_REGISTER_DURATION] = {"register_duration", METRIC_TREND, UNIT_TIME,
                              "from a Register call to its end", .censored = true},
    [AM_UNARY_DURATION] = {"grpc_req_duration", METRIC_TREND, UNIT_TIME,
                           "from the request of a unary call to its end", .censored = true},
    [AM_CHECKS] = {"checks_reported", METRIC_COUNTER, UNIT_NONE, "results of checks"},
    [AM_QUERIES] = {"queries_answered", METRIC_COUNTER, UNIT_NONE, "queries answered"},
    [AM_TASKS] = {"tasks_completed", METRIC_COUNTER, UNIT_NONE, "results of tasks"},
    [AM_CANCELLED] = {"tasks_cancelled", METRIC_COUNTER, UNIT_NONE, "tasks that were cancelled"},
    [AM_INVENTORIES] = {"inventory_scans", METRIC_COUNTER, UNIT_NONE,
                        "inventories of software that were received whole"},
    [AM_TERMINALS] = {"terminal_sessions", METRIC_COUNTER, UNIT_NONE,
                      "terminal sessions that ended well"},
    [AM_RENEWALS] = {"certificates_renewed", METRIC_COUNTER, UNIT_NONE,
                     "client certificates from RenewCertificate"},
    [AM_CERTS_PUSHED] = {"certificates_pushed", METRIC_COUNTER, UNIT_NONE,
                         "client certificates that the server pushed"},
    [AM_CERTS_REJECTED] = {"certificates_rejected", METRIC_COUNTER, UNIT_NONE,
                           "client certificates that are not of the agent's key"},
    [AM_RECOVERY] = {"time_to_recover", METRIC_TREND, UNIT_TIME,
                     "from drop_all until every agent had a reply again", .censored = true},
    [AM_METRICS] = {0},
};

/* Part n stands for grpc-status n - 1. */
static void agent_declare(const void *opts, struct arena *arena, struct declared *out)
{
    (void)opts, (void)arena;
    out->parts = grpc_code_names;
    out->part_count = GRPC_CODES;
}

/* What is written plainly in a suite is in everybody's repository. */
static bool is_secret(const char *token)
{
    struct buf b = {0};
    bool hidden;

    redact(token, strlen(token), &b);
    hidden = strcmp(buf_text(&b), token) != 0;
    buf_free(&b);
    return hidden;
}

static unsigned answer_bits(const struct agent_opts *o, const char **unknown)
{
    unsigned bits =
        o->answer.n ? 0 : ANSWER_CHECKS | ANSWER_TASKS | ANSWER_QUERIES | ANSWER_INVENTORY;

    *unknown = NULL;
    for (int i = 0; i < o->answer.n; i++) {
        int k = 0;

        while (answers[k] && strcmp(answers[k], o->answer.v[i]) != 0)
            k++;
        if (answers[k])
            bits |= 1U << k;
        else
            *unknown = o->answer.v[i];
    }
    return bits;
}

static void check_answer(const struct agent_opts *o, struct pos at, const char *path,
                         struct diags *d)
{
    const char *unknown, *near;

    answer_bits(o, &unknown);
    if (!unknown)
        return;
    near = opt_nearest(unknown, answers);
    diag_add(d, at, "%s.answer: no \"%.40s\"%s%s%s", path, unknown, near ? " (did you mean \"" : "",
             near ? near : "", near ? "\"?)" : " (checks, tasks, queries, inventory, terminal)");
}

static bool agent_check(const void *opts, const struct node *at, const char *path, struct diags *d)
{
    const struct agent_opts *o = opts;
    struct pos pos = at ? at->at : (struct pos){0};
    int before = d->errors;

    if (!o->target || !o->target->scheme) /* that has been told */
        return false;
    if (strcmp(o->target->scheme, "https") != 0 && strcmp(o->target->scheme, "http") != 0)
        diag_add(d, pos,
                 "%s.target: \"%s\" is a %s: url, and this driver speaks https: and http:", path,
                 o->target->name, o->target->scheme);
    if (o->token && strlen(o->token) >= 4 && !is_secret(o->token))
        diag_add(d, pos, "%s.token: it has to come from a secret (token: \"${secrets.NAME}\")",
                 path);
    if (!cleanup_is_prefix(o->hostname_prefix))
        diag_add(
            d, pos,
            "%s.hostname_prefix: \"%.60s\" is neither \"loadtest\" nor begins with \"loadtest-\" "
            "(lower-case letters, digits, dashes), and servers refuse to delete other hosts",
            path, o->hostname_prefix);
    if (strlen(o->version) > 32)
        diag_add(d, pos, "%s.version: at most 32 characters", path);
    if (o->client_certificate == CERT_AGENT && o->fan_out != 1)
        diag_add(
            d, pos,
            "%s.client_certificate: each agent can show its own only on a connection of its own "
            "(fan_out: 1)",
            path);
    if (!o->csr && o->client_certificate >= CERT_CONNECTION)
        diag_add(d, pos, "%s.client_certificate: without csr there is none", path);
    check_answer(o, pos, path, d);
    return d->errors == before;
}

static void agent_needs(const void *opts, uint32_t agents, struct arena *arena,
                        struct driver_needs *out)
{
    const struct agent_opts *o = opts;
    uint64_t links = (agents + (uint64_t)o->fan_out - 1) / (uint64_t)o->fan_out;
    uint64_t desks = ((uint64_t)o->registration_concurrency + 63) / 64;

    out->connections = links + desks;
    out->until_ns = o->drop_all;
    out->memory = agents * (uint64_t)AGENT_BYTES;
    if (links * CONNECTION_BYTES > out->memory)
        out->memory = links * CONNECTION_BYTES;
    out->notes = arena_printf(arena, "token uses: %llu (%lu agents%s)\n",
                              (unsigned long long)agents + o->preflight, (unsigned long)agents,
                              o->preflight ? " and one for preflight" : "");
    out->sum = arena_printf(
        arena,
        " (%lu agents at %d bytes, %lld on a connection of %d bytes or more, and %llu more "
        "to register)",
        (unsigned long)agents, AGENT_BYTES, (long long)o->fan_out, CONNECTION_BYTES,
        (unsigned long long)desks);
}

static bool agent_prepare(struct job *job, struct err *e)
{
    static const char *const alpn[] = {"h2", NULL};
    const struct agent_opts *o = job->opts;
    struct agent_job *j = job->priv;
    const char *unknown;

    j->opts = o;
    j->stem = arena_printf(job->arena, "%s-%s", o->hostname_prefix, job->run_id);
    j->agents = job->fleet.agents ? job->fleet.agents : 1;
    j->fan_out = (int)o->fan_out;
    j->answer = answer_bits(o, &unknown);
    j->keep_tokens = o->keep_tokens == 1 || (o->keep_tokens == 0 && j->agents <= KEPT_TOKENS);
    j->authority = url_authority(o->target->scheme, o->target->host, o->target->port, job->arena);
    j->up = arena_array(job->arena, _Atomic int64_t, job->lane_count);
    if (!route_make(&j->route, o->target, alpn, false, job->arena, e))
        return false;
    j->link.route = &j->route;
    j->link.keepalive_ns = (uint64_t)o->keepalive;
    j->link.keepalive_timeout_ns = (uint64_t)o->keepalive_timeout;
    j->link.connect_timeout_ns = 20 * (uint64_t)SECOND;
    fleet_link_config(&j->link);
    return !o->preflight || preflight(j, job, e);
}

static void agent_collect(struct job *job)
{
    struct agent_job *j = job->priv;
    char text[16];

    tls_ctx_free(j->route.ctx);
    j->route.ctx = NULL;
    if (j->doubts || !j->opts) /* a host more or less would be held against the cleanup */
        return;
    snprintf(text, sizeof(text), "%u", (unsigned)j->hosts);
    job_publish(job, "registered", text);
    job_fact(job, "registered", text);
}

const struct driver driver_agent = {
    .name = "agent",
    .brief =
        "a fleet of agents over gRPC: registration, heartbeat streams, pushes, up to a million",
    .opts = agent_table,
    .metrics = agent_metrics,
    .opts_size = sizeof(struct agent_opts),
    .job_size = sizeof(struct agent_job),
    .lane_size = sizeof(struct fleet),
    .flags = DRIVER_ONLY_FLEET,
    .check = agent_check,
    .declare = agent_declare,
    .needs = agent_needs,
    .prepare = agent_prepare,
    .start = fleet_start,
    .begin = fleet_begin,
    .fire = fleet_fire,
    .flush = fleet_flush,
    .stop = fleet_stop,
    .collect = agent_collect,
};

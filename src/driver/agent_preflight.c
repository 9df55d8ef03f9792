/*
 * agent_preflight.c - one throw-away Register before there is any load: does the server answer, and
 * does the token let agents in without somebody's approval?
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include <agent/v1/registration.pb-c.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "driver/agent_rpc.h"

#define PATIENCE (15 * NS_PER_S)
#define NUMBER   UINT32_MAX /* of its key: no agent has it */

struct trial {
    struct fleet fleet; /* first: its link leads back here */
    struct link link;
    struct timers timers;
    struct err *e;
    bool over, ok;
};

static struct trial *of(struct link *l)
{
    return (struct trial *)l->all;
}

static void finish(struct trial *t, bool ok)
{
    t->over = true;
    t->ok = ok;
}

static const char *cure_of(int code)
{
    switch (code) {
    case GRPC_UNAUTHENTICATED:
        return "; is the token right, unexpired and has it uses left?";
    case GRPC_INVALID_ARGUMENT:
        return "; is the token empty?";
    case GRPC_ALREADY_EXISTS:
        return "; the run's id was used before: choose another --run-id, or clean that run up";
    case GRPC_UNIMPLEMENTED:
        return "; this server has no agent.v1.IngestService";
    case GRPC_PERMISSION_DENIED:
        return "; may the token enrol agents?";
    case GRPC_RESOURCE_EXHAUSTED:
        return "; has the token uses left, and does the server limit registrations?";
    default:
        return "; what does the server's log say?";
    }
}

/* For a connection that did not last to a status. */
static const char *cure_of_loss(const struct stream_end *end)
{
    switch (end->outcome) {
    case OP_REFUSED:
    case OP_UNREACHABLE:
    case OP_TIMEOUT:
        return "; is the ingest up, and is this its address and port?";
    case OP_TLS:
        if (strstr(end->why, "certificate_required")) /* the alert's name, RFC 8446 6 */
            return "; the server wants a client certificate even of those who are to register: "
                   "give the target one (tls: {cert: FILE, key: FILE})";
        return "; is this the ingest's port for TLS, and has the target its CA (tls: {ca: FILE})?";
    case OP_RESET:
    case OP_PROTOCOL:
        return "; is this the ingest's port, and is it one for TLS (https:) or without (http:)?";
    default:
        return "";
    }
}

/* False: more agents are to share a connection than the server takes streams on it. */
static bool has_room(struct trial *t)
{
    const struct agent_job *j = t->fleet.job;
    uint32_t links = (j->agents + (uint32_t)j->fan_out - 1) / (uint32_t)j->fan_out;
    uint32_t each = (j->agents + links - 1) / links, room = link_streams(&t->link);

    if (each <= room)
        return true;
    return err_set(t->e,
                   "preflight: the server takes %u streams on a connection, and %u agents are to "
                   "share one: set fan_out to %u or less",
                   (unsigned)room, (unsigned)each, (unsigned)room);
}

static void judge(struct trial *t, const Agent__V1__RegisterResponse *m)
{
    bool active = strcmp(m->status, "active") == 0;

    if (active && *m->jwt_token && *m->agent_id) {
        finish(t, has_room(t));
        return;
    }
    finish(t, false);
    if (active)
        err_set(t->e,
                "preflight: Register answered with status \"active\" and no %s; is this an ingest "
                "of agent.v1?",
                *m->agent_id ? "jwt_token" : "agent_id");
    else if (strcmp(m->status, "pending") == 0)
        err_set(t->e, "preflight: the token does not approve agents by itself: Register answered "
                      "with status \"pending\"; use an enrolment token with auto-approve");
    else
        err_set(t->e,
                "preflight: Register answered with status \"%.40s\"%s%.100s; use an enrolment "
                "token with auto-approve",
                m->status, *m->message ? ": " : "", m->message);
}

static void done(struct rpc *c, const struct stream_end *end)
{
    struct trial *t = (struct trial *)c->fleet;
    Agent__V1__RegisterResponse *m;

    if (t->over)
        return;
    if (end->outcome != OP_OK) {
        finish(t, false);
        if (!rpc_is_certain(end))
            ((struct agent_job *)t->fleet.job)->doubts++;
        if (end->code < 0)
            err_set(t->e, "preflight: %s%s", end->why, cure_of_loss(end));
        else
            err_set(t->e, "preflight: Register: %s%s%s%s", grpc_code_names[end->code],
                    *end->why ? ": " : "", end->why, cure_of(end->code));
        return;
    }
    m = agent__v1__register_response__unpack(NULL, c->answer.len,
                                             (const uint8_t *)buf_text(&c->answer));
    if (m) {
        ((struct agent_job *)t->fleet.job)->hosts++;
        judge(t, m);
        agent__v1__register_response__free_unpacked(m, NULL);
    } else {
        finish(t, false);
        err_set(t->e, "preflight: Register: an answer that is no RegisterResponse");
    }
}

static const struct rpc_kind kind = {
    .method = "Register",
    .duration = AM_METRICS,
    .done = done,
};

static void opened(struct link *l)
{
    struct trial *t = of(l);
    struct rpc *c = rpc_new(&t->fleet, NULL, &kind);
    char hostname[AGENT_NAME_MAX];

    snprintf(hostname, sizeof(hostname), "%s-preflight", t->fleet.job->stem);
    register_request(&t->fleet, NUMBER, hostname, &c->request);
    rpc_begin(c, l, PATIENCE);
}

static void lost(struct link *l, const struct stream_end *end)
{
    struct trial *t = of(l);

    if (t->over)
        return;
    rpcs_lost(&t->fleet, l, end);
    if (!t->over) {
        finish(t, false);
        err_set(t->e, "preflight: %s%s", end->why, cure_of_loss(end));
    }
}

static void loop(struct trial *t, struct event_base *base, const volatile int *interrupted)
{
    uint64_t end = now_ns() + PATIENCE;

    while (!t->over) {
        const struct timeval tick = {0, 10000};
        uint64_t now = now_ns();

        timers_run(&t->timers, now);
        links_flush(&t->fleet.links);
        if (t->over)
            break;
        if (now > end || (interrupted && *interrupted)) {
            finish(t, false);
            err_set(t->e, "preflight: %s", now > end ? "no answer within 15s" : "interrupted");
            break;
        }
        event_base_loopexit(base, &tick);
        event_base_loop(base, EVLOOP_ONCE);
    }
}

bool preflight(struct agent_job *j, struct job *job, struct err *e)
{
    struct event_base *base = event_base_new();
    struct trial *t = xcalloc(1, sizeof(*t));
    struct link_config config = j->link;
    bool ok;

    config.opened = opened;
    config.lost = lost;
    config.identity = NULL;
    config.secured = NULL;
    t->fleet.job = j;
    t->e = e;
    links_init(&t->fleet.links, &config, base, &t->timers);
    link_init(&t->link, &t->fleet.links, 0);
    link_want(&t->link, now_ns());
    loop(t, base, job->interrupted);
    ok = t->ok;
    j->doubts +=
        t->fleet.calls && t->fleet.calls->running; /* the answer may have been on its way */
    t->over = true;
    link_free(&t->link);
    rpcs_free(&t->fleet);
    links_fini(&t->fleet.links);
    timers_free(&t->timers);
    event_base_free(base);
    free(t);
    return ok;
}

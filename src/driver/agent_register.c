/*
 * agent_register.c - from an index to a registered agent.
 *
 * Registrations go over connections of their own ("desks"), which never show an agent's
 * certificate, some at a time, in the order in which agents join or come back.  A key is derived
 * from the hostnames' prefix, the run's id and the agent's number each time that it is needed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <agent/v1/registration.pb-c.h>

#include "base/clock.h"
#include "base/mem.h"
#include "driver/agent_rpc.h"

#define TOKEN_MAX (64 << 10)

size_t register_request(struct fleet *f, uint32_t number, const char *hostname, struct buf *out)
{
    const struct agent_opts *o = f->job->opts;
    Agent__V1__RegisterRequest m = AGENT__V1__REGISTER_REQUEST__INIT;
    Agent__V1__PlatformInfo platform = AGENT__V1__PLATFORM_INFO__INIT;
    Agent__V1__AgentInfo info = AGENT__V1__AGENT_INFO__INIT;
    unsigned char csr[ED25519_CSR];
    char pem[ED25519_PEM_MAX];
    struct ed25519 key;
    size_t at = message_begin(out), len;

    ed25519_derive(&key, f->job->stem, number);
    ed25519_pem(&key, pem);
    platform.os = "linux";
    platform.arch = "amd64";
    info.version = (char *)o->version;
    info.hostname = (char *)hostname;
    m.org_token = (char *)o->token;
    m.public_key = pem;
    m.platform_info = &platform;
    m.agent_info = &info;
    if (o->csr) {
        ed25519_csr(&key, csr);
        m.csr_der = (ProtobufCBinaryData){sizeof(csr), csr};
    }
    len = agent__v1__register_request__get_packed_size(&m);
    buf_reserve(out, len + 1);
    agent__v1__register_request__pack(&m, (uint8_t *)out->data + out->len);
    out->len += len;
    message_end(out, at);
    return len;
}

void register_enqueue(struct fleet *f, struct agent *a)
{
    a->state = AGENT_REGISTERING;
    f->queue[(f->queue_first + f->queue_count++) % f->agent_count] = (uint32_t)(a - f->agents);
    register_pump(f);
}

void register_woken(struct fleet *f, struct agent *a)
{
    if (!a->token)
        register_enqueue(f, a);
    else
        agent_ready(f, a);
}

/* By the beats that wait for it; if there are none, once. */
static void tell(struct fleet *f, struct agent *a, enum outcome outcome, const char *why)
{
    if (a->first)
        agent_fail_beats(f, a, outcome, why);
    else
        fleet_fault(f, outcome, why);
}

static void fail(struct rpc *c, enum outcome outcome, const char *why)
{
    struct fleet *f = c->fleet;
    struct agent *a = c->agent;

    fleet_count(f, AM_REGISTER_FAILED, 1);
    tell(f, a, outcome, why);
    fleet_rest(f, a, fleet_backoff(f, &a->tries));
}

/* The connection shows the certificate of the first of its agents that has one. */
static void keep_certificate(struct fleet *f, struct agent *a, const char *pem)
{
    struct link *l = fleet_link(f, a);
    unsigned char *der;
    size_t len;

    if (l->cert || !*pem || f->job->opts->client_certificate == CERT_NONE)
        return;
    der = duty_own_certificate(f, a, pem, &len);
    if (!der)
        return;
    l->cert = der;
    l->cert_len = (uint32_t)len;
    l->cert_agent = fleet_agent_number(f, a);
}

static void active(struct rpc *c, const Agent__V1__RegisterResponse *m)
{
    struct fleet *f = c->fleet;
    struct agent *a = c->agent;

    if (!a->registered)
        fleet_count(f, AM_ACTIVE, 1);
    a->registered = true;
    agent_id_set(a, m->agent_id);
    free(a->token);
    a->token = mem_check(strdup(m->jwt_token));
    keep_certificate(f, a, m->client_cert_pem);
    agent_ready(f, a);
}

static void settle(struct rpc *c, const Agent__V1__RegisterResponse *m)
{
    char why[AGENT_WHY];

    if (strcmp(m->status, "active") == 0 && *m->jwt_token && *m->agent_id &&
        strlen(m->jwt_token) <= TOKEN_MAX) {
        active(c, m);
    } else if (strcmp(m->status, "pending") == 0) {
        fleet_count(c->fleet, AM_PENDING, 1);
        tell(c->fleet, c->agent, OP_UNEXPECTED,
             "Register: pending: the token does not approve by itself");
        fleet_rest(c->fleet, c->agent, (uint64_t)c->fleet->job->opts->poll);
    } else {
        if (strcmp(m->status, "revoked") == 0)
            fleet_count(c->fleet, AM_REVOKED, 1);
        snprintf(why, sizeof(why), "Register: status \"%.40s\"%s%.100s", m->status,
                 *m->message ? ": " : "", m->message);
        stream_mask(why);
        fail(c, OP_UNEXPECTED, why);
    }
}

/* Whether the server has a host of the agent: only an answer tells, or a refusal. */
static void note_host(struct rpc *c, const struct stream_end *end)
{
    struct agent_job *j = (struct agent_job *)c->fleet->job;
    struct agent *a = c->agent;

    if (end->outcome == OP_OK && !a->known) {
        a->known = true;
        j->hosts++;
    }
    if (end->outcome == OP_OK && a->doubted) {
        a->doubted = false;
        j->doubts--;
    } else if (!rpc_is_certain(end) && !a->known && !a->doubted) {
        a->doubted = true;
        j->doubts++;
    }
}

static void done(struct rpc *c, const struct stream_end *end)
{
    struct fleet *f = c->fleet;
    Agent__V1__RegisterResponse *m;
    char why[AGENT_WHY];

    f->registering--;
    note_host(c, end);
    if (end->outcome == OP_OK) {
        m = agent__v1__register_response__unpack(NULL, c->answer.len,
                                                 (const uint8_t *)buf_text(&c->answer));
        if (m)
            settle(c, m);
        else
            fail(c, OP_PROTOCOL, "Register: an answer that is no RegisterResponse");
        if (m)
            agent__v1__register_response__free_unpacked(m, NULL);
    } else {
        stream_explain("Register", end, why);
        fail(c, end->outcome, why);
    }
    register_pump(f);
}

static const struct rpc_kind register_kind = {
    .method = "Register",
    .duration = AM_REGISTER_DURATION,
    .done = done,
};

/* The next desk that is open; those that are not are asked to. */
static struct link *find_desk(struct fleet *f)
{
    for (uint32_t i = 0; i < f->desk_count; i++) {
        struct link *l = &f->desks[f->next_desk++ % f->desk_count];

        if (l->state == LINK_OPEN)
            return l;
        link_want(l, 0);
    }
    return NULL;
}

void register_pump(struct fleet *f)
{
    char hostname[AGENT_NAME_MAX];

    while (f->queue_count > 0 && f->registering < f->register_limit && !f->ending) {
        struct link *l = find_desk(f);
        struct agent *a;
        struct rpc *c;

        if (!l)
            return;
        if (f->queue_count == 0 || f->registering >= f->register_limit)
            return; /* the desk opened at once, and this ran inside */
        a = &f->agents[f->queue[f->queue_first]];
        f->queue_first = (f->queue_first + 1) % f->agent_count;
        f->queue_count--;
        c = rpc_new(f, a, &register_kind);
        fleet_hostname(f, fleet_agent_number(f, a), hostname);
        register_request(f, fleet_agent_number(f, a), hostname, &c->request);
        fleet_count(f, AM_REGISTRATIONS, 1);
        f->registering++;
        rpc_begin(c, l, (uint64_t)f->job->opts->register_timeout);
    }
}

/*
 * The token of an agent whose own was not kept: the same key again gets the same agent.  It lasts
 * for the errand that it is fetched for.
 */
static void token_done(struct rpc *c, const struct stream_end *end)
{
    struct agent *a = c->agent;
    Agent__V1__RegisterResponse *m = NULL;
    char why[AGENT_WHY] = "Register: no token";

    if (end->outcome == OP_OK)
        m = agent__v1__register_response__unpack(NULL, c->answer.len,
                                                 (const uint8_t *)buf_text(&c->answer));
    else
        stream_explain("Register", end, why);
    if (a->token) { /* a new stream needed one, too */
        c->errand(c->fleet, a, c->scan);
    } else if (m && *m->jwt_token && strlen(m->jwt_token) <= TOKEN_MAX) {
        a->token = m->jwt_token;
        c->errand(c->fleet, a, c->scan);
        a->token = NULL;
    } else {
        fleet_fault(c->fleet, end->outcome == OP_OK ? OP_UNEXPECTED : end->outcome, why);
    }
    if (m)
        agent__v1__register_response__free_unpacked(m, NULL);
}

static const struct rpc_kind token_kind = {
    .method = "Register",
    .duration = AM_REGISTER_DURATION,
    .done = token_done,
};

bool register_for_token(struct fleet *f, struct agent *a, errand_fn errand, const char *id)
{
    struct link *l = find_desk(f);
    char hostname[AGENT_NAME_MAX];
    struct rpc *c;

    if (!l)
        return false;
    c = rpc_new(f, a, &token_kind);
    c->errand = errand;
    snprintf(c->scan, sizeof(c->scan), "%s", id);
    fleet_hostname(f, fleet_agent_number(f, a), hostname);
    register_request(f, fleet_agent_number(f, a), hostname, &c->request);
    fleet_count(f, AM_REGISTRATIONS, 1);
    if (rpc_begin(c, l, (uint64_t)f->job->opts->register_timeout))
        return true;
    rpc_abandon(c);
    return false;
}

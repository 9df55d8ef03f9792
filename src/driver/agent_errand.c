/*
 * agent_errand.c - calls that an agent makes beside its stream: the inventory of its software, a
 * session of a terminal, a new certificate.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <agent/v1/ingest.pb-c.h>
#include <agent/v1/terminal.pb-c.h>

#include "base/clock.h"
#include "base/mem.h"
#include "driver/agent_rpc.h"
#include "driver/agent_duty.h"

#define CHUNKS        2
#define PACKAGES      500
#define TIMEOUT       (60 * NS_PER_S)
#define TERMINAL_WAIT (200 * NS_PER_MS)
#define RETRY         (100 * NS_PER_MS)

static void add_chunk(struct rpc *c, struct buf *out)
{
    Agent__V1__SoftwareInventoryChunk m = AGENT__V1__SOFTWARE_INVENTORY_CHUNK__INIT;
    Agent__V1__SoftwarePackage *packages = xcalloc(PACKAGES, sizeof(*packages));
    Agent__V1__SoftwarePackage **list = xcalloc(PACKAGES, sizeof(*list));
    char(*names)[32] = xcalloc(PACKAGES, sizeof(*names)), id[AGENT_NAME_MAX];
    size_t at = message_begin(out), len;

    agent_id_text(c->agent, id);
    for (int i = 0; i < PACKAGES; i++) {
        agent__v1__software_package__init(&packages[i]);
        snprintf(names[i], sizeof(names[i]), "loadtest-package-%04d", c->stage * PACKAGES + i);
        packages[i].name = names[i];
        packages[i].version = "1.0.0";
        packages[i].architecture = "amd64";
        list[i] = &packages[i];
    }
    m.scan_id = c->scan;
    m.agent_id = id;
    m.source = "loadtest";
    m.chunk_index = c->stage++;
    m.is_last = c->stage == CHUNKS;
    m.packages = list;
    m.n_packages = PACKAGES;
    len = agent__v1__software_inventory_chunk__get_packed_size(&m);
    buf_reserve(out, len + 1);
    agent__v1__software_inventory_chunk__pack(&m, (uint8_t *)out->data + out->len);
    out->len += len;
    message_end(out, at);
    free(packages);
    free(list);
    free(names);
}

static bool next_chunk(struct rpc *c, struct buf *out)
{
    add_chunk(c, out);
    return c->stage < CHUNKS;
}

static void inventory_done(struct rpc *c, const struct stream_end *end)
{
    struct fleet *f = c->fleet;
    Agent__V1__SoftwareInventoryAck *ack = NULL;
    char why[AGENT_WHY];

    if (end->outcome == OP_OK)
        ack = agent__v1__software_inventory_ack__unpack(NULL, c->answer.len,
                                                        (const uint8_t *)buf_text(&c->answer));
    if (ack && ack->received == CHUNKS * PACKAGES) {
        fleet_count(f, AM_INVENTORIES, 1);
    } else {
        if (end->outcome != OP_OK)
            stream_explain(c->kind->method, end, why);
        else
            snprintf(why, sizeof(why), "SubmitSoftwareInventory: %s",
                     ack ? "not all packages were received"
                         : "an answer that is no acknowledgement");
        fleet_fault(f, end->outcome == OP_OK ? OP_UNEXPECTED : end->outcome, why);
        duty_task_failed(f, c->agent, c->scan, why);
    }
    if (ack)
        agent__v1__software_inventory_ack__free_unpacked(ack, NULL);
}

static const struct rpc_kind inventory_kind = {
    .method = "SubmitSoftwareInventory",
    .duration = AM_METRICS,
    .authorized = true,
    .make = next_chunk,
    .done = inventory_done,
};

/* False: the token has to be fetched first, and the errand begins again then. */
static bool has_token(struct fleet *f, struct agent *a, errand_fn errand, const char *id)
{
    if (a->token)
        return true;
    if (!register_for_token(f, a, errand, id))
        fleet_fault(f, OP_LOCAL, "no connection to fetch the token for an errand of an agent");
    return false;
}

static void begin(struct rpc *c);

static void on_retry(struct timer *t, uint64_t now)
{
    (void)now;
    begin((struct rpc *)((char *)t - offsetof(struct rpc, timer)));
}

/* While the agent's connection ends, or is opened anew, the errand waits for the next one. */
static void begin(struct rpc *c)
{
    uint64_t now = now_ns();
    char why[AGENT_WHY];

    if (rpc_begin(c, fleet_link(c->fleet, c->agent), TIMEOUT))
        return;
    c->begun_ns = c->begun_ns ? c->begun_ns : now;
    if (now < c->begun_ns + TIMEOUT) {
        c->timer.fire = on_retry;
        timers_set(c->fleet->links.timers, &c->timer, now + RETRY);
        return;
    }
    snprintf(why, sizeof(why), "%s: the agent's connection takes no further calls",
             c->kind->method);
    fleet_fault(c->fleet, OP_RESET, why);
    rpc_abandon(c);
}

void inventory_begin(struct fleet *f, struct agent *a, const char *scan_id)
{
    struct rpc *c;

    if (!has_token(f, a, inventory_begin, scan_id))
        return;
    c = rpc_new(f, a, &inventory_kind);
    snprintf(c->scan, sizeof(c->scan), "%s", scan_id);
    add_chunk(c, &c->request);
    begin(c);
}

bool inventory_cancel(struct fleet *f, struct agent *a, const char *scan_id)
{
    static const struct stream_end cancelled = {.outcome = OP_RESET, .code = GRPC_CANCELLED};

    for (struct rpc *c = f->calls; c; c = c->all) {
        if (!c->running || c->agent != a || strcmp(c->scan, scan_id) != 0)
            continue;
        if (c->kind != &inventory_kind && c->errand != inventory_begin)
            continue;
        fleet_rpc(f, c->kind->method, &cancelled);
        rpc_abandon(c);
        return true;
    }
    return false;
}

static void add_terminal(struct buf *out, const Agent__V1__TerminalAgentMessage *m)
{
    size_t at = message_begin(out), len = agent__v1__terminal_agent_message__get_packed_size(m);

    buf_reserve(out, len + 1);
    agent__v1__terminal_agent_message__pack(m, (uint8_t *)out->data + out->len);
    out->len += len;
    message_end(out, at);
}

static void on_pause(struct timer *t, uint64_t now)
{
    struct rpc *c = (struct rpc *)((char *)t - offsetof(struct rpc, pause));

    (void)now;
    c->stage = 1;
    rpc_go_on(c);
}

/* After a moment one banner, the end of the session, and nothing more. */
static bool next_output(struct rpc *c, struct buf *out)
{
    static char banner[] = "loadtest agent: simulated session\r\n";
    Agent__V1__TerminalAgentMessage m = AGENT__V1__TERMINAL_AGENT_MESSAGE__INIT;
    Agent__V1__TerminalClosedMsg closed = AGENT__V1__TERMINAL_CLOSED_MSG__INIT;

    if (c->stage == 0)
        return true;
    m.session_id = c->scan;
    m.payload_case = AGENT__V1__TERMINAL_AGENT_MESSAGE__PAYLOAD_OUTPUT;
    m.output = (ProtobufCBinaryData){sizeof(banner) - 1, (uint8_t *)banner};
    add_terminal(out, &m);
    m.payload_case = AGENT__V1__TERMINAL_AGENT_MESSAGE__PAYLOAD_CLOSED;
    m.closed = &closed;
    add_terminal(out, &m);
    return false;
}

static void terminal_message(struct rpc *c, struct grpc_span m)
{
    (void)c, (void)m; /* what somebody types; nobody is there to answer */
}

static void report(struct rpc *c, const struct stream_end *end, enum agent_metric counted)
{
    char why[AGENT_WHY];

    if (end->outcome == OP_OK) {
        fleet_count(c->fleet, counted, 1);
        return;
    }
    stream_explain(c->kind->method, end, why);
    fleet_fault(c->fleet, end->outcome, why);
}

static void terminal_done(struct rpc *c, const struct stream_end *end)
{
    report(c, end, AM_TERMINALS);
}

static const struct rpc_kind terminal_kind = {
    .method = "Terminal",
    .duration = AM_METRICS,
    .authorized = true,
    .make = next_output,
    .message = terminal_message,
    .done = terminal_done,
};

static void terminal_go(struct fleet *f, struct agent *a, const char *session_id)
{
    Agent__V1__TerminalAgentMessage m = AGENT__V1__TERMINAL_AGENT_MESSAGE__INIT;
    struct rpc *c;

    if (!has_token(f, a, terminal_go, session_id))
        return;
    c = rpc_new(f, a, &terminal_kind);
    snprintf(c->scan, sizeof(c->scan), "%s", session_id);
    m.session_id = c->scan;
    add_terminal(&c->request, &m);
    c->pause.fire = on_pause;
    begin(c);
    timers_set(f->links.timers, &c->pause, now_ns() + TERMINAL_WAIT);
}

void terminal_begin(struct fleet *f, struct agent *a, const char *session_id)
{
    if (duty_is_new(duty_of(a), 's', session_id))
        terminal_go(f, a, session_id);
}

static void renew_done(struct rpc *c, const struct stream_end *end)
{
    Agent__V1__RenewCertificateResponse *m = NULL;

    if (end->outcome != OP_OK) {
        report(c, end, AM_RENEWALS);
        return;
    }
    m = agent__v1__renew_certificate_response__unpack(NULL, c->answer.len,
                                                      (const uint8_t *)buf_text(&c->answer));
    if (!m) {
        fleet_fault(c->fleet, OP_PROTOCOL, "RenewCertificate: an answer that is none");
        return;
    }
    duty_certificate(c->fleet, c->agent, m->client_cert_pem, AM_RENEWALS);
    agent__v1__renew_certificate_response__free_unpacked(m, NULL);
}

static const struct rpc_kind renew_kind = {
    .method = "RenewCertificate",
    .duration = AM_UNARY_DURATION,
    .done = renew_done,
};

void renew_begin(struct fleet *f, struct agent *a)
{
    Agent__V1__RenewCertificateRequest m = AGENT__V1__RENEW_CERTIFICATE_REQUEST__INIT;
    unsigned char csr[ED25519_CSR];
    char id[AGENT_NAME_MAX];
    struct ed25519 key;
    struct rpc *c = rpc_new(f, a, &renew_kind);
    size_t at = message_begin(&c->request), len;

    ed25519_derive(&key, f->job->stem, fleet_agent_number(f, a));
    ed25519_csr(&key, csr);
    agent_id_text(a, id);
    m.agent_id = id;
    m.csr_der = (ProtobufCBinaryData){sizeof(csr), csr};
    len = agent__v1__renew_certificate_request__get_packed_size(&m);
    buf_reserve(&c->request, len + 1);
    agent__v1__renew_certificate_request__pack(&m, (uint8_t *)c->request.data + c->request.len);
    c->request.len += len;
    message_end(&c->request, at);
    begin(c);
}

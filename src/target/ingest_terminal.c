/*
 * ingest_terminal.c - Terminal, as servers had it: the agent's end of a session that was announced
 * to it; the other end, a browser there, is the script here.
 */
#include <agent/v1/terminal.pb-c.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "target/ingest_push.h"
#include "target/ingest_state.h"
#include "target/peer.h"
#include "target/worker.h"

#define WAIT_NS (30 * NS_PER_S) /* for the other end */

static void send(struct call *c, Agent__V1__TerminalServerMessage *m)
{
    struct buf *pack = &c->calls->own->pack;

    m->session_id = c->more->session;
    buf_clear(pack);
    buf_reserve(pack, agent__v1__terminal_server_message__get_packed_size(m));
    pack->len = agent__v1__terminal_server_message__pack(m, (uint8_t *)pack->data);
    call_send(c, pack->data, pack->len);
}

static void type(struct call *c, const struct script_push *p)
{
    Agent__V1__TerminalServerMessage m = AGENT__V1__TERMINAL_SERVER_MESSAGE__INIT;
    Agent__V1__TerminalResizeMsg size = AGENT__V1__TERMINAL_RESIZE_MSG__INIT;

    size.cols = (uint32_t)p->cols;
    size.rows = (uint32_t)p->rows;
    m.payload_case = AGENT__V1__TERMINAL_SERVER_MESSAGE__PAYLOAD_RESIZE;
    m.resize = &size;
    send(c, &m);
    if (p->input) {
        m.payload_case = AGENT__V1__TERMINAL_SERVER_MESSAGE__PAYLOAD_INPUT;
        m.input.data = (uint8_t *)p->input;
        m.input.len = strlen(p->input);
        send(c, &m);
    }
    if (p->close) {
        m.payload_case = AGENT__V1__TERMINAL_SERVER_MESSAGE__PAYLOAD_CLOSE;
        m.close = true;
        send(c, &m);
    }
}

static void on_timeout(struct timer *t, uint64_t now)
{
    struct call_more *m = (struct call_more *)((char *)t - offsetof(struct call_more, timer));
    struct peer *p = m->call->calls->peer;

    (void)now;
    call_finish(m->call, GRPC_NOT_FOUND, "terminal session not found");
    peer_wake(p);
}

static void begin(struct call *c, const char *session, uint64_t now)
{
    struct call_more *m = call_more(c);
    const struct script_push *push = ingest_session_find(c->calls->ingest, session);

    if (!m->authorization) {
        call_finish(c, GRPC_UNAUTHENTICATED, "missing authorization metadata");
        return;
    }
    if (!*session) {
        call_finish(c, GRPC_INVALID_ARGUMENT, "session_id is required");
        return;
    }
    m->session = mem_check(strdup(session));
    if (push) {
        ingest_tally(c, INGEST_TERMINALS, 1);
        type(c, push);
    } else {
        m->timer.fire = on_timeout;
        timers_set(&c->calls->worker->deadlines, &m->timer, now + WAIT_NS);
    }
}

static void on_message(struct call *c, struct grpc_span m, uint64_t now)
{
    const Agent__V1__TerminalAgentMessage *r = agent__v1__terminal_agent_message__unpack(
        bump_start(&c->calls->own->bump), m.len, (const uint8_t *)m.data);

    if (!r)
        call_malformed(c);
    else if (!c->more || !c->more->session)
        begin(c, r->session_id, now);
    else if (r->payload_case == AGENT__V1__TERMINAL_AGENT_MESSAGE__PAYLOAD_CLOSED)
        call_finish(c, GRPC_OK, "%s", "");
}

static void on_end(struct call *c, uint64_t now)
{
    (void)now;
    if (c->more && c->more->session)
        call_finish(c, GRPC_OK, "%s", "");
    else
        call_finish(c, GRPC_INVALID_ARGUMENT, "session_id is required");
}

static void on_closed(struct call *c)
{
    if (c->more)
        timers_cancel(&c->calls->worker->deadlines, &c->more->timer);
}

const struct method ingest_terminal = {"Terminal", on_message, on_end, on_closed};

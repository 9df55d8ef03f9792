/*
 * agent_rpc.h - a call that ends by itself: a request, then an answer of one message.
 *
 * The request's bytes are made before (call->request) or as they are sent (make()).  done() gets
 * the answer, which is only there if the call ended with OK, and may begin the next call; the call
 * itself is gone afterwards.
 */
#pragma once

#include "base/buf.h"
#include "driver/agent.h"

struct rpc;

struct rpc_kind {
    const char *method;         /* "Register" */
    enum agent_metric duration; /* a trend; AM_METRICS: none */
    bool authorized;            /* sends the agent's token as metadata */
    /* The next message after the request's: false and no bytes: that was all. */
    bool (*make)(struct rpc *c, struct buf *out);
    void (*message)(struct rpc *c, struct grpc_span m); /* NULL: an answer of one message */
    void (*done)(struct rpc *c, const struct stream_end *end);
};

struct rpc {
    struct stream stream; /* first */
    struct timer timer, pause;
    const struct rpc_kind *kind;
    struct fleet *fleet;
    struct link *link;
    struct agent *agent; /* NULL: preflight */
    struct buf request, answer, token;
    char path[64], timeout[12]; /* these and the token are sent from here */
    size_t sent;
    bool more, answered, quiet, waits; /* waits: for rpc_go_on() */
    int stage;
    errand_fn errand; /* what a token is fetched for */
    uint64_t begun_ns;
    char scan[AGENT_NAME_MAX]; /* of an inventory or a terminal: its id */
    struct rpc *next, *all;
    bool running;
};

/* One to be filled in; the request begins with room for the prefix of its message. */
struct rpc *rpc_new(struct fleet *f, struct agent *a, const struct rpc_kind *kind);
bool rpc_begin(struct rpc *c, struct link *l,
               uint64_t timeout_ns); /* false: the link is not open */
/* Whether the call's end says what the server did: a loss, a time-out or its own trouble do not. */
bool rpc_is_certain(const struct stream_end *end);
void rpc_go_on(struct rpc *c);   /* make() is asked again */
void rpc_abandon(struct rpc *c); /* without done() */
void rpcs_lost(struct fleet *f, struct link *l, const struct stream_end *end);
void rpcs_free(struct fleet *f);

/* Begins a message in `out`, and ends it: its prefix is filled in. */
size_t message_begin(struct buf *out);
void message_end(struct buf *out, size_t at);

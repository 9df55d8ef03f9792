/*
 * agent_link.h - a client connection that carries gRPC calls, and gets lost.
 *
 * A link is opened by link_want(), says opened() when calls may begin, and lost() when it has gone;
 * it does not know its streams, so that the owner tells them then.  It waits before it is opened
 * again: see link_backoff(), until something has been answered on it.  Nothing is read or sent
 * before links_flush().
 *
 * A stream belongs to its owner, who embeds it.  Between stream_open() or stream_call() and ended()
 * it has an id; ended() comes once, unless the link was lost or the owner gave up before with
 * stream_cancel().
 *
 * After a GOAWAY (RFC 9113 6.8) nothing new is sent: what is unanswered has DRAIN_NS to be
 * answered, and then the connection is closed and opened anew.  link_turn() does the same for our
 * own ends, when the connection is TURN_NS old; lost() has OP_OK then, nothing was unanswered, and
 * there is no wait.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/timers.h"
#include "driver/driver.h"
#include "net/conn.h"
#include "net/grpc.h"
#include "net/h2.h"
#include "net/tls_warm.h"

struct h2_pool;
struct link;
struct links;
struct stream;

struct stream_end {
    enum outcome outcome;
    int code;        /* enum grpc_code; -1: the connection ended, and no status came */
    bool transport;  /* the connection failed, not the call */
    const char *why; /* what the peer said, or what happened */
    bool quoted;     /* it is what the peer said: grpc-message */
};

struct stream_kind {
    /* As of struct h2_events. */
    ssize_t (*read)(struct link *l, struct stream *s, char *out, size_t size, bool *last);
    void (*opened)(struct link *l, struct stream *s); /* stream_open(): its head went out */
    /* NULL to go on, or why the call is broken. */
    const char *(*message)(struct link *l, struct stream *s, struct grpc_span m);
    void (*ended)(struct link *l, struct stream *s, const struct stream_end *end);
};

struct stream {
    const struct stream_kind *kind;
    struct grpc_reader reader;
    const void *node; /* h2_node(), while it is open */
    int32_t id;       /* 0: none */
    bool in_pieces, said_all;
};

struct link_head { /* of the answer whose fields are coming in */
    int status;
    int code; /* grpc-status; -1: none */
    bool typed;
    char type[48], why[160];
};

struct link_config {
    const struct conn_route *route;
    uint64_t keepalive_ns, keepalive_timeout_ns, connect_timeout_ns;
    void (*opened)(struct link *l);
    void (*lost)(struct link *l, const struct stream_end *end);
    bool (*identity)(struct link *l); /* before a connect: sets conn.identity; may be NULL */
    void (*secured)(struct link *l);  /* the handshake is over; may be NULL */
};

enum link_state { LINK_CLOSED, LINK_CONNECTING, LINK_OPEN, LINK_DRAINING };

struct link {
    struct conn conn; /* first */
    struct timer timer;
    struct links *all;
    struct h2 *h2;
    struct tls_warm warm; /* of conn */
    char *rest;           /* bytes that the socket did not take */
    uint32_t rest_len, rest_cap;
    uint32_t number;
    uint32_t unanswered; /* kept by the owner: what a draining link waits for */
    uint8_t state, tries;
    bool dirty, wanted, pinged, listed; /* listed: among those that wait for their turn */
    bool unread, in_line;               /* something has come; it is among the readable */
    bool turning;                       /* from link_turn() until it is open again */
    uint64_t opened_ns, heard_ns, keepalive_ns;
    struct link *next_dirty, *next_waiting, *next_readable;
    unsigned char *cert;           /* DER of the client certificate; NULL: none */
    uint32_t cert_len, cert_agent; /* cert_agent: whose */
    struct identity *identity;
    const char *goaway; /* the code it came with; NULL: none, or no error */
};

struct links { /* of one thread */
    const struct link_config *config;
    struct event_base *base;
    struct timers *timers;
    struct h2_pool *pool;
    char *in, *out;
    struct link *dirty, *waiting, *last_waiting, *readable, *last_readable;
    uint32_t connecting; /* at once, at most LINKS_CONNECTING */
    bool pumping;
    bool chatty; /* by the owner: what is sent on a link often follows within 40 ms */
    uint64_t rng;
    uint64_t keepalive_ns; /* longer than the configured one if a server has asked for calm */
    uint64_t flush_ns;     /* when the flush of the link that is being flushed began */
    uint64_t sent, received;
    unsigned turn, step; /* source addresses */
    struct link_head head;
};

#define LINKS_CONNECTING 64
#define LINK_IN          (64 << 10)
#define LINK_OUT         (64 << 10)

void links_init(struct links *all, const struct link_config *c, struct event_base *base,
                struct timers *timers);
void links_fini(struct links *all);
void links_flush(struct links *all);

void link_init(struct link *l, struct links *all, uint32_t number);
void link_want(struct link *l, uint64_t now); /* opens it, or does nothing if it is on its way */
void link_break(struct link *l, enum outcome outcome, const char *why); /* closes it, now */
void link_turn(struct link *l);                                         /* opens it anew, soon */
void link_free(struct link *l);                                         /* without a word */
uint32_t link_streams(const struct link *l); /* that the server takes at a time */
void link_answered(struct link *l); /* something was: the next failure is the first one again */

/* 1 s doubling with each of `*tries` and up to half as much again, at most 60 s; in ns. */
uint64_t link_backoff(uint64_t *rng, uint8_t *tries);

/*
 * Between agent_link*.c and agent_streams.c: there is something to send; something has come; what a
 * draining link waited for has been answered; nothing new is sent any more; the server finds our
 * pings too many (gRPC's answer is to double the time between them); what the session tells.
 */
void link_dirty(struct link *l);
void link_unread(struct link *l);
void link_drained(struct link *l);
void link_drain(struct link *l);
void link_calm(struct link *l);
extern const struct h2_events link_events;

/* False: the link takes no further streams. */
bool stream_open(struct link *l, struct stream *s, const struct h2_field *fields, int n);
bool stream_call(struct link *l, struct stream *s, const struct h2_field *fields, int n);
void stream_put(struct link *l, struct stream *s);    /* stream_open(): read() is due */
void stream_resume(struct link *l, struct stream *s); /* stream_call(): after H2_LATER */
void stream_cancel(struct link *l, struct stream *s); /* no ended() */
void stream_free(struct stream *s);

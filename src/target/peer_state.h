/* peer_state.h - the inside of a connection; for peer*.c alone. */
#pragma once

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/timers.h"
#include "net/stream.h"
#include "target/exchange.h"
#include "target/ledger.h"
#include "target/peer.h"
#include "target/server.h"
#include "target/worker.h"

#define NEVER UINT64_MAX

enum state {
    PEER_HANDSHAKE,
    PEER_READ,   /* between requests, or inside one */
    PEER_WAIT,   /* for the time of the answer, or of its head */
    PEER_HEADED, /* the head is out; for the time of the body */
    PEER_WRITE,
    PEER_H2,     /* HTTP/2: every stream has a state of its own */
    PEER_LINGER, /* all is said; what still comes is read away, so that no RST eats the answer */
};

enum flow { FLOW_ON, FLOW_BLOCKED, FLOW_ENDED };

struct peer {
    struct worker *worker;
    struct peer *next, *prev;
    struct event event;
    struct stream stream;
    struct timer due, deadline;
    uint64_t deadline_ns;    /* when the peer has to have done something; NEVER */
    uint64_t alarm_ns;       /* when `deadline` fires: not later than that */
    uint64_t read_ns;        /* when what arrived last was read: deadlines count from there */
    uint64_t arrived_ns;     /* when the kernel had it: requests count from there */
    uint64_t received, sent; /* bytes that the ledger has not got yet */
    enum state state;
    int budget;
    int lingered;     /* reads of PEER_LINGER */
    bool readable;    /* a read may find something */
    bool half_closed; /* the peer has sent its FIN, perhaps behind unread bytes */
    bool fresh;       /* `in` holds bytes that the parser has not seen */
    bool begun;       /* a head has begun to arrive */
    bool served;      /* at least one request */
    bool rendered;    /* all of the reply */
    bool dropped;     /* to be reset at the next turn */
    struct buf in, out;
    struct peer_h2 *h2; /* of PEER_H2 */
    struct exchange exchange;
};

static inline const struct server_config *peer_config(const struct peer *p)
{
    return &p->worker->server->config;
}

static inline struct ledger *peer_ledger(const struct peer *p)
{
    return p->worker->server->ledger;
}

void peer_deadline(struct peer *p, uint64_t when); /* it has to have done something by then */
void peer_advance(struct peer *p);                 /* does whatever its state allows; may end it */
void peer_tell_bytes(struct peer *p);              /* to the ledger */

/* True if others have to have their turn; it goes on at the next one of the loop. */
bool peer_yields(struct peer *p);

/* HTTP/2 (peer_h2.c): from now on, with the bytes that have been read already. */
void peer_h2_begin(struct peer *p, const char *data, size_t len);
void peer_h2_free(struct peer *p);
enum flow peer_h2_step(struct peer *p);
void peer_h2_drain(struct peer *p);              /* says GOAWAY */
void peer_h2_late(struct peer *p, uint64_t now); /* the deadline has passed */
enum flow peer_linger(struct peer *p);           /* all is said */

/* Both close it and answer FLOW_ENDED. */
enum flow peer_end(struct peer *p);
enum flow peer_end_as(struct peer *p, enum count why);

/* Writes what earlier writes left over. */
enum flow peer_flush(struct peer *p);

/* Writes the worker's `out`, behind what is already waiting. */
enum flow peer_push(struct peer *p);

/* Reads once, into the exchange; `readable` says whether a further read may find something. */
enum flow peer_read(struct peer *p);
void peer_parse(struct peer *p, const char *data, size_t len);

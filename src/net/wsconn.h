/*
 * wsconn.h - one WebSocket as a client, on an event loop: connect, upgrade, messages, close.
 *
 * The owner embeds it, sets `peer`, `scratch`, `base`, `rng` and `event`, and hears of everything
 * through event().  Pings of the peer are answered here.  After WSCONN_CLOSED and WSCONN_FAILED the
 * connection is closed; it may be opened again, but not from inside event().  An event may come
 * from inside wsconn_open() and wsconn_send().
 *
 * {0} is closed.  One thread only.
 */
#pragma once

#include "base/buf.h"
#include "net/conn.h"
#include "net/http1.h"
#include "net/ws.h"

struct wsconn_peer {         /* constant while connections exist */
    struct conn_route route; /* its TLS offers http/1.1 */
    const char *path, *host; /* of the request; the host with its port */
    const char *fields;      /* further header lines, each with its line end; or NULL */
    uint32_t frame_max, message_max;
};

enum wsconn_event {
    WSCONN_OPEN,     /* upgraded: messages may be sent */
    WSCONN_TEXT,     /* a message; the span is all of it */
    WSCONN_BINARY,   /* the same */
    WSCONN_PONG,     /* the span is what the ping had */
    WSCONN_WRITABLE, /* all that had been waiting to be written is */
    WSCONN_CLOSED,   /* by a close frame of the peer, or as was asked here: `code`, `reason` */
    WSCONN_FAILED,   /* in another way: `status` if the upgrade was refused, else `error` */
};

#define WSCONN_SCRATCH (64 << 10)

struct wsconn {
    struct conn conn; /* first; `base` is set by the owner */
    const struct wsconn_peer *peer;
    char *scratch; /* WSCONN_SCRATCH bytes that the connections of a thread share */
    uint64_t rng;  /* of keys and masks */
    void (*event)(struct wsconn *c, enum wsconn_event what, const struct http1_span *data);

    uint8_t state; /* private */
    bool blocked;  /* private: what is in `out` waits for the peer */
    unsigned turn; /* private */
    char key[WS_KEY_MAX];
    struct http1 parser;
    struct ws ws;
    struct buf head, message, out; /* private: unfinished or unsent */
    uint64_t sent, received;       /* bytes, without TLS */
    uint64_t messages_sent, messages_received;
    uint64_t upgraded_ns;
    uint16_t code; /* WS_CODE_...; 0: a close frame without one */
    char reason[WS_REASON_MAX + 1];
    int status;              /* of an upgrade that was refused; 0: it was not */
    bool broke;              /* the peer broke the protocol; `error.why` says how */
    struct conn_error error; /* of WSCONN_FAILED */
};

void wsconn_open(struct wsconn *c, unsigned turn, uint64_t now);
bool wsconn_is_open(const struct wsconn *c); /* upgraded, and not closing */

void wsconn_send(struct wsconn *c, enum ws_opcode opcode, const void *data, size_t len);
size_t wsconn_waiting(const struct wsconn *c); /* bytes that are not yet written */

/* Sends a close frame; WSCONN_CLOSED follows when the peer answers, or ends the connection. */
void wsconn_finish(struct wsconn *c, uint16_t code, const char *reason);

void wsconn_drop(struct wsconn *c); /* closes at once, without an event; it may be opened again */
void wsconn_free(struct wsconn *c); /* and gives back what it kept for that */

/*
 * hubconn.h - one attested conversation with a hub: a WebSocket that proves itself and stays open.
 *
 * That the hub has accepted cannot be read, because it says nothing then.  So each token is
 * followed by a ping: a hub reads one message after the other, and its pong therefore comes only
 * when the token before it has been looked at and let pass.  The same gives re-authentication a
 * round trip.
 *
 * Without `attest` it counts as accepted when the upgrade is done.
 */
#pragma once

#include "driver/attest.h"
#include "net/wsconn.h"

enum hubconn_event {
    HUB_OPEN, /* the upgrade is done */
    HUB_ACCEPTED,
    HUB_REAUTHED, /* a challenge was answered: `reauth_ns` is the round trip */
    HUB_MESSAGE,  /* binary; the span is all of it */
    HUB_WRITABLE, /* see WSCONN_WRITABLE */
    HUB_ENDED,    /* the connection is closed; `end` says how */
};

enum hubconn_end {
    END_CLOSED,   /* a close frame: ws.code, ws.reason */
    END_REFUSED,  /* the upgrade was answered with ws.status */
    END_PROTOCOL, /* the hub broke the protocol: ws.error.why */
    END_UNSENT,   /* the connection ended without a close frame */
    END_FAULT,    /* ws.error */
};

struct hubconn {
    struct wsconn ws;            /* first */
    const struct attest *attest; /* NULL: none */
    void (*event)(struct hubconn *s, enum hubconn_event what, const struct http1_span *data);

    bool accepted;
    enum hubconn_end end;
    uint64_t accepted_ns, reauth_ns;
    uint64_t reauths;
    uint64_t asked_ns; /* private: when the unanswered ping was sent; 0: none */
    uint8_t stage;     /* private */
};

/* The owner has set `ws` but for its event, `attest` and `event`. */
void hubconn_open(struct hubconn *s, unsigned turn, uint64_t now);

/* How it ended, in words: "closed with 1008 (token expired)". */
#define HUB_WORDS 200
const char *hubconn_words(const struct hubconn *s, char buf[HUB_WORDS]);

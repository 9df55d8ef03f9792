/*
 * nexus.h - the target as a backend of a hub: it dials out, proves itself, and then serves what the
 * hub's visitors send, inside the same WebSocket.
 *
 * One message is one step of one visitor's connection.  A binary message that begins with 2 is a
 * JSON object of control (connect, disconnect, credits); one that begins with 1 has the visitor's
 * id in 16 bytes and then what the visitor sent, TLS records included.  Both sides count messages
 * of data: who has no credit left waits until the other grants some.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "driver/attest.h"
#include "net/wsconn.h"

struct arena;
struct err;
struct links;
struct worker;

#define NEXUS_FRAME_MAX ((32 << 10) + 17)

struct nexus { /* shared by all workers */
    struct wsconn_peer peer;
    struct attest attest;
    int backends;               /* registered side by side */
    uint64_t retry, retry_max;  /* ns: the first pause, and the longest it doubles to */
    uint64_t beat;              /* ns between pings; a hub is given two of them for its pong */
    void (*tell)(const char *); /* one line of what happens; called by any worker */
    atomic_int registered;      /* backends that the hub has accepted at least once */
    atomic_bool gave_up;        /* refused too often: the server has been stopped */
};

struct nexus_opts {
    const char *url, *ca; /* wss: or ws:; a PEM file to trust in place of the system's */
    bool insecure;
    struct attest_opts attest;
    int64_t backends, retry, retry_max;
};

/* Resolves the hub's name, which may block.  `tell` is the caller's; all texts live in `arena`. */
bool nexus_init(struct nexus *n, const struct nexus_opts *o, struct arena *arena, struct err *e);
void nexus_fini(struct nexus *n);

/* The worker's share of the backends; they begin to connect when the worker runs. */
struct links *links_new(struct worker *w, struct nexus *n);
void links_drain(struct links *l);          /* no new visitors, and no new tries */
bool links_are_idle(const struct links *l); /* no visitors, and nothing left to write */
void links_free(struct links *l);           /* NULL is fine */

/* link.h - the inside of a backend's connection to its hub; for link.c, tunnel.c and control.c. */
#pragma once

#include <event2/event_struct.h>

#include "base/buf.h"
#include "base/timers.h"
#include "driver/hubconn.h"
#include "target/nexus.h"
#include "target/worker.h"

#define TUNNEL_ID      16
#define TUNNEL_UUID    37
#define TUNNEL_CREDITS 64 /* messages of data that are granted with a connect */
#define TUNNEL_TOP_UP  8
#define TUNNEL_BUCKETS 1024

struct tunnel { /* one visitor of the hub */
    struct link *link;
    struct tunnel *next; /* of the same bucket */
    uint8_t id[TUNNEL_ID];
    int fd; /* our end of a pair of sockets; a peer of the target has the other */
    struct event event;
    struct timer end;   /* it is closed then: its visitor is gone */
    struct buf in;      /* from the visitor, not yet taken by the peer */
    int64_t credits;    /* messages that may go to the hub */
    int pending, taken; /* messages from it: in `in`; not yet granted again */
    bool readable, paused;
    bool ended; /* the visitor will send no more */
};

struct link {
    struct hubconn hub; /* first */
    struct links *owner;
    int number;         /* from 1, over all workers */
    struct timer again; /* the next try */
    struct timer beat;  /* a ping is due, or something should have come by now */
    uint64_t pause;     /* before the next try, ns */
    uint64_t heard;     /* bytes received at the last beat that found some */
    int silent;         /* beats since then */
    int refusals;       /* in a row */
    bool registered;    /* at least once */
    int tunnel_count;
    struct tunnel *tunnels[TUNNEL_BUCKETS];
};

struct links {
    struct worker *worker;
    struct nexus *nexus;
    struct link *v;
    int n;
    bool draining;
    uint64_t rng;
    char *scratch, *chunk; /* of the conversations; of the tunnels */
};

/* tunnel.c */
void tunnel_open(struct link *l, const uint8_t id[TUNNEL_ID], bool tls, int64_t credits);
struct tunnel *tunnel_find(struct link *l, const uint8_t id[TUNNEL_ID]);
void tunnel_give(struct tunnel *t, const char *data, size_t len); /* a message of data */
void tunnel_end(struct tunnel *t);                                /* the visitor is gone */
void tunnel_pump(struct tunnel *t); /* it may go on: credits, or room to write */
void tunnels_pump(struct link *l);
void tunnels_close(struct link *l);

/* control.c */
void control_read(struct link *l, const char *data, size_t len); /* any binary message */
void control_disconnect(struct link *l, const uint8_t id[TUNNEL_ID], const char *reason);
void control_grant(struct link *l, const uint8_t id[TUNNEL_ID], int credits);

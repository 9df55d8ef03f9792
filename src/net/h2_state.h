/* h2_state.h - the inside of a session; for h2.c and h2_submit.c. */
#pragma once

#include <nghttp2/nghttp2.h>

#include "net/h2.h"

struct h2 {
    struct h2_pool *pool; /* or NULL */
    nghttp2_session *session;
    const struct h2_events *on;
    void *owner;
    const char *failure; /* static text */
    const char *reason;  /* the last rule that was broken: static text; or NULL */
    int32_t peer_reset;  /* the stream that the peer has just reset */
    int32_t not_sent;    /* the request that came too late for this connection */
    uint32_t idle;       /* frames that carried nothing, in a row */
    uint64_t idle_bytes; /* and what came meanwhile; unknown frames are not told of */
    uint32_t head_bytes; /* of the head being read */
    int status;          /* its status; 0: it has none (yet) */
    int32_t head_id;     /* its stream */
    void *head_stream;
    bool server;
    bool preface; /* has to be sent before anything else */
};

/* The peer has sent something that means something, or has taken something. */
static inline void h2_useful(struct h2 *h)
{
    h->idle = 0;
    h->idle_bytes = 0;
}

/* peer_h2.h - a connection that speaks HTTP/2 and its streams; for peer_h2.c and peer_visit.c. */
#pragma once

#include "net/h2.h"
#include "target/ingest_call.h"
#include "target/peer_state.h"

enum visit_state { VISIT_READ, VISIT_WAIT, VISIT_HEADED, VISIT_WRITE };

struct visit {
    enum strand strand; /* first: STRAND_VISIT */
    struct peer *peer;
    struct visit *next, *prev;
    struct timer due;
    int32_t id;
    enum visit_state state;
    bool answered;  /* as far as we are concerned */
    bool rendered;  /* all of the answer's body */
    size_t surplus; /* bytes of the request that came when it had been answered */
    struct buf method, path, authority, fields; /* of the request */
    struct buf piece;                           /* of the answer's body */
    size_t piece_at;
    struct exchange exchange;
};

struct peer_h2 {
    struct h2 *session;
    struct visit *visits;
    struct calls *calls; /* of gRPC; NULL: there is no such service */
    bool parting;        /* GOAWAY has been said */
    bool probed;         /* the peer is silent and was asked for a sign of life */
};

struct visit *visit_open(struct peer *p, int32_t id);
void visit_field(struct visit *v, const struct h2_field *f);
void visit_head(struct visit *v);
void visit_data(struct visit *v, const char *data, size_t len);
void visit_end(struct visit *v);
ssize_t visit_read(struct visit *v, char *out, size_t size, bool *last);
void visit_sent(struct visit *v);
void visit_closed(struct visit *v, enum h2_end end);
void visit_free(struct visit *v);

void visits_free(struct peer *p);       /* all of a connection that ends */
bool visits_wait(const struct peer *p); /* all of them for the time of their answers */
void peer_h2_part(struct peer *p);      /* GOAWAY: nothing new is taken */

/* peer.h - one connection of the target. */
#pragma once

struct peer;
struct ssl_ctx_st;
struct worker;

/* Takes an accepted, non-blocking descriptor; `tls` NULL: plain.  The peer ends itself. */
void peer_new(struct worker *w, int fd, struct ssl_ctx_st *tls);

/* The server stops: closes now if no request has begun, else after its answer. */
void peer_drain(struct peer *p);
void peer_close(struct peer *p);
struct peer *peer_next(const struct peer *p); /* on the same worker, or NULL */

/* From a timer of what belongs to the connection: sends what there is to send; may end it. */
void peer_wake(struct peer *p);
void peer_drop(struct peer *p); /* HTTP/2: resets the connection at its next turn */

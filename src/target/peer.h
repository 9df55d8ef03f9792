/* peer.h - one connection of the target. */
#pragma once

struct peer;
struct worker;

/* Takes an accepted, non-blocking descriptor; the peer ends itself. */
void peer_new(struct worker *w, int fd);

/* The server stops: closes now if no request has begun, else after its answer. */
void peer_drain(struct peer *p);
void peer_close(struct peer *p);
struct peer *peer_next(const struct peer *p); /* on the same worker, or NULL */

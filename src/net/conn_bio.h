/* conn_bio.h - how the TLS of a connection reads and writes its socket. */
#pragma once

#include <stdbool.h>

struct conn;

/* Sets both directions of c->ssl; stamps c->read_ns and c->received_ns as bytes come in. */
void conn_bio_attach(struct conn *c);

/* False: it has had its share, and goes on with a later event (conn.c). */
bool conn_may_read(struct conn *c);

/* conn_bio.h - how the TLS of a connection reads and writes its socket. */
#pragma once

struct conn;

/* Sets both directions of c->ssl; stamps c->read_ns and c->received_ns as bytes come in. */
void conn_bio_attach(struct conn *c);

/*
 * f5.h - the target as a BIG-IP as far as a connector that deploys certificates uses its iControl
 * REST: login, uploads, installing certificates and keys, transactions, client-ssl profiles.
 *
 * All of it is in the target's state, in tables of its own (private keys, too: it is for tests).
 * What the profile that was changed last refers to is the certificate that its TLS listener shows.
 */
#pragma once

#include <stdbool.h>

struct err;
struct f5;
struct ssl_ctx_st;
struct state;

/* `tls` is the listener's context, or NULL; borrows `state`.  NULL on failure. */
struct f5 *f5_new(struct state *state, struct ssl_ctx_st *tls, struct err *e);
void f5_free(struct f5 *f); /* NULL is fine; the context makes no handshakes any more */

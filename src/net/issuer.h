/*
 * issuer.h - leaves made in memory, one after another, and a server that shows one of them.
 *
 * All leaves of an issuer have one key.  An issuer is constant once made: any thread may use it.
 */
#pragma once

#include <stdbool.h>

struct err;
struct issuer;
struct ssl_ctx_st;
struct ssl_st;
struct x509_st;

#define ISSUER_FINGERPRINT_MAX 65

struct issuer *issuer_new(struct err *e); /* NULL on failure */
void issuer_free(struct issuer *i);       /* NULL is fine */

/* A leaf for this DNS name; `fingerprint` is its SHA-256 in lower-case hex.  NULL on failure. */
struct x509_st *issuer_leaf(const struct issuer *i, const char *name,
                            char fingerprint[ISSUER_FINGERPRINT_MAX], struct err *e);
void issuer_leaf_free(struct x509_st *leaf); /* NULL is fine */

bool issuer_present(const struct issuer *i, struct x509_st *leaf, struct ssl_st *ssl);

/*
 * Has a server context ask in each handshake which certificate to show; `name` is "" if the client
 * names none.  `choose` may present one, and otherwise the context's own is shown.  Called by any
 * thread that makes handshakes.
 */
void issuer_choose(struct ssl_ctx_st *ctx,
                   void (*choose)(void *arg, const char *name, struct ssl_st *ssl), void *arg);

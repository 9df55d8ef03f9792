/*
 * issuer.h - leaves made in memory, one after another, and a server that shows one of them.
 *
 * All leaves of an issuer have one key.  An issuer is constant once made: any thread may use it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct csr;
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

struct issued {         /* a certificate that was asked for; texts */
    struct buf pem;     /* with its chain */
    struct buf der;     /* the leaf, in base64url */
    struct buf cert_id; /* RFC 9773 4.1 */
    int64_t expires;    /* seconds since 1970 */
};

/* For the key and the names of a request.  The caller calls issued_fini(), also after false. */
bool issuer_issue(const struct issuer *i, const struct csr *csr, struct issued *out, struct err *e);
void issued_fini(struct issued *c);

bool issuer_present(const struct issuer *i, struct x509_st *leaf, struct ssl_st *ssl);

/*
 * Has a server context ask in each handshake which certificate to show; `name` is "" if the client
 * names none.  `choose` may present one, and otherwise the context's own is shown.  Called by any
 * thread that makes handshakes.
 */
void issuer_choose(struct ssl_ctx_st *ctx,
                   void (*choose)(void *arg, const char *name, struct ssl_st *ssl), void *arg);

/*
 * chain.h - a certificate chain as ACME gives it out (RFC 8555 9.1): PEM without any other text,
 * the leaf first, each certificate signed by the next.
 *
 * What is read is a peer's: at most CHAIN_CERTS_MAX certificates, of any content.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/csr.h"

struct buf;
struct err;
struct jws_key;
struct x509_st;

#define CHAIN_CERTS_MAX 10

struct chain { /* {0} is empty */
    struct x509_st *certs[CHAIN_CERTS_MAX];
    int count;
};

bool chain_read(struct chain *c, const char *pem, size_t len,
                struct err *e); /* into an empty one */
void chain_fini(struct chain *c);

/*
 * Is each certificate signed by the next, is the leaf valid now, for the key with this digest and
 * for exactly these names, in whatever order?  `digest` NULL: any key.
 */
bool chain_check(const struct chain *c, const char *const *names, int count,
                 const unsigned char digest[CSR_DIGEST], struct err *e);

bool chain_leaf_has_key(const struct chain *c, const struct jws_key *k);
bool chain_leaf_der(const struct chain *c, struct buf *out); /* appended */

/* What renewal information is asked for by (RFC 9773 4.1): "authority.serial", appended. */
bool chain_cert_id(const struct chain *c, struct buf *out, struct err *e);

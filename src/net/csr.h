/*
 * csr.h - requests for certificates (PKCS #10, RFC 2986), made and read.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct err;
struct evp_pkey_st;
struct jws_key;

#define CSR_DIGEST    32 /* bytes: SHA-256 of a public key's encoding (SubjectPublicKeyInfo) */
#define CSR_NAMES_MAX 100

enum csr_key { CSR_P256, CSR_RSA2048 }; /* the latter takes some 100 ms to make */

/*
 * Appends the DER of a request for these names, signed with a fresh key; `digest` is its public
 * key's, by which the certificate can be told to be the one asked for.  `kept` gets the key, for
 * the caller to free; NULL: it is forgotten.
 */
bool csr_make(struct buf *out, const char *const *names, int count, enum csr_key kind,
              unsigned char digest[CSR_DIGEST], struct jws_key **kept, struct err *e);

struct csr {
    struct evp_pkey_st *key; /* public */
    char **names;            /* of its subject alternative names, addresses as text */
    int count;
};

/* Reads one whose signature is its own key's.  The caller calls csr_fini(), also after false. */
bool csr_read(struct csr *c, const void *der, size_t len, struct err *e);
void csr_fini(struct csr *c);

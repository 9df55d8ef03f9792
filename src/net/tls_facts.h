/*
 * tls_facts.h - what a handshake agreed on, and what the peer's certificate says.
 *
 * All of it comes from the peer, or was chosen by it: texts are bounded, and what is not printable
 * is escaped.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct ssl_st;
struct x509_st;

#define FINGERPRINT_MAX 65

struct tls_facts {
    struct x509_st *cert;              /* the leaf that the next lines describe; NULL: none yet */
    char subject[256], issuer[256];    /* RFC 4514: CN=example.com,O=Example */
    char key[96];                      /* "EC P-256", "RSA 2048" */
    char fingerprint[FINGERPRINT_MAX]; /* SHA-256 of the encoding, in lower-case hex */
    int64_t not_before, not_after;     /* seconds since 1970 */

    const char *protocol;   /* "1.3" */
    const char *cipher;     /* OpenSSL's name, which is the standard's for 1.3 */
    const char *group;      /* of the key exchange: "X25519", "P-256"; NULL: none */
    char alpn[256];         /* empty: none */
    const char *unverified; /* why the chain, or the name if it was verified, did not pass; NULL */
};

/*
 * Of the handshake that `ssl` has completed.  The certificate is read only if it is not the one of
 * the last call; false if the peer has shown none.
 */
bool tls_facts_update(struct tls_facts *f, struct ssl_st *ssl);
void tls_facts_free(struct tls_facts *f);

/* Is the certificate valid for this host name or address (RFC 9525)? */
bool tls_facts_name(const struct tls_facts *f, const char *name);

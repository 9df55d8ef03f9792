/*
 * identity.h - a client certificate that came over the wire, and its Ed25519 key.
 *
 * A certificate is kept as its encoding, some hundred bytes, and becomes OpenSSL's objects only
 * while a handshake needs them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct identity;
struct ssl_st;

#define IDENTITY_FINGERPRINT_MAX 65

/* The first certificate of a PEM text as DER, `*der` to be freed; 0: there is none. */
size_t identity_der(const char *pem, size_t len, unsigned char **der);

/* SHA-256 of that certificate in lower-case hex; false: there is none. */
bool identity_fingerprint(const char *pem, size_t len, char hex[IDENTITY_FINGERPRINT_MAX]);

/* NULL if `der` is no certificate, or not of this key. */
struct identity *identity_new(const unsigned char *der, size_t len, const unsigned char seed[32]);
void identity_free(struct identity *i); /* NULL is fine */

void identity_use(const struct identity *i, struct ssl_st *ssl);
void identity_drop(struct ssl_st *ssl); /* after the handshake: it is not needed any more */

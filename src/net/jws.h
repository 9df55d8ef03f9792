/*
 * jws.h - signed JSON as ACME wants it: the flattened serialization (RFC 7515 7.2.2), keys as JWK
 * (RFC 7517, RFC 7518 6, RFC 8037 2) and their thumbprints (RFC 7638).
 *
 * A key is constant once made: any thread may sign with it.  Private keys stay in memory.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct err;
struct jws_key;

enum jws_alg { JWS_ES256, JWS_EDDSA, JWS_RS256, JWS_ALGS };
extern const char *const jws_alg_names[JWS_ALGS + 1]; /* "ES256", ...; NULL ends it */

/* A fresh key: P-256, Ed25519 or RSA 2048, which takes some 100 ms.  NULL on failure. */
struct jws_key *jws_key_new(enum jws_alg alg, struct err *e);

/* A private key in PEM; its type says the algorithm.  NULL on failure. */
struct jws_key *jws_key_read(const char *pem, size_t len, struct err *e);

/*
 * A public key by the members of a JWK, still in base64url: kty and crv say which of them are
 * needed.  Curves and sizes that none of the algorithms above has are refused.  NULL on failure.
 */
struct jwk {
    const char *kty, *crv, *x, *y, *n, *e; /* NULL: not there */
};
struct jws_key *jws_key_public(const struct jwk *k, struct err *e);
void jws_key_free(struct jws_key *k); /* NULL is fine */

enum jws_alg jws_key_alg(const struct jws_key *k);
const char *jws_key_jwk(const struct jws_key *k);        /* public, in the form of RFC 7638 */
const char *jws_key_thumbprint(const struct jws_key *k); /* base64url of its SHA-256 */

struct jws_text {
    const char *data;
    size_t len;
};

/* Appends {"protected":..., "payload":..., "signature":...}. */
bool jws_sign(struct buf *out, const struct jws_key *k, struct jws_text header,
              struct jws_text payload, struct err *e);

/* The same with HS256 and a shared secret, for external account bindings (RFC 8555 7.3.4). */
bool jws_mac(struct buf *out, const void *key, size_t key_len, struct jws_text header,
             struct jws_text payload, struct err *e);

/* `input` is what was signed: both parts in base64url, joined by a dot. */
bool jws_verify(const struct jws_key *k, struct jws_text input, const void *signature, size_t len);

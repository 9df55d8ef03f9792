/* jwt.h - signed tokens (RFC 7515, RFC 7519), as far as they are made and read here. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct err;
struct jwt_key;

#define JWT_MAX (8 << 10) /* bytes of a token that is read */

/*
 * Appends a token that carries `claims`, a JSON object, signed with HS256 (HMAC with SHA-256).
 * With `key` NULL it is unsecured (RFC 7519 6): alg none and an empty signature.
 */
void jwt_add(struct buf *out, const char *claims, size_t len, const void *key, size_t key_len);

/*
 * A new key that signs and verifies: RS256 with an RSA key of 2048 bits, or HS256
 * with a random one.  Constant once made: any thread may use it.
 */
struct jwt_key *jwt_key_new(bool rsa, struct err *e); /* NULL on failure */
/* The key as text, PEM or base64url, and back: it is a secret. */
bool jwt_key_write(const struct jwt_key *k, struct buf *out);
struct jwt_key *jwt_key_read(bool rsa, const char *text, struct err *e); /* NULL on failure */
void jwt_key_free(struct jwt_key *k);                                    /* NULL is fine */

bool jwt_sign(const struct jwt_key *k, const char *claims, size_t len, struct buf *out);

/* Replaces `claims` by those of a token that this key has signed; their meaning is not looked at.
 */
bool jwt_verify(const struct jwt_key *k, const char *token, size_t len, struct buf *claims);

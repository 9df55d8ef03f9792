/* jwt.h - signed tokens (RFC 7515, RFC 7519), as far as they are made here. */
#pragma once

#include <stddef.h>

struct buf;

/*
 * Appends a token that carries `claims`, a JSON object, signed with HS256 (HMAC with SHA-256).
 * With `key` NULL it is unsecured (RFC 7519 6): alg none and an empty signature.
 */
void jwt_add(struct buf *out, const char *claims, size_t len, const void *key, size_t key_len);

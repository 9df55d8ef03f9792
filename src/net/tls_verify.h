/*
 * tls_verify.h - verification once for each certificate, not once for each connection.
 *
 * Building and checking a chain costs as much as a handshake's key exchange, and under load its
 * answer is always the same.  A chain that has passed the whole verification passes again if it is
 * the same, byte for byte, for the same name, and all of it is valid at the time.  Anything else,
 * and everything that failed before, is verified in full.
 */
#pragma once

#include <stdint.h>

struct ssl_ctx_st;

void tls_verify_once(struct ssl_ctx_st *ctx); /* for a context that verifies its peers */

/* Since the context was made; for contexts with tls_verify_once(). */
uint64_t tls_full_verifications(struct ssl_ctx_st *ctx);

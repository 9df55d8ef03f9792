/*
 * authority.h - a CA that certifies the keys of agents: client certificates from PKCS#10 requests.
 *
 * The key is ECDSA P-256.  An authority is constant once made: any thread may
 * use it.  A leaf is valid for 90 days, for client authentication, with the agent's id as its
 * common name, the organisation's as O and spiffe://ct-ops/org/ORG/agent/AGENT as its URI.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct authority;
struct buf;
struct err;
struct ssl_ctx_st;
struct ssl_st;

#define AUTHORITY_ID_MAX      64 /* bytes of an id, with its NUL */
#define AUTHORITY_REQUEST_MAX (16 << 10)
#define AUTHORITY_KEY_MAX     1024

struct authority *authority_new(struct err *e); /* NULL on failure */
/* Key and certificate as PEM, and back: it is a secret. */
bool authority_write(const struct authority *a, struct buf *out);
struct authority *authority_read(const char *pem, struct err *e); /* NULL on failure */
void authority_free(struct authority *a);                         /* NULL is fine */
const char *authority_pem(const struct authority *a);

/*
 * A server context asks its clients for a certificate, and takes none or one of this authority; any
 * other ends the handshake.
 */
bool authority_trust(const struct authority *a, struct ssl_ctx_st *ctx, struct err *e);

/* The public key of a request whose signature is right, as DER; its length, 0: it is none. */
size_t authority_key(const void *request, size_t len, unsigned char key[AUTHORITY_KEY_MAX]);

/* Appends a leaf for such a key, as PEM.  The ids are ASCII of less than AUTHORITY_ID_MAX bytes. */
bool authority_certify(const struct authority *a, const unsigned char *key, size_t len,
                       const char *agent, const char *org, struct buf *pem, int64_t *not_after);

enum authority_peer {
    AUTHORITY_NONE,    /* the client has shown no certificate */
    AUTHORITY_UNKNOWN, /* a verified one that names no agent */
    AUTHORITY_AGENT,
};
enum authority_peer authority_peer(const struct ssl_st *ssl, char agent[AUTHORITY_ID_MAX]);

/* The leaf that a server context shows: PEM, and SHA-256 in lower-case hex. */
bool authority_shown(const struct ssl_ctx_st *ctx, struct buf *pem, char fingerprint[65]);

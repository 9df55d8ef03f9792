/*
 * tls.h - OpenSSL, as far as this program uses it: contexts, and words for what went wrong.
 *
 * A client context is shared by all lanes and constant once made; each connection gets its own SSL
 * from it, without session reuse unless asked.  Includes of OpenSSL's headers stay in net/.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct err;
struct ssl_ctx_st;
struct ssl_session_st;
struct ssl_st;

struct tls_config {
    bool verify;
    const char *ca, *cert, *key;           /* PEM files; NULL: the system's roots; none */
    const char *const *alpn;               /* NULL-terminated; NULL: none */
    const char *min_version, *max_version; /* "1.2", "1.3"; NULL: OpenSSL's */
    const char *ciphers; /* TLS 1.2 list or 1.3 suites, each where OpenSSL knows it; NULL */
    const char *groups;
    bool resume;  /* keep sessions for resumption */
    bool examine; /* verify, and go on whatever comes of it: see tls_facts.h */
};

struct ssl_ctx_st *tls_client_ctx(const struct tls_config *c, struct err *e); /* NULL on error */
struct ssl_ctx_st *tls_server_ctx(const struct tls_config *c,
                                  struct err *e); /* cert and key needed */
void tls_ctx_free(struct ssl_ctx_st *ctx);

/* A client connection object: SNI (unless `name` is an address) and the name to verify are set. */
struct ssl_st *tls_connect(struct ssl_ctx_st *ctx, const char *name, bool verify, int fd);

/*
 * Begins a handshake without a socket: appends to `out` the records of a ClientHello that any
 * server could go on from, and returns the object that could go on with it (conn_adopt()) or is
 * released with tls_free().  Without certificate check; `name` is sent as SNI, NULL sends none.
 */
struct ssl_st *tls_hello(struct ssl_ctx_st *ctx, const char *name, struct buf *out);
void tls_free(struct ssl_st *ssl);

/*
 * Makes each ClientHello of a client context longer by `bytes` (at most TLS_FILLER_MAX): an
 * extension of a number that RFC 8701 reserves for what every server must ignore.
 */
#define TLS_FILLER_MAX 64000
bool tls_ctx_fill(struct ssl_ctx_st *ctx, size_t bytes, struct err *e);

/*
 * For a context made with `resume`: offers the session in `*slot` if there is one, and keeps the
 * newest that the server sends there.  The slot outlives the connection; its owner frees the
 * session.
 */
void tls_session_slot(struct ssl_st *ssl, struct ssl_session_st **slot);
void tls_session_free(struct ssl_session_st *session);

/* The server of a completed handshake has asked for a client certificate. */
bool tls_certificate_asked(const struct ssl_st *ssl);

/*
 * Why the last call on `ssl` failed, from OpenSSL's error queue, the verification result and errno:
 * "certificate has expired", "alert handshake_failure received", "connection reset".
 */
void tls_reason(struct ssl_st *ssl, int ret, char *buf, size_t size);

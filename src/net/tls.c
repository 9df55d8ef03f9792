/*
 * tls.c - contexts for clients and servers, and the words for what goes wrong with them.
 *
 * A load generator's handshakes must be full ones unless a resumption was asked for, so a client
 * context neither caches sessions nor offers tickets.  Without `verify` the callback that accepts
 * everything also spares OpenSSL the building of a chain nobody looks at.
 */
#include "net/tls.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "net/tls_names.h"
#include "net/tls_verify.h"

struct alpn { /* a server's protocols, in the wire's form (RFC 7301 3.1) */
    unsigned len;
    unsigned char wire[];
};

/* Of the extra data of contexts and connections. */
static int alpn_index = -1, session_index = -1, asked_index = -1;

static void alpn_release(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl,
                         void *argp)
{
    (void)parent, (void)ad, (void)idx, (void)argl, (void)argp;
    free(ptr);
}

static void register_indexes(void)
{
    alpn_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, alpn_release);
    session_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    asked_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

/* OpenSSL's reason for the oldest error in its queue, which this empties. */
static bool openssl_err(struct err *e, const char *what, const char *which)
{
    unsigned long code = ERR_get_error();
    const char *reason = ERR_reason_error_string(code);

    ERR_clear_error();
    if (ERR_SYSTEM_ERROR(code)) {
        errno = ERR_GET_REASON(code);
        return err_errno(e, "%s \"%s\"", what, which);
    }
    return err_set(e, "%s \"%s\": %s", what, which, reason ? reason : "not accepted");
}

static bool set_version(SSL_CTX *ctx, const char *text, bool min, struct err *e)
{
    int version = !text                      ? 0
                  : strcmp(text, "1.2") == 0 ? TLS1_2_VERSION
                  : strcmp(text, "1.3") == 0 ? TLS1_3_VERSION
                                             : -1;

    if (version < 0)
        return err_set(e, "TLS version \"%s\" is neither 1.2 nor 1.3", text);
    if (version == 0)
        return true;
    return (min ? SSL_CTX_set_min_proto_version(ctx, version)
                : SSL_CTX_set_max_proto_version(ctx, version)) == 1;
}

static bool set_ciphers(SSL_CTX *ctx, const char *list, struct err *e)
{
    return tls_set_ciphers(ctx, list) || openssl_err(e, "TLS ciphers", list);
}

static bool set_identity(SSL_CTX *ctx, const struct tls_config *c, struct err *e)
{
    const char *key = c->key ? c->key : c->cert;

    if (!c->cert && !c->key)
        return true;
    if (!c->cert)
        return err_set(e, "the key \"%s\" has no certificate beside it", c->key);
    if (SSL_CTX_use_certificate_chain_file(ctx, c->cert) != 1)
        return openssl_err(e, "certificate", c->cert);
    if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
        return openssl_err(e, "key", key);
    if (SSL_CTX_check_private_key(ctx) != 1) {
        ERR_clear_error();
        return err_set(e, "the key \"%s\" does not belong to the certificate \"%s\"", key, c->cert);
    }
    return true;
}

static bool set_common(SSL_CTX *ctx, const struct tls_config *c, struct err *e)
{
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_read_ahead(ctx, 1);
    if (!set_version(ctx, c->min_version, true, e) || !set_version(ctx, c->max_version, false, e))
        return false;
    if (c->ciphers && !set_ciphers(ctx, c->ciphers, e))
        return false;
    if (c->groups && SSL_CTX_set1_groups_list(ctx, c->groups) != 1)
        return openssl_err(e, "TLS groups", c->groups);
    return set_identity(ctx, c, e);
}

static bool set_trust(SSL_CTX *ctx, const char *ca, struct err *e)
{
    if (ca ? SSL_CTX_load_verify_file(ctx, ca) != 1 : SSL_CTX_set_default_verify_paths(ctx) != 1)
        return openssl_err(e, "certificates to trust in", ca ? ca : "the system's folder");
    return true;
}

static struct alpn *alpn_new(const char *const *names)
{
    struct alpn *a = xcalloc(1, sizeof(*a));

    for (; *names; names++) {
        size_t len = strlen(*names);

        if (len == 0 || len > 255)
            continue;
        a = xrealloc(a, sizeof(*a) + a->len + 1 + len);
        a->wire[a->len] = (unsigned char)len;
        memcpy(a->wire + a->len + 1, *names, len);
        a->len += 1 + (unsigned)len;
    }
    return a;
}

static int accept_any(X509_STORE_CTX *store, void *arg)
{
    (void)store, (void)arg;
    return 1;
}

/* The newest session replaces the one kept; 1 tells OpenSSL that it is ours now. */
static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    SSL_SESSION **slot = SSL_get_ex_data(ssl, session_index);

    if (!slot)
        return 0;
    SSL_SESSION_free(*slot);
    *slot = session;
    return 1;
}

/* Called when the server asks for a certificate, before the configured one is looked at. */
static int note_asked(SSL *ssl, void *arg)
{
    (void)arg;
    SSL_set_ex_data(ssl, asked_index, ssl);
    return 1;
}

/*
 * Every offered cipher costs time in every handshake, so by default there are only those that are
 * used today: authenticated ones, the cheapest first.
 */
static bool set_default_ciphers(SSL_CTX *ctx, struct err *e)
{
    return set_ciphers(ctx,
                       "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:"
                       "ECDHE+AESGCM:ECDHE+CHACHA20:RSA+AESGCM",
                       e);
}

static bool client_setup(SSL_CTX *ctx, const struct tls_config *c, struct err *e)
{
    if (!c->ciphers && !set_default_ciphers(ctx, e))
        return false;
    if (!set_common(ctx, c, e))
        return false;
    if (c->resume) {
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(ctx, keep_session);
    } else {
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    }
    if (c->alpn && *c->alpn) {
        struct alpn *a = alpn_new(c->alpn);

        SSL_CTX_set_alpn_protos(ctx, a->wire, a->len);
        free(a);
    }
    SSL_CTX_set_cert_cb(ctx, note_asked, NULL);
    if (!c->verify && !c->examine) {
        SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
        SSL_CTX_set_cert_verify_callback(ctx, accept_any, NULL);
        return true;
    }
    SSL_CTX_set_verify(ctx, c->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    tls_verify_once(ctx);
    return set_trust(ctx, c->ca, e);
}

static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                       const unsigned char *in, unsigned in_len, void *arg)
{
    const struct alpn *a = arg;
    unsigned char *chosen;

    (void)ssl;
    if (SSL_select_next_proto(&chosen, out_len, a->wire, a->len, in, in_len) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static bool server_setup(SSL_CTX *ctx, const struct tls_config *c, struct err *e)
{
    if (!c->cert)
        return err_set(e, "a TLS server needs a certificate");
    if (!set_common(ctx, c, e))
        return false;
    SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"shakedown", 9);
    if (c->alpn && *c->alpn) {
        struct alpn *a = alpn_new(c->alpn);

        SSL_CTX_set_ex_data(ctx, alpn_index, a);
        SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, a);
    }
    if (!c->verify)
        return true;
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return set_trust(ctx, c->ca, e);
}

static SSL_CTX *ctx_new(const SSL_METHOD *method, const struct tls_config *c,
                        bool (*setup)(SSL_CTX *, const struct tls_config *, struct err *),
                        struct err *e)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    SSL_CTX *ctx = mem_check(SSL_CTX_new(method));

    pthread_once(&once, register_indexes);
    ERR_clear_error();
    if (setup(ctx, c, e))
        return ctx;
    SSL_CTX_free(ctx);
    return NULL;
}

struct ssl_ctx_st *tls_client_ctx(const struct tls_config *c, struct err *e)
{
    return ctx_new(TLS_client_method(), c, client_setup, e);
}

struct ssl_ctx_st *tls_server_ctx(const struct tls_config *c, struct err *e)
{
    return ctx_new(TLS_server_method(), c, server_setup, e);
}

void tls_ctx_free(struct ssl_ctx_st *ctx)
{
    SSL_CTX_free(ctx);
}

static bool is_address(const char *name)
{
    struct in6_addr addr;

    return inet_pton(AF_INET, name, &addr) == 1 || inet_pton(AF_INET6, name, &addr) == 1;
}

/* RFC 6066 3: an address is never sent as a server name, but is verified as one. */
struct ssl_st *tls_connect(struct ssl_ctx_st *ctx, const char *name, bool verify, int fd)
{
    SSL *ssl = mem_check(SSL_new(ctx));
    bool is_addr = is_address(name);

    if (!is_addr)
        SSL_set_tlsext_host_name(ssl, name);
    if (verify && is_addr)
        X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name);
    else if (verify)
        SSL_set1_host(ssl, name);
    SSL_set_connect_state(ssl);
    if (fd >= 0)
        mem_check(SSL_set_fd(ssl, fd) ? ssl : NULL);
    return ssl;
}

struct ssl_st *tls_hello(struct ssl_ctx_st *ctx, const char *name, struct buf *out)
{
    SSL *ssl = mem_check(SSL_new(ctx));
    BIO *in = mem_check(BIO_new(BIO_s_mem())), *sent = mem_check(BIO_new(BIO_s_mem()));
    char *bytes;
    long len;

    SSL_set_bio(ssl, in, sent);
    if (name && !is_address(name))
        SSL_set_tlsext_host_name(ssl, name);
    SSL_set_verify(ssl, SSL_VERIFY_NONE, NULL);
    SSL_set_connect_state(ssl);
    SSL_do_handshake(ssl); /* gets as far as waiting for the answer */
    len = BIO_get_mem_data(sent, &bytes);
    buf_add(out, bytes, (size_t)len);
    BIO_reset(sent); /* it is the caller's to send now */
    ERR_clear_error();
    return ssl;
}

void tls_free(struct ssl_st *ssl)
{
    SSL_free(ssl);
}

#define FILLER_TYPE 0x1a1a /* RFC 8701 2 */

static int add_filler(SSL *ssl, unsigned type, unsigned context, const unsigned char **out,
                      size_t *len, X509 *x, size_t chain, int *alert, void *arg)
{
    static const unsigned char zeros[TLS_FILLER_MAX];

    (void)ssl, (void)type, (void)context, (void)x, (void)chain, (void)alert;
    *out = zeros;
    *len = (size_t)(uintptr_t)arg;
    return 1;
}

bool tls_ctx_fill(struct ssl_ctx_st *ctx, size_t bytes, struct err *e)
{
    if (bytes <= TLS_FILLER_MAX &&
        SSL_CTX_add_custom_ext(ctx, FILLER_TYPE, SSL_EXT_CLIENT_HELLO, add_filler, NULL,
                               (void *)(uintptr_t)bytes, NULL, NULL) == 1)
        return true;
    return openssl_err(e, "TLS extension", "filler");
}

void tls_session_slot(struct ssl_st *ssl, struct ssl_session_st **slot)
{
    SSL_SESSION *copy;

    SSL_set_ex_data(ssl, session_index, slot);
    if (!*slot)
        return;
    /* A copy: OpenSSL makes a session of TLS 1.3 unusable once it was resumed. */
    copy = mem_check(SSL_SESSION_dup(*slot));
    SSL_set_session(ssl, copy);
    SSL_SESSION_free(copy);
}

bool tls_certificate_asked(const struct ssl_st *ssl)
{
    return SSL_get_ex_data(ssl, asked_index) != NULL;
}

void tls_session_free(struct ssl_session_st *session)
{
    SSL_SESSION_free(session);
}

/* OpenSSL names newer alerts only among its reasons: "tlsv13 alert certificate required". */
static void describe_alert(unsigned long code, char *buf, size_t size)
{
    const char *reason = ERR_reason_error_string(code),
               *name = reason ? strstr(reason, "alert ") : NULL;
    size_t from;

    name =
        name ? name + 6 : SSL_alert_desc_string_long(ERR_GET_REASON(code) - SSL_AD_REASON_OFFSET);
    from = (size_t)snprintf(buf, size, "alert %s", name);
    for (char *p = buf + 6; from < size && (p = strchr(p, ' '));)
        *p = '_';
    if (from < size)
        snprintf(buf + from, size - from, " received");
}

/* Errors that the library names after its own state, in words about the peer. */
static const char *plain_words(int reason)
{
    switch (reason) {
    case SSL_R_UNEXPECTED_EOF_WHILE_READING:
        return "connection closed without a TLS close_notify";
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
        return "the peer does not speak TLS";
    default:
        return NULL;
    }
}

static void describe_queue(unsigned long code, char *buf, size_t size)
{
    int reason = ERR_GET_REASON(code);
    const char *words = plain_words(reason);

    if (ERR_GET_LIB(code) == ERR_LIB_SSL && reason > SSL_AD_REASON_OFFSET)
        describe_alert(code, buf, size);
    else if (ERR_GET_LIB(code) == ERR_LIB_SSL && words)
        snprintf(buf, size, "%s", words);
    else
        snprintf(buf, size, "%s", ERR_reason_error_string(code) ?: "unknown TLS error");
}

void tls_reason(struct ssl_st *ssl, int ret, char *buf, size_t size)
{
    int saved = errno, kind = SSL_get_error(ssl, ret);
    unsigned long code = ERR_peek_error();
    long verified = SSL_get_verify_result(ssl);
    char words[128];

    if (verified != X509_V_OK && SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE)
        snprintf(buf, size, "%s", X509_verify_cert_error_string(verified));
    else if (code != 0)
        describe_queue(code, buf, size);
    else if (kind == SSL_ERROR_SYSCALL && saved != 0)
        snprintf(buf, size, "%s", strerror_r(saved, words, sizeof(words)));
    else
        snprintf(buf, size, "connection closed");
    if (size > 0 && isupper((unsigned char)buf[0]) && !isupper((unsigned char)buf[1]))
        buf[0] = (char)tolower((unsigned char)buf[0]);
    ERR_clear_error();
    errno = saved;
}

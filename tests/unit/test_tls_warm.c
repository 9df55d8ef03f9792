/* What is fetched for a record is what a record uses. */
#include "unit.h"

#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "net/tls_warm.h"

#define BYTES 960

static SSL_CTX *server_make(void)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();

    X509_set_pubkey(cert, key);
    X509_gmtime_adj(X509_getm_notBefore(cert), 0);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    assert_int_equal(SSL_CTX_use_certificate(ctx, cert), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(ctx, key), 1);
    X509_free(cert);
    EVP_PKEY_free(key);
    return ctx;
}

/* Both ends of a connection whose handshake is over. */
static void connect_both(SSL_CTX *client, SSL_CTX *server, SSL **c, SSL **s)
{
    BIO *up = BIO_new(BIO_s_mem()), *down = BIO_new(BIO_s_mem());

    *c = SSL_new(client);
    *s = SSL_new(server);
    BIO_up_ref(up);
    BIO_up_ref(down);
    SSL_set_bio(*c, down, up);
    SSL_set_bio(*s, up, down);
    SSL_set_connect_state(*c);
    SSL_set_accept_state(*s);
    for (int i = 0; i < 3; i++) {
        SSL_do_handshake(*c);
        SSL_do_handshake(*s);
    }
    assert_true(SSL_is_init_finished(*c) && SSL_is_init_finished(*s));
}

struct copy {
    unsigned char bytes[BYTES];
    size_t size;
};

static struct copy copy_of(const void *state)
{
    struct copy c = {{0}, malloc_usable_size((void *)(uintptr_t)state)};

    assert_true(c.size > 500);
    memcpy(c.bytes, state, c.size < BYTES ? c.size : BYTES);
    return c;
}

static bool changed(const void *state, const struct copy *since)
{
    return memcmp(state, since->bytes, since->size < BYTES ? since->size : BYTES) != 0;
}

static void finds_what_a_record_uses(void **state)
{
    SSL_CTX *client = SSL_CTX_new(TLS_client_method()), *server = server_make();
    struct copy sent, received;
    struct tls_warm w;
    SSL *c, *s;

    (void)state;
    if (OPENSSL_VERSION_MAJOR != 3 || OPENSSL_VERSION_MINOR != 0 || sizeof(void *) != 8)
        skip();
    connect_both(client, server, &c, &s);
    tls_warm_find(&w, c);
    for (int i = 0; i < TLS_WARM_PARTS; i++)
        assert_non_null(w.parts[i]);
    assert_true(EVP_CIPHER_CTX_is_encrypting(w.parts[TLS_WARM_WRITE]));
    assert_false(EVP_CIPHER_CTX_is_encrypting(w.parts[TLS_WARM_READ]));
    tls_warm_fetch(&w);

    sent = copy_of(w.parts[TLS_WARM_WRITE_STATE]);
    received = copy_of(w.parts[TLS_WARM_READ_STATE]);
    assert_int_equal(SSL_write(c, "beat", 4), 4);
    assert_true(changed(w.parts[TLS_WARM_WRITE_STATE], &sent));
    assert_false(changed(w.parts[TLS_WARM_READ_STATE], &received));
    SSL_free(c);
    SSL_free(s);
    SSL_CTX_free(client);
    SSL_CTX_free(server);
}

static void plain_connections_have_none(void **state)
{
    struct tls_warm w = {.ssl = &w};

    (void)state;
    tls_warm_find(&w, NULL);
    assert_null(w.ssl);
    tls_warm_fetch(&w);
}

static void there_are_no_keys_before_the_handshake(void **state)
{
    struct tls_warm w;
    SSL_CTX *client = SSL_CTX_new(TLS_client_method());
    SSL *c = SSL_new(client);

    (void)state;
    tls_warm_find(&w, c);
    assert_null(w.parts[TLS_WARM_WRITE]);
    assert_null(w.parts[TLS_WARM_WRITE_STATE]);
    tls_warm_fetch(&w);
    SSL_free(c);
    SSL_CTX_free(client);
}

UNIT_GROUP(tls_warm, cmocka_unit_test(finds_what_a_record_uses),
           cmocka_unit_test(plain_connections_have_none),
           cmocka_unit_test(there_are_no_keys_before_the_handshake))

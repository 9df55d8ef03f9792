#include "net/identity.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "base/mem.h"

struct identity {
    X509 *cert;
    EVP_PKEY *key;
};

size_t identity_der(const char *pem, size_t len, unsigned char **der)
{
    BIO *bio = len > 0 && len < INT_MAX ? BIO_new_mem_buf(pem, (int)len) : NULL;
    char *name = NULL, *header = NULL;
    unsigned char *data = NULL;
    long n = 0;

    *der = NULL;
    if (bio && PEM_read_bio(bio, &name, &header, &data, &n) == 1 && n > 0 &&
        strcmp(name, PEM_STRING_X509) == 0) {
        *der = xrealloc(NULL, (size_t)n);
        memcpy(*der, data, (size_t)n);
    }
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(data);
    BIO_free(bio);
    ERR_clear_error();
    return *der ? (size_t)n : 0;
}

bool identity_fingerprint(const char *pem, size_t len, char hex[IDENTITY_FINGERPRINT_MAX])
{
    unsigned char *der, digest[32];
    size_t n = identity_der(pem, len, &der);
    bool ok = n > 0 && EVP_Q_digest(NULL, "SHA256", NULL, der, n, digest, NULL) == 1;

    for (size_t i = 0; ok && i < sizeof(digest); i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    free(der);
    return ok;
}

struct identity *identity_new(const unsigned char *der, size_t len, const unsigned char seed[32])
{
    struct identity *i = xcalloc(1, sizeof(*i));

    i->cert = d2i_X509(NULL, &der, (long)len);
    i->key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, 32);
    if (i->cert && i->key && X509_check_private_key(i->cert, i->key) == 1)
        return i;
    ERR_clear_error();
    identity_free(i);
    return NULL;
}

void identity_free(struct identity *i)
{
    if (!i)
        return;
    X509_free(i->cert);
    EVP_PKEY_free(i->key);
    free(i);
}

void identity_use(const struct identity *i, struct ssl_st *ssl)
{
    SSL_certs_clear(ssl); /* one of another kind, from the context, could be preferred */
    if (SSL_use_certificate(ssl, i->cert) != 1 || SSL_use_PrivateKey(ssl, i->key) != 1)
        ERR_clear_error(); /* the server then says that there was none */
}

void identity_drop(struct ssl_st *ssl)
{
    SSL_certs_clear(ssl);
}

#include "net/issuer.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "base/err.h"
#include "base/mem.h"
#include "net/base64url.h"
#include "net/cert_make.h"
#include "net/chain.h"

struct issuer {
    EVP_PKEY *ca_key, *key;
    X509 *ca;
};

struct chooser {
    void (*choose)(void *arg, const char *name, struct ssl_st *ssl);
    void *arg;
};

struct issuer *issuer_new(struct err *e)
{
    struct issuer *i = xcalloc(1, sizeof(*i));

    i->ca_key = EVP_EC_gen("P-256");
    i->key = EVP_EC_gen("P-256");
    i->ca = i->ca_key && i->key ? cert_ca(i->ca_key) : NULL;
    if (i->ca)
        return i;
    ERR_clear_error();
    issuer_free(i);
    err_set(e, "could not make an issuer of certificates");
    return NULL;
}

void issuer_free(struct issuer *i)
{
    if (!i)
        return;
    X509_free(i->ca);
    EVP_PKEY_free(i->key);
    EVP_PKEY_free(i->ca_key);
    free(i);
}

struct x509_st *issuer_leaf(const struct issuer *i, const char *name,
                            char fingerprint[ISSUER_FINGERPRINT_MAX], struct err *e)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    X509 *leaf;

    if (!cert_names_check(&name, 1, e))
        return NULL;
    leaf = cert_leaf(&name, 1, i->key, i->ca, i->ca_key);
    if (!leaf || !X509_digest(leaf, EVP_sha256(), digest, &len)) {
        ERR_clear_error();
        X509_free(leaf);
        err_set(e, "could not make a certificate for \"%s\"", name);
        return NULL;
    }
    for (unsigned n = 0; n < len && n < (ISSUER_FINGERPRINT_MAX - 1) / 2; n++)
        snprintf(fingerprint + 2 * n, 3, "%02x", digest[n]);
    return leaf;
}

void issuer_leaf_free(struct x509_st *leaf)
{
    X509_free(leaf);
}

static bool add_pem(struct buf *out, X509 *cert)
{
    BIO *bio = BIO_new(BIO_s_mem());
    bool ok = bio && PEM_write_bio_X509(bio, cert);
    char *data;
    long len = ok ? BIO_get_mem_data(bio, &data) : 0;

    if (len > 0)
        buf_add(out, data, (size_t)len);
    BIO_free(bio);
    return len > 0;
}

static bool describe(X509 *leaf, struct issued *out, struct err *e)
{
    struct chain chain = {.certs = {leaf}, .count = 1}; /* borrows it */
    struct buf der = {0};
    bool ok = chain_leaf_der(&chain, &der) && chain_cert_id(&chain, &out->cert_id, e);
    struct tm tm;

    base64url_add(&out->der, buf_text(&der), der.len);
    buf_free(&der);
    if (!ok || ASN1_TIME_to_tm(X509_get0_notAfter(leaf), &tm) != 1)
        return false;
    out->expires = (int64_t)timegm(&tm);
    return true;
}

bool issuer_issue(const struct issuer *i, const struct csr *csr, struct issued *out, struct err *e)
{
    const char *const *names = (const char *const *)csr->names;
    X509 *leaf = cert_names_check(names, csr->count, e)
                     ? cert_leaf(names, csr->count, csr->key, i->ca, i->ca_key)
                     : NULL;
    bool ok =
        leaf && add_pem(&out->pem, leaf) && add_pem(&out->pem, i->ca) && describe(leaf, out, e);

    X509_free(leaf);
    ERR_clear_error();
    return ok || err_set(e, "no certificate can be made of the request");
}

void issued_fini(struct issued *c)
{
    buf_free(&c->pem);
    buf_free(&c->der);
    buf_free(&c->cert_id);
}

bool issuer_present(const struct issuer *i, struct x509_st *leaf, struct ssl_st *ssl)
{
    if (SSL_use_certificate(ssl, leaf) == 1 && SSL_use_PrivateKey(ssl, i->key) == 1 &&
        SSL_add1_chain_cert(ssl, i->ca) == 1)
        return true;
    ERR_clear_error();
    return false;
}

static void free_chooser(void *parent, void *ptr, CRYPTO_EX_DATA *data, int index, long argl,
                         void *argp)
{
    (void)parent, (void)data, (void)index, (void)argl, (void)argp;
    free(ptr);
}

static int on_certificate(SSL *ssl, void *arg)
{
    const struct chooser *c = arg;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

    c->choose(c->arg, name ? name : "", ssl);
    return 1;
}

void issuer_choose(struct ssl_ctx_st *ctx,
                   void (*choose)(void *arg, const char *name, struct ssl_st *ssl), void *arg)
{
    struct chooser *c = xcalloc(1, sizeof(*c));
    int index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_chooser);

    *c = (struct chooser){choose, arg};
    SSL_CTX_set_ex_data(ctx, index, c); /* so that it lives as long as the context */
    SSL_CTX_set_cert_cb(ctx, on_certificate, c);
}

#include "net/keypair.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "base/err.h"
#include "base/mem.h"

#define CHAIN_MAX 16

struct keypair {
    X509 *certs[CHAIN_MAX]; /* the leaf first */
    int count;
    EVP_PKEY *key;
};

/* A key with a passphrase is not asked about: there is nobody to answer. */
static int no_passphrase(char *out, int size, int writing, void *arg)
{
    (void)out, (void)size, (void)writing, (void)arg;
    return -1;
}

static void read_certificates(struct keypair *k, const char *text)
{
    BIO *bio = mem_check(BIO_new_mem_buf(text, (int)strlen(text)));
    X509 *cert;

    while (k->count < CHAIN_MAX && (cert = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)))
        k->certs[k->count++] = cert;
    BIO_free(bio);
}

static void read_key(struct keypair *k, const char *text)
{
    BIO *bio = mem_check(BIO_new_mem_buf(text, (int)strlen(text)));

    k->key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
}

struct keypair *keypair_parse(const char *certificates, const char *key, struct err *e)
{
    struct keypair *k = xcalloc(1, sizeof(*k));

    read_certificates(k, certificates);
    read_key(k, key);
    if (k->count == 0)
        err_set(e, "there is no certificate in it");
    else if (!k->key)
        err_set(e, "there is no private key without a passphrase in it");
    else if (X509_check_private_key(k->certs[0], k->key) != 1)
        err_set(e, "the key is not the certificate's");
    else
        goto good;
    keypair_free(k);
    k = NULL;
good:
    ERR_clear_error();
    return k;
}

void keypair_free(struct keypair *k)
{
    if (!k)
        return;
    for (int i = 0; i < k->count; i++)
        X509_free(k->certs[i]);
    EVP_PKEY_free(k->key);
    free(k);
}

bool keypair_present(const struct keypair *k, struct ssl_st *ssl)
{
    bool ok = SSL_use_certificate(ssl, k->certs[0]) == 1 && SSL_use_PrivateKey(ssl, k->key) == 1;

    for (int i = 1; ok && i < k->count; i++)
        ok = SSL_add1_chain_cert(ssl, k->certs[i]) == 1;
    ERR_clear_error();
    return ok;
}

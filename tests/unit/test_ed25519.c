#include "unit.h"

#include <stdbool.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "net/ed25519.h"
#include "net/identity.h"

static void keys_follow_from_label_and_number(void **state)
{
    struct ed25519 a, b, c, d;

    (void)state;
    ed25519_derive(&a, "run", 7);
    ed25519_derive(&b, "run", 7);
    ed25519_derive(&c, "run", 8);
    ed25519_derive(&d, "other", 7);
    assert_memory_equal(&a, &b, sizeof(a));
    assert_memory_not_equal(a.public, c.public, ED25519_PUBLIC);
    assert_memory_not_equal(a.public, d.public, ED25519_PUBLIC);
}

static void the_pem_block_holds_the_raw_key(void **state)
{
    char pem[ED25519_PEM_MAX], *name, *header;
    unsigned char *data;
    struct ed25519 k;
    long len;
    size_t n;
    BIO *bio;

    (void)state;
    ed25519_derive(&k, "run", 1);
    n = ed25519_pem(&k, pem);
    assert_int_equal(n, strlen(pem));
    bio = BIO_new_mem_buf(pem, -1);
    assert_int_equal(PEM_read_bio(bio, &name, &header, &data, &len), 1);
    assert_string_equal(name, "PUBLIC KEY");
    assert_int_equal(len, 32);
    assert_memory_equal(data, k.public, 32);
    assert_int_equal(pem[strlen(pem) - 1], '\n');
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(data);
    BIO_free(bio);
}

/* OpenSSL reads it, finds its signature good and the key to be the one of the same seed. */
static void the_request_is_one(void **state)
{
    unsigned char der[ED25519_CSR], *again = NULL;
    const unsigned char *p = der;
    struct ed25519 k;
    EVP_PKEY *own;
    X509_REQ *req;
    char cn[64];

    (void)state;
    ed25519_derive(&k, "run", 3);
    ed25519_csr(&k, der);
    req = d2i_X509_REQ(NULL, &p, sizeof(der));
    assert_non_null(req);
    assert_ptr_equal(p, der + sizeof(der));
    assert_int_equal(X509_REQ_verify(req, X509_REQ_get0_pubkey(req)), 1);
    X509_NAME_get_text_by_NID(X509_REQ_get_subject_name(req), NID_commonName, cn, sizeof(cn));
    assert_string_equal(cn, "ct-ops-agent");
    own = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, k.seed, 32);
    assert_int_equal(EVP_PKEY_eq(own, X509_REQ_get0_pubkey(req)), 1);
    assert_int_equal(i2d_X509_REQ(req, &again), sizeof(der)); /* it is DER, not only BER */
    assert_memory_equal(again, der, sizeof(der));
    OPENSSL_free(again);
    EVP_PKEY_free(own);
    X509_REQ_free(req);
}

static X509 *certificate_of(EVP_PKEY *key)
{
    X509 *x = X509_new();

    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), 0);
    X509_gmtime_adj(X509_getm_notAfter(x), 1000);
    X509_set_pubkey(x, key);
    X509_sign(x, key, NULL);
    return x;
}

static void a_certificate_needs_its_key(void **state)
{
    struct ed25519 k, other;
    unsigned char *der;
    struct identity *i;
    char *pem, hex[IDENTITY_FINGERPRINT_MAX];
    EVP_PKEY *key;
    X509 *x;
    BIO *bio = BIO_new(BIO_s_mem());
    size_t len;
    long n;

    (void)state;
    ed25519_derive(&k, "run", 1);
    ed25519_derive(&other, "run", 2);
    key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, k.seed, 32);
    x = certificate_of(key);
    PEM_write_bio_X509(bio, x);
    n = BIO_get_mem_data(bio, &pem);
    len = identity_der(pem, (size_t)n, &der);
    assert_true(len > 0);
    i = identity_new(der, len, k.seed);
    assert_non_null(i);
    assert_null(identity_new(der, len, other.seed));
    assert_null(identity_new(der, len - 1, k.seed));
    assert_true(identity_fingerprint(pem, (size_t)n, hex));
    assert_int_equal(strlen(hex), 64);
    assert_false(identity_fingerprint("nonsense", 8, hex));
    assert_false(identity_fingerprint("", 0, hex));
    identity_free(i);
    free(der);
    X509_free(x);
    EVP_PKEY_free(key);
    BIO_free(bio);
}

UNIT_GROUP(ed25519, cmocka_unit_test(keys_follow_from_label_and_number),
           cmocka_unit_test(the_pem_block_holds_the_raw_key), cmocka_unit_test(the_request_is_one),
           cmocka_unit_test(a_certificate_needs_its_key))

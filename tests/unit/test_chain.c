/* Requests for certificates, and the chains that come back. */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/buf.h"
#include "base/err.h"
#include "net/cert_make.h"
#include "net/chain.h"
#include "net/csr.h"

static const char *names[] = {"a.example.test", "b.example.test", "192.0.2.7", "2001:db8::1"};
#define NAMES 4

struct authority {
    EVP_PKEY *key;
    X509 *cert;
};

static struct authority authority_new(void)
{
    struct authority ca = {.key = EVP_EC_gen("P-256")};

    ca.cert = cert_ca(ca.key);
    assert_non_null(ca.cert);
    return ca;
}

static void authority_free(struct authority *ca)
{
    X509_free(ca->cert);
    EVP_PKEY_free(ca->key);
}

static void add_pem(struct buf *out, X509 *cert)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *data;
    long len;

    PEM_write_bio_X509(bio, cert);
    len = BIO_get_mem_data(bio, &data);
    buf_add(out, data, (size_t)len);
    BIO_free(bio);
}

/* What a server answers to a request: the leaf for its key and names, and the CA. */
static void issue(struct buf *pem, const struct csr *c, const struct authority *ca)
{
    X509 *leaf = cert_leaf((const char *const *)c->names, c->count, c->key, ca->cert, ca->key);

    assert_non_null(leaf);
    add_pem(pem, leaf);
    add_pem(pem, ca->cert);
    X509_free(leaf);
}

static void check_roundtrip(enum csr_key kind)
{
    struct authority ca = authority_new();
    unsigned char digest[CSR_DIGEST], wrong[CSR_DIGEST] = {0};
    struct buf der = {0}, pem = {0}, id = {0};
    struct chain chain = {0};
    struct csr csr;
    struct err e;

    assert_true(csr_make(&der, names, NAMES, kind, digest, NULL, &e));
    assert_true(csr_read(&csr, der.data, der.len, &e));
    assert_int_equal(csr.count, NAMES);
    for (int i = 0; i < NAMES; i++)
        assert_string_equal(csr.names[i], names[i]);
    issue(&pem, &csr, &ca);
    assert_true(chain_read(&chain, pem.data, pem.len, &e));
    assert_int_equal(chain.count, 2);
    if (!chain_check(&chain, names, NAMES, digest, &e))
        fail_msg("%s", e.text);
    assert_false(chain_check(&chain, names, NAMES - 1, digest, &e));
    assert_non_null(strstr(e.text, "not asked for"));
    assert_false(chain_check(&chain, names, NAMES, wrong, &e));
    assert_non_null(strstr(e.text, "key"));
    assert_true(chain_cert_id(&chain, &id, &e));
    chain_fini(&chain);
    csr_fini(&csr);
    buf_free(&der), buf_free(&pem), buf_free(&id);
    authority_free(&ca);
}

static void a_certificate_is_the_one_asked_for(void **state)
{
    (void)state;
    check_roundtrip(CSR_P256);
    check_roundtrip(CSR_RSA2048);
}

static void a_request_of_another_key_is_refused(void **state)
{
    unsigned char digest[CSR_DIGEST];
    struct buf der = {0};
    struct csr csr;
    struct err e;

    (void)state;
    assert_true(csr_make(&der, names, NAMES, CSR_P256, digest, NULL, &e));
    der.data[der.len - 1] ^= 1; /* the signature */
    assert_false(csr_read(&csr, der.data, der.len, &e));
    csr_fini(&csr);
    assert_false(csr_read(&csr, der.data, der.len - 1, &e));
    csr_fini(&csr);
    buf_free(&der);
}

static void a_chain_has_to_hang_together(void **state)
{
    struct authority ca = authority_new(), other = authority_new();
    X509 *leaf = cert_leaf(names, 1, other.key, ca.cert, ca.key);
    struct chain chain = {0};
    struct buf pem = {0};
    struct err e;

    (void)state;
    add_pem(&pem, leaf);
    add_pem(&pem, other.cert); /* the same name, another key */
    assert_true(chain_read(&chain, pem.data, pem.len, &e));
    assert_false(chain_check(&chain, names, 1, NULL, &e));
    assert_non_null(strstr(e.text, "not signed by the next"));
    assert_false(chain_check(&chain, names + 1, 1, NULL, &e));
    assert_non_null(strstr(e.text, "not for b.example.test"));
    chain_fini(&chain);
    X509_free(leaf);
    buf_free(&pem);
    authority_free(&ca), authority_free(&other);
}

static void what_is_no_chain_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "hello",
        "-----BEGIN CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nAAA\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    };
    struct authority ca = authority_new();
    struct buf pem = {0};
    struct err e;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct chain chain = {0};

        if (chain_read(&chain, bad[i], strlen(bad[i]), &e))
            fail_msg("%s was taken", bad[i]);
        chain_fini(&chain);
    }
    for (int i = 0; i <= CHAIN_CERTS_MAX; i++)
        add_pem(&pem, ca.cert);
    for (int i = 0; i < 2; i++) {
        struct chain chain = {0};

        assert_false(chain_read(&chain, pem.data, pem.len, &e));
        chain_fini(&chain);
        buf_clear(&pem);
        add_pem(&pem, ca.cert);
        buf_adds(&pem, "and more\n"); /* RFC 8555 9.1: no other text */
    }
    buf_free(&pem);
    authority_free(&ca);
}

/* The example of RFC 9773 4.1. */
static void a_certificate_has_an_id(void **state)
{
    unsigned char authority[] = {0x69, 0x88, 0x5b, 0x6b, 0x87, 0x46, 0x40, 0x41, 0xe1, 0xb3,
                                 0x7b, 0x84, 0x7b, 0xa0, 0xae, 0x2c, 0xde, 0x01, 0xc8, 0xd4};
    AUTHORITY_KEYID *akid = AUTHORITY_KEYID_new();
    struct chain chain = {.count = 1};
    X509 *cert = chain.certs[0] = X509_new();
    EVP_PKEY *key = EVP_EC_gen("P-256");
    struct buf id = {0};
    struct err e;

    (void)state;
    akid->keyid = ASN1_OCTET_STRING_new();
    ASN1_OCTET_STRING_set(akid->keyid, authority, sizeof(authority));
    assert_int_equal(X509_add1_ext_i2d(cert, NID_authority_key_identifier, akid, 0, 0), 1);
    ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), 0x87654321);
    X509_set_version(cert, X509_VERSION_3);
    X509_gmtime_adj(X509_getm_notBefore(cert), 0);
    X509_gmtime_adj(X509_getm_notAfter(cert), 60);
    assert_true(X509_set_pubkey(cert, key) && X509_sign(cert, key, EVP_sha256()));
    assert_true(chain_cert_id(&chain, &id, &e));
    assert_string_equal(id.data, "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE");
    AUTHORITY_KEYID_free(akid);
    EVP_PKEY_free(key);
    chain_fini(&chain);
    buf_free(&id);
}

UNIT_GROUP(chain, cmocka_unit_test(a_certificate_is_the_one_asked_for),
           cmocka_unit_test(a_request_of_another_key_is_refused),
           cmocka_unit_test(a_chain_has_to_hang_together),
           cmocka_unit_test(what_is_no_chain_is_refused), cmocka_unit_test(a_certificate_has_an_id))

#include "unit.h"

#include <stdbool.h>
#include <string.h>
#include <time.h>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/buf.h"
#include "base/err.h"
#include "net/authority.h"
#include "net/ed25519.h"

#define AGENT "0b7ad7a3-56b1-4bd6-a4f7-0d0b9d8f6c11"

static X509 *read_pem(const char *text)
{
    BIO *bio = BIO_new_mem_buf(text, -1);
    X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);

    BIO_free(bio);
    assert_non_null(x);
    return x;
}

/* A request as OpenSSL makes it; its length. */
static int request_of(EVP_PKEY *key, const char *name, int type, unsigned char **der)
{
    bool plain = EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519;
    X509_REQ *req = X509_REQ_new();
    int len;

    X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(req), "CN", type,
                               (const unsigned char *)name, -1, -1, 0);
    X509_REQ_set_pubkey(req, key);
    assert_true(X509_REQ_sign(req, key, plain ? NULL : EVP_sha256()) > 0);
    len = i2d_X509_REQ(req, der);
    X509_REQ_free(req);
    return len;
}

static X509 *issue(struct authority *a, EVP_PKEY *key)
{
    unsigned char *der = NULL, spki[AUTHORITY_KEY_MAX];
    int len = request_of(key, "ct-ops-agent", MBSTRING_UTF8, &der);
    size_t n = authority_key(der, (size_t)len, spki);
    struct buf pem = {0};
    int64_t until = 0, now = (int64_t)time(NULL);
    struct tm tm;
    X509 *x;

    assert_true(n > 0);
    assert_true(authority_certify(a, spki, n, AGENT, "org-x", &pem, &until));
    x = read_pem(buf_text(&pem));
    assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(x), key), 1);
    assert_int_equal(ASN1_TIME_to_tm(X509_get0_notAfter(x), &tm), 1);
    assert_int_equal(timegm(&tm), until);
    assert_in_range(until - now, 90 * 86400 - 100, 90 * 86400 + 100);
    OPENSSL_free(der);
    buf_free(&pem);
    return x;
}

static void name_is(X509 *x, int nid, const char *want)
{
    char text[80] = "";

    X509_NAME_get_text_by_NID(X509_get_subject_name(x), nid, text, sizeof(text));
    assert_string_equal(text, want);
}

static void uri_is(X509 *x, const char *want)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
    const GENERAL_NAME *n = sk_GENERAL_NAME_value(names, 0);

    assert_int_equal(sk_GENERAL_NAME_num(names), 1);
    assert_int_equal(n->type, GEN_URI);
    assert_int_equal(ASN1_STRING_length(n->d.uniformResourceIdentifier), strlen(want));
    assert_memory_equal(ASN1_STRING_get0_data(n->d.uniformResourceIdentifier), want, strlen(want));
    GENERAL_NAMES_free(names);
}

/* As strict as OpenSSL can be, and for clients alone. */
static void is_client_of(X509 *leaf, X509 *ca)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();

    X509_STORE_add_cert(store, ca);
    X509_STORE_CTX_init(ctx, store, leaf, NULL);
    X509_STORE_CTX_set_purpose(ctx, X509_PURPOSE_SSL_CLIENT);
    X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_X509_STRICT | X509_V_FLAG_CHECK_SS_SIGNATURE);
    assert_int_equal(X509_verify_cert(ctx), 1);
    assert_int_not_equal(X509_check_purpose(leaf, X509_PURPOSE_SSL_SERVER, 0), 1);
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
}

static void is_der(X509 *x)
{
    unsigned char *first = NULL, *again = NULL;
    int len = i2d_X509(x, &first), n;
    const unsigned char *at = first;
    X509 *copy = d2i_X509(NULL, &at, len);

    assert_int_equal(i2d_re_X509_tbs(copy, &again), n = i2d_re_X509_tbs(x, NULL));
    assert_memory_equal(again, first + 4, (size_t)n);
    OPENSSL_free(first);
    OPENSSL_free(again);
    X509_free(copy);
}

static void leaves_are_what_the_contract_says(void **state)
{
    EVP_PKEY *keys[] = {EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), EVP_EC_gen("P-256"),
                        EVP_RSA_gen(2048)};
    ASN1_INTEGER *before = NULL;
    struct authority *a;
    struct err e;
    X509 *ca;

    (void)state;
    a = authority_new(&e);
    assert_non_null(a);
    ca = read_pem(authority_pem(a));
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        X509 *x = issue(a, keys[i]);

        is_client_of(x, ca);
        is_der(x);
        name_is(x, NID_commonName, AGENT);
        name_is(x, NID_organizationName, "org-x");
        uri_is(x, "spiffe://ct-ops/org/org-x/agent/" AGENT);
        assert_int_equal(X509_get_ext_count(x), 5);
        assert_int_equal(X509_get_version(x), X509_VERSION_3);
        assert_true(!before || ASN1_INTEGER_cmp(before, X509_get0_serialNumber(x)) != 0);
        ASN1_INTEGER_free(before);
        before = ASN1_INTEGER_dup(X509_get0_serialNumber(x));
        X509_free(x);
        EVP_PKEY_free(keys[i]);
    }
    ASN1_INTEGER_free(before);
    X509_free(ca);
    authority_free(a);
}

/* Another key's signature, another text, a byte more or less. */
static void a_request_has_to_be_right_in_every_bit(void **state)
{
    unsigned char der[ED25519_CSR + 1], public[ED25519_PUBLIC], key[AUTHORITY_KEY_MAX];
    struct ed25519 k;

    (void)state;
    ed25519_derive(&k, "run", 3);
    ed25519_csr(&k, der);
    der[ED25519_CSR] = 0;
    assert_true(ed25519_csr_read(der, ED25519_CSR, public));
    assert_memory_equal(public, k.public, ED25519_PUBLIC);
    for (size_t bit = 0; bit < ED25519_CSR * 8; bit++) {
        der[bit / 8] ^= (unsigned char)(1 << bit % 8);
        assert_false(ed25519_csr_read(der, ED25519_CSR, public));
        assert_int_equal(authority_key(der, ED25519_CSR, key), 0);
        der[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    for (size_t len = 0; len < ED25519_CSR; len++)
        assert_false(ed25519_csr_read(der, len, public));
    assert_false(ed25519_csr_read(der, ED25519_CSR + 1, public));
}

/* What is not read by hand is read all the same. */
static void other_requests_are_left_to_openssl(void **state)
{
    unsigned char *der = NULL, public[ED25519_PUBLIC], key[AUTHORITY_KEY_MAX];
    EVP_PKEY *ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), *ec = EVP_EC_gen("P-256");
    int len = request_of(ed, "agent", V_ASN1_PRINTABLESTRING, &der);

    (void)state;
    assert_true(ed25519_csr_read(der, (size_t)len, public)); /* as Go's library writes them */
    OPENSSL_free(der);
    der = NULL;
    len = request_of(ed, "\xc3\xa4gent", MBSTRING_UTF8, &der);
    assert_false(ed25519_csr_read(der, (size_t)len, public));
    assert_int_equal(authority_key(der, (size_t)len, key), ED25519_SPKI);
    OPENSSL_free(der);
    der = NULL;
    len = request_of(ec, "agent", MBSTRING_UTF8, &der);
    assert_false(ed25519_csr_read(der, (size_t)len, public));
    assert_true(authority_key(der, (size_t)len, key) > ED25519_SPKI);
    OPENSSL_free(der);
    EVP_PKEY_free(ed);
    EVP_PKEY_free(ec);
}

UNIT_GROUP(authority, cmocka_unit_test(leaves_are_what_the_contract_says),
           cmocka_unit_test(a_request_has_to_be_right_in_every_bit),
           cmocka_unit_test(other_requests_are_left_to_openssl))

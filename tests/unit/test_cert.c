#include "unit.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/err.h"
#include "base/fs.h"
#include "net/cert.h"

static char root[64], cert_path[96], key_path[96], ca_path[96];

static int make_root(void **state)
{
    (void)state;
    snprintf(root, sizeof(root), "/tmp/shakedown-cert-XXXXXX");
    if (!mkdtemp(root))
        return -1;
    snprintf(cert_path, sizeof(cert_path), "%s/cert.pem", root);
    snprintf(key_path, sizeof(key_path), "%s/key.pem", root);
    snprintf(ca_path, sizeof(ca_path), "%s/ca.pem", root);
    return 0;
}

static int remove_root(void **state)
{
    (void)state;
    fs_remove_tree(root);
    return 0;
}

static bool make(const char *const *names, int count, bool rsa, struct err *e)
{
    struct cert_files to = {cert_path, key_path, ca_path};

    return cert_make(names, count, rsa, &to, e);
}

static X509 *read_cert(const char *path)
{
    FILE *f = fopen(path, "re");
    X509 *cert = PEM_read_X509(f, NULL, NULL, NULL);

    fclose(f);
    assert_non_null(cert);
    return cert;
}

static EVP_PKEY *read_key(void)
{
    FILE *f = fopen(key_path, "re");
    EVP_PKEY *key = PEM_read_PrivateKey(f, NULL, NULL, NULL);

    fclose(f);
    assert_non_null(key);
    return key;
}

/* As a strict client does it: chain, purpose, name and every check of RFC 5280 that OpenSSL has. */
static int verify(X509 *leaf, X509 *ca, const char *name, time_t at)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    X509_VERIFY_PARAM *param = X509_VERIFY_PARAM_new();
    int result;

    X509_STORE_add_cert(store, ca);
    X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT | X509_V_FLAG_CHECK_SS_SIGNATURE);
    X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_SERVER);
    X509_VERIFY_PARAM_set_time(param, at);
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    if (!X509_VERIFY_PARAM_set1_ip_asc(param, name))
        X509_VERIFY_PARAM_set1_host(param, name, 0);
    X509_STORE_set1_param(store, param);
    X509_STORE_CTX_init(ctx, store, leaf, NULL);
    result = X509_verify_cert(ctx) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(ctx);
    X509_VERIFY_PARAM_free(param);
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    return result;
}

static void strict_clients_accept_it(void **state)
{
    static const char *const names[] = {"stress.example.com", "127.0.0.1", "::1", "*.wild.test"};
    struct err e = {0};
    time_t now = time(NULL);
    X509 *leaf, *ca;
    EVP_PKEY *key;

    (void)state;
    for (int rsa = 0; rsa < 2; rsa++) {
        assert_true(make(names, 4, rsa, &e));
        leaf = read_cert(cert_path);
        ca = read_cert(ca_path);
        key = read_key();
        for (int i = 0; i < 3; i++)
            assert_int_equal(verify(leaf, ca, names[i], now), X509_V_OK);
        assert_int_equal(verify(leaf, ca, "a.wild.test", now), X509_V_OK);
        assert_int_equal(verify(leaf, ca, "other.example.com", now), X509_V_ERR_HOSTNAME_MISMATCH);
        assert_int_equal(verify(leaf, ca, "127.0.0.2", now), X509_V_ERR_IP_ADDRESS_MISMATCH);
        assert_int_equal(verify(leaf, ca, names[0], now - 1800), X509_V_OK);
        assert_int_equal(verify(leaf, ca, names[0], now - 7200), X509_V_ERR_CERT_NOT_YET_VALID);
        assert_int_equal(verify(leaf, ca, names[0], now + 6 * 86400), X509_V_OK);
        assert_int_equal(verify(leaf, ca, names[0], now + 8 * 86400), X509_V_ERR_CERT_HAS_EXPIRED);
        assert_int_equal(X509_check_private_key(leaf, key), 1);
        assert_int_equal(EVP_PKEY_get_bits(key), rsa ? 2048 : 256);
        EVP_PKEY_free(key);
        X509_free(leaf);
        X509_free(ca);
    }
}

static void two_runs_do_not_trust_each_other(void **state)
{
    static const char *const names[] = {"a.test"};
    struct err e = {0};
    X509 *leaf, *second, *ca;

    (void)state;
    assert_true(make(names, 1, false, &e));
    leaf = read_cert(cert_path);
    assert_true(make(names, 1, false, &e));
    second = read_cert(cert_path);
    ca = read_cert(ca_path);
    assert_int_not_equal(verify(leaf, ca, "a.test", time(NULL)), X509_V_OK);
    assert_int_equal(verify(second, ca, "a.test", time(NULL)), X509_V_OK);
    assert_int_not_equal(
        ASN1_INTEGER_cmp(X509_get0_serialNumber(leaf), X509_get0_serialNumber(second)), 0);
    X509_free(leaf);
    X509_free(second);
    X509_free(ca);
}

static void the_key_is_private(void **state)
{
    static const char *const names[] = {"a.test"};
    struct err e = {0};
    struct stat st;

    (void)state;
    assert_true(make(names, 1, false, &e));
    assert_int_equal(stat(key_path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(stat(cert_path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0644);
}

static void impossible_names_are_refused(void **state)
{
    static const char *const bad[] = {"", "a b", "a,DNS:b", "a\nb"};
    struct cert_files nowhere = {"/no/such/cert", "/no/such/key", NULL};
    static const char *const good[] = {"a.test"};
    char long_name[300] = "";
    struct err e = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(make(&bad[i], 1, false, &e));
        assert_non_null(strstr(e.text, "neither a DNS name nor an IP address"));
    }
    assert_false(make(good, 0, false, &e));
    assert_false(cert_make(good, 1, false, &nowhere, &e));
    assert_non_null(strstr(e.text, "/no/such/key"));
    memset(long_name, 'a', 100); /* longer than a common name may be */
    assert_true(make((const char *const[]){long_name}, 1, false, &e));
}

#define cert_test(f) cmocka_unit_test_setup_teardown(f, make_root, remove_root)

UNIT_GROUP(cert, cert_test(strict_clients_accept_it), cert_test(two_runs_do_not_trust_each_other),
           cert_test(the_key_is_private), cert_test(impossible_names_are_refused))

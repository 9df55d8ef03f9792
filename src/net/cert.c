/*
 * cert.c - certificates that strict clients accept: RFC 5280 profiles of a CA and of a TLS leaf,
 * with names in the subject alternative name alone (RFC 9525), version 3, random serial numbers.
 */
#include "net/cert.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/fs.h"
#include "net/cert_make.h"

#define HOUR      3600L
#define VALID     (7 * 24 * HOUR)
#define SERIAL    159 /* bits; RFC 5280 section 4.1.2.2 allows 20 octets of a positive number */
#define CN_MAX    64  /* ub-common-name */
#define DNS_MAX   253
#define AUTHORITY "shakedown throw-away CA"

static bool openssl_failed(struct err *e, const char *what)
{
    unsigned long code = ERR_get_error();
    char text[256] = "unknown reason";

    if (code)
        ERR_error_string_n(code, text, sizeof(text));
    ERR_clear_error();
    return err_set(e, "could not %s: %s", what, text);
}

static bool add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *ext;
    bool ok;

    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    ok = ext && X509_add_ext(cert, ext, -1);
    X509_EXTENSION_free(ext);
    return ok;
}

static bool set_serial(X509 *cert)
{
    BIGNUM *n = BN_new();
    bool ok = n && BN_rand(n, SERIAL, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) &&
              BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert));

    BN_free(n);
    return ok;
}

/* What a CA and a leaf have in common; the issuer is set by the caller. */
static X509 *new_cert(EVP_PKEY *key, const char *common_name)
{
    X509 *cert = X509_new();
    bool ok = cert && X509_set_version(cert, X509_VERSION_3) && set_serial(cert) &&
              X509_gmtime_adj(X509_getm_notBefore(cert), -HOUR) &&
              X509_gmtime_adj(X509_getm_notAfter(cert), VALID) && X509_set_pubkey(cert, key) &&
              X509_NAME_add_entry_by_NID(X509_get_subject_name(cert), NID_commonName, MBSTRING_UTF8,
                                         (const unsigned char *)common_name, -1, -1, 0);

    if (ok)
        return cert;
    X509_free(cert);
    return NULL;
}

X509 *cert_ca(EVP_PKEY *key)
{
    X509 *ca = new_cert(key, AUTHORITY);
    bool ok = ca && X509_set_issuer_name(ca, X509_get_subject_name(ca)) &&
              add_extension(ca, ca, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
              add_extension(ca, ca, NID_key_usage, "critical,keyCertSign,cRLSign") &&
              add_extension(ca, ca, NID_subject_key_identifier, "hash") &&
              X509_sign(ca, key, EVP_sha256());

    if (ok)
        return ca;
    X509_free(ca);
    return NULL;
}

static bool is_dns_name(const char *name)
{
    size_t len = strlen(name);

    for (const char *p = name; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("-._*", *p))
            return false;
    return len > 0 && len <= DNS_MAX;
}

static ASN1_STRING *new_string(ASN1_STRING *s, const void *data, int len)
{
    if (s && ASN1_STRING_set(s, data, len))
        return s;
    ASN1_STRING_free(s);
    return NULL;
}

static GENERAL_NAME *new_name(const char *name)
{
    unsigned char address[16];
    GENERAL_NAME *g = GENERAL_NAME_new();
    int type = GEN_IPADD;
    ASN1_STRING *s;

    if (inet_pton(AF_INET, name, address) == 1) {
        s = new_string(ASN1_OCTET_STRING_new(), address, 4);
    } else if (inet_pton(AF_INET6, name, address) == 1) {
        s = new_string(ASN1_OCTET_STRING_new(), address, 16);
    } else {
        type = GEN_DNS;
        s = new_string(ASN1_IA5STRING_new(), name, -1);
    }
    if (g && s) {
        GENERAL_NAME_set0_value(g, type, s);
        return g;
    }
    ASN1_STRING_free(s);
    GENERAL_NAME_free(g);
    return NULL;
}

GENERAL_NAMES *cert_general_names(const char *const *names, int count)
{
    GENERAL_NAMES *list = sk_GENERAL_NAME_new_null();
    bool ok = list != NULL;

    for (int i = 0; ok && i < count; i++) {
        GENERAL_NAME *name = new_name(names[i]);

        ok = name && sk_GENERAL_NAME_push(list, name);
        if (!ok)
            GENERAL_NAME_free(name);
    }
    if (ok)
        return list;
    GENERAL_NAMES_free(list);
    return NULL;
}

static bool add_names(X509 *cert, const char *const *names, int count)
{
    GENERAL_NAMES *list = cert_general_names(names, count);
    bool ok =
        list && X509_add1_ext_i2d(cert, NID_subject_alt_name, list, 0, X509V3_ADD_DEFAULT) == 1;

    GENERAL_NAMES_free(list);
    return ok;
}

X509 *cert_leaf(const char *const *names, int count, EVP_PKEY *key, X509 *ca, EVP_PKEY *ca_key)
{
    X509 *leaf = new_cert(key, strlen(names[0]) <= CN_MAX ? names[0] : "shakedown");
    const char *usage = EVP_PKEY_is_a(key, "RSA") ? "critical,digitalSignature,keyEncipherment"
                                                  : "critical,digitalSignature";
    bool ok = leaf && X509_set_issuer_name(leaf, X509_get_subject_name(ca)) &&
              add_extension(leaf, ca, NID_basic_constraints, "critical,CA:FALSE") &&
              add_extension(leaf, ca, NID_key_usage, usage) &&
              add_extension(leaf, ca, NID_ext_key_usage, "serverAuth,clientAuth") &&
              add_extension(leaf, ca, NID_subject_key_identifier, "hash") &&
              add_extension(leaf, ca, NID_authority_key_identifier, "keyid:always") &&
              add_names(leaf, names, count) && X509_sign(leaf, ca_key, EVP_sha256());

    if (ok)
        return leaf;
    X509_free(leaf);
    return NULL;
}

/* Secure memory is not asked for: the key ends in a file beside it, for a service of one run. */
static bool write_bio(BIO *bio, const char *path, int mode, struct err *e)
{
    char *data;
    long len = BIO_get_mem_data(bio, &data);

    return fs_write(path, data, (size_t)len, mode, e);
}

static bool write_certs(X509 *first, X509 *second, const char *path, struct err *e)
{
    BIO *bio = BIO_new(BIO_s_mem());
    bool ok = bio && PEM_write_bio_X509(bio, first) && (!second || PEM_write_bio_X509(bio, second));

    ok = ok ? write_bio(bio, path, 0644, e) : openssl_failed(e, "write a certificate as PEM");
    BIO_free(bio);
    return ok;
}

static bool write_key(EVP_PKEY *key, const char *path, struct err *e)
{
    BIO *bio = BIO_new(BIO_s_mem());
    bool ok = bio && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);

    ok = ok ? write_bio(bio, path, 0600, e) : openssl_failed(e, "write a key as PEM");
    BIO_free(bio);
    return ok;
}

bool cert_names_check(const char *const *names, int count, struct err *e)
{
    unsigned char address[16];

    if (count < 1)
        return err_set(e, "a certificate needs at least one name");
    for (int i = 0; i < count; i++)
        if (!is_dns_name(names[i]) && inet_pton(AF_INET6, names[i], address) != 1)
            return err_set(e, "\"%s\" is neither a DNS name nor an IP address", names[i]);
    return true;
}

bool cert_make(const char *const *names, int count, bool rsa2048, const struct cert_files *to,
               struct err *e)
{
    EVP_PKEY *ca_key, *key;
    X509 *ca, *leaf;
    bool ok;

    if (!cert_names_check(names, count, e))
        return false;
    ca_key = EVP_EC_gen("P-256");
    key = rsa2048 ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
    ca = ca_key ? cert_ca(ca_key) : NULL;
    leaf = ca && key ? cert_leaf(names, count, key, ca, ca_key) : NULL;
    ok = leaf ? write_key(key, to->key, e) && write_certs(leaf, ca, to->cert, e) &&
                    (!to->ca || write_certs(ca, NULL, to->ca, e))
              : openssl_failed(e, "make a certificate");
    X509_free(leaf);
    X509_free(ca);
    EVP_PKEY_free(key);
    EVP_PKEY_free(ca_key);
    return ok;
}

#include "net/tls_facts.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

static void print_name(const X509_NAME *name, char *out, size_t size)
{
    BIO *b = BIO_new(BIO_s_mem());
    int n = -1;

    if (b && X509_NAME_print_ex(b, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) >= 0)
        n = BIO_read(b, out, (int)size - 1);
    out[n > 0 ? n : 0] = '\0';
    for (char *p = out; *p; p++) /* control characters were escaped; this is for what is no UTF-8 */
        if (iscntrl((unsigned char)*p))
            *p = '?';
    BIO_free(b);
}

static void print_key(const X509 *cert, char *out, size_t size)
{
    const EVP_PKEY *key = X509_get0_pubkey(cert);
    const char *type = key ? EVP_PKEY_get0_type_name(key) : NULL, *curve;
    char group[48] = "";

    if (!type) {
        snprintf(out, size, "unknown");
    } else if (EVP_PKEY_get_group_name((EVP_PKEY *)key, group, sizeof(group), NULL) == 1) {
        curve = EC_curve_nid2nist(OBJ_sn2nid(group));
        snprintf(out, size, "%s %s", type, curve ? curve : group);
    } else if (strncmp(type, "RSA", 3) == 0) {
        snprintf(out, size, "%s %d", type, EVP_PKEY_get_bits(key));
    } else {
        snprintf(out, size, "%s", type);
    }
}

static int64_t seconds_of(const ASN1_TIME *t)
{
    struct tm tm;

    return ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

static void print_digest(const X509 *cert, char out[FINGERPRINT_MAX])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    X509_digest(cert, EVP_sha256(), digest, &len);
    out[0] = '\0';
    for (unsigned i = 0; i < len && i < (FINGERPRINT_MAX - 1) / 2; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

static void read_cert(struct tls_facts *f, X509 *cert)
{
    X509_up_ref(cert);
    X509_free(f->cert);
    f->cert = cert;
    print_name(X509_get_subject_name(cert), f->subject, sizeof(f->subject));
    print_name(X509_get_issuer_name(cert), f->issuer, sizeof(f->issuer));
    print_key(cert, f->key, sizeof(f->key));
    print_digest(cert, f->fingerprint);
    f->not_before = seconds_of(X509_get0_notBefore(cert));
    f->not_after = seconds_of(X509_get0_notAfter(cert));
    ERR_clear_error();
}

/* As OpenSSL's lists of groups have it; NULL: none, as when a session was resumed without one. */
static const char *group_of(SSL *ssl)
{
    int nid = (int)SSL_get_negotiated_group(ssl);
    const char *nist = nid > 0 ? EC_curve_nid2nist(nid) : NULL;

    return nist ? nist : nid > 0 ? OBJ_nid2sn(nid) : NULL;
}

bool tls_facts_update(struct tls_facts *f, struct ssl_st *ssl)
{
    X509 *cert = SSL_get0_peer_certificate(ssl);
    const unsigned char *alpn = NULL;
    unsigned len = 0;
    long verified = SSL_get_verify_result(ssl);

    f->protocol = SSL_version(ssl) == TLS1_3_VERSION   ? "1.3"
                  : SSL_version(ssl) == TLS1_2_VERSION ? "1.2"
                                                       : SSL_get_version(ssl);
    f->cipher = SSL_get_cipher_name(ssl);
    f->group = group_of(ssl);
    SSL_get0_alpn_selected(ssl, &alpn, &len);
    snprintf(f->alpn, sizeof(f->alpn), "%.*s", (int)len, alpn ? (const char *)alpn : "");
    f->unverified = verified == X509_V_OK ? NULL : X509_verify_cert_error_string(verified);
    if (cert && cert != f->cert)
        read_cert(f, cert);
    return cert != NULL;
}

void tls_facts_free(struct tls_facts *f)
{
    X509_free(f->cert);
    f->cert = NULL;
}

bool tls_facts_name(const struct tls_facts *f, const char *name)
{
    unsigned char address[16];

    if (!f->cert)
        return false;
    if (inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1)
        return X509_check_ip_asc(f->cert, name, 0) == 1;
    return X509_check_host(f->cert, name, 0, 0, NULL) == 1;
}

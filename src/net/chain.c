#include "net/chain.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include "base/buf.h"
#include "base/err.h"
#include "net/base64url.h"
#include "net/jws_key.h"

#define BEGIN    "-----BEGIN CERTIFICATE-----"
#define END      "-----END CERTIFICATE-----"
#define CERT_MAX ((size_t)64 << 10) /* bytes of base64 */

static bool is_blank(char c)
{
    return c == '\n' || c == '\r' || c == ' ' || c == '\t';
}

static const char *skip_blanks(const char *p, const char *end)
{
    while (p < end && is_blank(*p))
        p++;
    return p;
}

static bool starts(const char *p, const char *end, const char *text)
{
    size_t len = strlen(text);

    return (size_t)(end - p) >= len && memcmp(p, text, len) == 0;
}

/* The base64 of one certificate, without line ends; where it ends, or NULL. */
static const char *read_base64(const char *p, const char *end, struct buf *out)
{
    for (; p < end && *p != '-'; p++) {
        if (is_blank(*p))
            continue;
        if (out->len == CERT_MAX)
            return NULL;
        buf_addc(out, *p);
    }
    return starts(p, end, END) ? p + strlen(END) : NULL;
}

static X509 *decode(const struct buf *base64)
{
    size_t padding = base64->len && base64->data[base64->len - 1] == '='
                         ? 1 + (base64->len > 1 && base64->data[base64->len - 2] == '=')
                         : 0;
    unsigned char der[CERT_MAX / 4 * 3];
    const unsigned char *p = der;
    int len = base64->len && base64->len % 4 == 0
                  ? EVP_DecodeBlock(der, (const unsigned char *)base64->data, (int)base64->len)
                  : -1;
    X509 *cert = len > 0 ? d2i_X509(NULL, &p, len - (long)padding) : NULL;

    if (cert && p == der + len - padding)
        return cert;
    X509_free(cert);
    return NULL;
}

bool chain_read(struct chain *c, const char *pem, size_t len, struct err *e)
{
    const char *p = skip_blanks(pem, pem + len), *end = pem + len;
    struct buf base64 = {0};
    bool ok = true;

    while (ok && p < end) {
        buf_clear(&base64);
        if (c->count == CHAIN_CERTS_MAX)
            ok = err_set(e, "a chain of more than %d certificates", CHAIN_CERTS_MAX);
        else if (!starts(p, end, BEGIN) || !(p = read_base64(p + strlen(BEGIN), end, &base64)))
            ok = err_set(e, "not a chain of certificates in PEM");
        else if (!(c->certs[c->count] = decode(&base64)))
            ok = err_set(e, "certificate %d of the chain cannot be read", c->count + 1);
        else
            c->count++;
        p = ok ? skip_blanks(p, end) : end;
    }
    buf_free(&base64);
    ERR_clear_error();
    return ok && (c->count > 0 || err_set(e, "a chain without certificates"));
}

void chain_fini(struct chain *c)
{
    for (int i = 0; i < c->count; i++)
        X509_free(c->certs[i]);
    *c = (struct chain){0};
}

static bool check_links(const struct chain *c, struct err *e)
{
    for (int i = 0; i + 1 < c->count; i++) {
        EVP_PKEY *key = X509_get0_pubkey(c->certs[i + 1]);

        if (X509_check_issued(c->certs[i + 1], c->certs[i]) != X509_V_OK || !key ||
            X509_verify(c->certs[i], key) != 1) {
            ERR_clear_error();
            return err_set(e, "certificate %d of the chain is not signed by the next", i + 1);
        }
    }
    return true;
}

static bool check_times(X509 *leaf, struct err *e)
{
    if (X509_cmp_current_time(X509_get0_notBefore(leaf)) > 0)
        return err_set(e, "the certificate is not valid yet");
    if (X509_cmp_current_time(X509_get0_notAfter(leaf)) < 0)
        return err_set(e, "the certificate has expired");
    return true;
}

static bool check_key(X509 *leaf, const unsigned char digest[CSR_DIGEST], struct err *e)
{
    unsigned char *der = NULL, found[EVP_MAX_MD_SIZE];
    EVP_PKEY *key = X509_get0_pubkey(leaf);
    int len = key ? i2d_PUBKEY(key, &der) : -1;
    size_t n = 0;
    bool same = len > 0 && EVP_Q_digest(NULL, "SHA256", NULL, der, (size_t)len, found, &n) == 1 &&
                memcmp(found, digest, CSR_DIGEST) == 0;

    OPENSSL_free(der);
    ERR_clear_error();
    return same || err_set(e, "the certificate is not for the key of the request");
}

static bool is_name(const GENERAL_NAME *g, const char *name)
{
    unsigned char address[16];
    int type;
    const ASN1_STRING *s = GENERAL_NAME_get0_value(g, &type);
    size_t len;

    if (type != GEN_DNS && type != GEN_IPADD)
        return false;
    len = (size_t)ASN1_STRING_length(s);
    if (type == GEN_DNS)
        return len == strlen(name) &&
               strncasecmp((const char *)ASN1_STRING_get0_data(s), name, len) == 0;
    return ((len == 4 && inet_pton(AF_INET, name, address) == 1) ||
            (len == 16 && inet_pton(AF_INET6, name, address) == 1)) &&
           memcmp(ASN1_STRING_get0_data(s), address, len) == 0;
}

static bool has_name(const GENERAL_NAMES *list, const char *name)
{
    for (int i = 0; i < sk_GENERAL_NAME_num(list); i++)
        if (is_name(sk_GENERAL_NAME_value(list, i), name))
            return true;
    return false;
}

static bool is_asked_for(const GENERAL_NAME *g, const char *const *names, int count)
{
    for (int i = 0; i < count; i++)
        if (is_name(g, names[i]))
            return true;
    return false;
}

static bool check_names(X509 *leaf, const char *const *names, int count, struct err *e)
{
    GENERAL_NAMES *list = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
    bool ok = list || err_set(e, "the certificate has no names");

    for (int i = 0; ok && i < count; i++)
        ok = has_name(list, names[i]) || err_set(e, "the certificate is not for %.100s", names[i]);
    for (int i = 0; ok && i < sk_GENERAL_NAME_num(list); i++)
        ok = is_asked_for(sk_GENERAL_NAME_value(list, i), names, count) ||
             err_set(e, "the certificate has a name that was not asked for");
    GENERAL_NAMES_free(list);
    ERR_clear_error();
    return ok;
}

bool chain_check(const struct chain *c, const char *const *names, int count,
                 const unsigned char digest[CSR_DIGEST], struct err *e)
{
    if (c->count == 0)
        return err_set(e, "a chain without certificates");
    return check_names(c->certs[0], names, count, e) &&
           (!digest || check_key(c->certs[0], digest, e)) && check_times(c->certs[0], e) &&
           check_links(c, e);
}

bool chain_leaf_has_key(const struct chain *c, const struct jws_key *k)
{
    EVP_PKEY *key = c->count ? X509_get0_pubkey(c->certs[0]) : NULL;
    bool same = key && EVP_PKEY_eq(key, k->pkey) == 1;

    ERR_clear_error();
    return same;
}

bool chain_leaf_der(const struct chain *c, struct buf *out)
{
    unsigned char *der = NULL;
    int len = c->count ? i2d_X509(c->certs[0], &der) : -1;

    if (len > 0)
        buf_add(out, der, (size_t)len);
    OPENSSL_free(der);
    return len > 0;
}

/* The serial as its DER has it: a positive number whose first bit is set has a zero byte first. */
static bool add_serial(X509 *leaf, struct buf *out)
{
    unsigned char *der = NULL;
    int len = i2d_ASN1_INTEGER(X509_get0_serialNumber(leaf), &der);
    bool ok = len > 2 && der[1] == len - 2; /* tag and a length of one byte */

    if (ok)
        base64url_add(out, der + 2, (size_t)len - 2);
    OPENSSL_free(der);
    return ok;
}

bool chain_cert_id(const struct chain *c, struct buf *out, struct err *e)
{
    const ASN1_OCTET_STRING *authority = c->count ? X509_get0_authority_key_id(c->certs[0]) : NULL;

    if (!authority)
        return err_set(e, "the certificate has no authority key identifier");
    base64url_add(out, ASN1_STRING_get0_data(authority), (size_t)ASN1_STRING_length(authority));
    buf_addc(out, '.');
    return add_serial(c->certs[0], out) ||
           err_set(e, "the certificate's serial number is too long");
}

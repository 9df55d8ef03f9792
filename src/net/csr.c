#include "net/csr.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "net/cert_make.h"
#include "net/jws_key.h"

/* The public key in a request and in a certificate has the same encoding. */
static bool digest_key(EVP_PKEY *key, unsigned char digest[CSR_DIGEST])
{
    unsigned char *der = NULL;
    int len = i2d_PUBKEY(key, &der);
    size_t n = 0;
    bool ok = len > 0 && EVP_Q_digest(NULL, "SHA256", NULL, der, (size_t)len, digest, &n) == 1;

    OPENSSL_free(der);
    return ok;
}

static bool add_names(X509_REQ *req, const char *const *names, int count)
{
    STACK_OF(X509_EXTENSION) *list = NULL;
    GENERAL_NAMES *g = cert_general_names(names, count);
    bool ok = g && X509V3_add1_i2d(&list, NID_subject_alt_name, g, 0, X509V3_ADD_DEFAULT) == 1 &&
              X509_REQ_add_extensions(req, list) == 1;

    GENERAL_NAMES_free(g);
    sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
    return ok;
}

static bool append(struct buf *out, X509_REQ *req)
{
    unsigned char *der = NULL;
    int len = i2d_X509_REQ(req, &der);

    if (len > 0)
        buf_add(out, der, (size_t)len);
    OPENSSL_free(der);
    return len > 0;
}

bool csr_make(struct buf *out, const char *const *names, int count, enum csr_key kind,
              unsigned char digest[CSR_DIGEST], struct jws_key **kept, struct err *e)
{
    EVP_PKEY *key = kind == CSR_P256 ? EVP_EC_gen("P-256") : EVP_RSA_gen(2048);
    X509_REQ *req = X509_REQ_new();
    bool ok = key && req && X509_REQ_set_version(req, X509_REQ_VERSION_1) &&
              X509_REQ_set_pubkey(req, key) && add_names(req, names, count) &&
              X509_REQ_sign(req, key, EVP_sha256()) > 0 && digest_key(key, digest) &&
              append(out, req);

    X509_REQ_free(req);
    if (ok && kept)
        return (*kept = jws_key_adopt(key, kind == CSR_P256 ? JWS_ES256 : JWS_RS256,
                                      "keep the certificate's key", e)) != NULL;
    EVP_PKEY_free(key);
    ERR_clear_error();
    return ok || err_set(e, "could not make a request for a certificate");
}

static bool add_text(struct csr *c, const char *text, size_t len)
{
    if (len == 0 || memchr(text, '\0', len))
        return false;
    c->names[c->count++] = mem_check(strndup(text, len));
    return true;
}

static bool add_name(struct csr *c, const GENERAL_NAME *g)
{
    char text[INET6_ADDRSTRLEN];
    int type;
    const ASN1_STRING *s = GENERAL_NAME_get0_value(g, &type);
    const unsigned char *data;
    int len, family;

    if (type != GEN_DNS && type != GEN_IPADD)
        return false;
    data = ASN1_STRING_get0_data(s);
    len = ASN1_STRING_length(s);
    if (type == GEN_DNS)
        return len > 0 && add_text(c, (const char *)data, (size_t)len);
    family = len == 4 ? AF_INET : AF_INET6;
    return (len == 4 || len == 16) && inet_ntop(family, data, text, sizeof(text)) &&
           add_text(c, text, strlen(text));
}

static bool read_names(struct csr *c, X509_REQ *req)
{
    STACK_OF(X509_EXTENSION) *list = X509_REQ_get_extensions(req);
    GENERAL_NAMES *g = X509V3_get_d2i(list, NID_subject_alt_name, NULL, NULL);
    int count = g ? sk_GENERAL_NAME_num(g) : 0;
    bool ok = count > 0 && count <= CSR_NAMES_MAX;

    c->names = xcalloc(CSR_NAMES_MAX, sizeof(*c->names));
    for (int i = 0; ok && i < count; i++)
        ok = add_name(c, sk_GENERAL_NAME_value(g, i));
    GENERAL_NAMES_free(g);
    sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
    return ok;
}

bool csr_read(struct csr *c, const void *der, size_t len, struct err *e)
{
    const unsigned char *p = der;
    X509_REQ *req = d2i_X509_REQ(NULL, &p, (long)len);
    bool ok;

    *c = (struct csr){0};
    c->key = req && p == (const unsigned char *)der + len ? X509_REQ_get_pubkey(req) : NULL;
    if (!c->key)
        ok = err_set(e, "not a PKCS #10 request with a key that is known here");
    else if (X509_REQ_verify(req, c->key) != 1)
        ok = err_set(e, "the request is not signed with its own key");
    else
        ok = read_names(c, req) ||
             err_set(e, "the request has no subject alternative names that are DNS names or "
                        "addresses");
    X509_REQ_free(req);
    ERR_clear_error();
    return ok;
}

void csr_fini(struct csr *c)
{
    for (int i = 0; i < c->count; i++)
        free(c->names[i]);
    free(c->names);
    EVP_PKEY_free(c->key);
    *c = (struct csr){0};
}

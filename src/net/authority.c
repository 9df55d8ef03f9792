#include "net/authority.h"

#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "net/authority_leaf.h"
#include "net/ed25519.h"

#define HOUR        3600L
#define DAY         (24 * HOUR)
#define CA_DAYS     3650
#define SERIAL      127 /* bits */
#define SPIFFE      "spiffe://ct-ops/org/"
#define AGENT_PART  "/agent/"
#define COMMON_NAME "ct-ops agent CA"

struct authority {
    EVP_PKEY *key;
    X509 *ca;
    struct leaf_form form; /* what all leaves have */
    char *pem;
};

static X509_EXTENSION *extension(X509 *issuer, X509 *subject, int nid, const char *value)
{
    X509V3_CTX ctx;

    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, subject, NULL, NULL, 0);
    return X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
}

static bool extend(X509 *cert, int nid, const char *value)
{
    X509_EXTENSION *ext = extension(cert, cert, nid, value);
    bool ok = ext && X509_add_ext(cert, ext, -1);

    X509_EXTENSION_free(ext);
    return ok;
}

static bool set_serial(X509 *cert)
{
    BIGNUM *n = BN_new();
    bool ok = n && BN_rand(n, SERIAL, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) &&
              BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert));

    BN_free(n);
    return ok;
}

static bool add_name(X509 *cert, int nid, const char *value)
{
    return X509_NAME_add_entry_by_NID(X509_get_subject_name(cert), nid, MBSTRING_UTF8,
                                      (const unsigned char *)value, -1, -1, 0) == 1;
}

static bool begin(X509 *cert, EVP_PKEY *key, long seconds)
{
    return cert && X509_set_version(cert, X509_VERSION_3) && set_serial(cert) &&
           X509_gmtime_adj(X509_getm_notBefore(cert), -HOUR) &&
           X509_gmtime_adj(X509_getm_notAfter(cert), seconds) && X509_set_pubkey(cert, key);
}

static X509 *make_ca(EVP_PKEY *key)
{
    X509 *ca = X509_new();

    if (begin(ca, key, CA_DAYS * DAY) && add_name(ca, NID_commonName, COMMON_NAME) &&
        X509_set_issuer_name(ca, X509_get_subject_name(ca)) &&
        extend(ca, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
        extend(ca, NID_key_usage, "critical,keyCertSign,cRLSign") &&
        extend(ca, NID_subject_key_identifier, "hash") && X509_sign(ca, key, EVP_sha256()))
        return ca;
    X509_free(ca);
    return NULL;
}

static bool prepare_leaves(struct authority *a)
{
    static const struct {
        int nid;
        const char *value;
    } wanted[LEAF_EXTENSIONS] = {
        {NID_basic_constraints, "critical,CA:FALSE"},
        {NID_key_usage, "critical,digitalSignature"},
        {NID_ext_key_usage, "clientAuth"},
        {NID_authority_key_identifier, "keyid:always"},
    };
    bool ok = leaf_form_issuer(&a->form, X509_get_subject_name(a->ca));

    for (int i = 0; ok && i < LEAF_EXTENSIONS; i++) {
        X509_EXTENSION *ext = extension(a->ca, a->ca, wanted[i].nid, wanted[i].value);

        ok = ext && leaf_form_extension(&a->form, ext);
        X509_EXTENSION_free(ext);
    }
    return ok;
}

/* Appends what PEM_write made of it. */
static bool add_pem(X509 *cert, struct buf *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    bool ok = bio && PEM_write_bio_X509(bio, cert) == 1;
    char *data;
    long len;

    if (ok) {
        len = BIO_get_mem_data(bio, &data);
        buf_add(out, data, (size_t)len);
    }
    BIO_free(bio);
    return ok;
}

/* With its key and its certificate, which become its own; NULL, and they are freed, without. */
static struct authority *establish(EVP_PKEY *key, X509 *ca)
{
    struct authority *a = xcalloc(1, sizeof(*a));
    struct buf pem = {0};

    a->key = key;
    a->ca = ca;
    if (a->ca && prepare_leaves(a) && add_pem(a->ca, &pem)) {
        a->pem = pem.data;
        return a;
    }
    ERR_clear_error();
    authority_free(a);
    return NULL;
}

struct authority *authority_new(struct err *e)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    struct authority *a = establish(key, key ? make_ca(key) : NULL);

    if (!a)
        err_set(e, "could not make a CA for agents");
    return a;
}

bool authority_write(const struct authority *a, struct buf *out)
{
    BIO *bio = BIO_new(BIO_s_secmem());
    bool ok = bio && PEM_write_bio_PrivateKey(bio, a->key, NULL, NULL, 0, NULL, NULL) == 1;
    char *data;
    long len;

    if (ok) {
        len = BIO_get_mem_data(bio, &data);
        buf_add(out, data, (size_t)len);
        buf_adds(out, a->pem);
    }
    BIO_free(bio);
    ERR_clear_error();
    return ok;
}

struct authority *authority_read(const char *pem, struct err *e)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
    X509 *ca = key ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    struct authority *a;

    BIO_free(bio);
    if (ca && X509_check_private_key(ca, key) != 1) {
        X509_free(ca);
        ca = NULL;
    }
    a = establish(key, ca);
    if (!a)
        err_set(e, "this is no CA with its key");
    return a;
}

void authority_free(struct authority *a)
{
    if (!a)
        return;
    leaf_form_fini(&a->form);
    X509_free(a->ca);
    EVP_PKEY_free(a->key);
    free(a->pem);
    free(a);
}

const char *authority_pem(const struct authority *a)
{
    return a->pem;
}

bool authority_trust(const struct authority *a, struct ssl_ctx_st *ctx, struct err *e)
{
    X509_STORE *store = SSL_CTX_get_cert_store(ctx);

    if (X509_STORE_add_cert(store, a->ca) == 1 && SSL_CTX_add_client_CA(ctx, a->ca) == 1) {
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
        return true;
    }
    ERR_clear_error();
    return err_set(e, "the CA of the agents could not be trusted");
}

static size_t key_of_any(const void *request, size_t len, unsigned char key[AUTHORITY_KEY_MAX])
{
    const unsigned char *at = request;
    X509_REQ *req = d2i_X509_REQ(NULL, &at, (long)len);
    EVP_PKEY *pkey = req ? X509_REQ_get0_pubkey(req) : NULL;
    int size = 0;

    if (pkey && X509_REQ_verify(req, pkey) == 1) {
        size = i2d_PUBKEY(pkey, NULL);
        if (size > 0 && size <= AUTHORITY_KEY_MAX)
            i2d_PUBKEY(pkey, &key);
        else
            size = 0;
    }
    X509_REQ_free(req);
    ERR_clear_error();
    return size > 0 ? (size_t)size : 0;
}

/* Agents' own requests are read without OpenSSL, in a fifth of the time. */
size_t authority_key(const void *request, size_t len, unsigned char key[AUTHORITY_KEY_MAX])
{
    unsigned char public[ED25519_PUBLIC];

    if (len > AUTHORITY_REQUEST_MAX)
        return 0;
    return ed25519_csr_read(request, len, public) ? ed25519_spki(public, key)
                                                  : key_of_any(request, len, key);
}

bool authority_certify(const struct authority *a, const unsigned char *key, size_t len,
                       const char *agent, const char *org, struct buf *pem, int64_t *not_after)
{
    char uri[LEAF_URI_MAX];
    const struct leaf_subject who = {agent, org, uri, key, len};

    snprintf(uri, sizeof(uri), SPIFFE "%s" AGENT_PART "%s", org, agent);
    return leaf_issue(&a->form, a->key, &who, pem, not_after);
}

/* The agent's part of spiffe://ct-ops/org/ORG/agent/AGENT, whatever the organisation. */
static bool agent_of(const char *uri, size_t len, char agent[AUTHORITY_ID_MAX])
{
    const size_t scheme = sizeof(SPIFFE) - 1, part = sizeof(AGENT_PART) - 1;
    const char *end = uri + len, *org = uri + scheme, *at;

    if (len <= scheme || memcmp(uri, SPIFFE, scheme) != 0 || memchr(uri, '\0', len))
        return false;
    at = memchr(org, '/', (size_t)(end - org));
    if (!at || at == org || (size_t)(end - at) <= part || memcmp(at, AGENT_PART, part) != 0)
        return false;
    at += part;
    if ((size_t)(end - at) >= AUTHORITY_ID_MAX || memchr(at, '/', (size_t)(end - at)))
        return false;
    memcpy(agent, at, (size_t)(end - at));
    agent[end - at] = '\0';
    return true;
}

enum authority_peer authority_peer(const struct ssl_st *ssl, char agent[AUTHORITY_ID_MAX])
{
    X509 *cert = ssl ? SSL_get0_peer_certificate(ssl) : NULL;
    enum authority_peer found = cert ? AUTHORITY_UNKNOWN : AUTHORITY_NONE;
    GENERAL_NAMES *names = cert ? X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL) : NULL;

    for (int i = 0; found != AUTHORITY_AGENT && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *n = sk_GENERAL_NAME_value(names, i);

        if (n->type == GEN_URI &&
            agent_of((const char *)ASN1_STRING_get0_data(n->d.uniformResourceIdentifier),
                     (size_t)ASN1_STRING_length(n->d.uniformResourceIdentifier), agent))
            found = AUTHORITY_AGENT;
    }
    GENERAL_NAMES_free(names);
    return found;
}

bool authority_shown(const struct ssl_ctx_st *ctx, struct buf *pem, char fingerprint[65])
{
    X509 *leaf = SSL_CTX_get0_certificate(ctx);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    if (!leaf || !X509_digest(leaf, EVP_sha256(), digest, &len) || !add_pem(leaf, pem))
        return false;
    for (unsigned i = 0; i < 32; i++)
        snprintf(fingerprint + 2 * i, 3, "%02x", digest[i]);
    return true;
}

/*
 * jws_key.c - keys as JWK, out and in.
 *
 * The public form that is written is the one that RFC 7638 3.2 has thumbprints made of: the
 * required members alone, in the order of their names, without white space.
 */
#include "net/jws_key.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "net/base64url.h"

#define COORDINATE    32
#define RSA_BYTES_MIN 256 /* RFC 7518 3.3: 2048 bits at least */
#define RSA_BYTES_MAX 512
#define RSA_BITS      2048

/* Fixed: padded with zeros to so many bytes; 0: as long as it is. */
static bool add_number(struct buf *out, const EVP_PKEY *key, const char *param, int fixed)
{
    unsigned char bytes[RSA_BYTES_MAX];
    BIGNUM *n = NULL;
    bool ok = EVP_PKEY_get_bn_param(key, param, &n) == 1 && BN_num_bytes(n) <= (int)sizeof(bytes);
    int len = !ok ? 0 : fixed ? BN_bn2binpad(n, bytes, fixed) : BN_bn2bin(n, bytes);

    ok = ok && len > 0;
    if (ok)
        base64url_add(out, bytes, (size_t)len);
    BN_free(n);
    return ok;
}

static bool add_ec(struct buf *out, const EVP_PKEY *key)
{
    buf_adds(out, "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"");
    if (!add_number(out, key, OSSL_PKEY_PARAM_EC_PUB_X, COORDINATE))
        return false;
    buf_adds(out, "\",\"y\":\"");
    return add_number(out, key, OSSL_PKEY_PARAM_EC_PUB_Y, COORDINATE);
}

static bool add_okp(struct buf *out, const EVP_PKEY *key)
{
    unsigned char bytes[COORDINATE];
    size_t len = sizeof(bytes);

    buf_adds(out, "{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"");
    if (EVP_PKEY_get_raw_public_key(key, bytes, &len) != 1)
        return false;
    base64url_add(out, bytes, len);
    return true;
}

static bool add_rsa(struct buf *out, const EVP_PKEY *key)
{
    buf_adds(out, "{\"e\":\"");
    if (!add_number(out, key, OSSL_PKEY_PARAM_RSA_E, 0))
        return false;
    buf_adds(out, "\",\"kty\":\"RSA\",\"n\":\"");
    return add_number(out, key, OSSL_PKEY_PARAM_RSA_N, 0);
}

static bool describe(struct jws_key *k)
{
    static bool (*const add[JWS_ALGS])(struct buf *, const EVP_PKEY *) = {
        [JWS_ES256] = add_ec, [JWS_EDDSA] = add_okp, [JWS_RS256] = add_rsa};
    unsigned char digest[EVP_MAX_MD_SIZE];
    struct buf jwk = {0}, text = {0};
    size_t len = 0;
    bool ok = add[k->alg](&jwk, k->pkey);

    buf_adds(&jwk, "\"}");
    ok = ok && EVP_Q_digest(NULL, "SHA256", NULL, jwk.data, jwk.len, digest, &len) == 1;
    base64url_add(&text, digest, len);
    snprintf(k->thumbprint, sizeof(k->thumbprint), "%s", buf_text(&text));
    buf_free(&text);
    k->jwk = jwk.data;
    return ok;
}

struct jws_key *jws_key_adopt(EVP_PKEY *pkey, enum jws_alg alg, const char *what, struct err *e)
{
    struct jws_key *k = xcalloc(1, sizeof(*k));

    k->pkey = pkey;
    k->alg = alg;
    if (pkey && describe(k))
        return k;
    ERR_clear_error();
    jws_key_free(k);
    err_set(e, "could not %s", what);
    return NULL;
}

struct jws_key *jws_key_new(enum jws_alg alg, struct err *e)
{
    EVP_PKEY *pkey = alg == JWS_ES256   ? EVP_EC_gen("P-256")
                     : alg == JWS_EDDSA ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")
                                        : EVP_RSA_gen(RSA_BITS);

    return jws_key_adopt(pkey, alg, "make a key", e);
}

static bool is_p256(const EVP_PKEY *pkey)
{
    char group[32] = "";
    size_t len;

    return EVP_PKEY_is_a(pkey, "EC") && EVP_PKEY_get_group_name(pkey, group, sizeof(group), &len) &&
           strcmp(group, "prime256v1") == 0;
}

static bool is_rsa(const EVP_PKEY *pkey)
{
    return EVP_PKEY_is_a(pkey, "RSA") && EVP_PKEY_get_size(pkey) >= RSA_BYTES_MIN &&
           EVP_PKEY_get_size(pkey) <= RSA_BYTES_MAX;
}

struct jws_key *jws_key_read(const char *pem, size_t len, struct err *e)
{
    BIO *bio = BIO_new_mem_buf(pem, (int)len);
    EVP_PKEY *pkey = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, (void *)"") : NULL;
    enum jws_alg alg = JWS_ALGS;

    BIO_free(bio);
    ERR_clear_error();
    if (!pkey) {
        err_set(e, "not a private key in PEM, or one with a passphrase");
        return NULL;
    }
    if (is_p256(pkey))
        alg = JWS_ES256;
    else if (EVP_PKEY_is_a(pkey, "ED25519"))
        alg = JWS_EDDSA;
    else if (is_rsa(pkey))
        alg = JWS_RS256;
    if (alg != JWS_ALGS)
        return jws_key_adopt(pkey, alg, "read the key", e);
    EVP_PKEY_free(pkey);
    err_set(e, "neither a P-256, an Ed25519 nor an RSA key of 2048 to 4096 bits");
    return NULL;
}

/* A member of a JWK as bytes; `len` 0: of any length up to `max`. */
static bool member(const char *text, size_t len, unsigned char *out, size_t max, size_t *got)
{
    struct buf b = {0};
    bool ok = text && base64url_decode(&b, text, strlen(text)) && b.len > 0 && b.len <= max &&
              (len == 0 || b.len == len);

    if (ok)
        memcpy(out, b.data, b.len);
    *got = b.len;
    buf_free(&b);
    return ok;
}

static EVP_PKEY *from_params(const char *type, OSSL_PARAM *params)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *pkey = NULL;

    if (!ctx || !params || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
        pkey = NULL;
    EVP_PKEY_CTX_free(ctx);
    return pkey;
}

/* OpenSSL refuses a point that is not on the curve. */
static EVP_PKEY *read_ec(const struct jwk *k)
{
    unsigned char point[1 + 2 * COORDINATE] = {4}; /* SEC 1 2.3.3: not compressed */
    char group[] = "P-256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)),
        OSSL_PARAM_construct_end()};
    size_t n;

    if (!member(k->x, COORDINATE, point + 1, COORDINATE, &n) ||
        !member(k->y, COORDINATE, point + 1 + COORDINATE, COORDINATE, &n))
        return NULL;
    return from_params("EC", params);
}

static EVP_PKEY *read_okp(const struct jwk *k)
{
    unsigned char bytes[COORDINATE];
    size_t n;

    return member(k->x, COORDINATE, bytes, sizeof(bytes), &n)
               ? EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, bytes, n)
               : NULL;
}

static EVP_PKEY *read_rsa(const struct jwk *k)
{
    unsigned char n_bytes[RSA_BYTES_MAX], e_bytes[8];
    OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    OSSL_PARAM *params = NULL;
    BIGNUM *n = NULL, *e = NULL;
    EVP_PKEY *pkey = NULL;
    size_t n_len, e_len;

    if (member(k->n, 0, n_bytes, sizeof(n_bytes), &n_len) && n_len >= RSA_BYTES_MIN &&
        member(k->e, 0, e_bytes, sizeof(e_bytes), &e_len)) {
        n = BN_bin2bn(n_bytes, (int)n_len, NULL);
        e = BN_bin2bn(e_bytes, (int)e_len, NULL);
    }
    if (bld && n && e && BN_num_bits(n) >= RSA_BITS &&
        OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n) &&
        OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, e)) {
        params = OSSL_PARAM_BLD_to_param(bld);
        pkey = from_params("RSA", params);
    }
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(bld);
    BN_free(n);
    BN_free(e);
    return pkey;
}

static bool is(const char *text, const char *what)
{
    return text && strcmp(text, what) == 0;
}

struct jws_key *jws_key_public(const struct jwk *k, struct err *e)
{
    if (is(k->kty, "EC") && is(k->crv, "P-256"))
        return jws_key_adopt(read_ec(k), JWS_ES256, "read the P-256 key", e);
    if (is(k->kty, "OKP") && is(k->crv, "Ed25519"))
        return jws_key_adopt(read_okp(k), JWS_EDDSA, "read the Ed25519 key", e);
    if (is(k->kty, "RSA"))
        return jws_key_adopt(read_rsa(k), JWS_RS256, "read the RSA key", e);
    err_set(e, "neither a P-256, an Ed25519 nor an RSA key");
    return NULL;
}

void jws_key_free(struct jws_key *k)
{
    if (!k)
        return;
    EVP_PKEY_free(k->pkey);
    free(k->jwk);
    free(k);
}

enum jws_alg jws_key_alg(const struct jws_key *k)
{
    return k->alg;
}

const char *jws_key_jwk(const struct jws_key *k)
{
    return k->jwk;
}

const char *jws_key_thumbprint(const struct jws_key *k)
{
    return k->thumbprint;
}

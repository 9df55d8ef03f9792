#include "net/jws.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "net/base64url.h"
#include "net/jws_key.h"

#define COORDINATE    32
#define SIGNATURE_MAX 1024

const char *const jws_alg_names[JWS_ALGS + 1] = {
    [JWS_ES256] = "ES256", [JWS_EDDSA] = "EdDSA", [JWS_RS256] = "RS256", NULL};

/* RFC 7518 3.4: both numbers in full length, one after the other. */
static bool to_raw(unsigned char *sig, size_t *len)
{
    const unsigned char *der = sig;
    ECDSA_SIG *s = d2i_ECDSA_SIG(NULL, &der, (long)*len);
    unsigned char raw[2 * COORDINATE];
    bool ok = s && BN_bn2binpad(ECDSA_SIG_get0_r(s), raw, COORDINATE) == COORDINATE &&
              BN_bn2binpad(ECDSA_SIG_get0_s(s), raw + COORDINATE, COORDINATE) == COORDINATE;

    ECDSA_SIG_free(s);
    if (!ok)
        return false;
    memcpy(sig, raw, sizeof(raw));
    *len = sizeof(raw);
    return true;
}

static int to_der(const unsigned char *raw, unsigned char **der)
{
    ECDSA_SIG *s = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(raw, COORDINATE, NULL);
    BIGNUM *t = BN_bin2bn(raw + COORDINATE, COORDINATE, NULL);
    int len = -1;

    if (s && r && t && ECDSA_SIG_set0(s, r, t)) {
        r = t = NULL;
        len = i2d_ECDSA_SIG(s, der);
    }
    BN_free(r);
    BN_free(t);
    ECDSA_SIG_free(s);
    return len;
}

static const EVP_MD *digest_of(const struct jws_key *k)
{
    return k->alg == JWS_EDDSA ? NULL : EVP_sha256();
}

static bool sign(const struct jws_key *k, const char *input, size_t input_len, unsigned char *sig,
                 size_t *len)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx && EVP_DigestSignInit(ctx, NULL, digest_of(k), NULL, k->pkey) == 1 &&
              EVP_DigestSign(ctx, sig, len, (const unsigned char *)input, input_len) == 1 &&
              (k->alg != JWS_ES256 || to_raw(sig, len));

    EVP_MD_CTX_free(ctx);
    return ok;
}

/* Appends the beginning; what is signed is put into `input`. */
static void begin(struct buf *out, struct buf *input, struct jws_text header,
                  struct jws_text payload)
{
    size_t dot;

    base64url_add(input, header.data, header.len);
    dot = input->len;
    buf_addc(input, '.');
    base64url_add(input, payload.data, payload.len);
    buf_printf(out, "{\"protected\":\"%.*s\",\"payload\":\"%s\",\"signature\":\"", (int)dot,
               input->data, input->data + dot + 1);
}

bool jws_sign(struct buf *out, const struct jws_key *k, struct jws_text header,
              struct jws_text payload, struct err *e)
{
    unsigned char sig[SIGNATURE_MAX];
    size_t len = sizeof(sig);
    struct buf input = {0};
    bool ok;

    begin(out, &input, header, payload);
    ok = sign(k, input.data, input.len, sig, &len);
    if (ok) {
        base64url_add(out, sig, len);
        buf_adds(out, "\"}");
    } else {
        ERR_clear_error();
        err_set(e, "could not sign with %s", jws_alg_names[k->alg]);
    }
    buf_free(&input);
    return ok;
}

bool jws_mac(struct buf *out, const void *key, size_t key_len, struct jws_text header,
             struct jws_text payload, struct err *e)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    struct buf input = {0};
    size_t len = 0;
    bool ok;

    begin(out, &input, header, payload);
    ok = EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, key, key_len,
                   (const unsigned char *)input.data, input.len, mac, sizeof(mac), &len) != NULL;
    if (ok) {
        base64url_add(out, mac, len);
        buf_adds(out, "\"}");
    } else {
        ERR_clear_error();
        err_set(e, "could not sign with HS256");
    }
    buf_free(&input);
    return ok;
}

bool jws_verify(const struct jws_key *k, struct jws_text input, const void *signature, size_t len)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    const unsigned char *sig = signature;
    unsigned char *der = NULL;
    bool ok = ctx != NULL;

    if (k->alg == JWS_ES256) {
        int n = len == 2 * COORDINATE ? to_der(signature, &der) : -1;

        ok = ok && n > 0;
        sig = der;
        len = ok ? (size_t)n : 0;
    }
    ok = ok && EVP_DigestVerifyInit(ctx, NULL, digest_of(k), NULL, k->pkey) == 1 &&
         EVP_DigestVerify(ctx, sig, len, (const unsigned char *)input.data, input.len) == 1;
    OPENSSL_free(der);
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    return ok;
}

#include "net/jwt.h"

#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "net/base64url.h"

#define SHA256_BYTES 32
#define RSA_BITS     2048
#define RSA_BYTES    (RSA_BITS / 8)

struct jwt_key {
    EVP_PKEY *rsa; /* NULL: it is HS256's */
    unsigned char secret[SHA256_BYTES];
};

static const char hs256[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
static const char rs256[] = "{\"alg\":\"RS256\",\"typ\":\"JWT\"}";

static bool hmac(const void *key, size_t key_len, const char *data, size_t len,
                 unsigned char mac[SHA256_BYTES])
{
    size_t n = 0;

    return EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, key, key_len, (const unsigned char *)data,
                     len, mac, SHA256_BYTES, &n) != NULL;
}

static void add_signed_part(struct buf *out, const char *header, const char *claims, size_t len)
{
    base64url_add(out, header, strlen(header));
    buf_addc(out, '.');
    base64url_add(out, claims, len);
}

void jwt_add(struct buf *out, const char *claims, size_t len, const void *key, size_t key_len)
{
    static const char bare[] = "{\"alg\":\"none\",\"typ\":\"JWT\"}";
    unsigned char mac[SHA256_BYTES];
    size_t from = out->len;

    add_signed_part(out, key ? hs256 : bare, claims, len);
    if (key && !hmac(key, key_len, out->data + from, out->len - from, mac))
        abort();
    buf_addc(out, '.');
    base64url_add(out, mac, key ? SHA256_BYTES : 0);
}

struct jwt_key *jwt_key_new(bool rsa, struct err *e)
{
    struct jwt_key *k = xcalloc(1, sizeof(*k));

    if (rsa)
        k->rsa = EVP_RSA_gen(RSA_BITS);
    if (rsa ? k->rsa != NULL : RAND_bytes(k->secret, sizeof(k->secret)) == 1)
        return k;
    ERR_clear_error();
    free(k);
    err_set(e, "could not make a key for tokens");
    return NULL;
}

bool jwt_key_write(const struct jwt_key *k, struct buf *out)
{
    BIO *bio = k->rsa ? BIO_new(BIO_s_secmem()) : NULL;
    bool ok = bio && PEM_write_bio_PrivateKey(bio, k->rsa, NULL, NULL, 0, NULL, NULL) == 1;
    char *data;
    long len;

    if (!k->rsa) {
        base64url_add(out, k->secret, sizeof(k->secret));
        return true;
    }
    if (ok) {
        len = BIO_get_mem_data(bio, &data);
        buf_add(out, data, (size_t)len);
    }
    BIO_free(bio);
    ERR_clear_error();
    return ok;
}

static bool read_secret(struct jwt_key *k, const char *text)
{
    struct buf bytes = {0};
    bool ok = base64url_decode(&bytes, text, strlen(text)) && bytes.len == sizeof(k->secret);

    if (ok)
        memcpy(k->secret, bytes.data, sizeof(k->secret));
    if (bytes.data)
        OPENSSL_cleanse(bytes.data, bytes.cap);
    buf_free(&bytes);
    return ok;
}

struct jwt_key *jwt_key_read(bool rsa, const char *text, struct err *e)
{
    struct jwt_key *k = xcalloc(1, sizeof(*k));
    BIO *bio = rsa ? BIO_new_mem_buf(text, -1) : NULL;

    if (rsa)
        k->rsa = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    if (rsa ? k->rsa && EVP_PKEY_get_base_id(k->rsa) == EVP_PKEY_RSA &&
                  EVP_PKEY_get_size(k->rsa) == RSA_BYTES
            : read_secret(k, text))
        return k;
    ERR_clear_error();
    jwt_key_free(k);
    err_set(e, "this is no key for tokens");
    return NULL;
}

void jwt_key_free(struct jwt_key *k)
{
    if (!k)
        return;
    EVP_PKEY_free(k->rsa);
    OPENSSL_cleanse(k->secret, sizeof(k->secret));
    free(k);
}

static size_t rsa_sign(EVP_PKEY *key, const char *data, size_t len, unsigned char out[RSA_BYTES])
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    size_t n = RSA_BYTES;
    bool ok = md && EVP_DigestSignInit(md, NULL, EVP_sha256(), NULL, key) == 1 &&
              EVP_DigestSign(md, out, &n, (const unsigned char *)data, len) == 1;

    EVP_MD_CTX_free(md);
    return ok ? n : 0;
}

static bool rsa_verify(EVP_PKEY *key, const char *data, size_t len, const unsigned char *signature,
                       size_t n)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool ok = md && EVP_DigestVerifyInit(md, NULL, EVP_sha256(), NULL, key) == 1 &&
              EVP_DigestVerify(md, signature, n, (const unsigned char *)data, len) == 1;

    EVP_MD_CTX_free(md);
    ERR_clear_error();
    return ok;
}

bool jwt_sign(const struct jwt_key *k, const char *claims, size_t len, struct buf *out)
{
    unsigned char signature[RSA_BYTES];
    size_t from = out->len, n = SHA256_BYTES;

    add_signed_part(out, k->rsa ? rs256 : hs256, claims, len);
    if (k->rsa)
        n = rsa_sign(k->rsa, out->data + from, out->len - from, signature);
    else if (!hmac(k->secret, sizeof(k->secret), out->data + from, out->len - from, signature))
        n = 0;
    buf_addc(out, '.');
    base64url_add(out, signature, n);
    return n > 0;
}

/* The token's header has to be the one that this key's tokens have. */
static bool header_is(const struct jwt_key *k, const char *token, size_t len)
{
    struct buf want = {0};
    const char *header = k->rsa ? rs256 : hs256;
    bool same;

    base64url_add(&want, header, strlen(header));
    same = want.len == len && memcmp(want.data, token, len) == 0;
    buf_free(&want);
    return same;
}

static bool signed_by(const struct jwt_key *k, const char *text, size_t len,
                      const struct buf *signature)
{
    const unsigned char *s = (const unsigned char *)buf_text(signature);
    unsigned char mac[SHA256_BYTES];

    if (k->rsa)
        return rsa_verify(k->rsa, text, len, s, signature->len);
    return signature->len == SHA256_BYTES && hmac(k->secret, sizeof(k->secret), text, len, mac) &&
           CRYPTO_memcmp(mac, s, SHA256_BYTES) == 0;
}

bool jwt_verify(const struct jwt_key *k, const char *token, size_t len, struct buf *claims)
{
    const char *dot = memchr(token, '.', len), *end = memrchr(token, '.', len);
    struct buf signature = {0};
    bool ok;

    if (len > JWT_MAX || !dot || dot == end || !header_is(k, token, (size_t)(dot - token)))
        return false;
    ok = base64url_decode(&signature, end + 1, (size_t)(token + len - end) - 1) &&
         signed_by(k, token, (size_t)(end - token), &signature);
    buf_free(&signature);
    buf_clear(claims);
    return ok && base64url_decode(claims, dot + 1, (size_t)(end - dot) - 1);
}

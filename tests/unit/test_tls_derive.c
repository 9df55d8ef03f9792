/* The key schedule of TLS 1.3, beside the library's own. */
#include "unit.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "base/rng.h"

typedef int derive_fn(EVP_KDF_CTX *ctx, unsigned char *out, size_t len, const OSSL_PARAM *params);

static derive_fn *library(void)
{
    void *lib = dlopen("libcrypto.so.3", RTLD_NOW), *symbol = dlsym(lib, "EVP_KDF_derive");
    derive_fn *fn;

    assert_non_null(symbol);
    memcpy(&fn, &symbol, sizeof(fn));
    assert_true(fn != EVP_KDF_derive);
    return fn;
}

struct derivation {
    int mode;
    const char *digest;
    unsigned char *key, *salt, *context; /* NULL: none */
    size_t size, context_len, len;
    const char *label;
};

static int derive(derive_fn *fn, const struct derivation *d, unsigned char *out)
{
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "TLS13-KDF", NULL);
    EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
    OSSL_PARAM p[8], *at = p;
    int mode = d->mode, ret;

    *at++ = OSSL_PARAM_construct_int("mode", &mode);
    *at++ = OSSL_PARAM_construct_utf8_string("digest", (char *)d->digest, 0);
    if (d->key)
        *at++ = OSSL_PARAM_construct_octet_string("key", d->key, d->size);
    if (d->salt)
        *at++ = OSSL_PARAM_construct_octet_string("salt", d->salt, d->size);
    *at++ = OSSL_PARAM_construct_octet_string("prefix", "tls13 ", 6);
    *at++ = OSSL_PARAM_construct_octet_string("label", (char *)d->label, strlen(d->label));
    if (d->context)
        *at++ = OSSL_PARAM_construct_octet_string("data", d->context, d->context_len);
    *at = OSSL_PARAM_construct_end();
    ret = fn(ctx, out, d->len, p);
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
    return ret;
}

static void it_is_the_librarys(void **state)
{
    static const char *const digests[] = {"SHA256", "SHA2-256", "SHA384", "SHA2-384", "SHA512"};
    static const size_t sizes[] = {32, 32, 48, 48, 64};
    static const char *const labels[] = {"derived", "key", "iv", "c hs traffic", "exp master"};
    derive_fn *real = library();
    uint64_t rng = 7;

    (void)state;
    for (int i = 0; i < 2000; i++) {
        unsigned char key[64], salt[64], context[64], ours[64] = {0}, theirs[64] = {0};
        int which = (int)rng_between(rng_next(&rng), 0, 4);
        struct derivation d = {.digest = digests[which], .size = sizes[which]};
        bool expands = i % 2;

        for (int k = 0; k < 64; k++) {
            key[k] = (unsigned char)rng_next(&rng);
            salt[k] = (unsigned char)rng_next(&rng);
            context[k] = (unsigned char)rng_next(&rng);
        }
        d.mode = expands ? EVP_KDF_HKDF_MODE_EXPAND_ONLY : EVP_KDF_HKDF_MODE_EXTRACT_ONLY;
        d.label = labels[rng_between(rng_next(&rng), 0, 4)];
        d.key = expands || i % 3 ? key : NULL;
        d.salt = !expands && i % 4 ? salt : NULL;
        d.context = expands && i % 3 ? context : NULL;
        d.context_len = i % 5 ? d.size : 0;
        d.len = expands ? (size_t)rng_between(rng_next(&rng), 1, (int64_t)d.size) : d.size;
        assert_int_equal(derive(EVP_KDF_derive, &d, ours), 1);
        assert_int_equal(derive(real, &d, theirs), 1);
        if (memcmp(ours, theirs, sizeof(ours)) != 0)
            fail_msg("derivation %d: mode %d, %s, %s", i, d.mode, d.digest, d.label);
    }
}

/* RFC 8448 3: the early secret, and what is derived from it for the handshake. */
static void the_standards_example_is_met(void **state)
{
    static const unsigned char early[] = {0x33, 0xad, 0x0a, 0x1c, 0x60, 0x7e, 0xc0, 0x3b,
                                          0x09, 0xe6, 0xcd, 0x98, 0x93, 0x68, 0x0c, 0xe2,
                                          0x10, 0xad, 0xf3, 0x00, 0xaa, 0x1f, 0x26, 0x60,
                                          0xe1, 0xb2, 0x2e, 0x10, 0xf1, 0x70, 0xf9, 0x2a};
    struct derivation d = {.mode = EVP_KDF_HKDF_MODE_EXTRACT_ONLY,
                           .digest = "SHA2-256",
                           .size = 32,
                           .len = 32,
                           .label = "derived"};
    unsigned char out[32];

    (void)state;
    assert_int_equal(derive(EVP_KDF_derive, &d, out), 1);
    assert_memory_equal(out, early, sizeof(early));
}

/* RFC 4231 4.3, and what is left to the library. */
static void macs_are_the_standards(void **state)
{
    static const unsigned char expected[] = {0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e};
    static const unsigned char wide[] = {0xaf, 0x45, 0xd2, 0xe3, 0x76, 0x48, 0x40, 0x31};
    static const unsigned char wider[] = {0x16, 0x4b, 0x7a, 0x7b, 0xfc, 0xf8, 0x19, 0xe2};
    const struct {
        const char *digest;
        const unsigned char *starts;
        size_t len;
    } cases[] = {{"SHA2-256", expected, 32}, {"SHA384", wide, 48}, {"SHA512", wider, 64}};
    const char *data = "what do ya want for nothing?";

    (void)state;
    for (int i = 0; i < 3; i++) {
        unsigned char out[64];
        size_t len = 0;

        assert_ptr_equal(EVP_Q_mac(NULL, "HMAC", NULL, cases[i].digest, NULL, "Jefe", 4,
                                   (const unsigned char *)data, strlen(data), out, sizeof(out),
                                   &len),
                         out);
        assert_int_equal(len, cases[i].len);
        assert_memory_equal(out, cases[i].starts, 8);
    }
}

UNIT_GROUP(tls_derive, cmocka_unit_test(macs_are_the_standards),
           cmocka_unit_test(it_is_the_librarys), cmocka_unit_test(the_standards_example_is_met))

/*
 * tls_derive.c - the key schedule of TLS 1.3 without the detours.
 *
 * A handshake derives some twenty secrets, each of them two or three hashes of a few bytes.
 * OpenSSL 3.0 looks up the derivation, the MAC and the digest by their names for every one and
 * makes and frees an object of each, which costs ten times what the hashing does and a tenth of the
 * whole handshake.  As in tls_decode.c, libssl calls a public function, and the program's own comes
 * first: derivations of the TLS 1.3 schedule (RFC 8446 7.1) and the MACs of its Finished messages,
 * with SHA-256 and SHA-384, are computed here, on OpenSSL's hashes; everything else goes to the
 * library.
 */
#define OPENSSL_SUPPRESS_DEPRECATED  /* the plain hashes: what stands in their place is the detour \
                                      */

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/sha.h>

#include "base/mem.h"

#define LABEL_MAX 64 /* of a prefix and a label together */
#define KDF_NAME  "TLS13-KDF"

typedef EVP_KDF *fetch_fn(OSSL_LIB_CTX *lib, const char *name, const char *properties);
typedef unsigned char *mac_fn(OSSL_LIB_CTX *lib, const char *name, const char *properties,
                              const char *digest, const OSSL_PARAM *params, const void *key,
                              size_t key_len, const unsigned char *data, size_t len,
                              unsigned char *out, size_t size, size_t *out_len);
typedef int derive_fn(EVP_KDF_CTX *ctx, unsigned char *out, size_t len, const OSSL_PARAM *params);

static pthread_once_t once = PTHREAD_ONCE_INIT;
static fetch_fn *library_fetch;
static derive_fn *library_derive;
static mac_fn *library_mac;
static EVP_KDF *schedule; /* the library's; NULL: it has none */

static void find(void *fn, size_t size, const char *name)
{
    void *symbol = mem_check(dlsym(RTLD_NEXT, name));

    memcpy(fn, &symbol, size);
}

static void release(void)
{
    EVP_KDF_free(schedule);
    schedule = NULL;
}

static void prepare(void)
{
    find(&library_fetch, sizeof(library_fetch), "EVP_KDF_fetch");
    find(&library_derive, sizeof(library_derive), "EVP_KDF_derive");
    find(&library_mac, sizeof(library_mac), "EVP_Q_mac");
    schedule = library_fetch(NULL, KDF_NAME, NULL);
    OPENSSL_atexit(release);
}

EVP_KDF *EVP_KDF_fetch(OSSL_LIB_CTX *lib, const char *name, const char *properties)
{
    pthread_once(&once, prepare);
    if (lib || properties || !schedule || strcmp(name, KDF_NAME) != 0 || !EVP_KDF_up_ref(schedule))
        return library_fetch(lib, name, properties);
    return schedule;
}

union hash {
    SHA256_CTX sha256;
    SHA512_CTX sha512; /* and of SHA-384 */
};

struct span {
    const unsigned char *data;
    size_t len;
};

static void hash_begin(union hash *h, bool wide)
{
    if (wide)
        SHA384_Init(&h->sha512);
    else
        SHA256_Init(&h->sha256);
}

static void hash_add(union hash *h, bool wide, const void *data, size_t len)
{
    if (wide)
        SHA384_Update(&h->sha512, data, len);
    else
        SHA256_Update(&h->sha256, data, len);
}

static void hash_end(union hash *h, bool wide, unsigned char *out)
{
    if (wide)
        SHA384_Final(out, &h->sha512);
    else
        SHA256_Final(out, &h->sha256);
}

static void hash_pad(union hash *h, bool wide, struct span key, unsigned char with)
{
    unsigned char block[SHA512_CBLOCK];
    size_t size = wide ? SHA512_CBLOCK : SHA256_CBLOCK;

    memset(block, with, size);
    for (size_t i = 0; i < key.len; i++)
        block[i] ^= key.data[i];
    hash_begin(h, wide);
    hash_add(h, wide, block, size);
    OPENSSL_cleanse(block, sizeof(block));
}

/* RFC 2104; the key is at most a block long. */
static void hmac(bool wide, struct span key, struct span data, unsigned char *out)
{
    size_t size = wide ? SHA384_DIGEST_LENGTH : SHA256_DIGEST_LENGTH;
    union hash h;

    hash_pad(&h, wide, key, 0x36);
    hash_add(&h, wide, data.data, data.len);
    hash_end(&h, wide, out);
    hash_pad(&h, wide, key, 0x5c);
    hash_add(&h, wide, out, size);
    hash_end(&h, wide, out);
    OPENSSL_cleanse(&h, sizeof(h));
}

/* HKDF-Expand-Label (RFC 8446 7.1) of one block; longer secrets than a digest are not asked for. */
static bool expand(bool wide, struct span secret, const struct span label[2], struct span context,
                   unsigned char *out, size_t len)
{
    size_t size = wide ? SHA384_DIGEST_LENGTH : SHA256_DIGEST_LENGTH;
    unsigned char info[2 + 1 + LABEL_MAX + 1 + SHA384_DIGEST_LENGTH + 1],
        block[SHA384_DIGEST_LENGTH];
    size_t at = 3;

    if (len > size || label[0].len + label[1].len > LABEL_MAX || context.len > SHA384_DIGEST_LENGTH)
        return false;
    info[0] = (unsigned char)(len >> 8);
    info[1] = (unsigned char)len;
    info[2] = (unsigned char)(label[0].len + label[1].len);
    for (int i = 0; i < 2; at += label[i++].len)
        memcpy(info + at, label[i].data, label[i].len);
    info[at++] = (unsigned char)context.len;
    if (context.len > 0)
        memcpy(info + at, context.data, context.len);
    at += context.len;
    info[at++] = 1; /* the number of the block (RFC 5869 2.3) */
    hmac(wide, secret, (struct span){info, at}, block);
    memcpy(out, block, len);
    OPENSSL_cleanse(block, sizeof(block));
    return true;
}

static bool digest_known(const char *name, bool *wide)
{
    *wide = OPENSSL_strcasecmp(name, "SHA2-384") == 0 || OPENSSL_strcasecmp(name, "SHA384") == 0;
    return *wide || OPENSSL_strcasecmp(name, "SHA2-256") == 0 ||
           OPENSSL_strcasecmp(name, "SHA256") == 0;
}

/* Of the two Finished messages. */
unsigned char *EVP_Q_mac(OSSL_LIB_CTX *lib, const char *name, const char *properties,
                         const char *digest, const OSSL_PARAM *params, const void *key,
                         size_t key_len, const unsigned char *data, size_t len, unsigned char *out,
                         size_t size, size_t *out_len)
{
    bool wide, ours;

    pthread_once(&once, prepare);
    ours = !lib && !properties && !params && key && out && digest && strcmp(name, "HMAC") == 0 &&
           digest_known(digest, &wide) && key_len <= SHA256_CBLOCK &&
           size >= (size_t)(wide ? SHA384_DIGEST_LENGTH : SHA256_DIGEST_LENGTH);
    if (!ours)
        return library_mac(lib, name, properties, digest, params, key, key_len, data, len, out,
                           size, out_len);
    hmac(wide, (struct span){key, key_len}, (struct span){data, len}, out);
    if (out_len)
        *out_len = wide ? SHA384_DIGEST_LENGTH : SHA256_DIGEST_LENGTH;
    return out;
}

struct request { /* what the parameters of one derivation say */
    int mode;
    bool known, wide;
    struct span key, salt, label[2], context;
    bool has_key, has_salt;
};

static struct span octets(const OSSL_PARAM *p)
{
    return (struct span){p->data, p->data ? p->data_size : 0};
}

/* False if there is one that is not known here. */
static bool take(struct request *r, const OSSL_PARAM *p)
{
    if (strcmp(p->key, OSSL_KDF_PARAM_MODE) == 0)
        return OSSL_PARAM_get_int(p, &r->mode) == 1;
    if (strcmp(p->key, OSSL_KDF_PARAM_DIGEST) == 0) {
        r->known = digest_known(p->data, &r->wide);
        return r->known;
    }
    if (strcmp(p->key, OSSL_KDF_PARAM_KEY) == 0)
        r->key = octets(p), r->has_key = true;
    else if (strcmp(p->key, OSSL_KDF_PARAM_SALT) == 0)
        r->salt = octets(p), r->has_salt = true;
    else if (strcmp(p->key, OSSL_KDF_PARAM_PREFIX) == 0)
        r->label[0] = octets(p);
    else if (strcmp(p->key, OSSL_KDF_PARAM_LABEL) == 0)
        r->label[1] = octets(p);
    else if (strcmp(p->key, OSSL_KDF_PARAM_DATA) == 0)
        r->context = octets(p);
    else
        return false;
    return true;
}

/* The schedule's next secret: extracted from the last one, made ready, and new key material. */
static bool extract(const struct request *r, unsigned char *out, size_t len)
{
    static const unsigned char zeros[SHA384_DIGEST_LENGTH];
    size_t size = r->wide ? SHA384_DIGEST_LENGTH : SHA256_DIGEST_LENGTH;
    unsigned char ready[SHA384_DIGEST_LENGTH], none[SHA384_DIGEST_LENGTH];
    struct span salt = {zeros, size}, key = r->has_key ? r->key : (struct span){zeros, size};
    union hash h;

    if (len != size || (r->has_salt && r->salt.len != size))
        return false;
    if (r->has_salt) {
        hash_begin(&h, r->wide);
        hash_end(&h, r->wide, none);
        if (!expand(r->wide, r->salt, r->label, (struct span){none, size}, ready, size))
            return false;
        salt.data = ready;
    }
    hmac(r->wide, salt, key, out);
    OPENSSL_cleanse(ready, sizeof(ready));
    return true;
}

int EVP_KDF_derive(EVP_KDF_CTX *ctx, unsigned char *out, size_t len, const OSSL_PARAM *params)
{
    struct request r = {.mode = -1};
    bool ours;

    pthread_once(&once, prepare);
    ours = schedule && params && EVP_KDF_CTX_kdf(ctx) == schedule;
    for (const OSSL_PARAM *p = params; ours && p->key; p++)
        ours = take(&r, p);
    ours = ours && r.known && r.label[0].data && r.label[1].data;
    if (ours && r.mode == EVP_KDF_HKDF_MODE_EXPAND_ONLY && r.has_key &&
        r.key.len <= SHA256_CBLOCK && expand(r.wide, r.key, r.label, r.context, out, len))
        return 1;
    if (ours && r.mode == EVP_KDF_HKDF_MODE_EXTRACT_ONLY && extract(&r, out, len))
        return 1;
    return library_derive(ctx, out, len, params);
}

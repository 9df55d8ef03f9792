#include "net/ed25519.h"

#include <pthread.h>
#include <string.h>

#include <sodium.h>

#include "base/err.h"
#include "net/der.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void prepare(void)
{
    if (sodium_init() < 0)
        bug("libsodium does not start");
}

void ed25519_derive(struct ed25519 *k, const char *label, uint64_t number)
{
    unsigned char salt[8];
    crypto_generichash_state state;

    pthread_once(&once, prepare);
    for (int i = 0; i < 8; i++)
        salt[i] = (unsigned char)(number >> 8 * i);
    crypto_generichash_init(&state, NULL, 0, ED25519_SEED);
    crypto_generichash_update(&state, (const unsigned char *)label, strlen(label));
    crypto_generichash_update(&state, salt, sizeof(salt));
    crypto_generichash_final(&state, k->seed, ED25519_SEED);
    crypto_sign_seed_keypair(k->public, k->secret, k->seed);
}

size_t ed25519_pem(const struct ed25519 *k, char out[ED25519_PEM_MAX])
{
    static const char begin[] = "-----BEGIN PUBLIC KEY-----\n",
                      end[] = "\n-----END PUBLIC KEY-----\n";
    size_t at = sizeof(begin) - 1;

    memcpy(out, begin, at);
    sodium_bin2base64(out + at, ED25519_PEM_MAX - at, k->public, ED25519_PUBLIC,
                      sodium_base64_VARIANT_ORIGINAL);
    at += strlen(out + at);
    memcpy(out + at, end, sizeof(end));
    return at + sizeof(end) - 1;
}

/*
 * Every request has the same shape and length, so it is written down here with two holes: the
 * public key in the information, which is what is signed, and the signature behind it.
 */
#define ALGORITHM 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70 /* 1.3.101.112, without parameters */
static const unsigned char head[] = {
    0x30, 0x81, 0x96,                   /* CertificationRequest */
    0x30, 0x4a, 0x02, 0x01, 0x00,       /* its information, version 1 */
    0x30, 0x17, 0x31, 0x15, 0x30, 0x13, /* a name of one attribute */
    0x06, 0x03, 0x55, 0x04, 0x03,       /* commonName */
    0x0c, 0x0c, 'c',  't',  '-',  'o',  'p',       's',  '-',  'a',
    'g',  'e',  'n',  't',  0x30, 0x2a, ALGORITHM, 0x03, 0x21, 0x00, /* SubjectPublicKeyInfo */
};
static const unsigned char tail[] = {
    0xa0,      0x00,             /* no attributes */
    ALGORITHM, 0x03, 0x41, 0x00, /* signature */
};
#define INFO_FROM 3
#define INFO_END  (sizeof(head) + ED25519_PUBLIC + 2)

void ed25519_csr(const struct ed25519 *k, unsigned char out[ED25519_CSR])
{
    unsigned char *at = out;

    _Static_assert(sizeof(head) + ED25519_PUBLIC + sizeof(tail) + 64 == ED25519_CSR, "lengths");
    memcpy(at, head, sizeof(head));
    at += sizeof(head);
    memcpy(at, k->public, ED25519_PUBLIC);
    at += ED25519_PUBLIC;
    memcpy(at, tail, sizeof(tail));
    at += sizeof(tail);
    crypto_sign_detached(at, NULL, out + INFO_FROM, INFO_END - INFO_FROM, k->secret);
}

static const unsigned char algorithm[] = {ALGORITHM};

static bool is_ascii(struct der_span text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] < ' ' || text.data[i] > '~')
            return false;
    return text.len > 0;
}

static bool is_oid(struct der_span oid)
{
    bool begins = true;

    for (size_t i = 0; i < oid.len; i++) {
        if (begins && oid.data[i] == 0x80)
            return false;
        begins = (oid.data[i] & 0x80) == 0;
    }
    return begins && oid.len > 0;
}

/* A name (RFC 5280 4.1.2.4) of attributes one by one, which are plain text. */
static bool is_plain_name(struct der_span name)
{
    struct der_span set, attribute, part;

    while (name.len > 0)
        if (!der_take(&name, DER_SET, &set, NULL) ||
            !der_take(&set, DER_SEQUENCE, &attribute, NULL) || set.len > 0 ||
            !der_take(&attribute, DER_OID, &part, NULL) || !is_oid(part) ||
            !(der_take(&attribute, DER_UTF8_STRING, &part, NULL) ||
              der_take(&attribute, DER_PRINTABLE_STRING, &part, NULL)) ||
            attribute.len > 0 || !is_ascii(part))
            return false;
    return true;
}

/* A bit string of `want` bytes at the end of `in`, and the algorithm before it. */
static bool take_bits(struct der_span *in, size_t want, const unsigned char **bits)
{
    struct der_span s;

    if (in->len < sizeof(algorithm) || memcmp(in->data, algorithm, sizeof(algorithm)) != 0)
        return false;
    in->data += sizeof(algorithm);
    in->len -= sizeof(algorithm);
    if (!der_take(in, DER_BIT_STRING, &s, NULL) || s.len != want + 1 || s.data[0] != 0)
        return false;
    *bits = s.data + 1;
    return in->len == 0;
}

static bool read_info(struct der_span info, const unsigned char **key)
{
    struct der_span version, name, key_info, attributes;

    return der_take(&info, DER_INTEGER, &version, NULL) && version.len == 1 &&
           version.data[0] == 0 && der_take(&info, DER_SEQUENCE, &name, NULL) &&
           is_plain_name(name) && der_take(&info, DER_SEQUENCE, &key_info, NULL) &&
           take_bits(&key_info, ED25519_PUBLIC, key) &&
           der_take(&info, DER_CONTEXT_0, &attributes, NULL) && attributes.len == 0 &&
           info.len == 0;
}

bool ed25519_csr_read(const void *der, size_t len, unsigned char public[ED25519_PUBLIC])
{
    struct der_span in = {der, len}, request, info, signed_part;
    const unsigned char *key, *signature;

    pthread_once(&once, prepare);
    if (!der_take(&in, DER_SEQUENCE, &request, NULL) || in.len > 0 ||
        !der_take(&request, DER_SEQUENCE, &info, &signed_part) || !read_info(info, &key) ||
        !take_bits(&request, crypto_sign_BYTES, &signature) ||
        crypto_sign_verify_detached(signature, signed_part.data, signed_part.len, key) != 0)
        return false;
    memcpy(public, key, ED25519_PUBLIC);
    return true;
}

size_t ed25519_spki(const unsigned char public[ED25519_PUBLIC], unsigned char out[ED25519_SPKI])
{
    static const unsigned char before[] = {0x30, 0x2a, ALGORITHM, 0x03, 0x21, 0x00};

    _Static_assert(sizeof(before) + ED25519_PUBLIC == ED25519_SPKI, "lengths");
    memcpy(out, before, sizeof(before));
    memcpy(out + sizeof(before), public, ED25519_PUBLIC);
    return ED25519_SPKI;
}

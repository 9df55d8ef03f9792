#include "net/ed25519.h"

#include <pthread.h>
#include <string.h>

#include <sodium.h>

#include "base/err.h"

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

/*
 * ed25519.h - keys of virtual agents (RFC 8032), on libsodium.
 *
 * A key is derived from a label and a number, so that a million of them need not be kept: the same
 * label and number always give the same key.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ED25519_SEED    32
#define ED25519_PUBLIC  32
#define ED25519_PEM_MAX 98  /* with its NUL */
#define ED25519_CSR     153 /* bytes, always */
#define ED25519_SPKI    44

struct ed25519 {
    unsigned char seed[ED25519_SEED]; /* the private key as RFC 8032 has it */
    unsigned char public[ED25519_PUBLIC];
    unsigned char secret[64]; /* libsodium's form */
};

void ed25519_derive(struct ed25519 *k, const char *label, uint64_t number);

/*
 * A PEM block "PUBLIC KEY" around the raw 32 bytes.  That is no SubjectPublicKeyInfo, as the
 * block's name would have it, but it is what agents of the ingest service send.  Returns its
 * length.
 */
size_t ed25519_pem(const struct ed25519 *k, char out[ED25519_PEM_MAX]);

/* A certification request (RFC 2986, RFC 8410) for CN=ct-ops-agent, signed with the key; DER. */
void ed25519_csr(const struct ed25519 *k, unsigned char out[ED25519_CSR]);

/*
 * The public key of such a request, of whatever plain name: its signature is right.  False: it is
 * not, or the request is one that has to be read by somebody who knows more (other algorithms,
 * attributes, names that are not ASCII).
 */
bool ed25519_csr_read(const void *der, size_t len, unsigned char public[ED25519_PUBLIC]);

/* A SubjectPublicKeyInfo (RFC 8410 4) around the key; DER, ED25519_SPKI bytes, which it returns. */
size_t ed25519_spki(const unsigned char public[ED25519_PUBLIC], unsigned char out[ED25519_SPKI]);

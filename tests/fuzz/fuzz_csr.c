/*
 * Any bytes as a request for a certificate: what is read by hand is what OpenSSL reads, whose
 * signature it finds good, too.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "net/authority.h"
#include "net/ed25519.h"

static void hold(bool good)
{
    if (!good)
        abort();
}

static void same(const uint8_t *data, size_t size, const unsigned char public[ED25519_PUBLIC])
{
    const unsigned char *at = data;
    unsigned char raw[ED25519_PUBLIC];
    size_t len = sizeof(raw);
    X509_REQ *req = d2i_X509_REQ(NULL, &at, (long)size);
    EVP_PKEY *key = req ? X509_REQ_get0_pubkey(req) : NULL;

    hold(key && at == data + size);
    hold(EVP_PKEY_get_raw_public_key(key, raw, &len) == 1 && len == sizeof(raw));
    hold(memcmp(raw, public, sizeof(raw)) == 0);
    hold(X509_REQ_verify(req, key) == 1);
    X509_REQ_free(req);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned char public[ED25519_PUBLIC], key[AUTHORITY_KEY_MAX];

    if (ed25519_csr_read(data, size, public))
        same(data, size, public);
    hold(authority_key(data, size, key) <= AUTHORITY_KEY_MAX);
    return 0;
}

#include "net/digest.h"

#include <stdio.h>

#include <openssl/sha.h>

void digest_bytes(const void *data, size_t len, unsigned char out[DIGEST_BYTES])
{
    SHA256(data, len, out);
}

void digest_sha256(const void *data, size_t len, char out[DIGEST_TEXT])
{
    unsigned char bytes[DIGEST_BYTES];

    digest_bytes(data, len, bytes);
    for (int i = 0; i < DIGEST_BYTES; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

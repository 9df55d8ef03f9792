#include "net/digest.h"

#include <stdio.h>

#include <openssl/sha.h>

void digest_sha256(const void *data, size_t len, char out[DIGEST_TEXT])
{
    unsigned char bytes[SHA256_DIGEST_LENGTH];

    SHA256(data, len, bytes);
    for (int i = 0; i < SHA256_DIGEST_LENGTH; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

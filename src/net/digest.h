/* digest.h - SHA-256 (FIPS 180-4). */
#pragma once

#include <stddef.h>

#define DIGEST_BYTES 32
#define DIGEST_TEXT  65

void digest_bytes(const void *data, size_t len, unsigned char out[DIGEST_BYTES]);

/* Lower-case hexadecimal and a zero; the same for the same bytes on any machine. */
void digest_sha256(const void *data, size_t len, char out[DIGEST_TEXT]);

#include "net/jwt.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "base/buf.h"
#include "net/base64url.h"

#define SHA256_BYTES 32

void jwt_add(struct buf *out, const char *claims, size_t len, const void *key, size_t key_len)
{
    static const char signed_header[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
    static const char bare_header[] = "{\"alg\":\"none\",\"typ\":\"JWT\"}";
    const char *header = key ? signed_header : bare_header;
    unsigned char mac[SHA256_BYTES];
    size_t from = out->len, n = 0;

    base64url_add(out, header, strlen(header));
    buf_addc(out, '.');
    base64url_add(out, claims, len);
    if (key &&
        !EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, key, key_len,
                   (const unsigned char *)out->data + from, out->len - from, mac, sizeof(mac), &n))
        abort();
    buf_addc(out, '.');
    base64url_add(out, mac, n);
}

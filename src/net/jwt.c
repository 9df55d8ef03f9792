#include "net/jwt.h"

#include <string.h>

#include <openssl/evp.h>

#include "base/buf.h"
#include "base/mem.h"

#define SHA256_BYTES 32

/* RFC 4648 5, without padding. */
static void add_base64url(struct buf *out, const void *data, size_t len)
{
    size_t at = out->len, padding = (3 - len % 3) % 3;

    buf_reserve(out, len / 3 * 4 + 5);
    EVP_EncodeBlock((unsigned char *)out->data + at, data, (int)len);
    out->len = at + (len + 2) / 3 * 4 - padding;
    out->data[out->len] = '\0';
    for (char *p = out->data + at; *p; p++)
        *p = *p == '+' ? '-' : *p == '/' ? '_' : *p;
}

void jwt_add(struct buf *out, const char *claims, size_t len, const void *key, size_t key_len)
{
    static const char signed_header[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
    static const char bare_header[] = "{\"alg\":\"none\",\"typ\":\"JWT\"}";
    const char *header = key ? signed_header : bare_header;
    unsigned char mac[SHA256_BYTES];
    size_t from = out->len, n = 0;

    add_base64url(out, header, strlen(header));
    buf_addc(out, '.');
    add_base64url(out, claims, len);
    if (key &&
        !EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, key, key_len,
                   (const unsigned char *)out->data + from, out->len - from, mac, sizeof(mac), &n))
        abort();
    buf_addc(out, '.');
    add_base64url(out, mac, n);
}

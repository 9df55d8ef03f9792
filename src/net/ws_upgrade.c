/* ws_upgrade.c - how an HTTP/1.1 connection becomes a WebSocket: RFC 6455 4.1 and 4.2. */
#include <string.h>
#include <strings.h>

#include <openssl/evp.h>

#include "base/mem.h"
#include "net/ws.h"

#define SHA1_BYTES 20

void ws_key(char key[WS_KEY_MAX], const uint8_t nonce[16])
{
    EVP_EncodeBlock((unsigned char *)key, nonce, 16);
}

/* RFC 6455 1.3: the digest of the key and of a text that only a WebSocket server would add. */
void ws_accept(char accept[WS_ACCEPT_MAX], const char *key)
{
    static const char magic[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    unsigned char digest[SHA1_BYTES];
    EVP_MD_CTX *ctx = mem_check(EVP_MD_CTX_new());
    bool ok = EVP_DigestInit_ex(ctx, EVP_sha1(), NULL) == 1 &&
              EVP_DigestUpdate(ctx, key, strlen(key)) == 1 &&
              EVP_DigestUpdate(ctx, magic, sizeof(magic) - 1) == 1 &&
              EVP_DigestFinal_ex(ctx, digest, NULL) == 1;

    EVP_MD_CTX_free(ctx);
    if (!ok)
        abort();
    EVP_EncodeBlock((unsigned char *)accept, digest, SHA1_BYTES);
}

/* One of the comma-separated words of a field's value is `word`. */
static bool has_word(struct http1_span s, const char *word)
{
    size_t len = strlen(word);

    while (s.len > 0) {
        const char *comma = memchr(s.data, ',', s.len);
        size_t n = comma ? (size_t)(comma - s.data) : s.len, from = 0, to = n;

        while (from < to && (s.data[from] == ' ' || s.data[from] == '\t'))
            from++;
        while (to > from && (s.data[to - 1] == ' ' || s.data[to - 1] == '\t'))
            to--;
        if (to - from == len && strncasecmp(s.data + from, word, len) == 0)
            return true;
        n += comma != NULL;
        s.data += n;
        s.len -= n;
    }
    return false;
}

const char *ws_refusal(const struct http1 *p, const struct http1_span *head, const char *key)
{
    char accept[WS_ACCEPT_MAX];
    struct http1_span value;

    if (p->status != 101)
        return "the answer is not 101";
    if (!http1_field(head, "upgrade", &value) || !has_word(value, "websocket"))
        return "the answer does not upgrade to websocket";
    if (!http1_field(head, "connection", &value) || !has_word(value, "upgrade"))
        return "the answer has no connection: upgrade";
    ws_accept(accept, key);
    if (!http1_field(head, "sec-websocket-accept", &value) || value.len != strlen(accept) ||
        memcmp(value.data, accept, value.len) != 0)
        return "sec-websocket-accept does not answer the key";
    if (http1_field(head, "sec-websocket-extensions", &value))
        return "the answer has an extension that was not offered";
    if (http1_field(head, "sec-websocket-protocol", &value))
        return "the answer has a subprotocol that was not offered";
    return NULL;
}

#include "net/tls_warm.h"

#include <stdint.h>
#include <sys/uio.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "base/mem.h"

#define ENC_WRITE 2168 /* of an SSL: its EVP_CIPHER_CTX for sending */
#define ENC_READ  2120
#define STATE     168 /* of an EVP_CIPHER_CTX: the provider's part, with key and nonce */

struct stretch {
    uint16_t from, to; /* bytes */
};

/* Of an SSL, found by tracing a record: its state, the heads of its buffers, the record that is
 * read or made, sequence numbers. */
static const struct stretch ssl_used[] = {{0, 448},     {720, 784},   {1168, 1232}, {2064, 2256},
                                          {2320, 2384}, {2512, 2768}, {2960, 3024}, {3152, 3344},
                                          {4736, 4864}, {7312, 7568}};

static const struct stretch part_used[TLS_WARM_PARTS] = {
    [TLS_WARM_SESSION] = {832, 896},   [TLS_WARM_BIO] = {0, 128},  [TLS_WARM_WRITE] = {0, 184},
    [TLS_WARM_WRITE_STATE] = {0, 960}, [TLS_WARM_READ] = {0, 184}, [TLS_WARM_READ_STATE] = {0, 960},
};

/* By way of the kernel, for which an address that is none is no more than an error. */
static const void *pointer_at(const void *base, size_t offset)
{
    const void *found = NULL;
    struct iovec into = {&found, sizeof(found)};
    struct iovec from = {(void *)((uintptr_t)base + offset), sizeof(found)};

    if (!base || process_vm_readv(getpid(), &into, 1, &from, 1, 0) != sizeof(found))
        return NULL;
    return found;
}

void tls_warm_find(struct tls_warm *w, SSL *ssl)
{
    *w = (struct tls_warm){.ssl = ssl};
    if (!ssl)
        return;
    w->parts[TLS_WARM_SESSION] = SSL_get_session(ssl);
    w->parts[TLS_WARM_BIO] = SSL_get_rbio(ssl);
    w->parts[TLS_WARM_WRITE] = pointer_at(ssl, ENC_WRITE);
    w->parts[TLS_WARM_WRITE_STATE] = pointer_at(w->parts[TLS_WARM_WRITE], STATE);
    w->parts[TLS_WARM_READ] = pointer_at(ssl, ENC_READ);
    w->parts[TLS_WARM_READ_STATE] = pointer_at(w->parts[TLS_WARM_READ], STATE);
}

static void fetch(const void *base, struct stretch s)
{
    if (base)
        mem_fetch(base, s.from, s.to);
}

void tls_warm_fetch(const struct tls_warm *w)
{
    for (size_t i = 0; i < TLS_WARM_PARTS; i++)
        fetch(w->parts[i], part_used[i]);
    for (size_t i = 0; i < sizeof(ssl_used) / sizeof(ssl_used[0]); i++)
        fetch(w->ssl, ssl_used[i]);
}

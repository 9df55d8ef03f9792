/*
 * tls_decode.c - a certificate that has been decoded is not decoded again.
 *
 * A load test is shown the same certificate thousands of times a second, and OpenSSL 3.0 spends
 * more on decoding it than on the key exchange: it builds the list of all its decoders anew for
 * every public key.  It has no place for a cache of ours, but libssl decodes through the public
 * d2i_X509(), and the dynamic linker takes the program's own definition of a symbol before a
 * library's.  So here is a d2i_X509() that remembers: the same bytes give another reference to the
 * same certificate, which OpenSSL never changes once it is decoded, and anything else goes to the
 * library's.  Whether a certificate is to be trusted is decided elsewhere, for each connection.
 *
 * Each thread remembers its own few certificates, so nothing is locked.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

#include <openssl/x509.h>

#include "base/mem.h"

#define REMEMBERED 8
#define LONGEST    (16 << 10) /* bytes; longer ones are decoded every time */

struct decoded {
    X509 *cert;
    unsigned char *der;
    size_t len;
};

struct decoder {
    struct decoded known[REMEMBERED];
    unsigned next; /* to be replaced */
};

typedef X509 *decode_fn(X509 **out, const unsigned char **in, long len);

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static decode_fn *library;
static _Thread_local struct decoder *mine;

static void forget(struct decoded *d)
{
    X509_free(d->cert);
    free(d->der);
    *d = (struct decoded){0};
}

static void decoder_free(void *arg)
{
    struct decoder *d = arg;

    for (int i = 0; i < REMEMBERED; i++)
        forget(&d->known[i]);
    free(d);
    mine = NULL;
}

static void forget_mine(void)
{
    if (mine)
        decoder_free(mine);
}

static void find_library(void)
{
    void *symbol = dlsym(RTLD_NEXT, "d2i_X509");

    memcpy(&library, &symbol, sizeof(library));
    mem_check(symbol);
    pthread_key_create(&key, decoder_free);
    atexit(forget_mine); /* the main thread's: keys' destructors do not run for it */
}

static struct decoder *decoder(void)
{
    pthread_once(&once, find_library);
    if (!mine) {
        mine = xcalloc(1, sizeof(*mine));
        pthread_setspecific(key, mine);
    }
    return mine;
}

static X509 *recall(const struct decoder *d, const unsigned char *der, size_t len)
{
    for (int i = 0; i < REMEMBERED; i++)
        if (d->known[i].len == len && memcmp(d->known[i].der, der, len) == 0)
            return d->known[i].cert;
    return NULL;
}

static void remember(struct decoder *d, X509 *cert, const unsigned char *der, size_t len)
{
    struct decoded *slot = &d->known[d->next++ % REMEMBERED];

    forget(slot);
    X509_up_ref(cert);
    *slot = (struct decoded){cert, xrealloc(NULL, len), len};
    memcpy(slot->der, der, len);
}

/* libssl hands in an empty certificate to be filled; other uses, such as NULL, are not ours. */
X509 *d2i_X509(X509 **out, const unsigned char **in, long len)
{
    struct decoder *d = decoder();
    const unsigned char *der = *in;
    X509 *cert;

    if (!out || !*out || len <= 0 || len > LONGEST)
        return library(out, in, len);
    cert = recall(d, der, (size_t)len);
    if (cert) {
        X509_up_ref(cert);
        X509_free(*out);
        *out = cert;
        *in += len;
        return cert;
    }
    cert = library(out, in, len);
    if (cert && *in == der + len)
        remember(d, cert, der, (size_t)len);
    return cert;
}

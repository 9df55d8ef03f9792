/*
 * What ACME peers send and this program reads by hand: base64url, chains in PEM, and requests for
 * certificates.  The first byte chooses.  Whatever base64url is taken comes back the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "net/base64url.h"
#include "net/chain.h"
#include "net/csr.h"
#include "net/jws.h"

static void read_base64url(const char *text, size_t len)
{
    struct buf out = {0}, again = {0};

    if (base64url_decode(&out, text, len)) {
        base64url_add(&again, out.data, out.len);
        if (again.len != len || (len && memcmp(again.data, text, len) != 0))
            abort();
    } else if (out.len) {
        abort();
    }
    buf_free(&out);
    buf_free(&again);
}

static void read_chain(const char *text, size_t len)
{
    const char *names[] = {"a.example.test"};
    struct chain c = {0};
    struct buf out = {0};
    struct err e;

    if (chain_read(&c, text, len, &e)) {
        chain_check(&c, names, 1, NULL, &e);
        chain_leaf_der(&c, &out);
        chain_cert_id(&c, &out, &e);
    }
    if (c.count > CHAIN_CERTS_MAX)
        abort();
    chain_fini(&c);
    buf_free(&out);
}

static void read_csr(const char *der, size_t len)
{
    struct csr c;
    struct err e;

    csr_read(&c, der, len, &e);
    csr_fini(&c);
}

/* The text is cut into the members of a key. */
static void read_key(const char *text, size_t len)
{
    char *copy = strndup(text, len), *rest = copy;
    struct jwk k = {.kty = strsep(&rest, " "), .crv = strsep(&rest, " ")};
    struct err e;

    k.x = strsep(&rest, " ");
    k.y = strsep(&rest, " ");
    k.n = k.x;
    k.e = k.y;
    jws_key_free(jws_key_public(&k, &e));
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const readers[])(const char *, size_t) = {read_base64url, read_chain, read_csr,
                                                            read_key};

    if (size > 0)
        readers[data[0] % 4]((const char *)data + 1, size - 1);
    return 0;
}

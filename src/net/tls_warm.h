/*
 * tls_warm.h - what sending and receiving a record touch of a TLS connection, for the cache.
 *
 * A connection is some dozens of KiB, of which a record takes two, in places that OpenSSL does not
 * tell.  They are those of OpenSSL 3.0, x86-64; with another release or processor other bytes come,
 * and the processor waits a little longer.  Nothing that is not there is read.
 */
#pragma once

#include <stddef.h>

struct ssl_st;

enum tls_warm_part {
    TLS_WARM_SESSION,
    TLS_WARM_BIO,
    TLS_WARM_WRITE, /* EVP_CIPHER_CTX */
    TLS_WARM_WRITE_STATE,
    TLS_WARM_READ,
    TLS_WARM_READ_STATE,
    TLS_WARM_PARTS
};

struct tls_warm { /* {0} has nothing to fetch; of one connection, as long as that is there */
    const void *ssl;
    const void *parts[TLS_WARM_PARTS]; /* NULL: not found */
};

void tls_warm_find(struct tls_warm *w, struct ssl_st *ssl); /* its handshake is over; NULL: plain */
void tls_warm_fetch(const struct tls_warm *w); /* begins to bring it; the connection may be gone */

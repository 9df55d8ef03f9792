/* tls_expect.h - what a handshake must have agreed on, and what the served certificate must be. */
#pragma once

#include "driver/expect.h"
#include "driver/target.h"

struct op;
struct tls_expect;
struct tls_facts;

struct tls_expect_opts {
    int protocol; /* choices "", "1.2", "1.3" */
    int chain;    /* choices "", "verified", "unverified" */
    const char *cipher, *alpn, *name, *fingerprint, *issuer;
    int64_t expires_in; /* ns; 0: may have expired */
};
extern const struct opt tls_expect_table[];

/*
 * `verify`: the chain, and the name that was asked for, have to pass.  `at` is the map `o` was
 * bound from, for positions; NULL: none.  NULL with diagnostics in `d` if something is wrong.
 */
struct tls_expect *tls_expect_compile(const struct tls_expect_opts *o, bool verify,
                                      const struct node *at, const char *path, struct arena *arena,
                                      struct diags *d);

/* The chain has to be verified, to be judged; the handshake goes on whatever comes of it. */
bool tls_expect_examines(const struct tls_expect *x);

/*
 * Each expectation is one check of `op` (NULL: not counted); true if all are met at `now` (seconds
 * since 1970), else the first that is not is described in `why`.
 */
bool tls_expect_judge(const struct tls_expect *x, const struct tls_facts *f, int64_t now,
                      struct op *op, char why[WHY_MAX]);

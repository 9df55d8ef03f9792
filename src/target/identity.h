/*
 * identity.h - the certificate that the target shows: given, or made for this one run.
 */
#pragma once

#include <stdbool.h>

struct err;
struct ssl_ctx_st;

struct identity_opts {
    const char *cert, *key;   /* PEM files; both or neither */
    const char *const *names; /* of a certificate to be made: DNS names and addresses */
    int name_count;
    const char *ca_out;      /* where the CA of a made one goes; or NULL */
    const char *const *alpn; /* protocols to choose from, NULL-terminated */
};

/* A server context, to be ended by tls_ctx_free(); NULL on failure.  Nothing of a made key stays on
 * disk. */
struct ssl_ctx_st *identity_load(const struct identity_opts *o, struct err *e);

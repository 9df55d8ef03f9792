/*
 * target.h - a named address that the suite may contact.  The list of targets is an allow-list:
 * drivers reach the network through a target and in no other way.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "spec/opt.h"

struct tls_opts {                 /* as a client */
    bool verify;                  /* chain and name; on by default */
    const char *ca;               /* PEM file to trust instead of the system's */
    const char *cert, *key;       /* client certificate and its key, PEM files */
    const char *server_name;      /* SNI and the name verified; NULL: the URL's host */
    struct texts alpn;            /* offered protocols; empty: what the driver speaks */
    int min_version, max_version; /* choices "", "1.2", "1.3" */
    const char *ciphers, *groups; /* OpenSSL's lists; NULL: defaults */
};

struct target {
    const char *name;
    const char *url;           /* as given, without userinfo */
    const char *userinfo;      /* "user:password", or NULL; a secret */
    const char *scheme, *host; /* lower case; host without brackets */
    uint16_t port;
    const char *path;       /* starts with '/'; includes the query */
    const char *connect_to; /* "host:port" to connect to in its place; or NULL */
    struct texts source;    /* local addresses, used in turn */
    struct tls_opts tls;
    uint64_t services; /* services it refers to, as bits */
    struct pos at;
};

/* Under `targets:`; a bare scalar is the url. */
struct target_opts {
    const char *url, *connect_to;
    struct texts source;
    struct tls_opts tls;
};
extern const struct opt target_opts_table[];

/* Splits the URL and checks it; reports at `at`. */
bool target_init(struct target *t, const char *name, const struct target_opts *o, struct pos at,
                 struct diags *d);

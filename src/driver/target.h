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
    bool verify_given;
    bool examine; /* no option: go on whatever verification says (tls.h) */
};

extern const char *const tls_versions[]; /* choices of min_version and max_version */

/* The rows of struct tls_opts (OPT_OF): of a target's `tls:`, and of the driver of that name. */
#define TLS_ROWS \
    OPT_BOOL(verify, "true", "check the server's certificate: chain and name", \
             OPT_GIVEN(verify_given)), \
        OPT_TEXT(ca, NULL, "PEM file of certificates to trust in place of the system's", \
                 .flags = OPT_PATH), \
        OPT_TEXT(cert, NULL, "PEM file of the client certificate, with its chain", \
                 .flags = OPT_PATH), \
        OPT_TEXT(key, NULL, "PEM file of the client certificate's key; default: the same file", \
                 .flags = OPT_PATH), \
        OPT_TEXT(server_name, NULL, "name to send as SNI and to verify; default: the url's host"), \
        OPT_TEXTS(alpn, "protocols to offer; default: what the driver speaks", \
                  .example = "[http/1.1]"), \
        OPT_CHOICE(min_version, "", "oldest TLS version to accept", .choices = tls_versions), \
        OPT_CHOICE(max_version, "", "newest TLS version to offer", .choices = tls_versions), \
        OPT_TEXT(ciphers, NULL, "cipher suites to offer, in OpenSSL's notation", \
                 .example = "TLS_AES_128_GCM_SHA256"), \
        OPT_TEXT(groups, NULL, "key exchange groups to offer, in OpenSSL's notation", \
                 .example = "X25519:P-256")

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
    const char *url, *connect_to, *user, *password;
    struct texts source;
    struct tls_opts tls;
};
extern const struct opt target_opts_table[];

/* What is wrong with options of TLS in themselves; `map` is where they are written, or NULL. */
bool tls_opts_check(const struct tls_opts *o, const struct node *map, const char *path,
                    struct diags *d);

/* Splits the URL and checks it and all else; `at` is the target's map. */
bool target_init(struct target *t, const char *name, const struct target_opts *o,
                 const struct node *at, struct diags *d);

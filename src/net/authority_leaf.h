/*
 * authority_leaf.h - certificates for agents, written by hand; for authority.c alone.
 *
 * A fleet registers as fast as its leaves are made.  OpenSSL takes ten times as long to put one
 * together as to sign it, so what all of them share is kept as DER, and the rest is written around
 * it (RFC 5280 4.1).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct X509_extension_st;
struct X509_name_st;
struct buf;
struct evp_pkey_st;

#define LEAF_EXTENSIONS 4
#define LEAF_URI_MAX    256 /* bytes, with its NUL */

struct leaf_part {
    unsigned char *der;
    size_t len;
};

struct leaf_form { /* {0} until the issuer and the extensions, in their order, have been told */
    struct leaf_part issuer, extensions[LEAF_EXTENSIONS];
    int extension_count;
};
bool leaf_form_issuer(struct leaf_form *f, const struct X509_name_st *name);
bool leaf_form_extension(struct leaf_form *f, const struct X509_extension_st *extension);
void leaf_form_fini(struct leaf_form *f);

struct leaf_subject {
    const char *agent, *org, *uri;
    const unsigned char *key; /* SubjectPublicKeyInfo */
    size_t key_len;
};

/* Appends a leaf as PEM, signed with the ECDSA key `by`; any thread, the form being constant. */
bool leaf_issue(const struct leaf_form *f, struct evp_pkey_st *by, const struct leaf_subject *who,
                struct buf *pem, int64_t *not_after);

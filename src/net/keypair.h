/*
 * keypair.h - a certificate with its chain and its key, from PEM text, for a server to show.
 *
 * Constant once parsed: any thread may present it.
 */
#pragma once

#include <stdbool.h>

struct err;
struct keypair;
struct ssl_st;

/* The first certificate is the leaf, which the key belongs to.  NULL on failure. */
struct keypair *keypair_parse(const char *certificates, const char *key, struct err *e);
void keypair_free(struct keypair *k); /* NULL is fine */
bool keypair_present(const struct keypair *k, struct ssl_st *ssl);

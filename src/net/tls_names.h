/*
 * tls_names.h - lists of ciphers and groups in OpenSSL's notation, looked at before they are used.
 *
 * OpenSSL passes over an unknown name in a list of ciphers as long as it knows another one, so that
 * a misspelt suite would silently test something else.
 */
#pragma once

#include <stdbool.h>

struct err;
struct ssl_ctx_st;

/* Every name is one that this OpenSSL has; what is taken away with ! or - may be any. */
bool tls_ciphers_known(const char *list, struct err *e);
bool tls_groups_known(const char *list, struct err *e);

/* TLS 1.2 ciphers and 1.3 suites (TLS_...) in one list, separated by colons, commas or blanks. */
bool tls_set_ciphers(struct ssl_ctx_st *ctx, const char *list);

/* cert_make.h - certificates in memory; for cert.c, csr.c and issuer.c. */
#pragma once

#include <stdbool.h>

struct err;
struct evp_pkey_st;
struct x509_st;

struct stack_st_GENERAL_NAME;

bool cert_names_check(const char *const *names, int count, struct err *e);

/* DNS names and addresses; to be released with GENERAL_NAMES_free().  NULL: no memory. */
struct stack_st_GENERAL_NAME *cert_general_names(const char *const *names, int count);

/* NULL with the reason in OpenSSL's error queue. */
struct x509_st *cert_ca(struct evp_pkey_st *key);
struct x509_st *cert_leaf(const char *const *names, int count, struct evp_pkey_st *key,
                          struct x509_st *ca, struct evp_pkey_st *ca_key);

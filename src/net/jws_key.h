/* jws_key.h - the inside of a key; for files of net/ that have keys of OpenSSL's. */
#pragma once

#include "net/jws.h"

struct evp_pkey_st;

struct jws_key {
    struct evp_pkey_st *pkey;
    enum jws_alg alg;
    char *jwk;
    char thumbprint[44];
};

struct err;

/* Takes `pkey`, which may be NULL for one that could not be made; NULL then: "could not `what`". */
struct jws_key *jws_key_adopt(struct evp_pkey_st *pkey, enum jws_alg alg, const char *what,
                              struct err *e);

/* jws_key.h - the inside of a key; for jws.c and jws_key.c. */
#pragma once

#include "net/jws.h"

struct evp_pkey_st;

struct jws_key {
    struct evp_pkey_st *pkey;
    enum jws_alg alg;
    char *jwk;
    char thumbprint[44];
};

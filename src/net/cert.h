/*
 * cert.h - throw-away certificates: a CA made for one run and a leaf that it signs.
 *
 * PEM files: leaf with its chain, key (mode 0600) and the CA to trust.  Valid from an hour ago for
 * seven days; names that parse as addresses become IP entries.
 */
#pragma once

#include <stdbool.h>

struct err;

struct cert_files {
    const char *cert, *key, *ca; /* paths to write; ca may be NULL */
};

bool cert_make(const char *const *names, int count, bool rsa2048, const struct cert_files *to,
               struct err *e);

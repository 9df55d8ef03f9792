/*
 * strata.h - shares of requests that come out exactly.
 *
 * A share is dealt by request number, not by chance: of every 1000 requests in a row (0..999,
 * 1000..1999, ...) exactly the asked number is chosen, at places that a fixed permutation spreads
 * out. So a test knows each count to the request, and a client that takes turns over its
 * connections does not hit the same ones again and again.  Each use has a permutation of its own,
 * because a request that is slow must not be, for that, the one that fails.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define STRATA 1000

enum strata_use { STRATA_MIX, STRATA_ERROR, STRATA_RESET, STRATA_USES };

/* The place of a request among its thousand: 0..999, each once in every block. */
uint32_t strata_place(enum strata_use use, uint64_t number);

/* True for that share of requests: exact over whole blocks to the last fraction of a request. */
bool strata_hit(enum strata_use use, uint64_t number, double share);

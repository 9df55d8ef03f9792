/* route.h - from a target of the suite to where connections go. */
#pragma once

#include <stdbool.h>

#include "driver/driver.h"
#include "net/conn.h"

struct arena;
struct err;
struct target;

enum outcome route_outcome(enum conn_fault fault); /* of an operation whose connection failed */

/*
 * Resolves the target's name and, if its scheme is https or wss, makes a TLS context that offers
 * the target's protocols or else `alpn` (NULL-terminated; NULL: none).  May block.  The context is
 * released with tls_ctx_free(); everything else lives in `arena`.
 */
bool route_make(struct conn_route *r, const struct target *t, const char *const *alpn, bool resume,
                struct arena *arena, struct err *e);

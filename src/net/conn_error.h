/* conn_error.h - whose fault a failed connection is, and the words for it. */
#pragma once

#include <stdbool.h>

#include "net/conn.h"

/* Of an errno; never CONN_FINE. */
enum conn_fault conn_fault_of(int error);

/* Both return false.  `error` is an errno; `doing` is what was attempted, with `a` if that is not
 * NULL. */
bool conn_fail(struct conn_error *e, int error, const char *doing, const struct addr *a);

/* The last call on the connection's TLS has returned `ret`; errno is of that call. */
bool conn_fail_tls(const struct conn *c, int ret, const char *doing, struct conn_error *e);

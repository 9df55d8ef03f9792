/*
 * acme_responder.h - answers http-01 challenges (RFC 8555 8.3) of one step.
 *
 * A listener with a thread of its own that knows the tokens of the orders in flight and nothing
 * else: any other path is 404.  Bound from open to close.
 */
#pragma once

#include <stdbool.h>

struct acme_responder;
struct arena;
struct err;

/* `address` is "host:port"; the name is resolved.  NULL on failure. */
struct acme_responder *acme_responder_open(const char *address, struct arena *arena, struct err *e);
void acme_responder_close(struct acme_responder *r); /* NULL is fine */

/* From any thread; both are copied.  A token that is there already has its answer replaced. */
void acme_responder_add(struct acme_responder *r, const char *token, const char *thumbprint);
void acme_responder_remove(struct acme_responder *r, const char *token);

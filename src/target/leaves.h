/*
 * leaves.h - the certificates that have been deployed, by the name that a handshake asks for.
 *
 * A leaf is made when it is first wanted, by whoever wants it: an answer that tells its
 * fingerprint, or a handshake.  Any thread may call anything here.
 */
#pragma once

#include <stdbool.h>

#include "net/issuer.h"

struct err;
struct leaves;
struct ssl_ctx_st;

struct leaves *leaves_new(struct err *e); /* NULL on failure */
void leaves_free(struct leaves *l);       /* NULL is fine */

/* From now on a new leaf is the one for this name. */
void leaves_renew(struct leaves *l, const char *name);

/* The fingerprint of the leaf for this name; false: there can be none, because it is no DNS name.
 */
bool leaves_fingerprint(struct leaves *l, const char *name, char out[ISSUER_FINGERPRINT_MAX]);

/* Has a listener's context show them.  It makes no handshakes once they are freed. */
void leaves_show(struct leaves *l, struct ssl_ctx_st *tls);

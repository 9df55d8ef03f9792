/*
 * pg.h - a connection to Postgres that never waits: libpq's non-blocking mode, for an event loop.
 *
 * pg_open() begins; pg_connect() goes on until it says PG_DONE.  Then a statement is sent, and
 * pg_receive() goes on until PG_DONE.  PG_READ and PG_WRITE say what to wait for (PG_WRITE: for
 * either) on pg_fd(), which may be another descriptor after each call of pg_connect().  The waiting
 * is level-triggered: libpq does not promise to read until there is nothing left.
 */
#pragma once

#include "net/db.h"

struct pg;
struct pg_cancel;

enum pg_wait { PG_READ, PG_WRITE, PG_DONE, PG_FAILED };

struct pg *pg_open(const struct db_place *p);
enum pg_wait pg_connect(struct pg *c, struct db_error *e);
/* Of a connection that is there: "TLSv1.3 TLS_AES_256_GCM_SHA384" or "not encrypted". */
void pg_secured(const struct pg *c, char out[DB_SECURED_MAX]);

int pg_fd(const struct pg *c);

bool pg_send(struct pg *c, const char *sql, const struct db_values *v, struct db_error *e);

/* The same for a statement that is kept under a name, and then for its runs; `to` may be NULL. */
bool pg_send_prepare(struct pg *c, const char *name, const char *sql, struct db_error *e);
bool pg_send_prepared(struct pg *c, const char *name, const struct db_values *v,
                      const struct db_sink *to, struct db_error *e);

/* After PG_FAILED the connection can be used again if pg_is_usable(). */
enum pg_wait pg_receive(struct pg *c, struct db_result *r, struct db_error *e);
bool pg_is_usable(const struct pg *c);
bool pg_in_transaction(const struct pg *c);

const struct buf *pg_notices(const struct pg *c);

/* What it takes to cancel the running statement later, also when the connection is closed. */
struct pg_cancel *pg_cancel_new(const struct pg *c); /* NULL: there is nothing to cancel */

#define PG_PATIENCE_S 1 /* with a server that is asked to cancel */

/*
 * Asks the server to cancel, frees `p` and waits for at most `patience_s` seconds until the server
 * has taken note; false: it has not yet.
 */
bool pg_cancel_send(struct pg_cancel *p, unsigned patience_s);
void pg_close(struct pg *c);

/*
 * ingest_sql.h - what the service knows, in a database as well.
 *
 * Workers only queue statements; one thread runs them in their order, many in one transaction.  A
 * statement that fails is counted and forgotten, as the real server logs it: agents get their
 * replies whatever becomes of the database.  Every now and then the thread looks at what others
 * have changed: agents that are gone, approved or revoked there are so here.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct err;
struct ingest;
struct ingest_sql;
struct state;

/* Makes the tables and takes over what is in them.  `g` has it, also after false. */
bool ingest_sql_open(struct ingest *g, struct state *state, struct err *e);
void ingest_sql_close(struct ingest_sql *q); /* when all has been written; NULL is fine */

struct state *ingest_sql_state(const struct ingest_sql *q);

/*
 * One statement, a constant of the program, with `n` values, each a text or NULL, which are copied.
 * `q` NULL: nothing.
 */
void ingest_sql_add(struct ingest_sql *q, const char *sql, int n, ...);
/*
 * Waits while too much is queued.  For whoever has a message to read: never under the lock of the
 * service, which the thread that writes needs for its look at what others have changed.
 */
void ingest_sql_pace(struct ingest_sql *q);
void ingest_sql_sync(struct ingest_sql *q); /* waits until all that was queued is written */
/* What has been queued until now is to be there before somebody looks, and: it is. */
void ingest_sql_mark(struct ingest_sql *q);
void ingest_sql_await_mark(struct ingest_sql *q);

struct ingest_sql_stats {
    uint64_t written, failed, waiting;
};
struct ingest_sql_stats ingest_sql_stats(struct ingest_sql *q); /* NULL: zeros */

#define INGEST_NUMBER_MAX 24
const char *ingest_number(char text[INGEST_NUMBER_MAX], int64_t n);
const char *ingest_now(char text[INGEST_NUMBER_MAX]); /* ms since 1970 */

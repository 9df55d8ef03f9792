/*
 * state.h - what the surfaces of the target remember: one database, SQLite or Postgres.
 *
 * A surface brings its tables (state_create(), at its start) and its statements, which are
 * constants of the program, written with $1 and so on for both databases.  Whoever has work for the
 * database takes a session, runs statements and gives it back:
 *
 *     struct session *se = state_take(s, &e);
 *
 *     if (se)
 *         ok = session_run(se, "update agents set status = $2 where id = $1",
 *                          STATE_VALUES(id, "Online"), NULL, &rows, &e);
 *     state_give(se);
 *
 * A session keeps each statement prepared, by the address of its text.  All of it blocks, so it is
 * for threads that may wait (see errand.h), never for a worker's loop; any thread may call it.
 *
 * SQLite has one session, which is its single writer: memory, or a file in WAL mode, which other
 * processes may read and write in between.  Postgres has up to `db_sessions`, opened when needed
 * and again when the server was away.  Neither waits for a disk at each commit: a crash of the
 * machine may lose the last moments, as is right for a server that tests are made with.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "net/db.h"

struct err;
struct session;
struct state;

#define STATE_FIELDS \
    const char *db, *db_password_file; \
    int64_t db_sessions
struct state_opts {
    STATE_FIELDS;
};

/* Rows of a command line's table, under an OPT_OF of a struct that has STATE_FIELDS. */
#define STATE_ROWS \
    OPT_TEXT(db, "sqlite::memory:", \
             "where state is kept: sqlite:PATH, sqlite::memory: or postgres://USER@HOST/NAME", \
             .example = "postgres://certctl@127.0.0.1:5432/certctl"), \
        OPT_TEXT(db_password_file, NULL, \
                 "file with the password of the database's user; without it PGPASSWORD of the " \
                 "environment is used, or ~/.pgpass"), \
        OPT_INT(db_sessions, "4", "sessions with Postgres at most; SQLite has one", .min = 1, \
                .max = 100)

/* Is the place well written, and without a password?  No I/O. */
bool state_check(const struct state_opts *o, struct err *e);

/* Opens one session, so that a place that cannot be reached is told now.  NULL on failure. */
struct state *state_open(const struct state_opts *o, struct err *e);
void state_close(struct state *s); /* NULL is fine; no session is taken */

/*
 * Makes what is missing, in one transaction: statements that may be run again (`create table if not
 * exists`), of which some may be for one of the two alone.  `source` names them in messages.
 */
struct state_schema {
    const char *source;
    const char *both, *postgres, *sqlite; /* or NULL */
};
bool state_create(struct state *s, const struct state_schema *schema, struct err *e);

int state_sessions(const struct state *s); /* how many can be taken at a time */

/* Waits until one is free.  NULL if the database cannot be reached. */
struct session *state_take(struct state *s, struct err *e);
void state_give(struct session *se); /* rolls back what was begun and not ended; NULL is fine */

#define STATE_VALUES(...) \
    (&(struct db_values){(const char *const[]){__VA_ARGS__}, \
                         sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *)})
#define STATE_NONE (&(struct db_values){0})

/*
 * One statement: `sql` is a constant of the program.  `to` takes its rows, `count` how many rows it
 * gave or changed; either may be NULL.
 */
bool session_run(struct session *se, const char *sql, const struct db_values *v,
                 const struct db_sink *to, uint64_t *count, struct err *e);

bool session_begin(struct session *se, struct err *e);
bool session_commit(struct session *se, struct err *e); /* rolls back when it cannot */

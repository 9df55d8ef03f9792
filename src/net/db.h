/*
 * db.h - one session with a database, used by one thread at a time: Postgres or SQLite.
 *
 * Everything here blocks, within its limits, and is for threads that may wait.  For Postgres on an
 * event loop see pg.h.  Values are bound beside the statement; they are never part of its text.
 * Rows are counted as they come and not kept, but for the first value.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum db_failure {
    DB_OK,
    DB_STATEMENT, /* the database refuses: the statement, the login, the number of sessions */
    DB_TIMEOUT,
    DB_REFUSED,
    DB_LOST,
    DB_TLS,
    DB_PROTOCOL,
    DB_UNREACHABLE,
    DB_LOCAL,
    DB_INTERRUPTED,
};

#define DB_TEXT_MAX    800
#define DB_NOTICES_MAX (64 << 10)
#define DB_VALUE_MAX   (64 << 10)

struct db_error {
    enum db_failure failure;
    size_t offset; /* bytes into the statement, of what is wrong; 0: not known, or at its start */
    char text[DB_TEXT_MAX];
};

bool db_fail(struct db_error *e, enum db_failure failure, const char *fmt, ...)
    __attribute__((format(printf, 3, 4))); /* always false */

struct db_place {
    const char *url;      /* of Postgres, without userinfo */
    const char *path;     /* of SQLite: the file */
    const char *user;     /* NULL: libpq's default */
    const char *password; /* or NULL */
    const char *address; /* numeric ones, with commas, to try in turn for the URL's host; or NULL */
    const char *host;    /* the URL's, once for each of them; or NULL */
    const char *port;    /* of all of them; or NULL */
    const char *sslmode; /* libpq's word, in place of the URL's and of its default; or NULL */
    const char *ca;      /* PEM file to verify the certificate with; or NULL */
    const char *cert, *key; /* PEM files of the client; or NULL */
};

struct db_values { /* as text; $1 or ?1 is the first */
    const char *const *v;
    int n;
};

struct db_limits {
    uint64_t deadline_ns; /* monotonic */
    const volatile int *cancelled;
};

struct db_result { /* of everything since db_result_clear() */
    uint64_t rows, affected;
    uint64_t received; /* bytes of the values */
    bool any, null;    /* the last query has given a row; its first value is NULL */
    struct buf value;  /* the first value of its first row, at most DB_VALUE_MAX of it */
};
void db_result_clear(struct db_result *r); /* keeps memory */

struct db_sink { /* takes each row of a query as it comes */
    void (*row)(void *arg, const char *const *values, int n); /* NULL for NULL; borrowed */
    void *arg;
};
#define DB_COLUMNS_MAX 32 /* that a sink is given; further ones are left out */

#define DB_SECURED_MAX 80

struct db {
    const struct db_kind *kind;
    bool dead;                    /* of no use any more: close it */
    char secured[DB_SECURED_MAX]; /* "TLSv1.3 TLS_AES_256_GCM_SHA384"; "": nothing to say */
    struct buf notices;           /* what the server has said on the way, a line each */
};

struct db_kind {
    const char *name, *begin;
    struct db *(*open)(const struct db_place *p, const struct db_limits *l, struct db_error *e);

    /* One statement. */
    bool (*run)(struct db *db, const char *sql, const struct db_values *v,
                const struct db_limits *l, struct db_result *r, struct db_error *e);

    /*
     * One statement that is run again and again: prepared under a number (0 and up, each once),
     * with $1 and so on whatever the database; then executed.  `to` may be NULL.
     */
    bool (*prepare)(struct db *db, int number, const char *sql, const struct db_limits *l,
                    struct db_error *e);
    bool (*execute)(struct db *db, int number, const struct db_values *v, const struct db_sink *to,
                    const struct db_limits *l, struct db_result *r, struct db_error *e);
    void (*close)(struct db *db);
};

extern const struct db_kind db_postgres, db_sqlite;

/*
 * sql.h - the inside of the sql driver.
 *
 *     sql.c         options, and the operation's begin and end on the lane
 *     sql_plan.c    places, statements and assertions, from the options
 *     sql_script.c  an operation on a thread: files, transactions, assertions; any database
 *     sql_pool.c    an operation on the lane's event loop: statements under load; Postgres
 */
#pragma once

#include "base/buf.h"
#include "driver/driver.h"
#include "driver/expect.h"
#include "driver/offload.h"
#include "driver/sql_text.h"
#include "net/db.h"
#include "spec/opt.h"
#include "spec/template.h"

struct target;

enum { SQL_QUERY_DURATION, SQL_CONNECTING, SQL_WAITING, SQL_ROWS, SQL_QUERIES };
enum sql_transaction { TRANSACTION_FILE, TRANSACTION_NONE };

struct sql_opts {
    const struct target *target;
    struct texts files, statements, reset;
    struct named_templates params;
    const struct node *assert;
    const struct bind *bind, *files_bind; /* of `assert:` and of `files:`; NULL: not written */
    int64_t timeout, connections;
    int transaction;
};

struct sql_unit { /* what is done in one transaction */
    struct sql_script script;
    bool numbered; /* by line: a file */
};

struct sql_assert_opts {
    const char *query, *equals;
    int64_t rows, at_least, at_most;
    bool equals_given, rows_given, at_least_given, at_most_given;
};

struct sql_assert {
    struct sql_assert_opts o;
    bool equals_null;
    const char *shown; /* what `equals` says, for messages */
    struct sql_statement statement;
};

struct sql_job {
    const struct db_kind *kind;
    struct db_place place;
    enum sql_dialect dialect;
    struct sql_unit *units;
    int unit_count;
    struct sql_assert *asserts;
    int assert_count;
    bool evented; /* on the lane's event loop */
    size_t room;  /* for the rendered params of one operation */

    int told;                     /* atomic: `secured` has been written */
    char secured[DB_SECURED_MAX]; /* how the first connection is secured */

    bool published; /* what a single operation found, in: */
    uint64_t affected;
    struct buf value, notices;
};

struct sql_found { /* what an operation has found, for the lane to report */
    enum outcome outcome;
    char why[WHY_MAX];
    uint64_t waited_ns, connecting_ns, query_ns;
    uint64_t queries, sent, asserts_met, asserts;
    bool connected; /* it had to connect first */
    struct db_result result;
};

struct sql_conn;

struct sql_op {
    struct offload_task task; /* first */
    struct timer timer;       /* evented */
    struct op *op;
    struct sql_op *next;   /* evented: waiting for a connection */
    struct sql_conn *conn; /* evented: the one it has */
    struct buf notices;
    char *room; /* of the rendered params, one after the other */
    const char **values;
    struct sql_found found;
    bool busy;
};

struct sql_pool {
    struct lane *lane;
    struct sql_conn *conns;
    int count;
    struct sql_op *first, *last; /* operations that wait for a connection */
    struct offload cancels;      /* threads that tell the server to give up */
};

struct sql_lane {
    struct offload offload;
    struct sql_pool pool;
};

bool sql_plan_check(const void *opts, const struct node *at, const char *path, struct diags *d);
bool sql_plan_prepare(struct job *job, struct err *e);

/* The outcome of an operation whose database has said so. */
enum outcome sql_outcome(enum db_failure f);

/* Redacted, cut to what a reason may have. */
void sql_fail(struct sql_found *f, enum outcome outcome, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void sql_fail_statement(struct sql_found *f, const struct sql_unit *u,
                        const struct sql_statement *s, const struct db_error *e);

/* The values of a statement's params, in its order. */
#define SQL_PARAMS_MAX 1000
struct db_values sql_values(const struct sql_op *x, const struct sql_statement *s,
                            const char *room[SQL_PARAMS_MAX]);

/* A task's work and a thread's end, for offload.h. */
void sql_script_work(struct offload_task *t, void **slot);
void sql_script_close(void **slot);

bool sql_pool_start(struct sql_pool *p, struct lane *lane, int connections, struct err *e);
void sql_pool_fire(struct sql_pool *p, struct sql_op *x);
void sql_pool_stop(struct sql_pool *p);

/* Remembers how the first connection of the step is secured; any lane's thread. */
void sql_tell(struct sql_job *j, const char *secured);

/* Reports what was found, and ends the operation. */
void sql_end(struct sql_op *x);

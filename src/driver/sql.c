/*
 * sql.c - statements and files of SQL, each file in a transaction of its own, with assertions.
 *
 * An operation is all of it: `reset:`, the files in lexical order, `statements:`, `assert:`.  What
 * has more than statements, and all of SQLite, runs on threads of the lane, each with a connection
 * that it keeps; statements for Postgres under load run on the lane's event loop.
 */
#include "driver/sql.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/redact.h"

static const struct metric sql_metrics[] = {
    [SQL_QUERY_DURATION] = {"sql_query_duration", METRIC_TREND, UNIT_TIME,
                            "all statements of an operation, without connecting"},
    [SQL_CONNECTING] = {"sql_connecting", METRIC_TREND, UNIT_TIME, "opening a connection"},
    [SQL_WAITING] = {"sql_waiting", METRIC_TREND, UNIT_TIME,
                     "from when an operation was begun to when it had a connection"},
    [SQL_ROWS] = {"sql_rows", METRIC_COUNTER, UNIT_NONE, "rows returned or changed"},
    [SQL_QUERIES] = {"sql_queries", METRIC_COUNTER, UNIT_NONE, "statements sent"},
    {0},
};

static const char *const transactions[] = {"file", "none", NULL};

#define OPT_OF struct sql_opts
static const struct opt sql_opts[] = {
    OPT_TARGET(target, "the database: a postgres://user:password@host/name or sqlite:/file url",
               .flags = OPT_REQUIRED),
    OPT_TEXTS(reset, "statements before anything else, in one transaction",
              .example = "[delete from agents]"),
    OPT_TEXTS(files, "files of statements, or patterns, in lexical order; each is one transaction",
              .flags = OPT_PATH, OPT_BINDING(files_bind), .example = "[\"seed/*.sql\"]"),
    OPT_TEXTS(statements, "statements after the files, in one transaction",
              .example = "[\"update agents set status = :status\"]"),
    OPT_TEMPLATES(params, "values of :name in statements; they are bound, never pasted"),
    OPT_NODE(assert, "queries after everything else, each with what its first value has to be",
             OPT_BINDING(bind), .schema = "{\"type\":[\"array\",\"object\"]}",
             .example = "[{query: select count(*) from agents, equals: 5000}]"),
    OPT_DURATION(timeout, "60s", "give up on an operation after this long", .min = 1000000,
                 .max = INT64_C(86400000000000)),
    OPT_INT(connections, "10", "at most this many at once, over all lanes; each lane has one",
            .min = 1, .max = 10000),
    OPT_CHOICE(transaction, "file",
               "file: one for each file, and for the statements; none: every statement for itself",
               .choices = transactions),
    {0},
};
#undef OPT_OF

enum outcome sql_outcome(enum db_failure f)
{
    static const enum outcome table[] = {
        [DB_OK] = OP_OK,
        [DB_STATEMENT] = OP_UNEXPECTED,
        [DB_TIMEOUT] = OP_TIMEOUT,
        [DB_REFUSED] = OP_REFUSED,
        [DB_LOST] = OP_RESET,
        [DB_TLS] = OP_TLS,
        [DB_PROTOCOL] = OP_PROTOCOL,
        [DB_UNREACHABLE] = OP_UNREACHABLE,
        [DB_LOCAL] = OP_LOCAL,
        [DB_INTERRUPTED] = OP_ABORTED,
    };

    return table[f];
}

/* A secret has to be found before the text is cut: half of one is not recognised. */
void sql_fail(struct sql_found *f, enum outcome outcome, const char *fmt, ...)
{
    char text[DB_TEXT_MAX + 400];
    struct buf clean = {0};
    size_t len;
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    redact(text, strlen(text), &clean);
    len = clean.len < WHY_MAX ? clean.len : WHY_MAX - 1;
    while (len < clean.len && len > 0 && ((unsigned char)clean.data[len] & 0xc0) == 0x80)
        len--;
    memcpy(f->why, buf_text(&clean), len);
    f->why[len] = '\0';
    f->outcome = outcome;
    buf_free(&clean);
}

/* The end of a long path says more than its begin. */
static const char *tail(const char *source)
{
    size_t len = strlen(source);

    return len > 70 ? source + len - 70 : source;
}

void sql_fail_statement(struct sql_found *f, const struct sql_unit *u,
                        const struct sql_statement *s, const struct db_error *e)
{
    int line = sql_line(s, e->offset);

    if (u->numbered || line > 1)
        sql_fail(f, sql_outcome(e->failure), "%s:%d: %s", tail(s->source), line, e->text);
    else
        sql_fail(f, sql_outcome(e->failure), "%s: %s", tail(s->source), e->text);
}

struct db_values sql_values(const struct sql_op *x, const struct sql_statement *s,
                            const char *room[SQL_PARAMS_MAX])
{
    for (int i = 0; i < s->param_count; i++)
        room[i] = x->values[s->params[i]];
    return (struct db_values){room, s->param_count};
}

static int share(const struct lane *lane)
{
    const struct sql_opts *o = lane->job->opts;
    int n = (int)o->connections, lanes = lane->job->lane_count;
    int mine = n / lanes + (lane->index < n % lanes);

    mine = mine < lane->op_count ? mine : lane->op_count;
    return mine > 0 ? mine : 1;
}

static bool sql_start(struct lane *lane, struct err *e)
{
    const struct sql_opts *o = lane->job->opts;
    const struct sql_job *j = lane->job->priv;
    struct sql_lane *l = lane->priv;

    for (int i = 0; i < lane->op_count; i++) {
        struct sql_op *x = lane->ops[i].priv;

        x->room = xcalloc(1, j->room);
        x->values = xcalloc((size_t)o->params.n, sizeof(*x->values));
    }
    if (j->evented)
        return sql_pool_start(&l->pool, lane, share(lane), e);
    l->offload.close = sql_script_close;
    return offload_start(&l->offload, lane->base, share(lane), e);
}

static void render(struct lane *lane, struct sql_op *x)
{
    const struct sql_opts *o = lane->job->opts;
    struct template_values v = {x->op->iteration, x->op->vu, x->op->agent, &lane->rng, NULL};
    char *at = x->room;

    for (int i = 0; i < o->params.n; i++) {
        size_t room = template_bound(o->params.values[i], 0), len;

        x->values[i] = at;
        len = template_render(o->params.values[i], &v, at, room);
        at += len < room ? len : room;
        *at++ = '\0';
    }
}

static void publish(struct sql_op *x)
{
    struct sql_job *j = x->op->lane->job->priv;

    if (!x->op->lane->job->verify)
        return;
    j->published = true;
    j->affected = x->found.result.affected;
    buf_add(&j->value, buf_text(&x->found.result.value), x->found.result.value.len);
    buf_add(&j->notices, buf_text(&x->notices), x->notices.len);
}

void sql_tell(struct sql_job *j, const char *secured)
{
    if (*secured && !__atomic_exchange_n(&j->told, 1, __ATOMIC_RELAXED))
        snprintf(j->secured, sizeof(j->secured), "%s", secured);
}

/* What libpq's default leaves open, whether the data was encrypted and for whom, is told. */
static void tell_secured(struct job *job)
{
    const struct sql_job *j = job->priv;
    bool tls = strncmp(j->secured, "TLS", 3) == 0;
    bool verified = j->place.ca || strstr(j->place.url ? j->place.url : "", "sslmode=verify-");

    if (*j->secured)
        job_fact(job, "connection",
                 arena_printf(job->arena, "%s%s", j->secured,
                              !tls       ? ""
                              : verified ? ", certificate verified"
                                         : ", certificate not verified"));
}

void sql_end(struct sql_op *x)
{
    const struct sql_found *f = &x->found;

    x->busy = false;
    publish(x);
    for (uint64_t i = 0; i < f->asserts; i++)
        op_check(x->op, i < f->asserts_met);
    op_bytes(x->op, f->sent, f->result.received);
    op_value(x->op, SQL_WAITING, (double)f->waited_ns);
    if (f->connected)
        op_value(x->op, SQL_CONNECTING, (double)f->connecting_ns);
    if (f->queries)
        op_value(x->op, SQL_QUERY_DURATION, (double)f->query_ns);
    op_count(x->op, SQL_QUERIES, (double)f->queries);
    op_count(x->op, SQL_ROWS, (double)(f->result.rows + f->result.affected));
    op_done(x->op, f->outcome, f->outcome == OP_OK ? NULL : f->why);
}

static void on_done(struct offload_task *t)
{
    sql_end((struct sql_op *)t);
}

static void reset_found(struct sql_found *f)
{
    struct db_result kept = f->result;

    db_result_clear(&kept);
    *f = (struct sql_found){.result = kept};
}

static void sql_fire(struct lane *lane, struct op *op)
{
    const struct sql_job *j = lane->job->priv;
    struct sql_lane *l = lane->priv;
    struct sql_op *x = op->priv;
    struct err e;

    x->op = op;
    x->busy = true;
    reset_found(&x->found);
    buf_clear(&x->notices);
    render(lane, x);
    if (j->evented) {
        sql_pool_fire(&l->pool, x);
        return;
    }
    x->task.work = sql_script_work;
    x->task.done = on_done;
    if (!offload_submit(&l->offload, &x->task, &e)) {
        sql_fail(&x->found, OP_LOCAL, "%s", e.text);
        sql_end(x);
    }
}

static void sql_stop(struct lane *lane)
{
    struct sql_lane *l = lane->priv;

    offload_stop(&l->offload);
    sql_pool_stop(&l->pool);
    for (int i = 0; i < lane->op_count; i++) {
        struct sql_op *x = lane->ops[i].priv;

        buf_free(&x->notices);
        buf_free(&x->found.result.value);
        free(x->room);
        free(x->values);
    }
}

static void sql_collect(struct job *job)
{
    struct sql_job *j = job->priv;
    char rows[32];

    tell_secured(job);
    if (j->published) {
        snprintf(rows, sizeof(rows), "%llu", (unsigned long long)j->affected);
        job_publish(job, "", buf_text(&j->value));
        job_publish(job, "rows", rows);
        job_publish(job, "notices", buf_text(&j->notices));
    }
    buf_free(&j->value);
    buf_free(&j->notices);
}

extern const struct driver driver_sql;
const struct driver driver_sql = {
    .name = "sql",
    .brief = "statements and files of SQL for Postgres or SQLite, in transactions, with assertions",
    .opts = sql_opts,
    .metrics = sql_metrics,
    .opts_size = sizeof(struct sql_opts),
    .job_size = sizeof(struct sql_job),
    .lane_size = sizeof(struct sql_lane),
    .op_size = sizeof(struct sql_op),
    .flags = DRIVER_BLOCKS,
    .check = sql_plan_check,
    .prepare = sql_plan_prepare,
    .start = sql_start,
    .fire = sql_fire,
    .stop = sql_stop,
    .collect = sql_collect,
};

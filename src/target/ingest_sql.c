#include "target/ingest_sql.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "net/digest.h"
#include "target/ingest_share.h"
#include "target/ingest_state.h"
#include "target/state.h"

#define BATCH       2000   /* statements in one transaction */
#define WAITING_MAX 200000 /* statements; beyond it workers wait */
#define VALUES_MAX  12

struct statement {
    struct statement *next;
    const char *sql;
    int n;
    const char *values[VALUES_MAX]; /* into what follows */
    char text[];
};

struct ingest_sql {
    struct ingest *ingest;
    struct state *state;
    pthread_t thread;
    bool started;

    pthread_mutex_t lock; /* of all that follows */
    pthread_cond_t more, less;
    struct statement *first, **last;
    uint64_t waiting, written, failed;
    uint64_t mark; /* what `written` and `failed` will be together; see ingest_sql_mark() */
    bool closing;
};

static const struct state_schema schema = {
    .source = "the tables of the ingest service",
    .both =
        "create table if not exists agents (id text primary key, organisation_id text not null,"
        " hostname text not null, public_key text not null unique, status text not null, os text,"
        " arch text, version text, registered_ms bigint not null, last_heartbeat_ms bigint);"
        "create table if not exists hosts (id text primary key, agent_id text not null unique"
        " references agents(id), organisation_id text not null, hostname text not null,"
        " status text not null, last_seen_ms bigint);"
        "create index if not exists agents_hostname on agents (hostname);"
        "create index if not exists hosts_hostname on hosts (hostname);"
        "create table if not exists agent_status_history (agent_id text not null references"
        " agents(id), status text not null, changed_ms bigint not null);"
        "create index if not exists agent_status_history_agent on agent_status_history (agent_id);"
        "create table if not exists tags (agent_id text not null references agents(id), key text "
        "not"
        " null, value text);"
        "create index if not exists tags_agent on tags (agent_id);"
        "create table if not exists agent_keys (agent_id text primary key references agents(id),"
        " spki text not null);"
        "create table if not exists agent_enrolment_tokens (token text, token_hash text unique,"
        " organisation_id text not null default '" INGEST_ORG "', usage_count bigint not null"
        " default 0, max_uses bigint, expires_ms bigint, deleted_ms bigint, auto_approve integer"
        " not null default 1);"
        "create table if not exists host_metrics (host_id text not null references hosts(id),"
        " recorded_ms bigint not null, cpu_percent double precision, memory_percent double"
        " precision, disk_percent double precision, uptime_seconds bigint);"
        "create index if not exists host_metrics_host on host_metrics (host_id);"
        "create table if not exists check_results (host_id text not null references hosts(id), "
        "check_id text not null,"
        " status text not null, ran_ms bigint, duration_ms integer);"
        "create index if not exists check_results_host on check_results (host_id);"
        "create table if not exists agent_queries (id text primary key, host_id text not null "
        "references hosts(id),"
        " query_type text not null, status text not null);"
        "create table if not exists task_run_hosts (id text primary key, host_id text not null "
        "references hosts(id),"
        " task_type text not null, status text not null, exit_code integer);"
        "create table if not exists software_packages (host_id text not null references hosts(id), "
        "name text not null,"
        " version text not null, architecture text not null, source text, scan_id text,"
        " removed integer not null, primary key (host_id, name, version, architecture));"
        "create table if not exists pending_cert_signings (agent_id text primary key references "
        "agents(id));"
        "create table if not exists revoked_certificates (agent_id text not null, revoked_ms"
        " bigint not null);",
};

struct state *ingest_sql_state(const struct ingest_sql *q)
{
    return q->state;
}

const char *ingest_number(char text[INGEST_NUMBER_MAX], int64_t n)
{
    snprintf(text, INGEST_NUMBER_MAX, "%" PRId64, n);
    return text;
}

const char *ingest_now(char text[INGEST_NUMBER_MAX])
{
    return ingest_number(text, (int64_t)(wall_ns() / NS_PER_MS));
}

/* The values are copied behind the statement; bytes that are no text for a database end them. */
static struct statement *make(const char *sql, int n, va_list ap)
{
    const char *given[VALUES_MAX];
    struct statement *s;
    size_t size = 0;
    char *to;

    if (n > VALUES_MAX)
        bug("%d values", n);
    for (int i = 0; i < n; i++) {
        given[i] = va_arg(ap, const char *);
        size += given[i] ? strlen(given[i]) + 1 : 0;
    }
    s = xcalloc(1, sizeof(*s) + size);
    s->sql = sql;
    s->n = n;
    to = s->text;
    for (int i = 0; i < n; i++)
        if (given[i]) {
            s->values[i] = to;
            to = stpcpy(to, given[i]) + 1;
        }
    return s;
}

void ingest_sql_add(struct ingest_sql *q, const char *sql, int n, ...)
{
    struct statement *s;
    va_list ap;

    if (!q)
        return;
    va_start(ap, n);
    s = make(sql, n, ap);
    va_end(ap);
    pthread_mutex_lock(&q->lock);
    *q->last = s;
    q->last = &s->next;
    if (q->waiting++ == 0)
        pthread_cond_signal(&q->more);
    pthread_mutex_unlock(&q->lock);
}

void ingest_sql_pace(struct ingest_sql *q)
{
    if (!q)
        return;
    pthread_mutex_lock(&q->lock);
    while (q->waiting >= WAITING_MAX)
        pthread_cond_wait(&q->less, &q->lock);
    pthread_mutex_unlock(&q->lock);
}

void ingest_sql_mark(struct ingest_sql *q)
{
    if (!q)
        return;
    pthread_mutex_lock(&q->lock);
    q->mark = q->written + q->failed + q->waiting;
    pthread_mutex_unlock(&q->lock);
}

void ingest_sql_await_mark(struct ingest_sql *q)
{
    uint64_t end;

    if (!q)
        return;
    pthread_mutex_lock(&q->lock);
    end = q->mark;
    while (q->written + q->failed < end)
        pthread_cond_wait(&q->less, &q->lock);
    pthread_mutex_unlock(&q->lock);
}

void ingest_sql_sync(struct ingest_sql *q)
{
    ingest_sql_mark(q);
    ingest_sql_await_mark(q);
}

struct ingest_sql_stats ingest_sql_stats(struct ingest_sql *q)
{
    struct ingest_sql_stats s = {0};

    if (!q)
        return s;
    pthread_mutex_lock(&q->lock);
    s = (struct ingest_sql_stats){q->written, q->failed, q->waiting};
    pthread_mutex_unlock(&q->lock);
    return s;
}

static bool run_one(struct session *se, const struct statement *s, struct err *e)
{
    return session_run(se, s->sql, &(struct db_values){s->values, s->n}, NULL, NULL, e);
}

static bool run_together(struct session *se, const struct statement *first, struct err *e)
{
    if (!session_begin(se, e))
        return false;
    for (const struct statement *s = first; s; s = s->next)
        if (!run_one(se, s, e))
            return false;
    return session_commit(se, e);
}

/* All of them in one transaction, or, if one of them cannot be run, each by itself: how many failed
 */
static uint64_t run_batch(struct ingest_sql *q, const struct statement *first)
{
    struct err e;
    struct session *se = state_take(q->state, &e);
    bool together = se && run_together(se, first, &e);
    uint64_t failed = 0;

    state_give(se); /* which ends what is left of the transaction */
    if (together)
        return 0;
    se = state_take(q->state, &e);
    for (const struct statement *s = first; s; s = s->next)
        failed += !se || !run_one(se, s, &e);
    state_give(se);
    if (failed)
        fprintf(stderr, "shakedown target: %" PRIu64 " statements failed: %s\n", failed, e.text);
    return failed;
}

static uint64_t free_batch(struct statement *first)
{
    struct statement *next;
    uint64_t n = 0;

    for (struct statement *s = first; s; s = next, n++) {
        next = s->next;
        free(s);
    }
    return n;
}

/* Under the lock. */
static struct statement *take_batch(struct ingest_sql *q)
{
    struct statement *first = q->first, **end = &q->first;

    for (int i = 0; i < BATCH && *end; i++)
        end = &(*end)->next;
    q->first = *end;
    *end = NULL;
    if (!q->first)
        q->last = &q->first;
    return first;
}

static uint32_t agents(struct ingest *g)
{
    uint32_t n;

    pthread_mutex_lock(&g->lock);
    n = g->table.count;
    pthread_mutex_unlock(&g->lock);
    return n;
}

/* Waits for statements, or for the time of the next survey; under the lock. */
static void wait_for_work(struct ingest_sql *q, uint64_t until_ns)
{
    struct timespec at = {(time_t)(until_ns / NS_PER_S), (long)(until_ns % NS_PER_S)};

    while (!q->first && !q->closing &&
           pthread_cond_clockwait(&q->more, &q->lock, CLOCK_MONOTONIC, &at) == 0)
        continue;
}

static void *run(void *arg)
{
    struct ingest_sql *q = arg;
    uint64_t recheck = (uint64_t)q->ingest->opts.ingest_recheck, next = now_ns() + recheck;
    uint32_t before = agents(q->ingest);

    pthread_mutex_lock(&q->lock);
    while (!q->closing || q->first) {
        struct statement *batch;
        uint64_t n, failed;
        bool idle;

        wait_for_work(q, next);
        batch = take_batch(q);
        idle = !q->first;
        pthread_mutex_unlock(&q->lock);
        failed = batch ? run_batch(q, batch) : 0;
        n = free_batch(batch);
        if (idle && now_ns() >= next && !q->closing) {
            ingest_share_survey(q->ingest, before);
            before = agents(q->ingest);
            next = now_ns() + recheck;
        }
        pthread_mutex_lock(&q->lock);
        q->waiting -= n;
        q->failed += failed;
        q->written += n - failed;
        pthread_cond_broadcast(&q->less);
    }
    pthread_mutex_unlock(&q->lock);
    return NULL;
}

/* The token of the command line is one of the table. */
static bool add_token(struct ingest *g, struct session *se, struct err *e)
{
    char hash[DIGEST_TEXT], uses[INGEST_NUMBER_MAX], expires[INGEST_NUMBER_MAX];
    int64_t max = g->opts.ingest_token_uses, ttl = g->opts.ingest_token_expires;

    if (!g->token)
        return true;
    digest_sha256(g->token, strlen(g->token), hash);
    ingest_number(expires, (int64_t)((wall_ns() + (uint64_t)ttl) / NS_PER_MS));
    return session_run(
        se,
        "insert into agent_enrolment_tokens (token_hash, max_uses, expires_ms, auto_approve)"
        " values ($1, $2, $3, $4) on conflict (token_hash) do update set max_uses = $2,"
        " expires_ms = $3, auto_approve = $4",
        STATE_VALUES(hash, max ? ingest_number(uses, max) : NULL, ttl ? expires : NULL,
                     g->opts.ingest_auto_approve ? "1" : "0"),
        NULL, NULL, e);
}

static bool load(struct ingest_sql *q, struct err *e)
{
    struct session *se = state_take(q->state, e);
    bool ok = se && ingest_share_load(q->ingest, se, e) && add_token(q->ingest, se, e);

    state_give(se);
    return ok;
}

bool ingest_sql_open(struct ingest *g, struct state *state, struct err *e)
{
    struct ingest_sql *q = xcalloc(1, sizeof(*q));

    q->ingest = g;
    q->state = state;
    q->last = &q->first;
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->more, NULL);
    pthread_cond_init(&q->less, NULL);
    g->sql = q; /* the thread looks at it */
    if (!state_create(state, &schema, e) || !load(q, e))
        return false;
    q->started = pthread_create(&q->thread, NULL, run, q) == 0;
    return q->started || err_set(e, "cannot start a thread");
}

void ingest_sql_close(struct ingest_sql *q)
{
    if (!q)
        return;
    pthread_mutex_lock(&q->lock);
    q->closing = true;
    pthread_cond_signal(&q->more);
    pthread_mutex_unlock(&q->lock);
    if (q->started)
        pthread_join(q->thread, NULL);
    pthread_cond_destroy(&q->more);
    pthread_cond_destroy(&q->less);
    pthread_mutex_destroy(&q->lock);
    free(q);
}

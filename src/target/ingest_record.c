#include "target/ingest_record.h"

#include <agent/v1/heartbeat.pb-c.h>
#include <agent/v1/ingest.pb-c.h>
#include <agent/v1/registration.pb-c.h>
#include <stdio.h>
#include <string.h>

#include "net/base64url.h"
#include "target/ingest_sql.h"
#include "target/ingest_state.h"

static void add_history(struct ingest *g, const char *id, const char *status, const char *now)
{
    ingest_sql_add(g->sql,
                   "insert into agent_status_history (agent_id, status, changed_ms)"
                   " values ($1, $2, $3)",
                   3, id, status, now);
}

static void add_host(struct ingest *g, const Agent__V1__RegisterRequest *r,
                     const struct enrolled *n, const char *now)
{
    const Agent__V1__AgentInfo *a = r->agent_info;

    ingest_sql_add(g->sql,
                   "insert into hosts (id, agent_id, organisation_id, hostname, status)"
                   " values ($1, $2, $3, $4, 'unknown')",
                   4, n->id, n->id, INGEST_ORG, a ? a->hostname : "");
    add_history(g, n->id, "pending", now);
    if (strcmp(n->status, "pending") != 0)
        add_history(g, n->id, n->status, now);
    for (size_t i = 0; i < r->n_tags; i++)
        ingest_sql_add(g->sql, "insert into tags (agent_id, key, value) values ($1, $2, $3)", 3,
                       n->id, r->tags[i]->key, r->tags[i]->value);
}

static void add_key(struct ingest *g, const struct enrolled *n)
{
    struct buf text = {0};

    base64url_add(&text, n->key, n->key_len);
    ingest_sql_add(g->sql,
                   "insert into agent_keys (agent_id, spki) values ($1, $2)"
                   " on conflict (agent_id) do update set spki = $2",
                   2, n->id, buf_text(&text));
    buf_free(&text);
}

void ingest_record_enrolled(struct ingest *g, const struct Agent__V1__RegisterRequest *r,
                            const struct enrolled *n)
{
    char now[INGEST_NUMBER_MAX];

    if (!g->sql)
        return;
    ingest_sql_pace(g->sql);
    ingest_now(now);
    if (n->fresh)
        add_host(g, r, n, now);
    else
        ingest_sql_add(g->sql, "update agents set status = $2 where id = $1 and status = 'pending'",
                       2, n->id, n->status);
    if (n->rekeyed) {
        ingest_sql_add(g->sql, "update agents set public_key = $2, status = $3 where id = $1", 3,
                       n->id, r->public_key, n->status);
        add_history(g, n->id, n->status, now);
    }
    if (n->key_len > 0)
        add_key(g, n);
    if (n->queued)
        ingest_sql_add(g->sql,
                       "insert into pending_cert_signings (agent_id) values ($1) on conflict"
                       " (agent_id) do nothing",
                       1, n->id);
}

void ingest_record_status(struct ingest *g, const struct ingest_agent *a, const char *agent,
                          const char *host)
{
    char id[AGENT_ID_TEXT], now[INGEST_NUMBER_MAX];

    if (!g->sql || a->status == INGEST_DELETED)
        return;
    ingest_agent_id(a, id);
    ingest_now(now);
    ingest_sql_add(g->sql, "update agents set status = $2 where id = $1", 2, id, agent);
    if (host)
        ingest_sql_add(g->sql, "update hosts set status = $2, last_seen_ms = $3 where id = $1", 3,
                       id, host, now);
    add_history(g, id, agent, now);
}

static void add_results(struct ingest *g, const char *id, const Agent__V1__HeartbeatRequest *r)
{
    char ran[INGEST_NUMBER_MAX], took[INGEST_NUMBER_MAX];

    for (size_t i = 0; i < r->n_check_results; i++) {
        const Agent__V1__CheckResult *check = r->check_results[i];

        ingest_sql_add(g->sql,
                       "insert into check_results (host_id, check_id, status, ran_ms, duration_ms)"
                       " values ($1, $2, $3, $4, $5)",
                       5, id, check->check_id, check->status,
                       ingest_number(ran, (int64_t)((uint64_t)check->ran_at_unix * 1000)),
                       ingest_number(took, check->duration_ms));
    }
    for (size_t i = 0; i < r->n_query_results; i++)
        ingest_sql_add(g->sql,
                       "update agent_queries set status = $3 where id = $1 and host_id = $2", 3,
                       r->query_results[i]->query_id, id,
                       strcmp(r->query_results[i]->status, "ok") == 0 ? "complete" : "error");
    for (size_t i = 0; i < r->n_task_results; i++)
        ingest_sql_add(g->sql,
                       "update task_run_hosts set exit_code = $3, status = case when status ="
                       " 'cancelling' then 'cancelled' else $4 end where id = $1 and host_id = $2",
                       4, r->task_results[i]->task_id, id,
                       ingest_number(ran, r->task_results[i]->exit_code),
                       r->task_results[i]->exit_code == 0 ? "success" : "failed");
}

void ingest_record_beat(struct call *c, struct grpc_span message)
{
    struct ingest *g = c->calls->ingest;
    char id[AGENT_ID_TEXT], now[INGEST_NUMBER_MAX], up[INGEST_NUMBER_MAX], figure[3][32];
    const Agent__V1__HeartbeatRequest *r;

    if (!g->sql || c->agent->status == INGEST_DELETED)
        return;
    r = agent__v1__heartbeat_request__unpack(bump_start(&c->calls->own->bump), message.len,
                                             (const uint8_t *)message.data);
    if (!r)
        return;
    ingest_sql_pace(g->sql);
    ingest_agent_id(c->agent, id);
    ingest_now(now);
    snprintf(figure[0], sizeof(figure[0]), "%.9g", (double)r->cpu_percent);
    snprintf(figure[1], sizeof(figure[1]), "%.9g", (double)r->memory_percent);
    snprintf(figure[2], sizeof(figure[2]), "%.9g", (double)r->disk_percent);
    ingest_sql_add(g->sql, "update agents set last_heartbeat_ms = $2 where id = $1", 2, id, now);
    ingest_sql_add(g->sql, "update hosts set status = 'online', last_seen_ms = $2 where id = $1", 2,
                   id, now);
    ingest_sql_add(g->sql,
                   "insert into host_metrics (host_id, recorded_ms, cpu_percent, memory_percent,"
                   " disk_percent, uptime_seconds) values ($1, $2, $3, $4, $5, $6)",
                   6, id, now, figure[0], figure[1], figure[2],
                   ingest_number(up, r->uptime_seconds));
    add_results(g, id, r);
}

void ingest_record_query(struct ingest *g, const struct ingest_agent *a, const char *id,
                         const char *type)
{
    char host[AGENT_ID_TEXT];

    ingest_sql_add(g->sql,
                   "insert into agent_queries (id, host_id, query_type, status) values ($1, $2, $3,"
                   " 'pending') on conflict (id) do update set host_id = $2, status = 'pending'",
                   3, id, ingest_agent_id(a, host), type);
}

void ingest_record_task(struct ingest *g, const struct ingest_agent *a, const char *id,
                        const char *type, const char *status)
{
    char host[AGENT_ID_TEXT];

    ingest_sql_add(g->sql,
                   "insert into task_run_hosts (id, host_id, task_type, status) values ($1, $2,"
                   " $3, $4) on conflict (id) do update set host_id = $2, status = $4",
                   4, id, ingest_agent_id(a, host), type, status);
}

void ingest_record_packages(struct ingest *g, const char *host, const char *scan,
                            const struct Agent__V1__SoftwareInventoryChunk *chunk)
{
    ingest_sql_pace(g->sql);
    for (size_t i = 0; g->sql && i < chunk->n_packages; i++) {
        const Agent__V1__SoftwarePackage *p = chunk->packages[i];

        ingest_sql_add(g->sql,
                       "insert into software_packages (host_id, name, version, architecture,"
                       " source, scan_id, removed) values ($1, $2, $3, $4, $5, $6, 0)"
                       " on conflict (host_id, name, version, architecture) do update set"
                       " source = $5, scan_id = $6, removed = 0",
                       6, host, p->name, p->version, p->architecture, chunk->source, scan);
    }
}

void ingest_record_scanned(struct ingest *g, const char *host, const char *scan)
{
    ingest_sql_add(g->sql,
                   "update software_packages set removed = 1 where host_id = $1 and scan_id <> $2",
                   2, host, scan);
    ingest_sql_add(g->sql,
                   "update task_run_hosts set status = 'success' where id = $1 and host_id = $2"
                   " and status <> 'cancelling'",
                   2, scan, host);
}

void ingest_record_deleted(struct ingest *g, const struct ingest_agent *a)
{
    static const char *const from[] = {
        "delete from host_metrics where host_id = $1",
        "delete from check_results where host_id = $1",
        "delete from agent_queries where host_id = $1",
        "delete from task_run_hosts where host_id = $1",
        "delete from software_packages where host_id = $1",
        "delete from tags where agent_id = $1",
        "delete from agent_keys where agent_id = $1",
        "delete from pending_cert_signings where agent_id = $1",
        "delete from agent_status_history where agent_id = $1",
        "delete from hosts where id = $1",
        "delete from agents where id = $1",
    };
    char id[AGENT_ID_TEXT], now[INGEST_NUMBER_MAX];

    if (!g->sql)
        return;
    ingest_agent_id(a, id);
    for (size_t i = 0; i < sizeof(from) / sizeof(from[0]); i++)
        ingest_sql_add(g->sql, from[i], 1, id);
    ingest_sql_add(g->sql,
                   "insert into revoked_certificates (agent_id, revoked_ms) values ($1, $2)", 2, id,
                   ingest_now(now));
    ingest_sql_mark(g->sql);
}

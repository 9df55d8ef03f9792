/*
 * ingest_pages.c - what the service has seen: counters for Prometheus, agents and beats as lines of
 * text that a test can hold against its own.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/units.h"
#include "target/ingest_pages.h"
#include "target/ingest_sql.h"
#include "target/ingest_state.h"
#include "target/reply.h"
#include "target/request.h"
#include "target/route.h"
#include "target/server.h"

#define LINES_MAX 100000

static const struct {
    const char *name, *help;
} counters[INGEST_COUNTS] = {
    [INGEST_NEW] = {"agents_registered", "agents that were not known before"},
    [INGEST_KNOWN] = {"agents_known", "registrations of agents that were known"},
    [INGEST_REGISTERED_ACTIVE] = {"registrations_active", "registrations answered with active"},
    [INGEST_REGISTERED_PENDING] = {"registrations_pending", "registrations answered with pending"},
    [INGEST_REGISTERED_REVOKED] = {"registrations_revoked", "registrations answered with revoked"},
    [INGEST_CERTIFICATES] = {"certificates", "client certificates issued at registration"},
    [INGEST_BEATS] = {"beats", "heartbeats received"},
    [INGEST_STREAMS] = {"streams_opened", "heartbeat streams whose agent was admitted"},
    [INGEST_STREAMS_ENDED] = {"streams_ended", "of those, ended"},
    [INGEST_CHECKS] = {"check_results", "results of checks"},
    [INGEST_QUERIES] = {"query_results", "results of queries"},
    [INGEST_PROGRESS] = {"task_progress", "pieces of progress of tasks"},
    [INGEST_TASKS] = {"task_results", "results of tasks"},
    [INGEST_TASKS_FAILED] = {"tasks_failed", "of those, with an exit code other than 0"},
    [INGEST_INVENTORIES] = {"inventories", "software inventories that are complete"},
    [INGEST_PACKAGES] = {"packages", "packages in inventories"},
    [INGEST_TERMINALS] = {"terminals", "terminal sessions that were joined"},
    [INGEST_RENEWALS] = {"renewals", "client certificates renewed"},
    [INGEST_TOO_MANY_PINGS] = {"too_many_pings", "connections ended for pinging too often"},
    [INGEST_BYTES] = {"received_bytes", "bytes of messages, with their prefixes"},
};

static uint64_t sum(const struct ingest *g, enum ingest_count what)
{
    uint64_t n = 0;

    for (int i = 0; i < g->threads; i++)
        n += atomic_load_explicit(&g->workers[i].count[what], memory_order_relaxed);
    return n;
}

static void add_counter(struct buf *out, const char *name, const char *help, uint64_t value)
{
    buf_printf(out,
               "# HELP ingest_%s_total %s\n# TYPE ingest_%s_total counter\n"
               "ingest_%s_total %" PRIu64 "\n",
               name, help, name, name, value);
}

static void add_gauge(struct buf *out, const char *name, const char *help, uint64_t value)
{
    buf_printf(out, "# HELP ingest_%s %s\n# TYPE ingest_%s gauge\ningest_%s %" PRIu64 "\n", name,
               help, name, name, value);
}

static void add_ended(const struct ingest *g, struct buf *out)
{
    buf_adds(out, "# HELP ingest_calls_total calls that have ended, by method and status\n"
                  "# TYPE ingest_calls_total counter\n");
    for (int m = 0; m < METHODS; m++)
        for (int code = 0; code < GRPC_CODES; code++) {
            uint64_t n = 0;

            for (int i = 0; i < g->threads; i++)
                n += atomic_load_explicit(&g->workers[i].ended[m][code], memory_order_relaxed);
            if (n > 0)
                buf_printf(out, "ingest_calls_total{method=\"%s\",code=\"%s\"} %" PRIu64 "\n",
                           m < METHOD_OTHER ? script_methods[m] : "other", grpc_code_names[code],
                           n);
        }
}

static void add_pushed(const struct ingest *g, struct buf *out)
{
    buf_adds(out, "# HELP ingest_pushes_total what the script has given, by kind\n"
                  "# TYPE ingest_pushes_total counter\n");
    for (int kind = 0; kind < PUSH_KINDS; kind++) {
        uint64_t n = 0;

        for (int i = 0; i < g->threads; i++)
            n += atomic_load_explicit(&g->workers[i].pushed[kind], memory_order_relaxed);
        if (n > 0)
            buf_printf(out, "ingest_pushes_total{kind=\"%s\"} %" PRIu64 "\n", script_whats[kind],
                       n);
    }
}

static void answer_metrics(const struct request *rq, const struct server *s, struct reply *re)
{
    struct ingest *g = s->config.ingest;
    struct ingest_sql_stats sql = ingest_sql_stats(g->sql);
    struct buf out = {0};
    uint64_t alive, deleted, ended = sum(g, INGEST_STREAMS_ENDED), opened = sum(g, INGEST_STREAMS);

    (void)rq;
    for (int i = 0; i < INGEST_COUNTS; i++)
        add_counter(&out, counters[i].name, counters[i].help, sum(g, (enum ingest_count)i));
    pthread_mutex_lock(&g->lock);
    alive = g->table.alive;
    deleted = g->deleted_hosts;
    pthread_mutex_unlock(&g->lock);
    add_counter(&out, "hosts_deleted", "hosts that bulk-delete has deleted", deleted);
    add_counter(&out, "statements", "statements that the database has run", sql.written);
    add_counter(&out, "statements_failed", "statements that it has not", sql.failed);
    add_gauge(&out, "statements_waiting", "statements that wait for it", sql.waiting);
    add_gauge(&out, "agents", "agents that are known", alive);
    add_gauge(&out, "streams", "heartbeat streams that are open",
              opened > ended ? opened - ended : 0);
    add_ended(g, &out);
    add_pushed(g, &out);
    reply_text(re, 200, out.data);
    re->type = "text/plain; version=0.0.4";
    re->owned = out.data;
}

static void text_reply(struct reply *re, struct buf *out)
{
    reply_text(re, 200, buf_text(out));
    re->owned = out->data;
}

/* id host status beats gap_min_us gap_max_us first_ns last_ns */
static void add_agent(struct buf *out, const struct ingest_agent *a)
{
    const char *host = ingest_agent_host(a);
    char id[AGENT_ID_TEXT];

    buf_printf(out, "%s %s %s %" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRIu64 " %" PRIu64 "\n",
               ingest_agent_id(a, id), *host ? host : "-", ingest_statuses[a->status], a->beats,
               a->beats > 1 ? a->gap_min_us : 0, a->gap_max_us, a->first_ns, a->last_ns);
}

static void answer_agents(const struct request *rq, const struct server *s, struct reply *re)
{
    struct ingest *g = s->config.ingest;
    struct buf out = {0};
    int lines = 0;

    (void)rq;
    pthread_mutex_lock(&g->lock);
    for (uint32_t i = 0; i < g->table.count && lines < LINES_MAX; i++)
        if (g->table.all[i]) {
            add_agent(&out, g->table.all[i]);
            lines++;
        }
    pthread_mutex_unlock(&g->lock);
    text_reply(re, &out);
}

/* ns agent-number, the newest of each worker; while beats come in, the oldest may be torn. */
static void answer_beats(const struct request *rq, const struct server *s, struct reply *re)
{
    const struct ingest *g = s->config.ingest;
    struct buf out = {0};

    (void)rq;
    for (int i = 0; i < g->threads; i++) {
        const struct ingest_worker *w = &g->workers[i];
        uint64_t end = atomic_load_explicit(&w->logged, memory_order_acquire);
        uint64_t from = end > w->log_size ? end - w->log_size : 0;

        if (end - from > LINES_MAX)
            from = end - LINES_MAX;
        for (uint64_t n = from; w->log && n < end; n++) {
            struct ingest_stamp at = w->log[n % w->log_size];

            buf_printf(&out, "%" PRIu64 " %" PRIu32 "\n", at.ns, at.agent);
        }
    }
    text_reply(re, &out);
}

const struct route ingest_pages[] = {
    {"/api/admin/hosts/bulk-delete", ROUTE_BODY | ROUTE_WAITS, NULL, NULL, ingest_bulk_delete},
    {"/ingest/metrics", ROUTE_ADMIN, NULL, NULL, answer_metrics},
    {"/ingest/agents", ROUTE_ADMIN, NULL, NULL, answer_agents},
    {"/ingest/beats", ROUTE_ADMIN, NULL, NULL, answer_beats},
    {"/ingest/timing", ROUTE_ADMIN, NULL, NULL, ingest_timing},
    {0},
};

/* certctl_pages.c - the answers, as the real server words them. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/units.h"
#include "target/certctl_state.h"
#include "target/reply.h"
#include "target/request.h"
#include "target/route.h"
#include "target/server.h"

#define PREFIX       "/api/v1/"
#define PER_PAGE     50
#define PER_PAGE_MAX 500
#define PATH_MAX_LEN 256

struct call { /* one request while it is answered, under the lock */
    struct certctl *c;
    const struct request *rq;
    struct reply *re;
    char path[PATH_MAX_LEN]; /* behind the prefix */
    uint64_t now_ns;
    int64_t now;
};

static void send_json(struct call *k, uint16_t status, json_t *json)
{
    reply_json(k->re, status, mem_check(json_dumps(json, JSON_COMPACT)));
    json_decref(json);
}

static void refuse(struct call *k, uint16_t status, const char *word, const char *message)
{
    char id[32];

    snprintf(id, sizeof(id), "req-%08" PRIx64, ++k->c->requests);
    send_json(k, status,
              json_pack("{s:s, s:s, s:s}", "error", word, "message", message, "request_id", id));
}

static void not_found(struct call *k, const char *message)
{
    refuse(k, 404, "Not Found", message);
}

static const char *print_time(int64_t seconds, char out[32])
{
    time_t t = (time_t)seconds;
    struct tm tm;

    if (!seconds) /* as Go writes a time that was never set */
        return "0001-01-01T00:00:00Z";
    gmtime_r(&t, &tm);
    strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
    return out;
}

static json_t *cert_json(const struct cert_row *row)
{
    char created[32], expires[32];
    const char *made = print_time(row->created, created);

    return json_pack("{s:s,s:s,s:s,s:o,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:{},s:s,s:s}", "id", row->id,
                     "name", row->name, "common_name", row->common_name, "sans",
                     mem_check(json_loads(row->sans, 0, NULL)), "environment", row->environment,
                     "owner_id", row->owner, "team_id", row->team, "issuer_id", row->issuer,
                     "renewal_policy_id", row->policy, "status", cert_status_names[row->status],
                     "expires_at", print_time(row->expires, expires), "tags", "created_at", made,
                     "updated_at", made);
}

static json_t *body_object(const struct call *k)
{
    json_t *body = json_loadb(k->rq->body.data ? k->rq->body.data : "", k->rq->body.len, 0, NULL);

    if (json_is_object(body))
        return body;
    json_decref(body);
    return NULL;
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

static const char *missing(const json_t *body)
{
    static const char *const needed[] = {"name",    "common_name",       "issuer_id", "owner_id",
                                         "team_id", "renewal_policy_id", NULL};

    for (int i = 0; needed[i]; i++)
        if (!*text_of(body, needed[i]))
            return needed[i];
    return NULL;
}

static void add_certificate(struct call *k, const json_t *body)
{
    const json_t *sans = json_object_get(body, "sans");
    char *list = mem_check(json_is_array(sans) ? json_dumps(sans, JSON_COMPACT) : strdup("[]"));
    struct cert_row row = {.name = text_of(body, "name"),
                           .common_name = text_of(body, "common_name"),
                           .issuer = text_of(body, "issuer_id"),
                           .owner = text_of(body, "owner_id"),
                           .team = text_of(body, "team_id"),
                           .policy = text_of(body, "renewal_policy_id"),
                           .environment = text_of(body, "environment"),
                           .sans = list,
                           .created = k->now};
    const struct cert_row *added = store_add(k->c->store, &row, k->now_ns);

    free(list);
    if (added)
        send_json(k, 201, cert_json(added));
    else /* the real server does not tell a name taken from any other error of its database */
        refuse(k, 500, "Internal Server Error", "Failed to create certificate");
}

static void create_certificate(struct call *k)
{
    json_t *body = body_object(k);
    const char *without = body ? missing(body) : NULL;
    char message[64];

    if (!body) {
        refuse(k, 400, "Bad Request", "Invalid request body");
    } else if (without) {
        snprintf(message, sizeof(message), "%s is required", without);
        refuse(k, 400, "Bad Request", message);
    } else {
        add_certificate(k, body);
    }
    json_decref(body);
}

static bool parameter(const struct call *k, const char *name, char *text, size_t size)
{
    struct http1_span rest = k->rq->query;
    struct field f;

    while (query_next(&rest, &f))
        if (span_is(f.name, name))
            return query_decode(f.value, text, size);
    return false;
}

static int64_t number(const struct call *k, const char *name, int64_t lo, int64_t hi,
                      int64_t fallback)
{
    char text[32];
    int64_t n;

    return parameter(k, name, text, sizeof(text)) && units_int(text, &n) && n >= lo && n <= hi
               ? n
               : fallback;
}

struct page {
    int64_t page, per_page, from, to; /* rows from..to-1 */
};

static struct page page_of(const struct call *k, int64_t total)
{
    struct page p = {.page = number(k, "page", 1, 1000000, 1),
                     .per_page = number(k, "per_page", 1, PER_PAGE_MAX, PER_PAGE)};

    p.from = (p.page - 1) * p.per_page;
    p.from = p.from < total ? p.from : total;
    p.to = p.from + p.per_page < total ? p.from + p.per_page : total;
    return p;
}

static void send_page(struct call *k, const struct page *p, json_t *data, int64_t total)
{
    send_json(k, 200,
              json_pack("{s:o,s:I,s:I,s:I}", "data", data, "total", (json_int_t)total, "page",
                        (json_int_t)p->page, "per_page", (json_int_t)p->per_page));
}

static void list_certificates(struct call *k)
{
    int64_t total = store_count(k->c->store);
    struct page p = page_of(k, total);
    json_t *data = mem_check(json_array());

    for (int64_t i = p.from; i < p.to; i++)
        json_array_append_new(data, cert_json(store_at(k->c->store, (int)i, k->now_ns)));
    send_page(k, &p, data, total);
}

static void list_jobs(struct call *k)
{
    int done = store_jobs_done(k->c->store, k->now_ns), first = 0, end = store_jobs(k->c->store);
    json_t *data = mem_check(json_array());
    char status[32] = "";
    struct page p;

    parameter(k, "status", status, sizeof(status));
    if (strcmp(status, "Pending") == 0)
        first = done;
    else if (strcmp(status, "Completed") == 0)
        end = done;
    else if (*status)
        end = 0;
    p = page_of(k, end - first);
    for (int64_t i = p.from; i < p.to; i++) {
        const struct job_row *job = store_job(k->c->store, first + (int)i);
        char id[32], created[32];

        snprintf(id, sizeof(id), "job-%08" PRIx64, job->number);
        json_array_append_new(data, json_pack("{s:s,s:s,s:s,s:s,s:s}", "id", id, "certificate_id",
                                              job->cert->id, "type", "Renewal", "status",
                                              first + i < done ? "Completed" : "Pending",
                                              "created_at", print_time(job->created, created)));
    }
    send_page(k, &p, data, end - first);
}

static void show_deployment(struct call *k, struct cert_row *row)
{
    if (!row->deployed)
        send_json(k, 200, json_pack("{s:s,s:s}", "certificate_id", row->id, "status", "pending"));
    else if (certctl_leaf(k->c, row))
        send_json(k, 200,
                  json_pack("{s:s,s:s,s:s,s:s}", "certificate_id", row->id, "status", "deployed",
                            "server_name", row->common_name, "fingerprint", row->fingerprint));
    else
        send_json(k, 200, json_pack("{s:s,s:s}", "certificate_id", row->id, "status", "failed"));
}

static bool lists(const json_t *ids, const char *id)
{
    const json_t *one;
    size_t i;

    json_array_foreach(ids, i, one) if (strcmp(json_string_value(one) ? json_string_value(one) : "",
                                               id) == 0) return true;
    return false;
}

/* No certificate here has a profile or an agent. */
static bool matches(const struct cert_row *row, const json_t *by)
{
    const char *team = text_of(by, "team_id"), *issuer = text_of(by, "issuer_id");
    const char *owner = text_of(by, "owner_id");
    const json_t *ids = json_object_get(by, "certificate_ids");

    if (*text_of(by, "profile_id") || *text_of(by, "agent_id"))
        return false;
    return (!*team || strcmp(team, row->team) == 0) &&
           (!*issuer || strcmp(issuer, row->issuer) == 0) &&
           (!*owner || strcmp(owner, row->owner) == 0) &&
           (json_array_size(ids) == 0 || lists(ids, row->id));
}

static bool is_empty(const json_t *by)
{
    static const char *const keys[] = {"profile_id", "owner_id", "agent_id",
                                       "issuer_id",  "team_id",  NULL};

    for (int i = 0; keys[i]; i++)
        if (*text_of(by, keys[i]))
            return false;
    return json_array_size(json_object_get(by, "certificate_ids")) == 0;
}

static void renew(struct call *k, const json_t *by)
{
    struct store *s = k->c->store;
    int64_t matched = 0, skipped = 0, cap = k->c->opts.renew_cap;
    json_t *jobs = mem_check(json_array());

    for (int i = 0; i < store_count(s) && (!cap || matched < cap); i++) {
        struct cert_row *row = store_at(s, i, k->now_ns);
        char id[32];

        if (!matches(row, by))
            continue;
        matched++;
        if (row->status == CERT_RENEWING) {
            skipped++;
            continue;
        }
        snprintf(id, sizeof(id), "job-%08" PRIx64, store_renew(s, row, k->now, k->now_ns)->number);
        json_array_append_new(jobs,
                              json_pack("{s:s,s:s}", "certificate_id", row->id, "job_id", id));
    }
    send_json(k, 200,
              json_pack("{s:I,s:I,s:I,s:i,s:o,s:[]}", "total_matched", (json_int_t)matched,
                        "total_enqueued", (json_int_t)(matched - skipped), "total_skipped",
                        (json_int_t)skipped, "total_failed", 0, "enqueued_jobs", jobs, "errors"));
}

static void bulk_renew(struct call *k)
{
    json_t *body = body_object(k);

    if (!body)
        refuse(k, 400, "Bad Request", "Invalid request body");
    else if (is_empty(body))
        refuse(k, 400, "Bad Request", "at least one filter criterion is required");
    else
        renew(k, body);
    json_decref(body);
}

/* What the agent says about itself is optional, and tolerated whatever it is. */
static void heartbeat(struct call *k, const char *id)
{
    switch (store_agent(k->c->store, id)) {
    case AGENT_KNOWN:
        send_json(k, 200, json_pack("{s:s}", "status", "heartbeat_recorded"));
        break;
    case AGENT_RETIRED:
        refuse(k, 410, "Gone", "Agent is retired");
        break;
    case AGENT_UNKNOWN:
        not_found(k, "Agent not found");
        break;
    }
}

static void wrong_method(struct call *k, const char *allow)
{
    refuse(k, 405, "Method Not Allowed", "Method not allowed");
    k->re->fields = mem_check(strdup(allow));
}

/* "certificates/ID" or "certificates/ID/deployments". */
static void certificate_page(struct call *k, char *id)
{
    char *rest = strchr(id, '/');
    struct cert_row *row;

    if (rest)
        *rest++ = '\0';
    row = store_find(k->c->store, id, k->now_ns);
    if (!row)
        not_found(k, "Certificate not found");
    else if (!rest)
        send_json(k, 200, cert_json(row));
    else if (strcmp(rest, "deployments") == 0)
        show_deployment(k, row);
    else
        not_found(k, "Not found");
}

static void get(struct call *k)
{
    if (strcmp(k->path, "certificates") == 0)
        list_certificates(k);
    else if (strcmp(k->path, "jobs") == 0)
        list_jobs(k);
    else if (strncmp(k->path, "certificates/", 13) == 0)
        certificate_page(k, k->path + 13);
    else
        not_found(k, "Not found");
}

static void post(struct call *k)
{
    size_t len = strlen(k->path), tail = strlen("/heartbeat");

    if (strcmp(k->path, "certificates") == 0) {
        create_certificate(k);
    } else if (strcmp(k->path, "certificates/bulk-renew") == 0) {
        bulk_renew(k);
    } else if (len > 7 + tail && strncmp(k->path, "agents/", 7) == 0 &&
               strcmp(k->path + len - tail, "/heartbeat") == 0) {
        k->path[len - tail] = '\0';
        heartbeat(k, k->path + 7);
    } else {
        not_found(k, "Not found");
    }
}

static void dispatch(struct call *k)
{
    if (span_is(k->rq->method, "GET") || k->rq->head_only)
        get(k);
    else if (span_is(k->rq->method, "POST"))
        post(k);
    else
        wrong_method(k, "Allow: GET, HEAD, POST\r\n");
}

static void answer(const struct request *rq, const struct server *s, struct reply *re)
{
    struct call k = {
        .c = s->config.certctl, .rq = rq, .re = re, .now = (int64_t)(wall_ns() / NS_PER_S)};
    size_t len = rq->path.len - strlen(PREFIX);

    pthread_mutex_lock(&k.c->lock);
    k.now_ns = now_ns(); /* under the lock, so that it does not go back */
    if (certctl_admits(k.c, rq, re, k.now_ns)) {
        if (len < sizeof(k.path) && !memchr(rq->path.data, '\0', rq->path.len)) {
            memcpy(k.path, rq->path.data + strlen(PREFIX), len);
            dispatch(&k);
        } else {
            not_found(&k, "Not found");
        }
    }
    pthread_mutex_unlock(&k.c->lock);
}

const struct route certctl_pages[] = {
    {PREFIX, ROUTE_PREFIX | ROUTE_BODY | ROUTE_QUERY, NULL, NULL, answer},
    {0},
};

/*
 * ingest_admin.c - POST /api/admin/hosts/bulk-delete: the hosts whose names begin with a prefix go,
 * one after another.
 *
 * A host whose agent waits for an approval with a request for a certificate cannot go: the real
 * database has a row that refers to it.
 */
#include <jansson.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "target/ingest_pages.h"
#include "target/ingest_record.h"
#include "target/ingest_share.h"
#include "target/ingest_sql.h"
#include "target/ingest_state.h"
#include "target/reply.h"
#include "target/request.h"
#include "target/server.h"

#define KEY_FIELD  "x-loadtest-admin-key"
#define PREFIX     "loadtest-"
#define PREFIX_MAX 200

static void answer_json(struct reply *re, uint16_t status, json_t *json)
{
    reply_json(re, status, mem_check(json_dumps(json, JSON_COMPACT)));
    json_decref(json);
}

static void refuse(struct reply *re, uint16_t status, const char *why)
{
    answer_json(re, status, json_pack("{s:s}", "error", why));
}

/* Compares all of it whatever differs, so that time tells nothing. */
static bool has_key(const struct request *rq, const char *key)
{
    struct http1_span given = {0};
    size_t len = strlen(key);
    unsigned differ;

    if (!http1_field(&rq->head, KEY_FIELD, &given))
        return false;
    differ = len != given.len;
    for (size_t i = 0; i < given.len; i++)
        differ |= (unsigned char)given.data[i] ^ (unsigned char)key[i < len ? i : len];
    return differ == 0;
}

/* LIKE's own reading of a pattern (ISO 9075), without an escape; `%` is taken to the left end. */
static bool like(const char *text, const char *pattern)
{
    const char *star = NULL, *from = NULL;

    for (;;) {
        if (*pattern == '%') {
            star = ++pattern;
            from = text;
        } else if (*text && (*pattern == '_' || *pattern == *text)) {
            text++;
            pattern++;
        } else if (!*text && !*pattern) {
            return true;
        } else if (star && *from) {
            text = ++from;
            pattern = star;
        } else {
            return false;
        }
    }
}

static bool matches(const struct ingest *g, const char *host, const char *prefix)
{
    char pattern[PREFIX_MAX + 2];

    if (!g->opts.ingest_like_bug)
        return strncmp(host, prefix, strlen(prefix)) == 0;
    memcpy(pattern, prefix, strlen(prefix));
    memcpy(pattern + strlen(prefix), "%", 2);
    return like(host, pattern);
}

static const char *obstacle(const struct ingest *g, const struct ingest_agent *a)
{
    if (a->queued)
        return "update or delete on table \"agents\" violates foreign key constraint "
               "\"pending_cert_signings_agent_id_fkey\" on table \"pending_cert_signings\"";
    if (g->script.undeletable && (a->number + 1) % (uint64_t)g->script.undeletable == 0)
        return "deadlock detected";
    return NULL;
}

/* Under the lock.  False: there are some, and this server sends whoever asks to its login page. */
static bool delete_all(struct ingest *g, const char *prefix, int64_t *deleted, json_t *failed)
{
    for (uint32_t i = 0; i < g->table.count; i++) {
        struct ingest_agent *a = g->table.all[i];
        const char *host = a ? ingest_agent_host(a) : "", *why;

        if (!*host || !matches(g, host, prefix))
            continue;
        if (g->opts.ingest_generation == INGEST_HEAD)
            return false;
        why = obstacle(g, a);
        if (why) {
            json_array_append_new(failed, json_sprintf("%s: %s", host, why));
            continue;
        }
        ingest_record_deleted(g, a);
        ingest_table_delete(&g->table, a);
        ++*deleted;
    }
    return true;
}

static void delete_hosts(struct ingest *g, const char *prefix, struct reply *re)
{
    json_t *failed = json_array();
    int64_t deleted = 0;
    bool ok;

    if (g->sql)
        ingest_share_find_hosts(g, prefix);
    pthread_mutex_lock(&g->lock);
    ok = delete_all(g, prefix, &deleted, failed);
    g->deleted_hosts += (uint64_t)deleted;
    pthread_mutex_unlock(&g->lock);
    ingest_sql_sync(g->sql);
    if (!ok) {
        json_decref(failed);
        reply_text(re, 307, "");
        re->fields = mem_check(strdup("Location: /login\r\n"));
        return;
    }
    answer_json(re, 200, json_pack("{s:I, s:o}", "deleted", (json_int_t)deleted, "failed", failed));
}

static const char *fault_of(const json_t *body, const char **prefix)
{
    if (!json_is_object(body))
        return "Invalid JSON body";
    *prefix = json_string_value(json_object_get(body, "hostnamePrefix"));
    if (!*prefix || !**prefix || strlen(*prefix) > PREFIX_MAX)
        return "hostnamePrefix must have 1 to 200 characters";
    return strncmp(*prefix, PREFIX, strlen(PREFIX)) == 0
               ? NULL
               : "hostnamePrefix must start with \"" PREFIX "\"";
}

void ingest_bulk_delete(const struct request *rq, const struct server *s, struct reply *re)
{
    struct ingest *g = s->config.ingest;
    const char *prefix = NULL, *fault;
    json_t *body;

    if (!span_is(rq->method, "POST")) {
        refuse(re, 405, "Method Not Allowed");
        re->fields = mem_check(strdup("Allow: POST\r\n"));
        return;
    }
    if (!g->admin_key) {
        refuse(re, 503, "Load-test admin endpoint is disabled (CT_OPS_LOADTEST_ADMIN_KEY not set)");
        return;
    }
    if (!has_key(rq, g->admin_key)) {
        refuse(re, 401, "Unauthorized");
        return;
    }
    body = json_loadb(rq->body.data ? rq->body.data : "", rq->body.len, 0, NULL);
    fault = fault_of(body, &prefix);
    if (fault)
        refuse(re, 400, fault);
    else
        delete_hosts(g, prefix, re);
    json_decref(body);
}

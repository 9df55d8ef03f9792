#include "target/ingest_share.h"

#include <agent/v1/registration.pb-c.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "net/base64url.h"
#include "net/db.h"
#include "net/digest.h"
#include "target/ingest_enrol.h"
#include "target/ingest_sql.h"
#include "target/state.h"

#define AGENTS \
    "select a.id, a.public_key, a.hostname, a.status, k.spki from agents a" \
    " left join agent_keys k on k.agent_id = a.id"
#define TRIES 10

enum column { ID, PUBLIC_KEY, HOSTNAME, STATUS, SPKI, COLUMNS };

struct reading { /* of rows of AGENTS */
    struct ingest *ingest;
    bool starting;
    uint32_t
        deleted;  /* agents that had been when it began: rows of others may be on their way out */
    bool skipped; /* a row for that reason */
    const char *key; /* that was asked for; or NULL */
    uint32_t before; /* agents with a smaller number have to be there */
    bool *seen;      /* of those; or NULL */
};

static uint32_t deleted(const struct ingest *g)
{
    return g->table.count - g->table.alive;
}

static enum agent_status status_of(const char *text)
{
    for (int i = 0; ingest_statuses[i]; i++)
        if (text && strcmp(ingest_statuses[i], text) == 0)
            return (enum agent_status)i;
    return INGEST_OFFLINE;
}

static void keep_key(const struct ingest *g, struct ingest_agent *a, const char *spki)
{
    struct buf der = {0};

    if (g->script.rotates && spki && base64url_decode(&der, spki, strlen(spki)))
        ingest_agent_keep(a, der.data, der.len);
    buf_free(&der);
}

/* At the start no stream is open, whatever the server before has left; later it is another's. */
static void adopt(const struct reading *r, const unsigned char *key, const char *const *v)
{
    struct ingest *g = r->ingest;
    enum agent_status there = status_of(v[STATUS]);
    struct ingest_agent *a =
        ingest_table_add(&g->table, v[ID], key, v[HOSTNAME], strlen(v[HOSTNAME]));

    a->status = (uint8_t)(r->starting && there == INGEST_ACTIVE ? INGEST_OFFLINE : there);
    a->foreign = !r->starting;
    a->created_ns = now_ns();
    keep_key(g, a, v[SPKI]);
}

/* An approval and a revocation count; the rest is known here better, unless it is foreign. */
static void compare(const struct reading *r, struct ingest_agent *a, const unsigned char *key,
                    const char *const *v)
{
    enum agent_status there = status_of(v[STATUS]);

    if (r->seen && a->number < r->before)
        r->seen[a->number] = true;
    if (r->key && strcmp(r->key, v[PUBLIC_KEY]) == 0 && memcmp(a->key, key, AGENT_KEY) != 0) {
        ingest_table_rekey(&r->ingest->table, a, key);
        a->foreign = a->streams == 0;
    }
    if (a->foreign || there == INGEST_REVOKED ||
        (there == INGEST_ACTIVE && a->status == INGEST_PENDING))
        a->status = (uint8_t)there;
}

static void see(void *arg, const char *const *v, int n)
{
    struct reading *r = arg;
    struct ingest *g = r->ingest;
    unsigned char digest[DIGEST_BYTES];
    struct ingest_agent *a;

    if (n < COLUMNS || !v[ID] || !v[PUBLIC_KEY] || !v[HOSTNAME] || strlen(v[ID]) >= AGENT_ID_TEXT)
        return;
    digest_bytes(v[PUBLIC_KEY], strlen(v[PUBLIC_KEY]), digest);
    pthread_mutex_lock(&g->lock);
    a = ingest_table_id(&g->table, v[ID], strlen(v[ID]));
    if (a)
        compare(r, a, digest, v);
    else if (r->deleted != deleted(g))
        r->skipped = true;
    else if (!ingest_table_key(&g->table, digest))
        adopt(r, digest, v);
    pthread_mutex_unlock(&g->lock);
}

static struct reading reading_of(struct ingest *g)
{
    struct reading r = {.ingest = g};

    pthread_mutex_lock(&g->lock);
    r.deleted = deleted(g);
    pthread_mutex_unlock(&g->lock);
    return r;
}

bool ingest_share_load(struct ingest *g, struct session *se, struct err *e)
{
    struct reading r = reading_of(g);
    const struct db_sink to = {see, &r};

    r.starting = true;
    return session_run(se, AGENTS " order by a.registered_ms, a.id", STATE_NONE, &to, NULL, e);
}

void ingest_share_survey(struct ingest *g, uint32_t before)
{
    struct reading r = reading_of(g);
    struct ingest_table *t = &g->table;
    struct err e;
    struct session *se = state_take(ingest_sql_state(g->sql), &e);
    const struct db_sink to = {see, &r};
    bool ok;

    r.before = before;
    r.seen = xcalloc(before + 1, sizeof(bool));
    ok = se && session_run(se, AGENTS, STATE_NONE, &to, NULL, &e);
    state_give(se);
    pthread_mutex_lock(&g->lock);
    for (uint32_t i = 0; ok && i < before; i++)
        if (t->all[i] && !r.seen[i])
            ingest_table_delete(t, t->all[i]);
    pthread_mutex_unlock(&g->lock);
    free(r.seen);
}

static bool look(struct reading *r, const char *sql, const struct db_values *v)
{
    const struct db_sink to = {see, r};
    struct err e;
    struct session *se = state_take(ingest_sql_state(r->ingest->sql), &e);
    bool ok = se && session_run(se, sql, v, &to, NULL, &e);

    state_give(se);
    return ok;
}

/* What has been deleted here is deleted there first; again, if more has been meanwhile. */
static bool find(struct ingest *g, const char *sql, const struct db_values *v, const char *key)
{
    struct reading r;
    bool ok;

    for (int i = 0; i < TRIES; i++) {
        ingest_sql_await_mark(g->sql);
        r = reading_of(g);
        r.key = key;
        ok = look(&r, sql, v);
        if (!ok || !r.skipped)
            return ok;
    }
    return true;
}

bool ingest_share_find(struct ingest *g, const char *agent)
{
    return find(g, AGENTS " where a.id = $1", STATE_VALUES(agent), NULL);
}

bool ingest_share_find_hosts(struct ingest *g, const char *prefix)
{
    return find(g, AGENTS " where substr(a.hostname, 1, length(cast($1 as text))) = $1",
                STATE_VALUES(prefix), NULL);
}

bool ingest_share_find_holders(struct ingest *g, const char *public_key, const char *host)
{
    return find(g, AGENTS " where a.public_key = $1 or (a.hostname = $2 and a.hostname <> '')",
                STATE_VALUES(public_key, host), public_key);
}

/* True with `changed` 0: it has been used up. */
static bool use_token(struct session *se, const char *text, uint64_t *changed, struct err *e)
{
    char hash[DIGEST_TEXT];

    digest_sha256(text, strlen(text), hash);
    return session_run(se,
                       "update agent_enrolment_tokens set usage_count = usage_count + 1"
                       " where (token_hash = $1 or (token_hash is null and token = $2))"
                       " and deleted_ms is null"
                       " and (max_uses is null or usage_count < max_uses)",
                       STATE_VALUES(hash, text), NULL, changed, e);
}

static bool add_agent(struct session *se, const struct enrolment *n, uint64_t *changed,
                      struct err *e)
{
    const Agent__V1__RegisterRequest *r = n->request;
    const Agent__V1__PlatformInfo *p = r->platform_info;
    const Agent__V1__AgentInfo *a = r->agent_info;
    char now[INGEST_NUMBER_MAX];

    return session_run(se,
                       "insert into agents (id, organisation_id, hostname, public_key, status, os,"
                       " arch, version, registered_ms) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
                       " on conflict (public_key) do nothing",
                       STATE_VALUES(n->agent, INGEST_ORG, a ? a->hostname : "", r->public_key,
                                    ingest_statuses[n->status], p ? p->os : NULL,
                                    p ? p->arch : NULL, a ? a->version : NULL, ingest_now(now)),
                       NULL, changed, e);
}

enum grpc_code ingest_share_enrol(struct ingest *g, const struct enrolment *n)
{
    struct err e;
    struct session *se = state_take(ingest_sql_state(g->sql), &e);
    uint64_t used = 1, added = 0;
    enum grpc_code code = GRPC_INTERNAL;

    if (se && session_begin(se, &e) && (n->token.open || use_token(se, n->token.text, &used, &e))) {
        if (used == 0)
            code = GRPC_UNAUTHENTICATED;
        else if (add_agent(se, n, &added, &e) && added == 0)
            code = GRPC_ALREADY_EXISTS;
        else if (added > 0 && session_commit(se, &e))
            code = GRPC_OK;
    }
    state_give(se); /* which ends what is left of the transaction */
    return code;
}

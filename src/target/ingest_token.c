/*
 * ingest_token.c - who may enrol, and who an agent is.
 *
 * An agent's token is a JWT: sub, org, iss "ct-ops-ingest", valid for 24 hours.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "net/digest.h"
#include "target/ingest_sql.h"
#include "target/ingest_state.h"
#include "target/state.h"

#define ISSUER  "ct-ops-ingest"
#define JWT_TTL (24 * 3600)

static bool has_uses(const struct ingest *g)
{
    return !g->opts.ingest_token_uses || g->token_used < (uint64_t)g->opts.ingest_token_uses;
}

static enum grpc_code check_here(struct ingest *g, struct ingest_token *t)
{
    uint64_t ttl = (uint64_t)g->opts.ingest_token_expires;
    bool good = !g->token || strcmp(g->token, t->text) == 0;

    t->open = !g->token;
    t->approves = g->opts.ingest_auto_approve;
    if (ttl && now_ns() - g->started_ns >= ttl)
        good = false;
    pthread_mutex_lock(&g->lock);
    good = good && has_uses(g);
    pthread_mutex_unlock(&g->lock);
    return good ? GRPC_OK : GRPC_UNAUTHENTICATED;
}

enum grpc_code ingest_token_use(struct ingest *g)
{
    bool good;

    pthread_mutex_lock(&g->lock);
    good = has_uses(g);
    g->token_used += good;
    pthread_mutex_unlock(&g->lock);
    return good ? GRPC_OK : GRPC_UNAUTHENTICATED;
}

struct row { /* of the table of tokens */
    int64_t now_ms;
    bool good, approves;
};

static int64_t number(const char *text, int64_t without)
{
    return text ? strtoll(text, NULL, 10) : without;
}

/* usage_count, max_uses, expires_ms, deleted_ms, auto_approve */
static void see_token(void *arg, const char *const *v, int n)
{
    struct row *r = arg;

    if (n < 5 || v[3] || number(v[2], INT64_MAX) <= r->now_ms ||
        number(v[0], 0) >= number(v[1], INT64_MAX))
        return;
    r->good = true;
    r->approves = number(v[4], 0) != 0;
}

static bool find_token(struct session *se, const char *text, struct row *r, uint64_t *known,
                       struct err *e)
{
    const struct db_sink to = {see_token, r};
    char hash[DIGEST_TEXT];

    digest_sha256(text, strlen(text), hash);
    r->now_ms = (int64_t)(wall_ns() / NS_PER_MS);
    if (!session_run(se,
                     "select usage_count, max_uses, expires_ms, deleted_ms, auto_approve"
                     " from agent_enrolment_tokens where token_hash = $1"
                     " or (token_hash is null and token = $2)",
                     STATE_VALUES(hash, text), &to, known, e))
        return false;
    return *known > 0 || session_run(se, "select 1 from agent_enrolment_tokens limit 1", STATE_NONE,
                                     NULL, known, e);
}

static enum grpc_code check_there(struct ingest *g, struct ingest_token *t)
{
    struct row r = {0};
    struct err e;
    struct session *se = state_take(ingest_sql_state(g->sql), &e);
    uint64_t known = 0;
    bool ok = se && find_token(se, t->text, &r, &known, &e);

    state_give(se);
    if (!ok)
        return GRPC_INTERNAL;
    if (known == 0)
        return check_here(g, t);
    t->open = false;
    t->approves = r.approves;
    return r.good ? GRPC_OK : GRPC_UNAUTHENTICATED;
}

enum grpc_code ingest_token_check(struct ingest *g, struct ingest_token *t)
{
    return g->sql ? check_there(g, t) : check_here(g, t);
}

bool ingest_sign(struct ingest *g, const char *agent, struct buf *out)
{
    int64_t now = (int64_t)(wall_ns() / NS_PER_S);
    char claims[256];
    int n = snprintf(claims, sizeof(claims),
                     "{\"sub\":\"%s\",\"org\":\"" INGEST_ORG "\",\"iss\":\"" ISSUER
                     "\",\"iat\":%" PRId64 ",\"exp\":%" PRId64 "}",
                     agent, now, now + JWT_TTL);

    buf_clear(out);
    return jwt_sign(g->jwt, claims, (size_t)n, out);
}

static bool read_claims(const struct buf *text, char agent[AGENT_ID_TEXT], int64_t *expires)
{
    json_t *claims = json_loadb(buf_text(text), text->len, 0, NULL);
    const char *sub = json_string_value(json_object_get(claims, "sub"));
    const char *iss = json_string_value(json_object_get(claims, "iss"));
    bool ok = sub && iss && strcmp(iss, ISSUER) == 0 && strlen(sub) < AGENT_ID_TEXT;

    if (ok)
        memcpy(agent, sub, strlen(sub) + 1);
    *expires = (int64_t)json_integer_value(json_object_get(claims, "exp"));
    json_decref(claims);
    return ok;
}

enum grpc_code ingest_verify(struct ingest *g, const char *token, size_t len, bool expired_too,
                             struct buf *text, char agent[AGENT_ID_TEXT])
{
    int64_t expires, now = (int64_t)(wall_ns() / NS_PER_S);

    if (!jwt_verify(g->jwt, token, len, text) || !read_claims(text, agent, &expires))
        return GRPC_UNAUTHENTICATED;
    return expires > now || expired_too ? GRPC_OK : GRPC_UNAUTHENTICATED;
}

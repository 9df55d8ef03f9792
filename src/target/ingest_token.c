/*
 * ingest_token.c - who may enrol, and who an agent is.
 *
 * An agent's token is a JWT: sub, org, iss "ct-ops-ingest", valid for 24 hours.
 */
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "target/ingest_state.h"

#define ISSUER  "ct-ops-ingest"
#define JWT_TTL (24 * 3600)

bool ingest_admits(struct ingest *g, const char *token)
{
    uint64_t ttl = (uint64_t)g->opts.ingest_token_expires;

    if (g->token && strcmp(g->token, token) != 0)
        return false;
    if (ttl && now_ns() - g->started_ns >= ttl)
        return false;
    return !g->opts.ingest_token_uses || g->token_used < (uint64_t)g->opts.ingest_token_uses;
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

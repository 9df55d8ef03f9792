#include "target/ingest_keys.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "target/ingest_state.h"
#include "target/state.h"

static const struct state_schema schema = {
    .source = "the keys of the ingest service",
    .both = "create table if not exists ingest_keys (name text primary key, pem text not null);",
};

static void see(void *arg, const char *const *v, int n)
{
    struct buf *to = arg;

    buf_clear(to);
    if (n > 0 && v[0])
        buf_adds(to, v[0]);
}

/*
 * What is in the database under `name`, which is `made` unless something has been there before:
 * of servers that start together the first one's.
 */
static bool settle(struct state *s, const char *name, struct buf *made, struct err *e)
{
    struct session *se = state_take(s, e);
    const struct db_sink to = {see, made};
    bool ok = se &&
              session_run(se,
                          "insert into ingest_keys (name, pem) values ($1, $2)"
                          " on conflict (name) do nothing",
                          STATE_VALUES(name, buf_text(made)), NULL, NULL, e) &&
              session_run(se, "select pem from ingest_keys where name = $1", STATE_VALUES(name),
                          &to, NULL, e);

    state_give(se);
    return ok;
}

static void forget(struct buf *b)
{
    if (b->data)
        explicit_bzero(b->data, b->cap);
    buf_free(b);
}

static bool share_jwt(struct ingest *g, struct state *s, struct err *e)
{
    bool rsa = g->opts.ingest_jwt == INGEST_RS256;
    struct buf text = {0};
    bool ok = jwt_key_write(g->jwt, &text) && settle(s, ingest_jwts[g->opts.ingest_jwt], &text, e);

    if (ok) {
        jwt_key_free(g->jwt);
        g->jwt = jwt_key_read(rsa, buf_text(&text), e);
    }
    forget(&text);
    return ok && g->jwt;
}

static bool share_authority(struct ingest *g, struct state *s, struct err *e)
{
    struct buf text = {0};
    bool ok = authority_write(g->authority, &text) && settle(s, "agent-ca", &text, e);

    if (ok) {
        authority_free(g->authority);
        g->authority = authority_read(buf_text(&text), e);
    }
    forget(&text);
    return ok && g->authority;
}

bool ingest_keys_open(struct ingest *g, struct state *s, struct err *e)
{
    g->jwt = jwt_key_new(g->opts.ingest_jwt == INGEST_RS256, e);
    if (g->jwt && g->mutual)
        g->authority = authority_new(e);
    if (!g->jwt || (g->mutual && !g->authority))
        return false;
    if (!s)
        return true;
    return state_create(s, &schema, e) && share_jwt(g, s, e) &&
           (!g->mutual || share_authority(g, s, e));
}

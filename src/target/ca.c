#include "target/ca.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "net/base64url.h"
#include "net/url.h"
#include "target/ca_state.h"

static const char tables[] =
    "create table if not exists acme_nonces (nonce text primary key, expires_at bigint not null);\n"
    "create table if not exists acme_accounts (id text primary key, jwk text not null,\n"
    "    thumbprint text not null unique, status text not null, contact text not null,\n"
    "    created_at bigint not null);\n"
    "create table if not exists acme_orders (id text primary key, account_id text not null,\n"
    "    names text not null, status text not null, due_at bigint not null,\n"
    "    fate text not null, certificate_id text not null, created_at bigint not null);\n"
    "create index if not exists acme_orders_account on acme_orders (account_id, created_at);\n"
    "create table if not exists acme_authorizations (id text primary key, order_id text not null,\n"
    "    account_id text not null, name text not null, status text not null,\n"
    "    token text not null);\n"
    "create index if not exists acme_authorizations_order on acme_authorizations (order_id);\n"
    "create table if not exists acme_certificates (id text primary key, account_id text not null,\n"
    "    cert_id text not null unique, der text not null unique, pem text not null,\n"
    "    expires_at bigint not null, revoked_at bigint not null);\n"
    "create table if not exists acme_reasons (id text primary key, why text not null);\n"
    "create table if not exists acme_events (account_id text not null, kind text not null,\n"
    "    at bigint not null);\n"
    "create index if not exists acme_events_account on acme_events (account_id, kind, at);\n";

/* Mixing is one to one, so ids of one process do not meet, and of two hardly ever. */
uint64_t ca_random(struct ca *ca, uint64_t number)
{
    return rng_mix(ca->secret + number * UINT64_C(0x9e3779b97f4a7c15));
}

void ca_id(struct ca *ca, char id[CA_ID_MAX])
{
    uint64_t bits[2];
    struct buf text = {0};

    bits[0] = ca_random(ca, atomic_fetch_add(&ca->ids, 1) + 1);
    bits[1] = rng_mix(ca->secret ^ bits[0]);
    base64url_add(&text, bits, sizeof(bits));
    snprintf(id, CA_ID_MAX, "%s", text.data);
    buf_free(&text);
}

static bool create(struct state *s, struct err *e)
{
    struct state_schema schema = {.source = "ACME", .both = tables};

    return state_create(s, &schema, e);
}

bool ca_check(const struct ca_opts *o, struct err *e)
{
    struct arena arena = {0};
    const char *host;
    uint16_t port;
    bool ok = true;

    if (o->acme_http01 && o->acme_trust)
        ok = err_set(e, "--acme-http01 looks at answers, and asks for --acme-trust=false");
    else if (o->acme_http01 && !url_host_port(o->acme_http01, &host, &port, &arena, e))
        ok = err_wrap(e, "acme-http01");
    arena_free(&arena);
    return ok;
}

struct ca *ca_new(const struct ca_opts *o, struct state *state, struct err *e)
{
    struct ca *ca = xcalloc(1, sizeof(*ca));

    ca->opts = *o;
    ca->state = state;
    pthread_mutex_init(&ca->lock, NULL);
    bucket_init(&ca->front, o->acme_front_limit, (double)o->acme_burst, now_ns());
    bucket_init(&ca->limit, o->acme_limit, (double)o->acme_burst, now_ns());
    if (getrandom(&ca->secret, sizeof(ca->secret), 0) != sizeof(ca->secret))
        ca->secret = wall_ns();
    ca->issuer = issuer_new(e);
    if (ca->issuer && create(state, e))
        return ca;
    ca_free(ca);
    return NULL;
}

void ca_free(struct ca *ca)
{
    if (!ca)
        return;
    issuer_free(ca->issuer);
    pthread_mutex_destroy(&ca->lock);
    free(ca);
}

/*
 * ingest_enrol.c - a public key becomes an agent.
 *
 * Whoever comes again with the same key gets the same agent.  A hostname or an address belongs to
 * one agent; only one that is offline gives it up, and waits for an approval again then.
 */
#include "target/ingest_enrol.h"

#include <agent/v1/registration.pb-c.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/digest.h"
#include "target/ingest_share.h"

#define NAME_MAX_LEN 253
#define ADDRESSES    64
#define TAGS         64
#define TRIES        3

static bool is_plain(const char *text, size_t max)
{
    size_t len = strlen(text);

    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < 0x21 || text[i] == '/')
            return false;
    return len <= max;
}

static const char *hostname_of(const struct enrolment *n)
{
    return n->request->agent_info ? n->request->agent_info->hostname : "";
}

/* Text `i` of the names that only one agent may have: its host, then its addresses. */
static const char *name_at(const struct enrolment *n, size_t i, char text[NAME_MAX_LEN + 2])
{
    if (i == 0)
        return hostname_of(n);
    snprintf(text, NAME_MAX_LEN + 2, "/%s", n->request->platform_info->ip_addresses[i - 1]);
    return text;
}

static size_t names_of(const struct enrolment *n)
{
    return 1 + (n->request->platform_info ? n->request->platform_info->n_ip_addresses : 0);
}

static struct ingest_agent *holder(const struct enrolment *n)
{
    char text[NAME_MAX_LEN + 2];
    size_t count = names_of(n);

    for (size_t i = 0; i < count; i++) {
        const char *name = name_at(n, i, text);
        const struct ingest_name *found =
            *name ? ingest_table_name(&n->ingest->table, name, strlen(name), NULL) : NULL;

        while (found && found->agent->status == INGEST_PENDING)
            found = ingest_table_name(&n->ingest->table, name, strlen(name), found);
        if (found)
            return found->agent;
    }
    return NULL;
}

static struct ingest_agent *enrol(struct enrolment *n)
{
    struct ingest *g = n->ingest;
    char text[NAME_MAX_LEN + 2];
    const char *host = hostname_of(n);
    struct ingest_agent *a = ingest_table_add(&g->table, NULL, n->key, host, strlen(host));
    size_t count = names_of(n);

    for (size_t i = 1; i < count; i++) {
        const char *name = name_at(n, i, text);

        ingest_table_claim(&g->table, a, name, strlen(name));
    }
    a->created_ns = now_ns();
    a->status = n->token.approves ? INGEST_ACTIVE : INGEST_PENDING;
    n->fresh = true;
    return a;
}

/* Somebody in the web interface may have approved it by now. */
static void approve(const struct ingest *g, struct ingest_agent *a)
{
    uint64_t after = (uint64_t)g->opts.ingest_approve_after;

    if (a->status == INGEST_PENDING && after && now_ns() - a->created_ns >= after)
        a->status = INGEST_ACTIVE;
}

/* Under the lock. */
static enum grpc_code decide(struct enrolment *n)
{
    struct ingest *g = n->ingest;
    struct ingest_agent *a;

    a = ingest_table_key(&g->table, n->key);
    if (!a) {
        a = holder(n);
        if (a && a->status != INGEST_OFFLINE) {
            n->why = "a host with this hostname or IP address is already registered";
            return GRPC_ALREADY_EXISTS;
        }
        if (a) {
            ingest_table_rekey(&g->table, a, n->key);
            a->status = INGEST_PENDING;
            a->created_ns = now_ns();
            n->rekeyed = true;
        } else {
            a = enrol(n);
        }
    }
    approve(g, a);
    if (g->script.rotates && n->cert_key_len > 0)
        ingest_agent_keep(a, n->cert_key, n->cert_key_len);
    a->queued = a->status == INGEST_PENDING && n->cert_key_len > 0;
    n->queued = a->queued;
    n->status = a->status == INGEST_OFFLINE ? INGEST_ACTIVE : (enum agent_status)a->status;
    ingest_agent_id(a, n->agent);
    return GRPC_OK;
}

static bool refuse(struct enrolment *n, enum grpc_code code, const char *why)
{
    n->code = code;
    n->why = why;
    return false;
}

bool enrolment_check(struct enrolment *n)
{
    const Agent__V1__RegisterRequest *r = n->request;

    if (!*r->org_token || !*r->public_key)
        return refuse(n, GRPC_INVALID_ARGUMENT,
                      !*r->org_token ? "org_token is required" : "public_key is required");
    if (r->n_tags > TAGS)
        return refuse(n, GRPC_INVALID_ARGUMENT, "more than 64 tags");
    n->why = "a hostname or an IP address is malformed";
    if (!is_plain(hostname_of(n), NAME_MAX_LEN) || names_of(n) > ADDRESSES)
        return refuse(n, GRPC_INVALID_ARGUMENT, n->why);
    for (size_t i = 1; i < names_of(n); i++)
        if (!is_plain(r->platform_info->ip_addresses[i - 1], NAME_MAX_LEN))
            return refuse(n, GRPC_INVALID_ARGUMENT, n->why);
    return true;
}

static void read_keys(struct enrolment *n)
{
    const Agent__V1__RegisterRequest *r = n->request;
    unsigned char digest[DIGEST_BYTES];

    digest_bytes(r->public_key, strlen(r->public_key), digest);
    memcpy(n->key, digest, AGENT_KEY);
    if (n->ingest->authority && r->csr_der.len > 0)
        n->cert_key_len = authority_key(r->csr_der.data, r->csr_der.len, n->cert_key);
}

/* The token has been used up meanwhile. */
static void undo(struct enrolment *n)
{
    struct ingest *g = n->ingest;
    struct ingest_agent *a;

    pthread_mutex_lock(&g->lock);
    a = ingest_table_key(&g->table, n->key);
    if (a)
        ingest_table_delete(&g->table, a);
    pthread_mutex_unlock(&g->lock);
}

static void decline(struct enrolment *n, enum grpc_code code)
{
    refuse(n, code,
           code == GRPC_INTERNAL ? "the database could not be asked"
                                 : "invalid or expired enrolment token");
}

static void settle(struct enrolment *n)
{
    pthread_mutex_lock(&n->ingest->lock);
    n->code = decide(n);
    pthread_mutex_unlock(&n->ingest->lock);
}

static enum grpc_code admit(struct enrolment *n)
{
    return n->ingest->sql ? ingest_share_enrol(n->ingest, n) : ingest_token_use(n->ingest);
}

/* Another server may have enrolled the same key meanwhile, and then the agent is known. */
static enum grpc_code enrol_all(struct enrolment *n)
{
    enum grpc_code code = GRPC_INTERNAL;

    for (int i = 0; i < TRIES; i++) {
        if (n->ingest->sql &&
            !ingest_share_find_holders(n->ingest, n->request->public_key, hostname_of(n)))
            return GRPC_INTERNAL;
        settle(n);
        if (n->code != GRPC_OK || !n->fresh)
            return GRPC_OK; /* `code` says it */
        code = admit(n);
        if (code == GRPC_OK)
            return code;
        undo(n);
        if (code != GRPC_ALREADY_EXISTS)
            return code;
        n->fresh = n->queued = false;
    }
    return GRPC_INTERNAL;
}

void enrolment_judge(struct enrolment *n)
{
    enum grpc_code code;

    n->token.text = n->request->org_token;
    code = ingest_token_check(n->ingest, &n->token);
    if (code == GRPC_OK) {
        read_keys(n);
        code = enrol_all(n);
    }
    if (code != GRPC_OK)
        decline(n, code);
}

/*
 * ingest_register.c - Register: a public key becomes an agent.
 *
 * Whoever comes again with the same key gets the same agent.  A hostname or an address belongs to
 * one agent; only one that is offline gives it up, and waits for an approval again then.
 */
#include <agent/v1/registration.pb-c.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/digest.h"
#include "target/ingest_record.h"
#include "target/ingest_state.h"

#define NAME_MAX_LEN 253
#define ADDRESSES    64

struct enrolment { /* of one call */
    struct ingest *ingest;
    const Agent__V1__RegisterRequest *request;
    struct ingest_token token;
    unsigned char key[AGENT_KEY], cert_key[AUTHORITY_KEY_MAX];
    size_t cert_key_len; /* 0: no request for a certificate, or a bad one */
    enum agent_status status;
    char agent[AGENT_ID_TEXT];
    bool fresh, rekeyed, queued;
    const char *why; /* with a code other than GRPC_OK */
};

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

static void keep_cert_key(const struct enrolment *n, struct ingest_agent *a)
{
    if (!n->ingest->script.rotates || a->cert_key || n->cert_key_len == 0)
        return;
    a->cert_key = xcalloc(1, 2 + n->cert_key_len);
    a->cert_key[0] = (unsigned char)(n->cert_key_len >> 8);
    a->cert_key[1] = (unsigned char)n->cert_key_len;
    memcpy(a->cert_key + 2, n->cert_key, n->cert_key_len);
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
    keep_cert_key(n, a);
    a->queued = a->status == INGEST_PENDING && n->cert_key_len > 0;
    n->queued = a->queued;
    n->status = a->status == INGEST_OFFLINE ? INGEST_ACTIVE : (enum agent_status)a->status;
    ingest_agent_id(a, n->agent);
    return GRPC_OK;
}

static enum grpc_code read_request(struct enrolment *n)
{
    const Agent__V1__RegisterRequest *r = n->request;
    unsigned char digest[DIGEST_BYTES];

    if (!*r->org_token || !*r->public_key) {
        n->why = !*r->org_token ? "org_token is required" : "public_key is required";
        return GRPC_INVALID_ARGUMENT;
    }
    n->why = "a hostname or an IP address is malformed";
    if (!is_plain(hostname_of(n), NAME_MAX_LEN) || names_of(n) > ADDRESSES)
        return GRPC_INVALID_ARGUMENT;
    for (size_t i = 1; i < names_of(n); i++)
        if (!is_plain(r->platform_info->ip_addresses[i - 1], NAME_MAX_LEN))
            return GRPC_INVALID_ARGUMENT;
    digest_bytes(r->public_key, strlen(r->public_key), digest);
    memcpy(n->key, digest, AGENT_KEY);
    if (n->ingest->authority && r->csr_der.len > 0)
        n->cert_key_len = authority_key(r->csr_der.data, r->csr_der.len, n->cert_key);
    return GRPC_OK;
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

static enum grpc_code judge(struct enrolment *n)
{
    enum grpc_code code = read_request(n);
    bool refused;

    if (code != GRPC_OK)
        return code;
    n->token.text = n->request->org_token;
    code = ingest_token_check(n->ingest, &n->token);
    refused = code != GRPC_OK;
    if (!refused) {
        pthread_mutex_lock(&n->ingest->lock);
        code = decide(n);
        pthread_mutex_unlock(&n->ingest->lock);
    }
    if (code == GRPC_OK && n->fresh) {
        code = ingest_token_use(n->ingest, &n->token);
        refused = code != GRPC_OK;
        if (refused)
            undo(n);
    }
    if (refused)
        n->why = code == GRPC_INTERNAL ? "the database could not be asked"
                                       : "invalid or expired enrolment token";
    return code;
}

static void count_answer(struct call *c, const struct enrolment *n)
{
    ingest_tally(c, n->fresh ? INGEST_NEW : INGEST_KNOWN, 1);
    ingest_tally(c,
                 n->status == INGEST_ACTIVE    ? INGEST_REGISTERED_ACTIVE
                 : n->status == INGEST_PENDING ? INGEST_REGISTERED_PENDING
                                               : INGEST_REGISTERED_REVOKED,
                 1);
}

static void answer(struct call *c, struct enrolment *n)
{
    static char *const words[] = {[INGEST_PENDING] = "registration is waiting for approval",
                                  [INGEST_ACTIVE] = "agent registered",
                                  [INGEST_REVOKED] = "agent has been revoked"};
    Agent__V1__RegisterResponse r = AGENT__V1__REGISTER_RESPONSE__INIT;
    struct ingest_worker *own = c->calls->own;
    struct buf pem = {0};

    r.agent_id = n->agent;
    r.status = (char *)ingest_statuses[n->status];
    r.message = words[n->status];
    if (n->status == INGEST_ACTIVE) {
        if (!ingest_sign(n->ingest, n->agent, &own->text)) {
            call_finish(c, GRPC_INTERNAL, "could not sign a token");
            return;
        }
        r.jwt_token = own->text.data;
        if (n->cert_key_len > 0 &&
            authority_certify(n->ingest->authority, n->cert_key, n->cert_key_len, n->agent,
                              INGEST_ORG, &pem, &r.client_cert_not_after_unix)) {
            r.client_cert_pem = pem.data;
            r.agent_ca_cert_pem = (char *)authority_pem(n->ingest->authority);
            ingest_tally(c, INGEST_CERTIFICATES, 1);
        }
    }
    buf_clear(&own->pack);
    buf_reserve(&own->pack, agent__v1__register_response__get_packed_size(&r));
    own->pack.len = agent__v1__register_response__pack(&r, (uint8_t *)own->pack.data);
    call_send(c, own->pack.data, own->pack.len);
    buf_free(&pem);
}

static void on_message(struct call *c, struct grpc_span m, uint64_t now)
{
    struct enrolment n = {.ingest = c->calls->ingest};
    enum grpc_code code;

    (void)now;
    n.request = agent__v1__register_request__unpack(bump_start(&c->calls->own->bump), m.len,
                                                    (const uint8_t *)m.data);
    if (!n.request) {
        call_malformed(c);
        return;
    }
    code = judge(&n);
    if (code == GRPC_OK) {
        const struct enrolled done = {n.agent, ingest_statuses[n.status], n.fresh, n.rekeyed,
                                      n.queued};

        ingest_record_enrolled(n.ingest, n.request, &done);
        count_answer(c, &n);
        answer(c, &n);
        call_finish(c, GRPC_OK, "%s", "");
    } else {
        call_finish(c, code, "%s", n.why);
    }
}

static void on_end(struct call *c, uint64_t now)
{
    (void)now;
    call_finish(c, GRPC_INTERNAL, "a request message is missing");
}

const struct method ingest_register = {"Register", on_message, on_end, NULL};

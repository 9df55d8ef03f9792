/* ingest_renew.c - RenewCertificate: a new certificate for an agent that is known. */
#include <agent/v1/ingest.pb-c.h>
#include <string.h>

#include "target/ingest_state.h"

static enum grpc_code find(struct ingest *g, const char *id, const char **why)
{
    const struct ingest_agent *a;
    uint8_t status;

    pthread_mutex_lock(&g->lock);
    a = ingest_table_id(&g->table, id, strlen(id));
    status = a ? a->status : INGEST_DELETED;
    pthread_mutex_unlock(&g->lock);
    *why = "agent not found";
    if (status == INGEST_DELETED)
        return GRPC_NOT_FOUND;
    *why = "agent is not active";
    return status == INGEST_PENDING || status == INGEST_REVOKED ? GRPC_PERMISSION_DENIED : GRPC_OK;
}

static void answer(struct call *c, const Agent__V1__RenewCertificateRequest *r)
{
    Agent__V1__RenewCertificateResponse out = AGENT__V1__RENEW_CERTIFICATE_RESPONSE__INIT;
    struct ingest *g = c->calls->ingest;
    struct buf *pack = &c->calls->own->pack, *pem = &c->calls->own->text;
    unsigned char key[AUTHORITY_KEY_MAX];
    size_t len = g->authority ? authority_key(r->csr_der.data, r->csr_der.len, key) : 0;

    buf_clear(pem);
    if (len == 0) {
        call_finish(c, GRPC_INVALID_ARGUMENT, "csr_der is no valid certificate request");
        return;
    }
    if (!authority_certify(g->authority, key, len, r->agent_id, INGEST_ORG, pem,
                           &out.client_cert_not_after_unix)) {
        call_finish(c, GRPC_INTERNAL, "could not make a certificate");
        return;
    }
    out.client_cert_pem = pem->data;
    out.agent_ca_cert_pem = (char *)authority_pem(g->authority);
    buf_clear(pack);
    buf_reserve(pack, agent__v1__renew_certificate_response__get_packed_size(&out));
    pack->len = agent__v1__renew_certificate_response__pack(&out, (uint8_t *)pack->data);
    ingest_tally(c, INGEST_RENEWALS, 1);
    call_send(c, pack->data, pack->len);
    call_finish(c, GRPC_OK, "%s", "");
}

static void on_message(struct call *c, struct grpc_span m, uint64_t now)
{
    const Agent__V1__RenewCertificateRequest *r;
    enum grpc_code code;
    const char *why;

    (void)now;
    r = agent__v1__renew_certificate_request__unpack(bump_start(&c->calls->own->bump), m.len,
                                                     (const uint8_t *)m.data);
    if (!r) {
        call_malformed(c);
        return;
    }
    code = find(c->calls->ingest, r->agent_id, &why);
    if (code == GRPC_NOT_FOUND && call_look(c, r->agent_id, &m))
        return;
    if (code != GRPC_OK)
        call_finish(c, code, "%s", why);
    else
        answer(c, r);
}

static void on_end(struct call *c, uint64_t now)
{
    (void)now;
    call_finish(c, GRPC_INTERNAL, "a request message is missing");
}

const struct method ingest_renew = {"RenewCertificate", on_message, on_end, NULL};

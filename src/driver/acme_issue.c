/* acme_issue.c - from an order that is ready to a certificate, and its end (RFC 8555 7.4, 7.6). */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "driver/acme.h"
#include "driver/expect.h"
#include "net/base64url.h"
#include "net/chain.h"

static void make_csr(struct acme_op *a)
{
    struct acme_order *o = &a->order;
    struct err e;
    bool keep = acme_opts_of(a)->revoke_by == REVOKE_BY_CERTIFICATE;

    buf_clear(&o->csr);
    jws_key_free(o->key);
    o->key = NULL;
    a->work_ok =
        csr_make(&o->csr, o->name_list, o->name_count, (enum csr_key)acme_opts_of(a)->csr_key,
                 o->digest, keep ? &o->key : NULL, &e);
}

static void look(struct acme_op *a);

static void on_order(struct acme_op *a, const struct acme_answer *r)
{
    const char *status = acme_text(r->json, "status"), *url = acme_text(r->json, "certificate");
    char what[64];

    status = status ? status : "of no status";
    if (strcmp(status, "invalid") == 0) {
        acme_fail(a, OP_UNEXPECTED, "the order is invalid: %s", acme_error_detail(r->json));
    } else if (strcmp(status, "valid") == 0) {
        if (!acme_own_url(a, "the certificate", url))
            return;
        a->order.certificate = acme_keep(&a->order, url);
        acme_part_ok(a);
    } else if (strcmp(status, "processing") == 0 || strcmp(status, "ready") == 0 ||
               strcmp(status, "pending") == 0) {
        snprintf(what, sizeof(what), "the order is still %s", status);
        acme_poll_again(a, r, what, look);
    } else {
        acme_fail(a, OP_UNEXPECTED, "the order is %.40s, expected valid", status);
    }
}

static void look(struct acme_op *a)
{
    acme_post_as_get(a, acme_kept(&a->order, a->order.url), on_order);
}

static void ask_for_certificate(struct acme_op *a)
{
    struct acme_order *o = &a->order;
    struct acme_call call = {.method = METHOD_POST,
                             .url = acme_kept(o, o->finalize),
                             .status = 200,
                             .body = BODY_JSON,
                             .done = on_order};

    buf_clear(&a->payload);
    buf_adds(&a->payload, "{\"csr\":\"");
    base64url_add(&a->payload, o->csr.data, o->csr.len);
    buf_adds(&a->payload, "\"}");
    acme_poll_begin(a);
    acme_call(a, &call);
}

void acme_finalize(struct acme_op *a)
{
    acme_work(a, acme_opts_of(a)->csr_key == CSR_RSA2048, make_csr, ask_for_certificate);
}

/* What the parts to come need of the certificate. */
static bool keep_certificate(struct acme_op *a, const struct chain *c, struct err *e)
{
    const struct acme_plan *plan = &acme_lane_of(a)->job->plan;
    struct acme_order *o = &a->order;

    buf_clear(&o->der);
    buf_clear(&o->cert_id);
    if (acme_plan_has(plan, ACME_REVOKE) && !chain_leaf_der(c, &o->der))
        return err_set(e, "the certificate cannot be encoded again");
    return !acme_plan_has(plan, ACME_RENEWAL_INFO) || acme_opts_of(a)->cert_id ||
           chain_cert_id(c, &o->cert_id, e);
}

static void on_certificate(struct acme_op *a, const struct acme_answer *r)
{
    struct acme_order *o = &a->order;
    struct chain c = {0};
    struct err e;
    bool ok = chain_read(&c, r->body, r->body_len, &e) &&
              chain_check(&c, o->name_list, o->name_count, o->digest, &e) &&
              keep_certificate(a, &c, &e);

    chain_fini(&c);
    acme_tag(a, a->part);
    op_check(a->op, ok);
    op_count(a->op, ACME_CERTIFICATES, ok);
    op_part_done(a->op, ok ? OP_OK : OP_UNEXPECTED);
    if (ok)
        acme_part_ok(a);
    else
        acme_fail(a, OP_UNEXPECTED, "%s", e.text);
}

void acme_download(struct acme_op *a)
{
    struct acme_call call = {.method = METHOD_POST,
                             .url = acme_kept(&a->order, a->order.certificate),
                             .status = 200,
                             .body = BODY_PEM,
                             .done = on_certificate};

    buf_clear(&a->payload);
    acme_call(a, &call);
}

static void on_revoked(struct acme_op *a, const struct acme_answer *r)
{
    (void)r;
    acme_part_ok(a);
}

void acme_revoke(struct acme_op *a)
{
    struct acme_call call = {.method = METHOD_POST,
                             .by_key = acme_opts_of(a)->revoke_by == REVOKE_BY_CERTIFICATE,
                             .signer = a->order.key,
                             .status = 200,
                             .done = on_revoked};
    const char *url = acme_resource(a, RES_REVOKE);

    if (!url)
        return;
    buf_clear(&a->url);
    buf_adds(&a->url, url);
    call.url = a->url.data;
    buf_clear(&a->payload);
    buf_adds(&a->payload, "{\"certificate\":\"");
    base64url_add(&a->payload, a->order.der.data, a->order.der.len);
    buf_printf(&a->payload, "\",\"reason\":%d}", (int)acme_opts_of(a)->reason);
    acme_call(a, &call);
}

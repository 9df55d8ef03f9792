/* ca_issue.c - certificates: issued, given out, revoked, and due for renewal (RFC 9773). */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "net/base64url.h"
#include "net/chain.h"
#include "net/csr.h"
#include "target/ca_state.h"

#define DAY_MS INT64_C(86400000)

static bool is_among(const json_t *identifiers, const char *name)
{
    for (size_t i = 0; i < json_array_size(identifiers); i++)
        if (strcasecmp(ca_text(json_array_get(identifiers, i), "value"), name) == 0)
            return true;
    return false;
}

static bool is_for(const struct csr *c, const char *names)
{
    json_t *identifiers = json_loads(names, 0, NULL);
    bool same = json_array_size(identifiers) == (size_t)c->count;

    for (int i = 0; same && i < c->count; i++)
        same = is_among(identifiers, c->names[i]);
    json_decref(identifiers);
    return same;
}

static bool add_certificate(struct ca_call *k, const char *id, const struct issued *c)
{
    char expires[24];

    snprintf(expires, sizeof(expires), "%" PRId64, c->expires * 1000);
    return ca_run(k,
                  "insert into acme_certificates (id, account_id, cert_id, der, pem, expires_at, "
                  "revoked_at) values ($1, $2, $3, $4, $5, $6, 0)",
                  STATE_VALUES(id, k->account, c->cert_id.data, c->der.data, c->pem.data, expires),
                  NULL);
}

static void issue(struct ca_call *k, const char *order, const struct csr *csr)
{
    struct issued c = {0};
    char id[CA_ID_MAX], due[24];
    uint64_t count = 0;
    struct err e;

    ca_id(k->ca, id);
    snprintf(due, sizeof(due), "%" PRId64,
             k->now_ms + k->ca->opts.acme_issue_after / (int64_t)NS_PER_MS);
    if (!issuer_issue(k->ca->issuer, csr, &c, &e))
        ca_problem(k, 400, "badCSR", "%s", e.text);
    else if (add_certificate(k, id, &c) &&
             ca_run(k,
                    "update acme_orders set status = 'processing', certificate_id = $2, due_at = "
                    "$3 where id = $1 and status = 'ready'",
                    STATE_VALUES(order, id, due), &count)) {
        if (count == 1)
            ca_show_order(k, 200, order);
        else
            ca_problem(k, 403, "orderNotReady", "the order has been finalized already");
    }
    issued_fini(&c);
}

static void read_request(struct ca_call *k, const char *order, const char *names)
{
    const char *text = ca_text(k->payload, "csr");
    struct buf der = {0};
    struct csr csr = {0};
    struct err e;

    if (!base64url_decode(&der, text, strlen(text)) || der.len == 0)
        ca_problem(k, 400, "badCSR", "the csr is not base64url");
    else if (!csr_read(&csr, der.data, der.len, &e))
        ca_problem(k, 400, "badCSR", "%s", e.text);
    else if (!is_for(&csr, names))
        ca_problem(k, 400, "badCSR", "the request is not for the names of the order");
    else
        issue(k, order, &csr);
    csr_fini(&csr);
    buf_free(&der);
}

void ca_finalize(struct ca_call *k, const char *id)
{
    struct ca_row row;

    if (!ca_row(k, "select names, status from acme_orders where id = $1 and account_id = $2",
                STATE_VALUES(id, k->account), &row))
        return;
    if (!row.found)
        ca_problem(k, 404, "malformed", "the account has no such order");
    else if (strcmp(buf_text(&row.values[1]), "ready") != 0)
        ca_problem(k, 403, "orderNotReady", "the order is %s", buf_text(&row.values[1]));
    else
        read_request(k, id, buf_text(&row.values[0]));
    ca_row_free(&row);
}

void ca_certificate(struct ca_call *k, const char *id)
{
    struct ca_row row;

    if (!ca_row(k, "select pem from acme_certificates where id = $1 and account_id = $2",
                STATE_VALUES(id, k->account), &row))
        return;
    if (row.found)
        ca_send_text(k, "application/pem-certificate-chain",
                     mem_check(strdup(buf_text(&row.values[0]))));
    else
        ca_problem(k, 404, "malformed", "the account has no such certificate");
    ca_row_free(&row);
}

/* RFC 8555 7.6: by the account that ordered it, or by its own key. */
static bool may_revoke(const struct ca_call *k, const char *account, const struct buf *pem)
{
    struct chain c = {0};
    struct err e;
    bool same;

    if (k->account[0])
        return strcmp(account, k->account) == 0;
    same = chain_read(&c, buf_text(pem), pem->len, &e) && chain_leaf_has_key(&c, k->key);
    chain_fini(&c);
    return same;
}

void ca_revoke(struct ca_call *k)
{
    const char *der = ca_text(k->payload, "certificate");
    struct ca_row row;

    if (!ca_row(k, "select id, account_id, revoked_at, pem from acme_certificates where der = $1",
                STATE_VALUES(der), &row))
        return;
    if (!row.found)
        ca_problem(k, 404, "malformed", "the certificate is not from here");
    else if (!may_revoke(k, buf_text(&row.values[1]), &row.values[3]))
        ca_problem(k, 403, "unauthorized",
                   "the certificate is another account's and another key's");
    else if (strcmp(buf_text(&row.values[2]), "0") != 0)
        ca_problem(k, 400, "alreadyRevoked", "the certificate has been revoked already");
    else if (ca_run(k, "update acme_certificates set revoked_at = $2 where id = $1",
                    STATE_VALUES(buf_text(&row.values[0]), k->now), NULL))
        ca_send(k, 200, json_object());
    ca_row_free(&row);
}

static json_t *time_json(int64_t ms)
{
    time_t t = (time_t)(ms / 1000);
    char text[32];
    struct tm tm;

    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t, &tm));
    return json_string(text);
}

/* One that was revoked is due at once; any other, in the last third of its time. */
static void show_window(struct ca_call *k, const struct ca_row *row)
{
    int64_t expires = strtoll(buf_text(&row->values[0]), NULL, 10);
    bool revoked = strcmp(buf_text(&row->values[1]), "0") != 0;
    int64_t from = revoked ? k->now_ms - 2 * DAY_MS : expires - 2 * DAY_MS;

    buf_adds(&k->fields, "Retry-After: 21600\r\n");
    ca_send(k, 200,
            json_pack("{s:{s:o, s:o}}", "suggestedWindow", "start", time_json(from), "end",
                      time_json(from + DAY_MS)));
}

void ca_renewal_info(struct ca_call *k, const char *cert_id)
{
    const char *dot = strchr(cert_id, '.');
    struct ca_row row;

    if (!dot || !base64url_is(cert_id, (size_t)(dot - cert_id)) ||
        !base64url_is(dot + 1, strlen(dot + 1))) {
        ca_problem(k, 400, "malformed", "not two parts in base64url, joined by a dot");
        return;
    }
    if (!ca_row(k, "select expires_at, revoked_at from acme_certificates where cert_id = $1",
                STATE_VALUES(cert_id), &row))
        return;
    if (row.found)
        show_window(k, &row);
    else
        ca_problem(k, 404, "malformed", "the certificate is not from here");
    ca_row_free(&row);
}

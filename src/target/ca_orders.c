/* ca_orders.c - orders, with the authorizations that they need (RFC 8555 7.4). */
#include <arpa/inet.h>
#include <ctype.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "net/csr.h"
#include "target/ca_state.h"
#include "target/strata.h"

static bool is_dns_name(const char *name)
{
    size_t len = strlen(name);

    for (const char *p = name; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("-._*", *p))
            return false;
    return len > 0 && len < 254 && strchr(name, '.');
}

static bool is_identifier(const json_t *i)
{
    const char *type = ca_text(i, "type"), *value = ca_text(i, "value");
    unsigned char address[16];

    if (strcmp(type, "dns") == 0)
        return is_dns_name(value);
    return strcmp(type, "ip") == 0 &&
           (inet_pton(AF_INET, value, address) == 1 || inet_pton(AF_INET6, value, address) == 1);
}

static bool check_identifiers(struct ca_call *k, const json_t *list)
{
    if (json_array_size(list) == 0 || json_array_size(list) > CSR_NAMES_MAX) {
        ca_problem(k, 400, "malformed", "an order has 1 to %d identifiers", CSR_NAMES_MAX);
        return false;
    }
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!is_identifier(json_array_get(list, i))) {
            ca_problem(k, 400, "rejectedIdentifier", "no certificate can be for \"%.100s\"",
                       ca_text(json_array_get(list, i), "value"));
            return false;
        }
    return true;
}

bool ca_is_within(struct ca_call *k, int64_t limit, const char *sql, const struct db_values *v,
                  const char *what)
{
    int64_t n = 0;

    if (limit == 0)
        return true;
    if (!ca_count(k, sql, v, &n))
        return false;
    if (n < limit)
        return true;
    ca_limited(k, 3600, what);
    return false;
}

static bool may_order(struct ca_call *k)
{
    const struct ca_opts *o = &k->ca->opts;

    return ca_is_within(
               k, o->acme_orders,
               "select count(*) from acme_orders where account_id = $1 and created_at > $2",
               STATE_VALUES(k->account, k->hour), "too many orders of this account in an hour") &&
           ca_is_within(k, o->acme_concurrent,
                        "select count(*) from acme_orders where account_id = $1 and status in "
                        "('pending', 'ready', 'processing')",
                        STATE_VALUES(k->account), "too many orders of this account in progress");
}

static bool add_authorization(struct ca_call *k, const char *order, const json_t *identifier)
{
    const char *status = k->ca->opts.acme_trust ? "valid" : "pending";
    char id[CA_ID_MAX], token[CA_ID_MAX], *name = json_dumps(identifier, JSON_COMPACT);
    bool ok;

    ca_id(k->ca, id);
    ca_id(k->ca, token);
    ok = ca_run(k,
                "insert into acme_authorizations (id, order_id, account_id, name, status, token) "
                "values ($1, $2, $3, $4, $5, $6)",
                STATE_VALUES(id, order, k->account, mem_check(name), status, token), NULL);
    free(name);
    return ok;
}

static bool add_order(struct ca_call *k, const char *id, const json_t *list)
{
    const char *status = k->ca->opts.acme_trust ? "ready" : "pending";
    uint64_t number = atomic_fetch_add(&k->ca->orders, 1);
    const char *fate = strata_hit(STRATA_ERROR, number, k->ca->opts.acme_invalid) ? "invalid" : "";
    char *names = mem_check(json_dumps(list, JSON_COMPACT));
    bool ok = ca_run(k,
                     "insert into acme_orders (id, account_id, names, status, due_at, fate, "
                     "certificate_id, created_at) values ($1, $2, $3, $4, 0, $5, '', $6)",
                     STATE_VALUES(id, k->account, names, status, fate, k->now), NULL);

    for (size_t i = 0; ok && i < json_array_size(list); i++)
        ok = add_authorization(k, id, json_array_get(list, i));
    free(names);
    return ok;
}

void ca_new_order(struct ca_call *k)
{
    const json_t *list = json_object_get(k->payload, "identifiers");
    char id[CA_ID_MAX];
    struct err e;

    if (!check_identifiers(k, list) || !may_order(k))
        return;
    ca_id(k->ca, id);
    if (!session_begin(k->se, &e)) {
        ca_broken(k, &e);
        return;
    }
    if (!add_order(k, id, list))
        return; /* the session rolls back */
    if (!session_commit(k->se, &e))
        ca_broken(k, &e);
    else
        ca_show_order(k, 201, id);
}

struct listing {
    const struct ca_call *k;
    json_t *urls;
};

static void take_authorization(void *arg, const char *const *values, int n)
{
    struct listing *l = arg;

    (void)n;
    json_array_append_new(l->urls, ca_url(l->k, "authorization", values[0]));
}

static json_t *authorizations(struct ca_call *k, const char *id, bool *ok)
{
    struct listing l = {k, json_array()};
    struct db_sink to = {take_authorization, &l};
    struct err e;

    *ok = session_run(k->se, "select id from acme_authorizations where order_id = $1",
                      STATE_VALUES(id), &to, NULL, &e) ||
          ca_broken(k, &e);
    return l.urls;
}

/* Without a reason it is the order's fate. */
json_t *ca_reason(const char *why)
{
    const char *colon = strstr(why, ": ");
    json_t *type = colon ? json_sprintf("urn:ietf:params:acme:error:%.*s", (int)(colon - why), why)
                         : json_string("urn:ietf:params:acme:error:unauthorized");

    return json_pack("{s:o, s:s}", "type", type, "detail",
                     colon ? colon + 2 : "this order was to end invalid");
}

static json_t *order_json(struct ca_call *k, const char *id, const struct ca_row *row, bool *ok)
{
    const char *status = buf_text(&row->values[1]), *certificate = buf_text(&row->values[2]);
    json_t *json =
        json_pack("{s:s, s:o, s:o, s:o}", "status", status, "identifiers",
                  json_loads(buf_text(&row->values[0]), 0, NULL), "finalize",
                  ca_url(k, "finalize", id), "authorizations", authorizations(k, id, ok));

    if (strcmp(status, "valid") == 0)
        json_object_set_new(json, "certificate", ca_url(k, "certificate", certificate));
    if (strcmp(status, "invalid") == 0)
        json_object_set_new(json, "error", ca_reason(buf_text(&row->values[3])));
    return json;
}

/* What was finalized falls due by itself. */
static bool settle(struct ca_call *k, const char *id)
{
    return ca_run(k,
                  "update acme_orders set status = case when fate = '' then 'valid' else fate end "
                  "where id = $1 and status = 'processing' and due_at <= $2",
                  STATE_VALUES(id, k->now), NULL);
}

void ca_show_order(struct ca_call *k, uint16_t status, const char *id)
{
    struct ca_row row;
    json_t *json;
    bool ok;

    if (!settle(k, id) ||
        !ca_row(
            k,
            "select names, status, certificate_id, (select why from acme_reasons r where r.id = "
            "o.id) from acme_orders o where id = $1 and account_id = $2",
            STATE_VALUES(id, k->account), &row))
        return;
    if (!row.found) {
        ca_problem(k, 404, "malformed", "the account has no such order");
    } else {
        json = order_json(k, id, &row, &ok);
        if (strcmp(buf_text(&row.values[1]), "processing") == 0 &&
            k->ca->opts.acme_issue_after >= (int64_t)NS_PER_S) /* seconds are all it can say */
            buf_adds(&k->fields, "Retry-After: 1\r\n");
        ca_location(k, "order", id);
        if (ok)
            ca_send(k, status, json);
        else
            json_decref(json);
    }
    ca_row_free(&row);
}

void ca_order(struct ca_call *k, const char *id)
{
    ca_show_order(k, 200, id);
}

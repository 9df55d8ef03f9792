/* ca_accounts.c - accounts (RFC 8555 7.3): found or made by their key, changed, ended. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "target/ca_state.h"

static void show_account(struct ca_call *k, uint16_t status, const char *id, const char *state,
                         const char *contact)
{
    json_t *list = json_loads(contact, 0, NULL);

    ca_location(k, "account", id);
    ca_send(k, status,
            json_pack("{s:s, s:o, s:o}", "status", state, "contact", list ? list : json_array(),
                      "orders", ca_url(k, "orders", id)));
}

static char *contact_of(const struct ca_call *k)
{
    const json_t *contact = json_object_get(k->payload, "contact");

    return mem_check(json_is_array(contact) ? json_dumps(contact, JSON_COMPACT) : strdup("[]"));
}

static void add_account(struct ca_call *k, const char *thumbprint)
{
    char id[CA_ID_MAX], *contact = contact_of(k);
    uint64_t count = 0;

    ca_id(k->ca, id);
    if (ca_run(k,
               "insert into acme_accounts (id, jwk, thumbprint, status, contact, created_at) "
               "values ($1, $2, $3, 'valid', $4, $5) on conflict (thumbprint) do nothing",
               STATE_VALUES(id, jws_key_jwk(k->key), thumbprint, contact, k->now), &count)) {
        if (count == 1)
            show_account(k, 201, id, "valid", contact);
        else /* another request with the same key was faster */
            ca_new_account(k);
    }
    free(contact);
}

void ca_new_account(struct ca_call *k)
{
    const char *thumbprint = jws_key_thumbprint(k->key);
    struct ca_row row;

    if (!k->payload) {
        ca_problem(k, 400, "malformed", "an account is asked for with an object");
        return;
    }
    if (!ca_row(k, "select id, status, contact from acme_accounts where thumbprint = $1",
                STATE_VALUES(thumbprint), &row))
        return;
    if (row.found && strcmp(buf_text(&row.values[1]), "valid") != 0)
        ca_problem(k, 401, "unauthorized", "the account is %s", buf_text(&row.values[1]));
    else if (row.found)
        show_account(k, 200, buf_text(&row.values[0]), "valid", buf_text(&row.values[2]));
    else if (json_is_true(json_object_get(k->payload, "onlyReturnExisting")))
        ca_problem(k, 400, "accountDoesNotExist", "there is no account with this key");
    else
        add_account(k, thumbprint);
    ca_row_free(&row);
}

static bool update(struct ca_call *k)
{
    bool ends = strcmp(ca_text(k->payload, "status"), "deactivated") == 0;
    char *contact = contact_of(k);
    bool ok = true;

    if (json_object_get(k->payload, "contact"))
        ok = ca_run(k, "update acme_accounts set contact = $2 where id = $1",
                    STATE_VALUES(k->account, contact), NULL);
    if (ok && ends)
        ok = ca_run(k, "update acme_accounts set status = 'deactivated' where id = $1",
                    STATE_VALUES(k->account), NULL);
    free(contact);
    return ok;
}

void ca_account(struct ca_call *k, const char *id)
{
    struct ca_row row;

    if (strcmp(id, k->account) != 0) {
        ca_problem(k, 401, "unauthorized", "this is not the account that has signed");
        return;
    }
    if (k->payload && !update(k))
        return;
    if (!ca_row(k, "select status, contact from acme_accounts where id = $1", STATE_VALUES(id),
                &row))
        return;
    show_account(k, 200, id, buf_text(&row.values[0]), buf_text(&row.values[1]));
    ca_row_free(&row);
}

static bool may_change(struct ca_call *k)
{
    int64_t limit = k->ca->opts.acme_key_changes, n = 0;

    if (limit > 0 && !ca_count(k,
                               "select count(*) from acme_events where account_id = $1 and kind = "
                               "'key-change' and at > $2",
                               STATE_VALUES(k->account, k->hour), &n))
        return false;
    if (limit == 0 || n < limit)
        return true;
    ca_limited(k, 3600, "too many key changes of this account in an hour");
    return false;
}

/* The unique thumbprint is what keeps a key to one account, whoever else asks meanwhile. */
static void change_key(struct ca_call *k, const struct jws_key *key)
{
    const char *thumbprint = jws_key_thumbprint(key);
    struct ca_row row;

    if (!ca_row(k, "select id from acme_accounts where thumbprint = $1", STATE_VALUES(thumbprint),
                &row))
        return;
    if (row.found) {
        ca_location(k, "account", buf_text(&row.values[0]));
        ca_problem(k, 409, "malformed", "another account has this key");
    } else if (ca_run(k, "update acme_accounts set jwk = $2, thumbprint = $3 where id = $1",
                      STATE_VALUES(k->account, jws_key_jwk(key), thumbprint), NULL) &&
               ca_run(
                   k,
                   "insert into acme_events (account_id, kind, at) values ($1, 'key-change', $2)",
                   STATE_VALUES(k->account, k->now), NULL)) {
        ca_send(k, 200, json_pack("{s:s}", "status", "valid"));
    }
    ca_row_free(&row);
}

static bool is_old_key(const struct ca_call *k, const json_t *jwk)
{
    struct err e;
    struct jws_key *old = ca_read_key(jwk, &e);
    bool same = old && strcmp(jws_key_thumbprint(old), jws_key_thumbprint(k->key)) == 0;

    jws_key_free(old);
    return same;
}

void ca_key_change(struct ca_call *k)
{
    struct jws_key *key = NULL;
    json_t *asked = ca_verify_inner(k, k->payload, &key);

    if (!asked)
        ca_problem(k, 400, "malformed", "the inner JWS does not hold");
    else if (strcmp(ca_text(asked, "account"), ca_text(k->header, "kid")) != 0 ||
             !is_old_key(k, json_object_get(asked, "oldKey")))
        ca_problem(k, 400, "malformed", "the change is for another account or another key");
    else if (may_change(k))
        change_key(k, key);
    json_decref(asked);
    jws_key_free(key);
}

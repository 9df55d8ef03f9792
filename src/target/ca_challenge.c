/*
 * ca_challenge.c - authorizations and their http-01 challenges (RFC 8555 7.5, 8.3).
 *
 * With --acme-http01 the answer is fetched, before the request that says it is there is answered: a
 * client then has the result without a further look.  The address is that of the option whatever
 * the name is, so nothing else is ever contacted; the name stands in the URL as for any client.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "net/attempt.h"
#include "target/ca_state.h"

#define LOOK_NS  (5 * NS_PER_S)
#define LOOK_MAX 1024 /* bytes of an answer, which has two texts in base64url */

static json_t *challenge_json(struct ca_call *k, const char *id, const struct ca_row *row)
{
    const char *status = buf_text(&row->values[1]);
    json_t *json = json_pack("{s:s, s:s, s:s, s:o}", "type", "http-01", "status", status, "token",
                             buf_text(&row->values[2]), "url", ca_url(k, "challenge", id));

    if (strcmp(status, "invalid") == 0)
        json_object_set_new(json, "error", ca_reason(buf_text(&row->values[4])));
    return json;
}

static bool find_authorization(struct ca_call *k, const char *id, struct ca_row *row)
{
    if (!ca_row(k,
                "select name, status, token, order_id, (select why from acme_reasons r where r.id "
                "= a.id) from acme_authorizations a where id = $1 and account_id = $2",
                STATE_VALUES(id, k->account), row))
        return false;
    if (!row->found)
        ca_problem(k, 404, "malformed", "the account has no such authorization");
    return row->found;
}

void ca_authorization(struct ca_call *k, const char *id)
{
    struct ca_row row;

    if (!find_authorization(k, id, &row))
        return;
    ca_send(k, 200,
            json_pack("{s:s, s:o, s:[o]}", "status", buf_text(&row.values[1]), "identifier",
                      json_loads(buf_text(&row.values[0]), 0, NULL), "challenges",
                      challenge_json(k, id, &row)));
    ca_row_free(&row);
}

static bool record_answer(struct ca_call *k)
{
    return ca_run(k, "insert into acme_events (account_id, kind, at) values ($1, 'respond', $2)",
                  STATE_VALUES(k->account, k->now), NULL);
}

static bool make_valid(struct ca_call *k, const char *id, const char *order)
{
    return ca_run(k,
                  "update acme_authorizations set status = 'valid' where id = $1 and status = "
                  "'pending'",
                  STATE_VALUES(id), NULL) &&
           ca_run(k,
                  "update acme_orders set status = 'ready' where id = $1 and status = 'pending' "
                  "and not exists (select 1 from acme_authorizations where order_id = $1 and "
                  "status <> 'valid')",
                  STATE_VALUES(order), NULL);
}

static bool give_reason(struct ca_call *k, const char *id, const char *why)
{
    return ca_run(k, "insert into acme_reasons (id, why) values ($1, $2) on conflict do nothing",
                  STATE_VALUES(id, why), NULL);
}

/* An order does not outlive one of its authorizations (RFC 8555 7.1.6). */
static bool make_invalid(struct ca_call *k, const char *id, const char *order, const char *why)
{
    return give_reason(k, id, why) && give_reason(k, order, why) &&
           ca_run(k,
                  "update acme_authorizations set status = 'invalid' where id = $1 and status = "
                  "'pending'",
                  STATE_VALUES(id), NULL) &&
           ca_run(k,
                  "update acme_orders set status = 'invalid' where id = $1 and status = 'pending'",
                  STATE_VALUES(order), NULL);
}

static void url_of(const json_t *identifier, const char *token, char *out, size_t size)
{
    const char *name = ca_text(identifier, "value");

    snprintf(out, size,
             strchr(name, ':') ? "http://[%s]/.well-known/acme-challenge/%s"
                               : "http://%s/.well-known/acme-challenge/%s",
             name, token);
}

static bool is_answer(const char *body, const char *token, const char *thumbprint)
{
    size_t n = strlen(token), m = strlen(thumbprint);

    return strncmp(body, token, n) == 0 && body[n] == '.' &&
           strncmp(body + n + 1, thumbprint, m) == 0 &&
           strspn(body + n + 1 + m, " \t\r\n") == strlen(body + n + 1 + m);
}

/* False with "name: sentence" of the problem. */
static bool look(struct ca_call *k, const json_t *identifier, const char *token, char *why,
                 size_t size)
{
    char url[512];
    struct buf body = {0};
    struct attempt_request r = {
        .url = url, .connect_to = k->ca->opts.acme_http01, .timeout_ns = LOOK_NS};
    struct attempt_answer a = {.body = &body, .body_max = LOOK_MAX};
    struct err e;
    bool ok = false;

    url_of(identifier, token, url, sizeof(url));
    if (!attempt_http(&r, &a, &e))
        snprintf(why, size, "connection: %.400s", e.text);
    else if (a.status != 200)
        snprintf(why, size, "unauthorized: %.200s: status %ld, expected 200", url, a.status);
    else if (!is_answer(buf_text(&body), token, jws_key_thumbprint(k->key)))
        snprintf(why, size, "unauthorized: %.200s: the answer is not the key authorization", url);
    else
        ok = true;
    buf_free(&body);
    return ok;
}

static bool validate(struct ca_call *k, const char *id, const struct ca_row *row)
{
    const char *order = buf_text(&row->values[3]);
    json_t *identifier = json_loads(buf_text(&row->values[0]), 0, NULL);
    char why[512];
    bool ok = !k->ca->opts.acme_http01 ||
              look(k, identifier, buf_text(&row->values[2]), why, sizeof(why));

    json_decref(identifier);
    return ok ? make_valid(k, id, order) : make_invalid(k, id, order, why);
}

static bool answer(struct ca_call *k, const char *id)
{
    struct ca_row row;
    bool ok = ca_is_within(k, k->ca->opts.acme_responds,
                           "select count(*) from acme_events where account_id = $1 and kind = "
                           "'respond' and at > $2",
                           STATE_VALUES(k->account, k->hour),
                           "too many challenges answered by this account in an hour") &&
              record_answer(k) && find_authorization(k, id, &row);

    if (!ok)
        return false;
    if (strcmp(buf_text(&row.values[1]), "pending") == 0)
        ok = validate(k, id, &row);
    ca_row_free(&row);
    return ok;
}

void ca_challenge(struct ca_call *k, const char *id)
{
    struct ca_row row;

    if ((!k->payload || answer(k, id)) && find_authorization(k, id, &row)) {
        buf_printf(&k->fields, "Link: <%sauthorization/%s>;rel=\"up\"\r\n", k->base, id);
        ca_send(k, 200, challenge_json(k, id, &row));
        ca_row_free(&row);
    }
}

/* acme_account.c - accounts (RFC 8555 7.3): made, given another key, ended. */
#include <jansson.h>
#include <string.h>

#include "base/err.h"
#include "driver/acme.h"

static void on_account(struct acme_op *a, const struct acme_answer *r)
{
    const char *status = acme_text(r->json, "status");

    if (!status || strcmp(status, "valid") != 0)
        acme_fail(a, OP_UNEXPECTED, "the account is %.40s, expected valid",
                  status ? status : "of no status");
    else if (acme_location(a, r, &a->account->kid))
        acme_part_ok(a);
}

static bool add_binding(struct acme_op *a, const char *url, struct err *e)
{
    const struct acme_job *j = acme_lane_of(a)->job;
    const char *jwk = jws_key_jwk(a->account->key);
    json_t *kid = json_string(j->opts->external_account.kid);
    struct buf header = {0};
    char *quoted = kid ? json_dumps(kid, JSON_ENCODE_ANY) : NULL;
    bool ok;

    json_decref(kid);
    if (!quoted)
        return err_set(e, "external_account.kid is not UTF-8");
    buf_printf(&header, "{\"alg\":\"HS256\",\"kid\":%s,\"url\":\"%s\"}", quoted, url);
    buf_adds(&a->payload, ",\"externalAccountBinding\":");
    ok =
        jws_mac(&a->payload, j->eab_key.data, j->eab_key.len,
                (struct jws_text){header.data, header.len}, (struct jws_text){jwk, strlen(jwk)}, e);
    free(quoted);
    buf_free(&header);
    return ok;
}

static void ask_for_account(struct acme_op *a)
{
    const struct acme_job *j = acme_lane_of(a)->job;
    const struct acme_opts *o = j->opts;
    const char *url = acme_resource(a, RES_NEW_ACCOUNT);
    struct acme_call call = {.method = METHOD_POST,
                             .url = url,
                             .by_key = true,
                             .status = 201,
                             .other = 200,
                             .body = BODY_JSON,
                             .done = on_account};
    struct err e;

    if (!url)
        return;
    buf_clear(&a->url);
    buf_adds(&a->url, url);
    call.url = a->url.data;
    buf_clear(&a->payload);
    buf_printf(&a->payload, "{\"termsOfServiceAgreed\":%s", o->terms_agreed ? "true" : "false");
    if (o->contact.n)
        buf_printf(&a->payload, ",\"contact\":%s", j->contacts);
    if (o->only_existing)
        buf_adds(&a->payload, ",\"onlyReturnExisting\":true");
    if (o->external_account.given && !add_binding(a, call.url, &e)) {
        acme_fail(a, OP_LOCAL, "%s", e.text);
        return;
    }
    buf_addc(&a->payload, '}');
    acme_call(a, &call);
}

static void make_key(struct acme_op *a)
{
    struct err e;

    jws_key_free(a->next_key);
    a->next_key = jws_key_new((enum jws_alg)acme_opts_of(a)->algorithm, &e);
    a->work_ok = a->next_key != NULL;
}

static void adopt_key(struct acme_op *a)
{
    a->account->key = a->next_key;
    a->next_key = NULL;
    ask_for_account(a);
}

void acme_new_account(struct acme_op *a)
{
    if (a->account->key)
        ask_for_account(a);
    else
        acme_work(a, acme_opts_of(a)->algorithm == JWS_RS256, make_key, adopt_key);
}

static void on_key_change(struct acme_op *a, const struct acme_answer *r)
{
    (void)r;
    jws_key_free(a->account->key);
    a->account->key = a->next_key;
    a->next_key = NULL;
    acme_part_ok(a);
}

/* The new key asks for the change, and the old one passes that on (RFC 8555 7.3.5). */
static void ask_for_key_change(struct acme_op *a)
{
    struct acme_call call = {.method = METHOD_POST, .status = 200, .done = on_key_change};
    const char *url = acme_resource(a, RES_KEY_CHANGE);
    struct buf header = {0}, change = {0};
    struct err e;
    bool ok;

    if (!url)
        return;
    buf_clear(&a->url);
    buf_adds(&a->url, url);
    call.url = a->url.data;
    buf_printf(&header, "{\"alg\":\"%s\",\"jwk\":%s,\"url\":\"%s\"}",
               jws_alg_names[jws_key_alg(a->next_key)], jws_key_jwk(a->next_key), call.url);
    buf_printf(&change, "{\"account\":\"%s\",\"oldKey\":%s}", a->account->kid.data,
               jws_key_jwk(a->account->key));
    buf_clear(&a->payload);
    ok = jws_sign(&a->payload, a->next_key, (struct jws_text){header.data, header.len},
                  (struct jws_text){change.data, change.len}, &e);
    buf_free(&header);
    buf_free(&change);
    if (ok)
        acme_call(a, &call);
    else
        acme_fail(a, OP_LOCAL, "%s", e.text);
}

void acme_key_change(struct acme_op *a)
{
    acme_work(a, acme_opts_of(a)->algorithm == JWS_RS256, make_key, ask_for_key_change);
}

static void on_deactivated(struct acme_op *a, const struct acme_answer *r)
{
    const char *status = acme_text(r->json, "status");

    if (!status || strcmp(status, "deactivated") != 0) {
        acme_fail(a, OP_UNEXPECTED, "the account is %.40s, expected deactivated",
                  status ? status : "of no status");
        return;
    }
    jws_key_free(a->account->key);
    a->account->key = NULL;
    buf_clear(&a->account->kid);
    acme_part_ok(a);
}

void acme_deactivate(struct acme_op *a)
{
    struct acme_call call = {.method = METHOD_POST,
                             .url = a->account->kid.data,
                             .status = 200,
                             .body = BODY_JSON,
                             .done = on_deactivated};

    buf_clear(&a->payload);
    buf_adds(&a->payload, "{\"status\":\"deactivated\"}");
    acme_call(a, &call);
}

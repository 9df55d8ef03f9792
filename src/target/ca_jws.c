/*
 * ca_jws.c - who has signed a request, and whether that holds (RFC 8555 6.2 to 6.5).
 *
 * The order of the checks is the one in which an honest client wants to be told: form, algorithm,
 * nonce, url, account, and the signature itself.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/rng.h"
#include "net/base64url.h"
#include "net/http1.h"
#include "target/ca_state.h"
#include "target/reply.h"

struct parts { /* of a JWS, decoded */
    struct buf input, payload, signature;
    json_t *header;
};

static void parts_free(struct parts *p)
{
    buf_free(&p->input);
    buf_free(&p->payload);
    buf_free(&p->signature);
    json_decref(p->header);
}

static bool decode(const json_t *jws, const char *member, struct buf *out)
{
    const json_t *text = json_object_get(jws, member);

    return json_is_string(text) &&
           base64url_decode(out, json_string_value(text), json_string_length(text));
}

static bool read_parts(const json_t *jws, struct parts *p)
{
    struct buf header = {0};
    bool ok = json_object_size(jws) == 3 && decode(jws, "protected", &header) &&
              decode(jws, "payload", &p->payload) && decode(jws, "signature", &p->signature);

    if (ok)
        p->header = json_loadb(buf_text(&header), header.len, JSON_REJECT_DUPLICATES, NULL);
    if (ok)
        buf_printf(&p->input, "%s.%s", json_string_value(json_object_get(jws, "protected")),
                   json_string_value(json_object_get(jws, "payload")));
    buf_free(&header);
    return ok && json_is_object(p->header);
}

struct jws_key *ca_read_key(const json_t *jwk, struct err *e)
{
    struct jwk k = {.kty = json_string_value(json_object_get(jwk, "kty")),
                    .crv = json_string_value(json_object_get(jwk, "crv")),
                    .x = json_string_value(json_object_get(jwk, "x")),
                    .y = json_string_value(json_object_get(jwk, "y")),
                    .n = json_string_value(json_object_get(jwk, "n")),
                    .e = json_string_value(json_object_get(jwk, "e"))};

    return jws_key_public(&k, e);
}

static bool is_algorithm(const char *alg)
{
    for (int i = 0; i < JWS_ALGS; i++)
        if (strcmp(alg, jws_alg_names[i]) == 0)
            return true;
    return false;
}

static bool check_algorithm(struct ca_call *k, const json_t *header)
{
    json_t *known;

    if (is_algorithm(ca_text(header, "alg")))
        return true;
    known = json_pack("[s, s, s]", jws_alg_names[0], jws_alg_names[1], jws_alg_names[2]);
    ca_send(k, 400,
            json_pack("{s:s, s:s, s:i, s:o}", "type",
                      "urn:ietf:params:acme:error:badSignatureAlgorithm", "detail",
                      "the algorithm is not one of those that are accepted", "status", 400,
                      "algorithms", known));
    k->re->type = "application/problem+json";
    return false;
}

/* Deleting it is the test: of two requests with one nonce only one finds it. */
static bool take_nonce(struct ca_call *k, const json_t *header)
{
    const char *nonce = ca_text(header, "nonce");
    double drawn = rng_unit(ca_random(k->ca, ~atomic_fetch_add(&k->ca->ids, 1)));
    uint64_t count = 0;

    if (!ca_run(k, "delete from acme_nonces where nonce = $1 and expires_at >= $2",
                STATE_VALUES(nonce, k->now), &count))
        return false;
    if (count == 1 && drawn >= k->ca->opts.acme_bad_nonces)
        return true;
    ca_problem(k, 400, "badNonce", "the nonce is not one that was given out, or not any more");
    return false;
}

static bool check_url(struct ca_call *k, const json_t *header)
{
    const char *url = ca_text(header, "url");
    size_t base = strlen(k->base);

    if (strncmp(url, k->base, base) == 0 && strcmp(url + base, k->path) == 0)
        return true;
    ca_problem(k, 401, "unauthorized", "the url that was signed is not the one of the request");
    return false;
}

static bool find_account(struct ca_call *k, const char *kid)
{
    size_t base = strlen(k->base);
    const char *id = strncmp(kid, k->base, base) == 0 && strncmp(kid + base, "account/", 8) == 0
                         ? kid + base + 8
                         : "";
    struct ca_row row;
    struct err e;
    json_t *jwk;

    if (!ca_row(k, "select jwk, status from acme_accounts where id = $1", STATE_VALUES(id), &row))
        return false;
    if (!row.found) {
        ca_problem(k, 400, "accountDoesNotExist", "there is no account %.100s", kid);
    } else if (strcmp(buf_text(&row.values[1]), "valid") != 0) {
        ca_problem(k, 401, "unauthorized", "the account is %s", buf_text(&row.values[1]));
    } else {
        jwk = json_loads(buf_text(&row.values[0]), 0, NULL);
        k->key = ca_read_key(jwk, &e);
        snprintf(k->account, sizeof(k->account), "%s", id);
        json_decref(jwk);
    }
    ca_row_free(&row);
    return k->key != NULL;
}

static bool find_key(struct ca_call *k, const json_t *header, enum ca_signer by)
{
    const json_t *jwk = json_object_get(header, "jwk"), *kid = json_object_get(header, "kid");
    struct err e;

    if (!jwk == !kid || (by != CA_EITHER && !jwk == (by == CA_KEY))) {
        ca_problem(k, 400, "malformed", "this request is signed with %s",
                   by == CA_EITHER ? "one of jwk and kid"
                   : by == CA_KEY  ? "jwk"
                                   : "kid");
        return false;
    }
    if (!jwk)
        return find_account(k, ca_text(header, "kid"));
    k->key = ca_read_key(jwk, &e);
    if (!k->key)
        ca_problem(k, 400, "badPublicKey", "%s", e.text);
    return k->key != NULL;
}

static bool is_signed(const struct parts *p, const struct jws_key *key)
{
    struct jws_text input = {p->input.data, p->input.len};

    return strcmp(ca_text(p->header, "alg"), jws_alg_names[jws_key_alg(key)]) == 0 &&
           jws_verify(key, input, buf_text(&p->signature), p->signature.len);
}

static bool check_signature(struct ca_call *k, const struct parts *p)
{
    if (!is_signed(p, k->key)) {
        ca_problem(k, 400, "malformed", "the signature does not hold");
        return false;
    }
    if (p->payload.len > 0)
        k->payload = json_loadb(p->payload.data, p->payload.len, JSON_REJECT_DUPLICATES, NULL);
    if (p->payload.len == 0 || json_is_object(k->payload))
        return true;
    ca_problem(k, 400, "malformed", "the payload is no JSON object");
    return false;
}

static json_t *read_body(struct ca_call *k)
{
    struct http1_span type = {"", 0};
    json_t *jws;

    http1_field(&k->rq->head, "content-type", &type);
    if (!span_is(type, "application/jose+json")) {
        ca_problem(k, 415, "malformed", "the content type is not application/jose+json");
        return NULL;
    }
    if (k->rq->body.len > CA_BODY_MAX) {
        ca_problem(k, 413, "malformed", "a request has at most %d bytes", CA_BODY_MAX);
        return NULL;
    }
    jws = json_loadb(k->rq->body.data ? k->rq->body.data : "", k->rq->body.len,
                     JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(jws))
        return jws;
    json_decref(jws);
    ca_problem(k, 400, "malformed", "the request is no flattened JWS");
    return NULL;
}

bool ca_verify(struct ca_call *k, enum ca_signer by)
{
    json_t *jws = read_body(k);
    struct parts p = {0};
    bool ok = jws && read_parts(jws, &p);

    if (jws && !ok)
        ca_problem(k, 400, "malformed", "the request is no flattened JWS");
    ok = ok && check_algorithm(k, p.header) && take_nonce(k, p.header) && check_url(k, p.header) &&
         find_key(k, p.header, by) && check_signature(k, &p);
    if (ok)
        k->header = json_incref(p.header);
    parts_free(&p);
    json_decref(jws);
    return ok;
}

/* RFC 8555 7.3.5: the same url, no nonce, a key of its own. */
json_t *ca_verify_inner(struct ca_call *k, const json_t *jws, struct jws_key **key)
{
    json_t *payload = NULL;
    struct parts p = {0};
    struct err e;

    *key = read_parts(jws, &p) ? ca_read_key(json_object_get(p.header, "jwk"), &e) : NULL;
    if (*key && !json_object_get(p.header, "nonce") &&
        strcmp(ca_text(p.header, "url"), ca_text(k->header, "url")) == 0 && is_signed(&p, *key))
        payload = json_loadb(buf_text(&p.payload), p.payload.len, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(payload)) {
        json_decref(payload);
        payload = NULL;
    }
    parts_free(&p);
    return payload;
}

/*
 * acme_order.c - an order, its authorizations and their challenges (RFC 8555 7.4, 7.5).
 *
 * What later requests need of an answer is copied into the order's texts; offsets, because they
 * grow.
 */
#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "driver/acme.h"
#include "driver/acme_responder.h"
#include "net/addr.h"
#include "net/base64url.h"

#define NAME_MAX_LEN 255
#define TOKEN_MAX    256
#define AUTHZ_MAX    CSR_NAMES_MAX
#define CHALLENGE    "http-01"

size_t acme_keep(struct acme_order *o, const char *text)
{
    size_t at = o->texts.len;

    buf_add(&o->texts, text, strlen(text) + 1);
    return at;
}

const char *acme_kept(const struct acme_order *o, size_t at)
{
    return o->texts.data + at;
}

static struct acme_authz *current(const struct acme_op *a)
{
    return &a->order.authz[a->order.at];
}

static const char *status_of(const struct acme_answer *r)
{
    const char *status = acme_text(r->json, "status");

    return status ? status : "";
}

static bool is_name(const char *name)
{
    struct addr ignored;
    size_t len = strlen(name);

    if (addr_parse(&ignored, name))
        return true;
    for (const char *p = name; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("-._*", *p))
            return false;
    return len > 0 && len < NAME_MAX_LEN;
}

/* Upper case would come back as lower case. */
static bool render_name(struct acme_op *a, const struct template *t)
{
    struct template_values v = {a->op->iteration, a->op->vu, a->op->agent, &a->op->lane->rng, NULL};
    char name[NAME_MAX_LEN + 1];
    size_t len = template_render(t, &v, name, NAME_MAX_LEN);

    name[len < NAME_MAX_LEN ? len : NAME_MAX_LEN] = '\0';
    for (char *p = name; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    if (len <= NAME_MAX_LEN && is_name(name)) {
        buf_add(&a->order.names, name, len + 1);
        return true;
    }
    acme_fail(a, OP_LOCAL, "\"%.80s\" is neither a DNS name nor an address", name);
    return false;
}

static bool render_names(struct acme_op *a)
{
    const struct acme_job *j = acme_lane_of(a)->job;
    struct acme_order *o = &a->order;
    const char *p;

    buf_clear(&o->names);
    for (int i = 0; i < j->name_count; i++)
        if (!render_name(a, j->names[i]))
            return false;
    if (!o->name_list)
        o->name_list = xcalloc((size_t)j->name_count, sizeof(*o->name_list));
    o->name_count = j->name_count;
    p = o->names.data;
    for (int i = 0; i < o->name_count; i++, p += strlen(p) + 1)
        o->name_list[i] = p;
    return true;
}

static bool add_authz(struct acme_op *a, const char *url)
{
    struct acme_order *o = &a->order;

    if (!acme_own_url(a, "an authorization", url))
        return false;
    if (o->authz_count == o->authz_cap) {
        o->authz_cap = o->authz_cap ? 2 * o->authz_cap : 4;
        o->authz = xrealloc(o->authz, (size_t)o->authz_cap * sizeof(*o->authz));
    }
    o->authz[o->authz_count++] = (struct acme_authz){.url = acme_keep(o, url)};
    return true;
}

static void on_new_order(struct acme_op *a, const struct acme_answer *r)
{
    const json_t *list = json_object_get(r->json, "authorizations");
    const char *finalize = acme_text(r->json, "finalize");
    struct acme_order *o = &a->order;

    if (!acme_location(a, r, &a->url) || !acme_own_url(a, "finalize", finalize))
        return;
    o->url = acme_keep(o, a->url.data);
    o->finalize = acme_keep(o, finalize);
    if (json_array_size(list) == 0 || json_array_size(list) > AUTHZ_MAX) {
        acme_fail(a, OP_UNEXPECTED, "the order has %zu authorizations, expected 1 to %d",
                  json_array_size(list), AUTHZ_MAX);
        return;
    }
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!add_authz(a, json_string_value(json_array_get(list, i))))
            return;
    acme_part_ok(a);
}

void acme_new_order(struct acme_op *a)
{
    struct acme_order *o = &a->order;
    struct acme_call call = {
        .method = METHOD_POST, .status = 201, .body = BODY_JSON, .done = on_new_order};
    const char *url = acme_resource(a, RES_NEW_ORDER);
    struct addr ignored;

    if (!url || !render_names(a))
        return;
    buf_clear(&a->url);
    buf_adds(&a->url, url);
    call.url = a->url.data;
    buf_clear(&o->texts);
    o->authz_count = o->at = 0;
    buf_clear(&a->payload);
    buf_adds(&a->payload, "{\"identifiers\":[");
    for (int i = 0; i < o->name_count; i++)
        buf_printf(&a->payload, "%s{\"type\":\"%s\",\"value\":\"%s\"}", i ? "," : "",
                   addr_parse(&ignored, o->name_list[i]) ? "ip" : "dns", o->name_list[i]);
    buf_adds(&a->payload, "]}");
    acme_call(a, &call);
}

/* What went wrong is said by the challenge that failed, not by the authorization. */
static const char *reason_of(const struct acme_answer *r)
{
    const json_t *list = json_object_get(r->json, "challenges"), *c;
    size_t i;

    json_array_foreach(list, i, c) if (json_object_get(c, "error")) return acme_error_detail(c);
    return "without a reason";
}

static void fail_authz(struct acme_op *a, const struct acme_answer *r)
{
    const json_t *name = json_object_get(r->json, "identifier");

    acme_fail(a, OP_UNEXPECTED, "the authorization of %.60s is %.20s: %s",
              acme_text(name, "value") ? acme_text(name, "value") : "a name", status_of(r),
              reason_of(r));
}

static bool will_answer(const struct acme_op *a)
{
    return acme_plan_has(&acme_lane_of(a)->job->plan, ACME_CHALLENGES);
}

/* Of a pending authorization: where to say that its challenge is answered, and with what. */
static bool keep_challenge(struct acme_op *a, const struct acme_answer *r)
{
    const json_t *list = json_object_get(r->json, "challenges"), *c, *found = NULL;
    struct acme_authz *z = current(a);
    const char *url, *token, *type;
    size_t i;

    json_array_foreach(list, i, c)
    {
        type = acme_text(c, "type");
        found = type && strcmp(type, CHALLENGE) == 0 ? c : found;
    }
    url = acme_text(found, "url");
    token = acme_text(found, "token");
    if (!found)
        acme_fail(a, OP_UNEXPECTED, "the authorization offers no " CHALLENGE " challenge");
    else if (!token || strlen(token) > TOKEN_MAX || !base64url_is(token, strlen(token)))
        acme_fail(a, OP_UNEXPECTED, "the challenge's token is not base64url");
    else if (acme_own_url(a, "the challenge", url)) {
        z->challenge = acme_keep(&a->order, url);
        z->token = acme_keep(&a->order, token);
        z->pending = true;
        return true;
    }
    return false;
}

static void read_next_authz(struct acme_op *a);

static void on_authz(struct acme_op *a, const struct acme_answer *r)
{
    const char *status = status_of(r);

    if (strcmp(status, "pending") == 0) {
        if (will_answer(a) && !keep_challenge(a, r))
            return;
    } else if (strcmp(status, "valid") != 0) {
        fail_authz(a, r);
        return;
    }
    a->order.at++;
    read_next_authz(a);
}

static void read_next_authz(struct acme_op *a)
{
    if (a->order.at == a->order.authz_count)
        acme_part_ok(a);
    else
        acme_post_as_get(a, acme_kept(&a->order, current(a)->url), on_authz);
}

void acme_authorizations(struct acme_op *a)
{
    a->order.at = 0;
    read_next_authz(a);
}

static bool to_next_pending(struct acme_op *a)
{
    struct acme_order *o = &a->order;

    while (o->at < o->authz_count && !o->authz[o->at].pending)
        o->at++;
    return o->at < o->authz_count;
}

static void look_at_next(struct acme_op *a);

static void on_look(struct acme_op *a, const struct acme_answer *r)
{
    const char *status = status_of(r);

    if (strcmp(status, "valid") == 0) {
        current(a)->pending = false;
        look_at_next(a);
    } else if (strcmp(status, "pending") == 0 || strcmp(status, "processing") == 0) {
        acme_poll_again(a, r, "the authorization is still pending", look_at_next);
    } else {
        fail_authz(a, r);
    }
}

static void look_at_next(struct acme_op *a)
{
    if (to_next_pending(a))
        acme_post_as_get(a, acme_kept(&a->order, current(a)->url), on_look);
    else
        acme_part_ok(a);
}

static void answer_next(struct acme_op *a);

static void on_answered(struct acme_op *a, const struct acme_answer *r)
{
    if (strcmp(status_of(r), "invalid") == 0) {
        acme_fail(a, OP_UNEXPECTED, "the challenge is invalid: %s", acme_error_detail(r->json));
        return;
    }
    a->order.at++;
    answer_next(a);
}

/* First all are answered, then looked at: meanwhile the server can get to work. */
static void answer_next(struct acme_op *a)
{
    struct acme_call call = {
        .method = METHOD_POST, .status = 200, .body = BODY_JSON, .done = on_answered};
    struct acme_responder *responder = acme_lane_of(a)->job->responder;

    if (!to_next_pending(a)) {
        a->order.at = 0;
        acme_poll_begin(a);
        look_at_next(a);
        return;
    }
    if (responder)
        acme_responder_add(responder, acme_kept(&a->order, current(a)->token),
                           jws_key_thumbprint(a->account->key));
    call.url = acme_kept(&a->order, current(a)->challenge);
    buf_clear(&a->payload);
    buf_adds(&a->payload, "{}");
    acme_call(a, &call);
}

void acme_challenges(struct acme_op *a)
{
    a->order.at = 0;
    answer_next(a);
}

void acme_forget_tokens(struct acme_op *a)
{
    struct acme_responder *responder = acme_lane_of(a)->job->responder;
    struct acme_order *o = &a->order;

    for (int i = 0; responder && i < o->authz_count; i++)
        if (o->authz[i].challenge)
            acme_responder_remove(responder, acme_kept(o, o->authz[i].token));
    o->authz_count = 0;
}

/*
 * acme_answer.c - what a server has answered, all of it hostile until looked at.
 *
 * An answer is as ACME has it only if status, content type and content agree: a page of HTML with
 * status 200 is no directory, and a plain 429 is no rate limit of the ACME server.
 */
#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/clock.h"
#include "base/units.h"
#include "driver/acme.h"

#define URN         "urn:ietf:params:acme:error:"
#define PROBLEM     "application/problem+json"
#define SHOWN_MAX   80
#define RETRY_MAX_S 86400

bool acme_answer_field(const struct acme_answer *r, const char *name, struct http1_span *value)
{
    struct http1_span head = {r->head, r->head_len};

    return http1_field(&head, name, value);
}

static void type_of(const struct acme_answer *r, char *out, size_t size)
{
    struct http1_span v = {"", 0};
    size_t len = 0;

    acme_answer_field(r, "content-type", &v);
    while (len < v.len && len + 1 < size && v.data[len] != ';' &&
           isgraph((unsigned char)v.data[len]))
        len++;
    snprintf(out, size, "%.*s", (int)len, v.data);
}

static bool has_type(const struct acme_answer *r, const char *type)
{
    char found[64];

    type_of(r, found, sizeof(found));
    return strcasecmp(found, type) == 0;
}

/* RFC 9110 10.2.3: seconds, or a date. */
static uint64_t retry_after(const struct acme_answer *r)
{
    char text[64];
    struct http1_span v;
    struct tm tm = {0};
    int64_t s = 0;

    if (!acme_answer_field(r, "retry-after", &v) || v.len >= sizeof(text))
        return 0;
    snprintf(text, sizeof(text), "%.*s", (int)v.len, v.data);
    if (!units_int(text, &s) && strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm))
        s = (int64_t)timegm(&tm) - (int64_t)(wall_ns() / NS_PER_S);
    s = s < 0 ? 0 : s > RETRY_MAX_S ? RETRY_MAX_S : s;
    return (uint64_t)s * NS_PER_S;
}

const char *acme_text(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

const char *acme_error_detail(const json_t *object)
{
    const json_t *error = json_object_get(object, "error");
    const char *detail = acme_text(error, "detail"), *type = acme_text(error, "type");

    return detail ? detail : type ? type : "without a reason";
}

void acme_answer_read(struct acme_answer *r)
{
    bool problem = has_type(r, PROBLEM);

    r->retry_ns = retry_after(r);
    if (!problem && !has_type(r, "application/json"))
        return;
    r->json = json_loadb(r->body, r->body_len, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(r->json)) {
        json_decref(r->json);
        r->json = NULL;
        return;
    }
    if (!problem)
        return;
    r->urn = acme_text(r->json, "type");
    r->urn = r->urn ? r->urn : "about:blank"; /* RFC 9457 3.1.1 */
    r->detail = acme_text(r->json, "detail");
    r->detail = r->detail ? r->detail : "without details";
}

void acme_answer_fini(struct acme_answer *r)
{
    json_decref(r->json);
    r->json = NULL;
}

static bool is(const struct acme_answer *r, const char *name)
{
    return r->urn && strncmp(r->urn, URN, strlen(URN)) == 0 &&
           strcmp(r->urn + strlen(URN), name) == 0;
}

/* Without the prefix that they all have. */
static const char *short_urn(const char *urn)
{
    return strncmp(urn, URN, strlen(URN)) == 0 ? urn + strlen(URN) : urn;
}

static void one_line(char *text)
{
    for (char *p = text; *p; p++)
        if (iscntrl((unsigned char)*p))
            *p = ' ';
}

/* "content-type text/html: <!doctype html>..." */
static void show(const struct acme_answer *r, char *out, size_t size)
{
    int len = (int)(r->body_len < SHOWN_MAX ? r->body_len : SHOWN_MAX);
    char type[64];

    type_of(r, type, sizeof(type));
    snprintf(out, size, "%s%s%s%.*s%s", *type ? "content-type " : "no content-type", type,
             len ? ": " : "", len, r->body, (size_t)len < r->body_len ? "..." : "");
}

/* The answer to a HEAD has no body to say it: there the type has to do. */
static bool has_limit_shape(const struct acme_answer *r, enum acme_method method)
{
    if (r->status != 429 && r->status != 503)
        return false;
    return method == METHOD_HEAD ? has_type(r, PROBLEM) : is(r, "rateLimited");
}

static enum acme_verdict judge_limit(const struct acme_answer *r, enum acme_method method,
                                     char why[ACME_WHY_MAX])
{
    char shown[SHOWN_MAX + 100], retry[UNITS_MAX] = "", wait[UNITS_MAX + 20] = "";

    if (r->retry_ns)
        snprintf(wait, sizeof(wait), "; retry after %s",
                 units_print_duration((double)r->retry_ns, retry));
    if (has_limit_shape(r, method)) {
        snprintf(why, ACME_WHY_MAX,
                 "rate limited (status %d%s): %.100s; lower the rate or raise the limit, or "
                 "on_rate_limit: end",
                 r->status, wait, r->detail ? r->detail : "no details");
        return ANSWER_LIMITED;
    }
    show(r, shown, sizeof(shown));
    if (r->urn)
        snprintf(shown, sizeof(shown), "urn %s", r->urn);
    snprintf(why, ACME_WHY_MAX,
             "status %d without ACME's rateLimited: %.70s; is it a limiter in front of the "
             "server? lower the rate or raise its limit",
             r->status, shown);
    return ANSWER_MALFORMED_LIMIT;
}

static const char *const types[] = {[BODY_NONE] = "",
                                    [BODY_JSON] = "application/json",
                                    [BODY_PEM] = "application/pem-certificate-chain"};

static bool judge_body(const struct acme_answer *r, enum acme_body body, char why[ACME_WHY_MAX])
{
    char shown[SHOWN_MAX + 100];

    show(r, shown, sizeof(shown));
    if (body != BODY_NONE && !has_type(r, types[body]))
        snprintf(why, ACME_WHY_MAX, "status %d, but %s is not %s", r->status, shown, types[body]);
    else if (body == BODY_JSON && !r->json)
        snprintf(why, ACME_WHY_MAX, "status %d, but no JSON object: %s", r->status, shown);
    else
        return true;
    return false;
}

static bool judge_status(const struct acme_answer *r, const struct acme_call *call,
                         char why[ACME_WHY_MAX])
{
    char shown[SHOWN_MAX + 100];

    if (r->status == call->status || r->status == call->other)
        return true;
    show(r, shown, sizeof(shown));
    if (r->urn)
        snprintf(why, ACME_WHY_MAX, "%s (status %d): %s", short_urn(r->urn), r->status, r->detail);
    else
        snprintf(why, ACME_WHY_MAX, "status %d, expected %d; %s", r->status, call->status, shown);
    return false;
}

enum acme_verdict acme_answer_judge(const struct acme_answer *r, const struct acme_call *call,
                                    char why[ACME_WHY_MAX])
{
    enum acme_verdict v = ANSWER_BAD;

    if (is(r, "rateLimited") || r->status == 429)
        v = judge_limit(r, call->method, why);
    else if (call->method == METHOD_POST && is(r, "badNonce"))
        v = ANSWER_BAD_NONCE;
    else if (call->problem_too && r->urn)
        v = ANSWER_GOOD;
    else if (judge_status(r, call, why) && judge_body(r, call->body, why))
        v = ANSWER_GOOD;
    one_line(why);
    return v;
}

/*
 * acme_open.c - the parts that are not signed, and what all parts ask of a URL.
 *
 * A server says where its resources are, and could say anything: a suite's list of targets is what
 * may be contacted, so a URL elsewhere fails the part that would have used it.
 */
#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/mem.h"
#include "driver/acme.h"
#include "driver/target.h"
#include "net/base64url.h"

#define CERT_ID_MAX 512

const char *const acme_resource_names[RESOURCES] = {
    [RES_NEW_NONCE] = "newNonce",   [RES_NEW_ACCOUNT] = "newAccount",
    [RES_NEW_ORDER] = "newOrder",   [RES_REVOKE] = "revokeCert",
    [RES_KEY_CHANGE] = "keyChange", [RES_RENEWAL_INFO] = "renewalInfo",
};

/* It also goes into JSON as it is. */
static bool is_plain(const char *url)
{
    for (const char *p = url; *p; p++)
        if (!isgraph((unsigned char)*p) || *p == '"' || *p == '\\')
            return false;
    return true;
}

bool acme_own_url(struct acme_op *a, const char *what, const char *url)
{
    const struct acme_job *j = acme_lane_of(a)->job;

    if (!url) {
        acme_fail(a, OP_UNEXPECTED, "the answer has no %s", what);
        return false;
    }
    if (strlen(url) <= ACME_URL_MAX && is_plain(url) &&
        (strncasecmp(url, j->origin, strlen(j->origin)) == 0 ||
         strncasecmp(url, j->origin_port, strlen(j->origin_port)) == 0))
        return true;
    acme_fail(a, OP_UNEXPECTED, "%s is not below %s, and nothing else is contacted: %.100s", what,
              j->origin, url);
    return false;
}

bool acme_location(struct acme_op *a, const struct acme_answer *r, struct buf *out)
{
    struct http1_span v;
    bool there = acme_answer_field(r, "location", &v);

    buf_clear(out);
    if (there)
        buf_add(out, v.data, v.len);
    if (acme_own_url(a, "location", there ? buf_text(out) : NULL))
        return true;
    buf_clear(out);
    return false;
}

static bool is_needed(enum acme_resource r)
{
    return r == RES_NEW_NONCE || r == RES_NEW_ACCOUNT || r == RES_NEW_ORDER;
}

static void on_directory(struct acme_op *a, const struct acme_answer *r)
{
    struct acme_lane *l = acme_lane_of(a);

    for (int i = 0; i < RESOURCES; i++) {
        const char *url = acme_text(r->json, acme_resource_names[i]);

        if (!url && is_needed((enum acme_resource)i)) {
            acme_fail(a, OP_UNEXPECTED, "the directory has no %s: %.100s", acme_resource_names[i],
                      r->body);
            return;
        }
        if (url && !acme_own_url(a, acme_resource_names[i], url))
            return;
    }
    for (int i = 0; i < RESOURCES; i++) {
        const char *url = acme_text(r->json, acme_resource_names[i]);

        if (url && l->directory[i] && strcmp(url, l->directory[i]) == 0)
            continue; /* a request that is under way may be using it */
        free(l->directory[i]);
        l->directory[i] = url ? mem_check(strdup(url)) : NULL;
    }
    l->has_directory = true;
    acme_part_ok(a);
}

void acme_directory(struct acme_op *a)
{
    struct acme_call call = {.method = METHOD_GET,
                             .url = acme_opts_of(a)->target->url,
                             .status = 200,
                             .body = BODY_JSON,
                             .done = on_directory};

    acme_call(a, &call);
}

static void on_nonce(struct acme_op *a, const struct acme_answer *r)
{
    struct http1_span nonce;

    if (!acme_answer_field(r, "replay-nonce", &nonce))
        acme_fail(a, OP_UNEXPECTED, "status %d without a replay-nonce", r->status);
    else if (!base64url_is(nonce.data, nonce.len))
        acme_fail(a, OP_UNEXPECTED, "the replay-nonce is not base64url: %.*s",
                  nonce.len < 60 ? (int)nonce.len : 60, nonce.data);
    else
        acme_part_ok(a);
}

/* A copy, because another operation may read a directory that says something else. */
static const char *keep_url(struct acme_op *a, enum acme_resource r)
{
    const char *url = acme_resource(a, r);

    if (!url)
        return NULL;
    buf_clear(&a->url);
    buf_adds(&a->url, url);
    return a->url.data;
}

void acme_nonce(struct acme_op *a)
{
    struct acme_call call = {
        .method = METHOD_HEAD, .url = keep_url(a, RES_NEW_NONCE), .status = 200, .done = on_nonce};

    if (call.url)
        acme_call(a, &call);
}

/* RFC 3339 5.6; the fraction of a second is passed over. */
static bool read_time(const char *text, time_t *t)
{
    struct tm tm = {0};
    char *p = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
    int hours, minutes;
    char sign, rest;

    if (!p)
        return false;
    if (*p == '.')
        p += 1 + strspn(p + 1, "0123456789");
    *t = timegm(&tm);
    if (strcmp(p, "Z") == 0)
        return true;
    if (sscanf(p, "%c%2d:%2d%c", &sign, &hours, &minutes, &rest) != 3 ||
        (sign != '+' && sign != '-'))
        return false;
    *t -= (sign == '+' ? 1 : -1) * (hours * 3600 + minutes * 60);
    return true;
}

static void check_window(struct acme_op *a, const struct acme_answer *r)
{
    const json_t *window = json_object_get(r->json, "suggestedWindow");
    const char *start = acme_text(window, "start"), *stop = acme_text(window, "end");
    time_t from, to;

    if (!read_time(start, &from) || !read_time(stop, &to))
        acme_fail(a, OP_UNEXPECTED, "no suggestedWindow with start and end: %.100s", r->body);
    else if (from >= to)
        acme_fail(a, OP_UNEXPECTED, "the suggestedWindow ends before it starts: %.40s to %.40s",
                  start, stop);
    else
        acme_part_ok(a);
}

static void on_renewal_info(struct acme_op *a, const struct acme_answer *r)
{
    bool ok = r->status < 1000 && acme_lane_of(a)->job->renewal_ok[r->status];

    if (!ok)
        acme_fail(a, OP_UNEXPECTED, "status %d is not one of renewal_status; %.60s: %.80s",
                  r->status, r->urn ? r->urn : "no problem", r->urn ? r->detail : r->body);
    else if (r->urn)
        acme_part_ok(a);
    else
        check_window(a, r);
}

static bool add_cert_id(struct acme_op *a)
{
    const struct template *t = acme_opts_of(a)->cert_id;
    struct template_values v = {a->op->iteration, a->op->vu, a->op->agent, &a->op->lane->rng, NULL};
    char id[CERT_ID_MAX];
    size_t len;

    if (!t) {
        buf_add(&a->url, a->order.cert_id.data, a->order.cert_id.len);
        return true;
    }
    len = template_render(t, &v, id, sizeof(id));
    if (len == 0 || len > sizeof(id))
        return false;
    for (size_t i = 0; i < len; i++)
        if (!isgraph((unsigned char)id[i]) || strchr("\"\\?#/", id[i]))
            return false;
    buf_add(&a->url, id, len);
    return true;
}

void acme_renewal_info(struct acme_op *a)
{
    struct acme_call call = {.method = METHOD_GET,
                             .status = 200,
                             .problem_too = true,
                             .body = BODY_JSON,
                             .done = on_renewal_info};

    if (!keep_url(a, RES_RENEWAL_INFO))
        return;
    if (a->url.data[a->url.len - 1] != '/')
        buf_addc(&a->url, '/');
    if (!add_cert_id(a)) {
        acme_fail(a, OP_LOCAL, "the cert_id rendered cannot stand in a path");
        return;
    }
    call.url = a->url.data;
    acme_call(a, &call);
}

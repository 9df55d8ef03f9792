/*
 * ca_pages.c - which page answers what below a profile, and how answers are worded.
 *
 * Each answer brings a fresh nonce, problems too, but for what the limiters say: they stand before
 * the server and have none.
 */
#include <ctype.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "net/base64url.h"
#include "target/ca_state.h"
#include "target/reply.h"
#include "target/route.h"
#include "target/server.h"

#define URN           "urn:ietf:params:acme:error:"
#define PROBLEM       "application/problem+json"
#define SWEEP_EVERY   4096 /* nonces */
#define PROFILE_USUAL "prof-test-tls"
#define DASHBOARD     "<!doctype html>\n<html><head><title>certctl</title></head><body></body></html>\n"

const char *ca_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

json_t *ca_url(const struct ca_call *k, const char *what, const char *id)
{
    return json_sprintf("%s%s%s%s", k->base, what, *id ? "/" : "", id);
}

void ca_send(struct ca_call *k, uint16_t status, json_t *json)
{
    reply_json(k->re, status, mem_check(json_dumps(json, JSON_COMPACT)));
    json_decref(json);
}

void ca_send_text(struct ca_call *k, const char *type, char *text)
{
    reply_json(k->re, 200, text);
    k->re->type = type;
}

static void problem(struct reply *re, uint16_t status, const char *name, const char *detail)
{
    json_t *json = json_pack("{s:o, s:s, s:i}", "type", json_sprintf("%s%s", URN, name), "detail",
                             detail, "status", (int)status);

    reply_json(re, status, mem_check(json_dumps(json, JSON_COMPACT)));
    re->type = PROBLEM;
    json_decref(json);
}

void ca_problem(struct ca_call *k, uint16_t status, const char *name, const char *fmt, ...)
{
    char detail[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(detail, sizeof(detail), fmt, ap);
    va_end(ap);
    for (char *p = detail; *p; p++) /* what was cut is no UTF-8 any more */
        *p = isprint((unsigned char)*p) ? *p : '?';
    problem(k->re, status, name, detail);
}

void ca_limited(struct ca_call *k, int64_t retry_s, const char *what)
{
    buf_printf(&k->fields, "Retry-After: %" PRId64 "\r\n", retry_s);
    ca_problem(k, 429, "rateLimited", "%s", what);
}

bool ca_broken(struct ca_call *k, const struct err *e)
{
    fprintf(stderr, "acme: %s\n", e->text);
    ca_problem(k, 500, "serverInternal", "the database is not available");
    return false;
}

void ca_location(struct ca_call *k, const char *what, const char *id)
{
    buf_printf(&k->fields, "Location: %s%s/%s\r\n", k->base, what, id);
}

static void take_row(void *arg, const char *const *values, int n)
{
    struct ca_row *row = arg;

    if (row->found)
        return;
    row->found = true;
    for (int i = 0; i < n && i < (int)(sizeof(row->values) / sizeof(row->values[0])); i++)
        buf_adds(&row->values[i], values[i] ? values[i] : "");
}

void ca_row_free(struct ca_row *row)
{
    for (size_t i = 0; i < sizeof(row->values) / sizeof(row->values[0]); i++)
        buf_free(&row->values[i]);
    row->found = false;
}

bool ca_row(struct ca_call *k, const char *sql, const struct db_values *v, struct ca_row *row)
{
    struct db_sink to = {take_row, row};
    struct err e;

    *row = (struct ca_row){0};
    if (session_run(k->se, sql, v, &to, NULL, &e))
        return true;
    ca_row_free(row);
    return ca_broken(k, &e);
}

bool ca_run(struct ca_call *k, const char *sql, const struct db_values *v, uint64_t *count)
{
    struct err e;

    return session_run(k->se, sql, v, NULL, count, &e) || ca_broken(k, &e);
}

bool ca_count(struct ca_call *k, const char *sql, const struct db_values *v, int64_t *n)
{
    struct ca_row row;
    bool ok = ca_row(k, sql, v, &row);

    *n = ok ? strtoll(buf_text(&row.values[0]), NULL, 10) : 0;
    ca_row_free(&row);
    return ok;
}

/* Those that nobody came back with are swept away now and then. */
static bool add_nonce(struct ca_call *k, struct buf *fields, struct err *e)
{
    uint64_t number = atomic_fetch_add(&k->ca->nonces, 1);
    char nonce[CA_ID_MAX], expires[24];

    ca_id(k->ca, nonce);
    snprintf(expires, sizeof(expires), "%" PRId64, k->now_ms + CA_HOUR_MS);
    buf_printf(fields, "Replay-Nonce: %s\r\n", nonce);
    if (number % SWEEP_EVERY == SWEEP_EVERY - 1 &&
        !session_run(k->se, "delete from acme_nonces where expires_at < $1", STATE_VALUES(k->now),
                     NULL, NULL, e))
        return false;
    return session_run(k->se, "insert into acme_nonces (nonce, expires_at) values ($1, $2)",
                       STATE_VALUES(nonce, expires), NULL, NULL, e);
}

static void show_directory(struct ca_call *k)
{
    static const char *const names[][2] = {
        {"newNonce", "new-nonce"},   {"newAccount", "new-account"},
        {"newOrder", "new-order"},   {"revokeCert", "revoke-cert"},
        {"keyChange", "key-change"}, {"renewalInfo", "renewal-info"}};
    json_t *json = json_object();

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        json_object_set_new(json, names[i][0], ca_url(k, names[i][1], ""));
    json_object_set_new(json, "meta", json_pack("{s:b}", "externalAccountRequired", 0));
    ca_send(k, 200, json);
}

static void show_nonce(struct ca_call *k)
{
    buf_adds(&k->fields, "Cache-Control: no-store\r\n");
    reply_text(k->re, k->rq->head_only ? 200 : 204, "");
}

static void not_allowed(struct ca_call *k, const char *allow)
{
    buf_printf(&k->fields, "Allow: %s\r\n", allow);
    ca_problem(k, 405, "malformed", "the method is not allowed here");
}

static void get(struct ca_call *k)
{
    if (strcmp(k->path, "directory") == 0)
        show_directory(k);
    else if (strcmp(k->path, "new-nonce") == 0)
        show_nonce(k);
    else if (strncmp(k->path, "renewal-info/", 13) == 0)
        ca_renewal_info(k, k->path + 13);
    else
        not_allowed(k, "POST");
}

static const struct {
    const char *path;
    void (*whole)(struct ca_call *k);
    void (*of)(struct ca_call *k, const char *id);
    enum ca_signer by;
} posts[] = {
    {"new-account", ca_new_account, NULL, CA_KEY},
    {"new-order", ca_new_order, NULL, CA_ACCOUNT},
    {"revoke-cert", ca_revoke, NULL, CA_EITHER},
    {"key-change", ca_key_change, NULL, CA_ACCOUNT},
    {"account/", NULL, ca_account, CA_ACCOUNT},
    {"order/", NULL, ca_order, CA_ACCOUNT},
    {"authorization/", NULL, ca_authorization, CA_ACCOUNT},
    {"challenge/", NULL, ca_challenge, CA_ACCOUNT},
    {"finalize/", NULL, ca_finalize, CA_ACCOUNT},
    {"certificate/", NULL, ca_certificate, CA_ACCOUNT},
};

static void post(struct ca_call *k)
{
    for (size_t i = 0; i < sizeof(posts) / sizeof(posts[0]); i++) {
        size_t len = strlen(posts[i].path);
        bool here = posts[i].of ? strncmp(k->path, posts[i].path, len) == 0
                                : strcmp(k->path, posts[i].path) == 0;

        if (!here)
            continue;
        if (!ca_verify(k, posts[i].by))
            return;
        if (posts[i].of)
            posts[i].of(k, k->path + len);
        else
            posts[i].whole(k);
        return;
    }
    ca_problem(k, 404, "malformed", "there is nothing here");
}

static bool is_profile(const struct ca *ca, const char *id, size_t len)
{
    for (int i = 0; i < ca->opts.acme_profile.n; i++)
        if (strlen(ca->opts.acme_profile.v[i]) == len &&
            memcmp(ca->opts.acme_profile.v[i], id, len) == 0)
            return true;
    return ca->opts.acme_profile.n == 0 && len == strlen(PROFILE_USUAL) &&
           memcmp(PROFILE_USUAL, id, len) == 0;
}

/* Both go into JSON, and the path into the database. */
static bool is_plain(struct http1_span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!isgraph((unsigned char)s.data[i]) || s.data[i] == '"' || s.data[i] == '\\')
            return false;
    return true;
}

/* "ID/rest" behind the prefix; false: there is no such profile. */
static bool split(struct ca_call *k, bool tls)
{
    struct http1_span path = k->rq->path, host = {"", 0};
    size_t prefix = strlen(CA_PREFIX);
    const char *id = path.data + prefix, *slash = memchr(id, '/', path.len - prefix);
    size_t len = slash ? (size_t)(slash - id) : 0, rest = slash ? path.len - prefix - len - 1 : 0;

    if (!slash || !is_profile(k->ca, id, len) || rest >= sizeof(k->path) || !is_plain(path))
        return false;
    if (!http1_field(&k->rq->head, "host", &host) || !is_plain(host))
        host.len = 0;
    snprintf(k->base, sizeof(k->base), "%s://%.*s%s%.*s/", tls ? "https" : "http",
             host.len < 256 ? (int)host.len : 0, host.data, CA_PREFIX, (int)len, id);
    memcpy(k->path, slash + 1, rest);
    return true;
}

static void respond(struct ca_call *k)
{
    if (span_is(k->rq->method, "GET") || k->rq->head_only)
        get(k);
    else if (span_is(k->rq->method, "POST"))
        post(k);
    else
        not_allowed(k, "GET, HEAD, POST");
}

/* The nonce comes first: an answer without one would leave a client with nothing to go on with. */
static void answer_from(struct ca_call *k)
{
    struct buf fields = {0};
    struct err e;

    buf_printf(&fields, "Link: <%sdirectory>;rel=\"index\"\r\n", k->base);
    if (add_nonce(k, &fields, &e))
        respond(k);
    else
        ca_broken(k, &e);
    buf_add(&fields, buf_text(&k->fields), k->fields.len);
    k->re->fields = fields.data;
}

static void answer(const struct request *rq, const struct server *s, struct reply *re)
{
    struct ca_call k = {.ca = s->config.ca, .rq = rq, .re = re};
    struct err e;

    k.now_ms = (int64_t)(wall_ns() / NS_PER_MS);
    snprintf(k.now, sizeof(k.now), "%" PRId64, k.now_ms);
    snprintf(k.hour, sizeof(k.hour), "%" PRId64, k.now_ms - CA_HOUR_MS);
    if (!split(&k, s->config.tls != NULL)) {
        reply_text(re, 200, DASHBOARD);
        re->type = "text/html; charset=utf-8";
        return;
    }
    k.se = state_take(k.ca->state, &e);
    if (k.se)
        answer_from(&k);
    else
        ca_broken(&k, &e);
    state_give(k.se);
    json_decref(k.header);
    json_decref(k.payload);
    jws_key_free(k.key);
    buf_free(&k.fields);
}

static bool admit(const struct request *rq, const struct server *s, struct reply *re)
{
    struct ca *ca = s->config.ca;
    bool front, own;

    (void)rq;
    pthread_mutex_lock(&ca->lock);
    front = bucket_take(&ca->front, now_ns()); /* under the lock, so that it does not go back */
    own = front && bucket_take(&ca->limit, now_ns());
    pthread_mutex_unlock(&ca->lock);
    if (own)
        return true;
    if (front)
        problem(re, 429, "rateLimited", "too many requests");
    else
        reply_text(re, 429, "{\"error\":\"Rate limit exceeded\"}\n");
    re->fields = mem_check(strdup("Retry-After: 1\r\n"));
    return false;
}

const struct route ca_pages[] = {
    {.path = CA_PREFIX,
     .flags = ROUTE_PREFIX | ROUTE_BODY | ROUTE_QUERY | ROUTE_WAITS,
     .answer = answer,
     .admit = admit},
    {0},
};

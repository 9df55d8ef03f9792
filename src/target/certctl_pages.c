/* certctl_pages.c - which page answers what, and the answers, as the real server words them. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/units.h"
#include "target/certctl_state.h"
#include "target/reply.h"
#include "target/route.h"
#include "target/server.h"

#define PER_PAGE     50
#define PER_PAGE_MAX 500

void certctl_send(struct call *k, uint16_t status, struct buf *json)
{
    reply_json(k->re, status, mem_check(json->data));
    *json = (struct buf){0};
}

void certctl_say(struct call *k, uint16_t status, const char *key, const char *value)
{
    struct buf out = {0};

    buf_printf(&out, "{\"%s\":", key);
    json_add_text(&out, value);
    buf_addc(&out, '}');
    certctl_send(k, status, &out);
}

void certctl_refuse(struct call *k, uint16_t status, const char *word, const char *message)
{
    char id[RUN_ID_MAX];
    struct buf out = {0};

    certctl_id(k->c, id);
    buf_printf(&out, "{\"error\":\"%s\"", word);
    json_add_member(&out, "message", message);
    buf_printf(&out, ",\"request_id\":\"req-%s\"}", id);
    certctl_send(k, status, &out);
}

void certctl_failed(struct call *k, const char *message, const struct err *e)
{
    certctl_complain(k->c, e);
    certctl_refuse(k, 500, "Internal Server Error", message);
}

static void not_found(struct call *k, const char *message)
{
    certctl_refuse(k, 404, "Not Found", message);
}

json_t *certctl_body(const struct call *k)
{
    json_t *body = json_loadb(k->rq->body.data ? k->rq->body.data : "", k->rq->body.len, 0, NULL);

    if (json_is_object(body))
        return body;
    json_decref(body);
    return NULL;
}

const char *certctl_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

static void take_count(void *arg, const char *const *values, int n)
{
    (void)n;
    *(int64_t *)arg = values[0] ? strtoll(values[0], NULL, 10) : 0;
}

bool certctl_count(struct call *k, const char *sql, const struct db_values *v, int64_t *n,
                   struct err *e)
{
    struct db_sink to = {take_count, n};

    *n = 0;
    return session_run(k->se, sql, v, &to, NULL, e);
}

bool certctl_parameter(const struct call *k, const char *name, char *text, size_t size)
{
    struct http1_span rest = k->rq->query;
    struct field f;

    while (query_next(&rest, &f))
        if (span_is(f.name, name))
            return query_decode(f.value, text, size);
    return false;
}

static int64_t number(const struct call *k, const char *name, int64_t hi, int64_t fallback)
{
    char text[32];
    int64_t n;

    return certctl_parameter(k, name, text, sizeof(text)) && units_int(text, &n) && n >= 1 &&
                   n <= hi
               ? n
               : fallback;
}

struct page certctl_page(const struct call *k)
{
    struct page p = {.page = number(k, "page", 1000000, 1),
                     .per_page = number(k, "per_page", PER_PAGE_MAX, PER_PAGE)};

    certctl_number(p.per_page, p.limit);
    certctl_number((p.page - 1) * p.per_page, p.offset);
    return p;
}

void certctl_send_page(struct call *k, const struct page *p, struct buf *rows, int64_t total)
{
    struct buf out = {0};

    buf_reserve(&out, rows->len + 128);
    buf_adds(&out, "{\"data\":[");
    buf_add(&out, buf_text(rows), rows->len);
    buf_printf(&out, "],\"total\":%" PRId64 ",\"page\":%" PRId64 ",\"per_page\":%" PRId64 "}",
               total, p->page, p->per_page);
    certctl_send(k, 200, &out);
}

static void wrong_method(struct call *k, const char *allow)
{
    certctl_refuse(k, 405, "Method Not Allowed", "Method not allowed");
    k->re->fields = mem_check(strdup(allow));
}

/* "PREFIX/ID" or "PREFIX/ID/TAIL": the id, cut out of the path; NULL: it is another one. */
static char *id_of(struct call *k, const char *prefix, const char *tail)
{
    size_t head = strlen(prefix);
    char *id = k->path + head, *rest;

    if (strncmp(k->path, prefix, head) != 0)
        return NULL;
    rest = strchr(id, '/');
    if (rest == id || !*id || (rest ? strcmp(rest + 1, tail) != 0 : *tail != '\0'))
        return NULL;
    if (rest)
        *rest = '\0';
    return id;
}

static void get(struct call *k)
{
    const char *id;

    if (strcmp(k->path, "certificates") == 0)
        certctl_list_certificates(k);
    else if (strcmp(k->path, "jobs") == 0)
        certctl_jobs(k);
    else if ((id = id_of(k, "certificates/", "deployments")) != NULL)
        certctl_show_deployment(k, id);
    else if ((id = id_of(k, "certificates/", "")) != NULL)
        certctl_show_certificate(k, id);
    else if ((id = id_of(k, "agents/", "work")) != NULL)
        certctl_work(k, id);
    else
        not_found(k, "Not found");
}

static void post(struct call *k)
{
    const char *id;

    if (strcmp(k->path, "certificates") == 0)
        certctl_create_certificate(k);
    else if (strcmp(k->path, "certificates/bulk-renew") == 0)
        certctl_renew(k);
    else if ((id = id_of(k, "agents/", "heartbeat")) != NULL)
        certctl_heartbeat(k, id);
    else if ((id = id_of(k, "agents/", "csr")) != NULL)
        certctl_csr(k, id);
    else
        not_found(k, "Not found");
}

static void dispatch(struct call *k)
{
    if (span_is(k->rq->method, "GET") || k->rq->head_only)
        get(k);
    else if (span_is(k->rq->method, "POST"))
        post(k);
    else
        wrong_method(k, "Allow: GET, HEAD, POST\r\n");
}

static void note(struct call *k)
{
    struct audit *a = k->c->audit;
    struct err e;

    if (!a)
        return;
    audit_add(a, k);
    if (audit_is_full(a) && !audit_write(a, k->se, &e))
        certctl_complain(k->c, &e);
}

/* Text of one kind of bytes: no id or name has others. */
static bool copy_path(struct call *k)
{
    size_t len = k->rq->path.len - strlen(CERTCTL_PREFIX);

    if (len >= sizeof(k->path) || memchr(k->rq->path.data, '\0', k->rq->path.len))
        return false;
    memcpy(k->path, k->rq->path.data + strlen(CERTCTL_PREFIX), len);
    return true;
}

static void answer(const struct request *rq, const struct server *s, struct reply *re)
{
    struct call k = {.c = s->config.certctl, .rq = rq, .re = re};
    struct err e;

    k.now_ms = (int64_t)(wall_ns() / NS_PER_MS);
    certctl_time(k.now_ms, k.now);
    k.se = state_take(k.c->state, &e);
    if (!k.se)
        certctl_failed(&k, "Database is not available", &e);
    else if (copy_path(&k))
        dispatch(&k);
    else
        not_found(&k, "Not found");
    if (k.se)
        note(&k);
    state_give(k.se);
}

static void refuse(struct reply *re, uint16_t status, const char *field, const char *body)
{
    reply_text(re, status, body);
    re->fields = field ? mem_check(strdup(field)) : NULL;
}

/* Compares all of it whatever differs, so that time tells nothing. */
static bool same_token(const char *token, const char *given, size_t given_len)
{
    size_t len = strlen(token);
    unsigned differ = len != given_len;

    for (size_t i = 0; i < given_len; i++)
        differ |= (unsigned char)given[i] ^ (unsigned char)token[i < len ? i : len];
    return differ == 0;
}

static bool passes_limiter(struct certctl *c)
{
    bool passes;

    pthread_mutex_lock(&c->lock);
    passes = bucket_take(&c->bucket, now_ns()); /* under the lock, so that it does not go back */
    pthread_mutex_unlock(&c->lock);
    return passes;
}

/*
 * The limiter first and the token second, in the order of the real server.  What those two say is
 * JSON in the body and text/plain in the field, as there.
 */
static bool admit(const struct request *rq, const struct server *s, struct reply *re)
{
    static const char realm[] = "WWW-Authenticate: Bearer realm=\"certctl\"\r\n";
    struct certctl *c = s->config.certctl;
    struct http1_span value;

    if (!passes_limiter(c))
        refuse(re, 429, "Retry-After: 1\r\n", "{\"error\":\"Rate limit exceeded\"}\n");
    else if (!c->token)
        return true;
    else if (!http1_field(&rq->head, "authorization", &value))
        refuse(re, 401, realm, "{\"error\":\"Authorization header is required\"}\n");
    else if (value.len > 7 && strncmp(value.data, "Bearer ", 7) == 0 &&
             same_token(c->token, value.data + 7, value.len - 7))
        return true;
    else
        refuse(re, 401, NULL, "{\"error\":\"Invalid API key\"}\n");
    return false;
}

const struct route certctl_pages[] = {
    {.path = CERTCTL_PREFIX,
     .flags = ROUTE_PREFIX | ROUTE_BODY | ROUTE_QUERY | ROUTE_WAITS,
     .answer = answer,
     .admit = admit},
    {0},
};

/* f5_pages.c - which page of iControl REST answers what; login, uploads, certificates and keys. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "target/f5_state.h"
#include "target/reply.h"
#include "target/route.h"
#include "target/server.h"

#define PEM_MAX    (256 << 10)
#define UPLOAD_MAX (1 << 20) /* of all chunks together */
#define DOWNLOADS  "/var/config/rest/downloads/"

void f5_send(struct f5_call *k, uint16_t status, struct buf *json)
{
    if (!json->len)
        buf_adds(json, "{}");
    reply_json(k->re, status, json->data);
    *json = (struct buf){0};
}

void f5_refuse(struct f5_call *k, uint16_t status, const char *message)
{
    struct buf out = {0};

    buf_printf(&out, "{\"code\":%u", (unsigned)status);
    json_add_member(&out, "message", message);
    buf_adds(&out, ",\"errorStack\":[]}");
    f5_send(k, status, &out);
}

void f5_failed(struct f5_call *k, const struct err *e)
{
    fprintf(stderr, "f5: %s\n", e->text);
    f5_refuse(k, 500, "the database is not available");
}

json_t *f5_body(const struct f5_call *k)
{
    json_t *body = json_loadb(k->rq->body.data ? k->rq->body.data : "", k->rq->body.len, 0, NULL);

    if (json_is_object(body))
        return body;
    json_decref(body);
    return NULL;
}

const char *f5_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

const char *f5_name(const char *text)
{
    const char *slash = strrchr(text, '/'), *tilde = strrchr(text, '~');
    const char *last = slash > tilde ? slash : tilde;

    return last ? last + 1 : text;
}

static void log_in(struct f5_call *k)
{
    json_t *body = f5_body(k);
    const char *user = f5_text(body, "username");
    struct buf out = {0};

    if (!k->post) {
        f5_refuse(k, 405, "Method not allowed");
    } else if (!*user || !*f5_text(body, "password")) {
        f5_refuse(k, 401, "Authentication failed.");
    } else {
        buf_adds(&out, "{\"username\":");
        json_add_text(&out, user);
        buf_printf(&out,
                   ",\"loginProviderName\":\"tmos\",\"token\":{\"token\":\"%s\","
                   "\"name\":\"%s\"",
                   k->f->token, k->f->token);
        json_add_member(&out, "userName", user);
        buf_adds(&out, ",\"timeout\":1200}}");
        f5_send(k, 200, &out);
    }
    json_decref(body);
}

/* "0-511/2048": the first byte and how many there will be; without the field, all of it. */
static bool read_range(const struct f5_call *k, size_t *from, size_t *total)
{
    size_t len = k->rq->body.len;
    struct http1_span value;
    char text[64] = "";
    size_t to;
    int end = -1;

    *from = 0;
    *total = len;
    if (!http1_field(&k->rq->head, "content-range", &value))
        return true;
    if (value.len >= sizeof(text) || strspn(value.data, "0123456789-/") < value.len)
        return false;
    memcpy(text, value.data, value.len);
    return sscanf(text, "%9zu-%9zu/%9zu%n", from, &to, total, &end) == 3 && text[end] == '\0' &&
           to >= *from && to - *from + 1 == len && to < *total && *total <= UPLOAD_MAX;
}

static bool is_text(struct http1_span body)
{
    for (size_t i = 0; i < body.len; i++)
        if (body.data[i] == '\0' || (unsigned char)body.data[i] > 0x7e)
            return false;
    return true;
}

static void say_uploaded(struct f5_call *k, const char *name, size_t have, size_t total)
{
    struct buf out = {0}, path = {0};

    buf_printf(&path, DOWNLOADS "%s", name);
    buf_printf(&out, "{\"remainingByteCount\":%zu,\"totalByteCount\":%zu", total - have, total);
    json_add_member(&out, "localFilePath", path.data);
    buf_addc(&out, '}');
    buf_free(&path);
    f5_send(k, 200, &out);
}

/* A chunk at 0 begins a file; any other one has to follow what is there. */
static void upload(struct f5_call *k, const char *name)
{
    static const char begin[] = "insert into f5_files values ($1, $2)"
                                " on conflict (name) do update set content = excluded.content";
    static const char add[] = "update f5_files set content = content || cast($2 as text)"
                              " where name = $1 and length(content) = cast($3 as integer)";
    size_t from, total;
    uint64_t count = 0;
    char at[24], *chunk;
    struct err e;
    bool ok;

    if (!read_range(k, &from, &total) || !is_text(k->rq->body)) {
        f5_refuse(k, 400, "The chunk is no text, or not what its Content-Range says.");
        return;
    }
    snprintf(at, sizeof(at), "%zu", from);
    chunk = mem_check(strndup(k->rq->body.data ? k->rq->body.data : "", k->rq->body.len));
    ok = from ? session_run(k->se, add, STATE_VALUES(name, chunk, at), NULL, &count, &e)
              : session_run(k->se, begin, STATE_VALUES(name, chunk), NULL, &count, &e);
    free(chunk);
    if (!ok)
        f5_failed(k, &e);
    else if (!count)
        f5_refuse(k, 400, "The chunk does not follow what has been uploaded.");
    else
        say_uploaded(k, name, from + k->rq->body.len, total);
}

static void say_installed(struct f5_call *k, const char *kind, const char *name)
{
    struct buf out = {0};

    buf_printf(&out, "{\"kind\":\"tm:sys:crypto:%s:installstate\",\"command\":\"install\"", kind);
    json_add_member(&out, "name", name);
    buf_addc(&out, '}');
    f5_send(k, 200, &out);
}

static void install_file(struct f5_call *k, const char *kind, const char *name, const char *file)
{
    static const char insert[] = "insert into f5_objects values ($1, $2, $3)"
                                 " on conflict (kind, name) do update set pem = excluded.pem";
    const char *mark = *kind == 'c' ? "-----BEGIN CERTIFICATE-----" : "PRIVATE KEY-----";
    bool failed;
    struct err e;
    char *pem = f5_value(k->se, "select content from f5_files where name = $1", STATE_VALUES(file),
                         &failed, &e);

    if (failed)
        f5_failed(k, &e);
    else if (!pem)
        f5_refuse(k, 404, "The file has not been uploaded.");
    else if (!strstr(pem, mark) || strlen(pem) > PEM_MAX)
        f5_refuse(k, 400, *kind == 'c' ? "The file is no certificate." : "The file is no key.");
    else if (!session_run(k->se, insert, STATE_VALUES(kind, name, pem), NULL, NULL, &e))
        f5_failed(k, &e);
    else
        say_installed(k, kind, name);
    if (pem)
        explicit_bzero(pem, strlen(pem));
    free(pem);
}

static void install(struct f5_call *k, const char *kind)
{
    json_t *body = f5_body(k);
    const char *name = f5_name(f5_text(body, "name"));
    const char *file = f5_name(f5_text(body, "from-local-file"));

    if (!k->post)
        f5_refuse(k, 405, "Method not allowed");
    else if (strcmp(f5_text(body, "command"), "install") != 0 || !*name || !*file)
        f5_refuse(k, 400, "command (install), name and from-local-file must be specified");
    else
        install_file(k, kind, name, file);
    json_decref(body);
}

static void remove_object(struct f5_call *k, const char *kind, const char *name)
{
    static const char remove[] =
        "delete from f5_objects where kind = $1 and name = $2 and not exists (select 1 from"
        " f5_profiles where ($1 = 'cert' and (cert = $2 or chain = $2)) or ($1 = 'key' and key ="
        " $2))";
    static const char look[] = "select name from f5_objects where kind = $1 and name = $2";
    uint64_t count = 0;
    char *left = NULL;
    bool failed;
    struct err e;

    failed = !session_run(k->se, remove, STATE_VALUES(kind, name), NULL, &count, &e);
    if (!failed && !count)
        left = f5_value(k->se, look, STATE_VALUES(kind, name), &failed, &e);
    if (failed)
        f5_failed(k, &e);
    else if (count)
        f5_send(k, 200, &(struct buf){0});
    else if (left)
        f5_refuse(k, 400, "It is in use by a client-ssl profile and cannot be deleted.");
    else
        f5_refuse(k, 404, "The requested object was not found.");
    free(left);
}

static void show_object(struct f5_call *k, const char *kind, const char *name)
{
    bool failed;
    struct err e;
    char *found = f5_value(k->se, "select name from f5_objects where kind = $1 and name = $2",
                           STATE_VALUES(kind, name), &failed, &e);
    struct buf out = {0};

    if (failed) {
        f5_failed(k, &e);
    } else if (!found) {
        f5_refuse(k, 404, "The requested object was not found.");
    } else {
        buf_printf(&out, "{\"kind\":\"tm:sys:crypto:%s:%sstate\"", kind, kind);
        json_add_member(&out, "name", found);
        buf_addc(&out, '}');
        f5_send(k, 200, &out);
    }
    free(found);
}

static void object(struct f5_call *k, const char *kind, const char *name)
{
    if (k->get)
        show_object(k, kind, name);
    else if (k->delete)
        remove_object(k, kind, name);
    else
        f5_refuse(k, 405, "Method not allowed");
}

/* What follows the prefix; NULL: it is another path. */
static const char *after(const struct f5_call *k, const char *prefix)
{
    size_t len = strlen(prefix);

    return strncmp(k->path, prefix, len) == 0 ? k->path + len : NULL;
}

static void dispatch_crypto(struct f5_call *k)
{
    static const struct {
        const char *prefix, *kind;
    } objects[] = {{"tm/sys/crypto/cert/", "cert"},
                   {"tm/sys/crypto/key/", "key"},
                   {"tm/sys/file/ssl-cert/", "cert"},
                   {"tm/sys/file/ssl-key/", "key"}};
    const char *rest;

    if (strcmp(k->path, "tm/sys/crypto/cert") == 0 || strcmp(k->path, "tm/sys/crypto/key") == 0) {
        install(k, strrchr(k->path, '/') + 1);
        return;
    }
    for (size_t i = 0; i < sizeof(objects) / sizeof(objects[0]); i++)
        if ((rest = after(k, objects[i].prefix)) != NULL) {
            object(k, objects[i].kind, f5_name(rest));
            return;
        }
    f5_refuse(k, 404, "Public URI path not registered");
}

static void dispatch(struct f5_call *k)
{
    const char *rest;

    if (strcmp(k->path, "shared/authn/login") == 0)
        log_in(k);
    else if ((rest = after(k, "shared/file-transfer/uploads/")) != NULL && *f5_name(rest))
        upload(k, f5_name(rest));
    else if (strcmp(k->path, "tm/transaction") == 0)
        f5_transactions(k);
    else if ((rest = after(k, "tm/transaction/")) != NULL)
        f5_transaction(k, rest);
    else if (strcmp(k->path, "tm/ltm/profile/client-ssl") == 0)
        f5_profiles(k);
    else if ((rest = after(k, "tm/ltm/profile/client-ssl/")) != NULL && *f5_name(rest))
        f5_profile(k, f5_name(rest));
    else
        dispatch_crypto(k);
}

static bool copy_path(struct f5_call *k)
{
    size_t len = k->rq->path.len - strlen(F5_PREFIX);

    if (len >= sizeof(k->path) || !is_text(k->rq->path))
        return false;
    memcpy(k->path, k->rq->path.data + strlen(F5_PREFIX), len);
    return true;
}

static void answer(const struct request *rq, const struct server *s, struct reply *re)
{
    struct f5_call k = {.f = s->config.f5,
                        .rq = rq,
                        .re = re,
                        .post = span_is(rq->method, "POST"),
                        .get = span_is(rq->method, "GET") || rq->head_only,
                        .patch = span_is(rq->method, "PATCH"),
                        .delete = span_is(rq->method, "DELETE")};
    struct err e;

    k.se = state_take(k.f->state, &e);
    if (!k.se)
        f5_failed(&k, &e);
    else if (copy_path(&k))
        dispatch(&k);
    else
        f5_refuse(&k, 404, "Public URI path not registered");
    state_give(k.se);
}

/* The token of a login, or any user and password. */
static bool admit(const struct request *rq, const struct server *s, struct reply *re)
{
    struct f5_call k = {.f = s->config.f5, .rq = rq, .re = re};
    struct http1_span value;

    if (span_is(rq->path, F5_PREFIX "shared/authn/login"))
        return true;
    if (http1_field(&rq->head, "x-f5-auth-token", &value) && span_is(value, k.f->token))
        return true;
    if (http1_field(&rq->head, "authorization", &value) && value.len > 6 &&
        strncmp(value.data, "Basic ", 6) == 0)
        return true;
    f5_refuse(&k, 401, "Authorization failed: no user authentication header or token detected.");
    return false;
}

const struct route f5_pages[] = {
    {.path = F5_PREFIX,
     .flags = ROUTE_PREFIX | ROUTE_BODY | ROUTE_QUERY | ROUTE_WAITS,
     .answer = answer,
     .admit = admit},
    {0},
};

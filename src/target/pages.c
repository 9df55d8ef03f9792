/*
 * pages.c - the pages of every target: health and stats, mirrors, and answers made to order.
 *
 * Any other path is 200 "ok", as in the smallest backend that one would put behind a proxy.
 */
#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "target/ledger.h"
#include "target/reply.h"
#include "target/request.h"
#include "target/route.h"
#include "target/server.h"

static void answer_ok(const struct request *rq, const struct server *s, struct reply *re)
{
    (void)rq;
    (void)s;
    reply_text(re, 200, "ok\n");
}

static void refuse_method(struct reply *re, const char *allow)
{
    struct buf fields = {0};

    buf_printf(&fields, "Allow: %s\r\n", allow);
    reply_text(re, 405, "method not allowed\n");
    re->fields = fields.data;
}

static void answer_stats(const struct request *rq, const struct server *s, struct reply *re)
{
    if (span_is(rq->method, "GET") || rq->head_only)
        reply_json(re, 200, ledger_json(s->ledger));
    else
        refuse_method(re, "GET, HEAD");
}

static void answer_reset(const struct request *rq, const struct server *s, struct reply *re)
{
    if (!span_is(rq->method, "POST")) {
        refuse_method(re, "POST");
        return;
    }
    ledger_reset(s->ledger);
    reply_text(re, 200, "ok\n");
}

/*
 * Bytes as a JSON string.  What is no UTF-8 cannot be one, so there each byte becomes the character
 * of its number; `*latin1` says so.
 */
static json_t *string_of(struct http1_span s, bool *latin1)
{
    json_t *text = json_stringn(s.data ? s.data : "", s.len);
    struct buf wide = {0};

    *latin1 = text == NULL;
    if (text)
        return text;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.data[i];

        if (c >= 0x80)
            buf_addc(&wide, (char)(0xc0 | c >> 6));
        buf_addc(&wide, (char)(c >= 0x80 ? 0x80 | (c & 0x3f) : c));
    }
    text = mem_check(json_stringn(wide.data, wide.len));
    buf_free(&wide);
    return text;
}

static json_t *text_of(struct http1_span s)
{
    bool latin1;

    return string_of(s, &latin1);
}

/* RFC 9110 5.2: repeated fields are one, their values joined by commas. */
static void add_field(json_t *fields, const struct field *f)
{
    char *name = xcalloc(f->name.len + 1, 1);
    json_t *value = text_of(f->value), *before;

    for (size_t i = 0; i < f->name.len; i++)
        name[i] = (char)tolower((unsigned char)f->name.data[i]);
    before = json_object_get(fields, name);
    if (before) {
        json_t *joined =
            json_sprintf("%s, %s", json_string_value(before), json_string_value(value));

        json_decref(value);
        value = mem_check(joined);
    }
    json_object_set_new(fields, name, value);
    free(name);
}

static json_t *fields_of(const struct request *rq)
{
    json_t *fields = json_object();
    struct http1_span rest = rq->head;
    struct field f;

    while (field_next(&rest, &f))
        add_field(fields, &f);
    return fields;
}

static void answer_json(struct reply *re, json_t *json)
{
    reply_json(re, 200, mem_check(json_dumps(json, JSON_COMPACT)));
    json_decref(json);
}

static void answer_headers(const struct request *rq, const struct server *s, struct reply *re)
{
    json_t *json = json_object();

    (void)s;
    json_object_set_new(json, "headers", fields_of(rq));
    answer_json(re, json);
}

static void answer_echo(const struct request *rq, const struct server *s, struct reply *re)
{
    json_t *json = json_object();
    bool latin1;

    (void)s;
    json_object_set_new(json, "method", text_of(rq->method));
    json_object_set_new(json, "path", text_of(rq->path));
    json_object_set_new(json, "query", text_of(rq->query));
    json_object_set_new(json, "headers", fields_of(rq));
    json_object_set_new(json, "body", string_of(rq->body, &latin1));
    json_object_set_new(json, "body_bytes", json_integer((json_int_t)rq->body.len));
    json_object_set_new(json, "body_encoding", json_string(latin1 ? "latin1" : "utf-8"));
    answer_json(re, json);
}

static bool find_parameter(const struct request *rq, const char *name, char *text, size_t size)
{
    struct http1_span rest = rq->query;
    struct field f;

    while (query_next(&rest, &f))
        if (span_is(f.name, name))
            return query_decode(f.value, text, size);
    return false;
}

/* The decoder lets no control character through, so `to` cannot smuggle a field in. */
static void answer_redirect(const struct request *rq, const struct server *s, struct reply *re)
{
    struct buf fields = {0};
    char to[2048];

    (void)s;
    if (!find_parameter(rq, "to", to, sizeof(to))) {
        reply_text(re, 400, "where to? (try /redirect?to=/healthz)\n");
        return;
    }
    buf_printf(&fields, "Location: %s\r\n", to);
    reply_text(re, 302, "");
    re->fields = fields.data;
}

const struct route pages[] = {
    {"/healthz", ROUTE_ADMIN, NULL, NULL, answer_ok},
    {"/stats", ROUTE_ADMIN, NULL, NULL, answer_stats},
    {"/stats/reset", ROUTE_ADMIN, NULL, NULL, answer_reset},
    {"/echo", ROUTE_BODY, NULL, NULL, answer_echo},
    {"/headers", 0, NULL, NULL, answer_headers},
    {"/redirect", 0, NULL, NULL, answer_redirect},
    {"/close", 0, NULL, "close", answer_ok},
    {"/status/", ROUTE_PREFIX, "status", NULL, answer_ok},
    {"/bytes/", ROUTE_PREFIX, "size", NULL, answer_ok},
    {"/chunked/", ROUTE_PREFIX, "size", "chunked", answer_ok},
    {"/delay/", ROUTE_PREFIX, "latency", NULL, answer_ok},
    {"", ROUTE_PREFIX, NULL, NULL, answer_ok},
    {0},
};

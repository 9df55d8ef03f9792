#include "driver/request.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/fs.h"
#include "driver/request_parts.h"
#include "net/url.h"

#define BODY_FILE_MAX (64 << 20)

#define OPT_OF        struct auth_opts
const struct opt auth_table[] = {
    OPT_TEMPLATE(basic, NULL, "user:password, for the Basic scheme", .flags = OPT_SECRET,
                 .example = "user:${secrets.password}"),
    OPT_TEMPLATE(bearer, NULL, "token, for the Bearer scheme", .flags = OPT_SECRET,
                 .example = "${secrets.token}"),
    {0},
};
#undef OPT_OF

static struct pos request_place(const struct maker *m, const char *key)
{
    const struct node *at = m->c->at, *n = at && at->type == NODE_MAP ? node_find(at, key) : NULL;

    return n ? n->at : at ? at->at : (struct pos){0};
}

static bool is_deferred(const struct maker *m, const char *key)
{
    const struct node *at = m->c->at, *n = at && at->type == NODE_MAP ? node_find(at, key) : NULL;

    return n && n->deferred;
}

static bool is_token(const char *s)
{
    return *s && s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                             "!#$%&'*+-.^_`|~")] == '\0';
}

static bool is_one_of(const char *s, const char *const *list)
{
    for (; *list; list++)
        if (strcmp(s, *list) == 0)
            return true;
    return false;
}

/* Constant text is checked now, a template's text when it has been rendered. */
static void add_template(struct maker *m, struct pieces *to, enum piece_kind kind,
                         const struct template *t, const char *key)
{
    const char *text = template_constant(t);
    char why[WHY_MAX];

    if (!text)
        pieces_template(to, m->arena, kind, t);
    else if (kind != PIECE_BODY && !pieces_check(kind, text, why))
        diag_add(m->d, request_place(m, key), "%s.%s: %s", m->c->path, key, why);
    else
        pieces_text(to, m->arena, text, strlen(text));
}

static void add_text(struct maker *m, struct pieces *to, const char *text)
{
    pieces_text(to, m->arena, text, strlen(text));
}

static void set_method(struct maker *m)
{
    static const char *const safe[] = {"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", NULL};
    static const char *const known[] = {"GET",    "HEAD",  "OPTIONS", "TRACE", "PUT",
                                        "DELETE", "PATCH", "POST",    NULL};
    const struct request_opts *o = m->c->opts;
    const char *method = o->method                            ? o->method
                         : o->body || o->body_file || o->json ? "POST"
                                                              : "GET";
    struct pos at = request_place(m, "method");

    m->r->method = method;
    m->r->head = strcmp(method, "HEAD") == 0;
    m->r->idempotent = is_one_of(method, safe);
    if (is_deferred(m, "method"))
        return;
    if (!is_token(method) || strcmp(method, "CONNECT") == 0)
        diag_add(m->d, at, "%s.method: \"%s\" is not a method this driver can send", m->c->path,
                 method);
    for (int i = 0; known[i]; i++)
        if (strcasecmp(method, known[i]) == 0 && strcmp(method, known[i]) != 0)
            diag_add(m->d, at, "%s.method: methods are case-sensitive (did you mean \"%s\"?)",
                     m->c->path, known[i]);
}

static void set_path(struct maker *m)
{
    const struct template *path = m->c->opts->path;
    const char *text = path ? template_constant(path) : NULL;

    if (!path) {
        add_text(m, &m->parts->path, m->r->target->path);
        return;
    }
    if (text && text[0] != '/' && strcmp(text, "*") != 0 && !is_deferred(m, "path"))
        diag_add(m->d, request_place(m, "path"), "%s.path: \"%s\" does not start with \"/\"",
                 m->c->path, text);
    add_template(m, &m->parts->path, PIECE_TARGET, path, "path");
}

static void set_host(struct maker *m)
{
    const struct target *t = m->r->target;

    m->parts->host = url_authority(t->scheme, t->host, t->port, m->arena);
}

static bool has_field(const struct request_opts *o, const char *name)
{
    for (int i = 0; i < o->headers.n; i++)
        if (strcasecmp(o->headers.names[i], name) == 0)
            return true;
    return false;
}

static void set_default_field(struct maker *m, const char *name, const char *value)
{
    if (!has_field(m->c->opts, name))
        add_text(m, &m->parts->fields, arena_printf(m->arena, "%s: %s\r\n", name, value));
}

static void set_auth(struct maker *m)
{
    const struct request_opts *o = m->c->opts;
    struct pieces *fields = &m->parts->fields;
    const char *userinfo = has_field(o, "authorization") ? NULL : m->r->target->userinfo;

    if (o->auth.basic && o->auth.bearer)
        diag_add(m->d, request_place(m, "auth"), "%s.auth: give one of basic and bearer",
                 m->c->path);
    if ((o->auth.basic || o->auth.bearer) && has_field(o, "authorization"))
        diag_add(m->d, request_place(m, "auth"),
                 "%s.auth: there is an authorization header as well", m->c->path);
    if (o->auth.bearer) {
        add_text(m, fields, "Authorization: Bearer ");
        add_template(m, fields, PIECE_FIELD, o->auth.bearer, "auth");
        add_text(m, fields, "\r\n");
    } else if (o->auth.basic || userinfo) {
        const char *text = o->auth.basic ? template_constant(o->auth.basic) : userinfo;

        add_text(m, fields, "Authorization: Basic ");
        if (text)
            pieces_base64(fields, m->arena, text);
        else
            pieces_template(fields, m->arena, PIECE_BASE64, o->auth.basic);
        add_text(m, fields, "\r\n");
    }
}

static void set_fields(struct maker *m)
{
    const struct request_opts *o = m->c->opts;
    struct pieces *fields = &m->parts->fields;

    m->parts->own_host = has_field(o, "host");
    m->parts->close = m->c->close && !has_field(o, "connection");
    set_default_field(m, "User-Agent", "shakedown");
    set_default_field(m, "Accept", "*/*");
    if (o->json)
        set_default_field(m, "Content-Type", "application/json");
    set_auth(m);
    for (int i = 0; i < o->headers.n; i++) {
        const char *name = o->headers.names[i];

        if (!is_token(name))
            diag_add(m->d, request_place(m, "headers"), "%s.headers: \"%s\" cannot name a header",
                     m->c->path, name);
        if (strcasecmp(name, "content-length") == 0 || strcasecmp(name, "transfer-encoding") == 0)
            diag_add(m->d, request_place(m, "headers"),
                     "%s.headers: %s follows from the body and cannot be given", m->c->path, name);
        add_text(m, fields, arena_printf(m->arena, "%s: ", name));
        add_template(m, fields, PIECE_FIELD, o->headers.values[i], "headers");
        add_text(m, fields, "\r\n");
    }
}

static void add_file(struct maker *m)
{
    const char *file = m->c->opts->body_file;
    struct buf text = {0};
    struct err e;

    if (m->c->read_file && !fs_read(file, BODY_FILE_MAX, &text, &e))
        diag_add(m->d, request_place(m, "body_file"), "%s.body_file: %s", m->c->path, e.text);
    pieces_text(&m->parts->body, m->arena, buf_text(&text), text.len);
    buf_free(&text);
    /* While checking, a file that an earlier phase makes in the run's folder is not there yet. */
    if (!m->c->read_file && !(m->c->opts->bind && m->c->opts->bind->any_file) &&
        !is_deferred(m, "body_file") && access(file, R_OK) != 0 &&
        !(m->c->at && node_find(m->c->at, "body_file") &&
          strstr(node_find(m->c->at, "body_file")->raw, "${run.")))
        diag_add(m->d, request_place(m, "body_file"), "%s.body_file: cannot read \"%s\"",
                 m->c->path, file);
}

static void set_body(struct maker *m)
{
    static const char *const bodied[] = {"POST", "PUT", "PATCH", NULL};
    const struct request_opts *o = m->c->opts;
    int given = (o->body != NULL) + (o->body_file != NULL) + (o->json != NULL);

    if (given > 1)
        diag_add(m->d, request_place(m, o->json ? "json" : "body_file"),
                 "%s: give one of body, body_file and json", m->c->path);
    else if (o->body)
        add_template(m, &m->parts->body, PIECE_BODY, o->body, "body");
    else if (o->body_file)
        add_file(m);
    else if (o->json)
        request_json(m, o->json, arena_printf(m->arena, "%s.json", m->c->path));
    /* RFC 9110 8.6: a method that expects content says so even when there is none. */
    m->parts->content_length = given > 0 || is_one_of(m->r->method, bodied);
}

static void set_expect(struct maker *m)
{
    const struct node *at = m->c->at,
                      *n = at && at->type == NODE_MAP ? node_find(at, "expect") : NULL;

    m->r->expect = expect_compile(&m->c->opts->expect, true, n,
                                  arena_printf(m->arena, "%s.expect", m->c->path), m->arena, m->d);
    m->r->answer_needed |= m->r->expect && expect_needs_head(m->r->expect);
    m->r->body_needed |= m->r->expect && expect_needs_body(m->r->expect);
}

/* What is the same every time is rendered now, and never again. */
static void set_bytes(struct maker *m)
{
    struct request_parts *p = m->parts;
    char why[WHY_MAX];

    p->head_room = request_head_room(m->r);
    m->r->bound = p->head_room + pieces_room(&p->body);
    if (pieces_constant(&p->path) && pieces_constant(&p->fields) && pieces_constant(&p->body))
        request_render(m->r, NULL, arena_alloc(m->arena, m->r->bound), &m->r->bytes, &m->r->len,
                       why);
}

struct request *request_compile(const struct request_compile *c, struct arena *arena,
                                struct diags *d)
{
    struct maker m = {c, arena, d, arena_new(arena, struct request),
                      arena_new(arena, struct request_parts)};
    int before = d->errors;

    m.r->target = c->opts->target;
    m.r->parts = m.parts;
    m.r->timeout = c->opts->timeout;
    set_method(&m);
    set_path(&m);
    set_host(&m);
    set_fields(&m);
    set_body(&m);
    set_expect(&m);
    request_readings(&m);
    if (d->errors > before)
        return NULL;
    set_bytes(&m);
    return m.r;
}

/*
 * flow_parts.c - the parts of a flow as users write them.
 *
 * Parts are read in order, because what an earlier one captures is what a later one may name: each
 * has a template scope of its own that begins with all captures before it.
 */
#include <assert.h>
#include <ctype.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "driver/flow.h"
#include "driver/route.h"
#include "driver/tls_expect.h"

#define S INT64_C(1000000000)

static const char *const connections[] = {"keep", "new", NULL};

struct until_opts {
    int64_t every, within;
};

#define OPT_OF struct until_opts
static const struct opt until_table[] = {
    OPT_DURATION(every, "1s", "pause between two tries", .min = 1000000, .max = 3600 * S),
    OPT_DURATION(within, "60s", "the part has failed if a try does not succeed within this",
                 .min = 1000000, .max = 86400 * S),
    {0},
};
#undef OPT_OF

struct part_opts {
    const char *name;
    const struct node *http, *tls;
    struct until_opts until;
    bool until_given;
    int64_t think;
};

#define OPT_OF struct part_opts
static const struct opt part_table[] = {
    OPT_TEXT(name, NULL, "name of the part, for its metrics", .flags = OPT_REQUIRED),
    OPT_NODE(http, "the part is this request"),
    OPT_NODE(tls, "the part is a look at the certificate served now"),
    OPT_SUB(until, struct until_opts, until_table, "try again until it is as expected",
            OPT_GIVEN(until_given)),
    OPT_DURATION(think, "0", "pause before the part", .min = 0, .max = 86400 * S),
    {0},
};
#undef OPT_OF

struct http_part {
    struct request_opts request; /* first, for REQUEST_ROWS */
    int connection;
    int64_t max_body;
};

static_assert(offsetof(struct http_part, request) == 0, "REQUEST_ROWS counts on it");

static const struct opt http_part_table[] = {
#define OPT_OF struct request_opts
    OPT_TARGET(target, "the target to send it to", .flags = OPT_REQUIRED),
    REQUEST_ROWS("30s"),
#undef OPT_OF
#define OPT_OF struct http_part
    OPT_CHOICE(connection, "keep", "keep: reuse connections; new: a full handshake for it",
               .choices = connections),
    OPT_SIZE(max_body, "1MiB", "how much of a body expectations and captures look into", .min = 1,
             .max = 1 << 30),
    {0},
};
#undef OPT_OF

struct tls_part {
    const struct target *target;
    const struct template *server_name;
    const struct node *expect;
    int64_t timeout;
};

#define OPT_OF struct tls_part
static const struct opt tls_part_table[] = {
    OPT_TARGET(target, "what to connect to; its url is https: or wss:", .flags = OPT_REQUIRED),
    OPT_TEMPLATE(server_name, NULL, "name to send as SNI; default: the target's"),
    OPT_NODE(expect, "what the certificate has to be"),
    OPT_DURATION(timeout, "10s", "give up on one handshake after this long", .min = 1000000,
                 .max = 3600 * S),
    {0},
};
#undef OPT_OF

struct reader {
    struct flow_parts *out;
    const struct declared *declared;
    struct arena *arena;
    struct diags *d;
    struct bind bind; /* with the scope of the part being read */
};

static bool is_name(const char *s)
{
    if (!isalpha((unsigned char)*s) && *s != '_')
        return false;
    while (isalnum((unsigned char)*s) || *s == '_')
        s++;
    return *s == '\0';
}

static void check_capture(struct reader *r, const struct node *n, const char *path)
{
    if (!is_name(n->key))
        diag_add(r->d, n->key_at,
                 "%s.capture: \"%s\" cannot name a capture (use letters, digits and _)", path,
                 n->key);
    if (template_is_builtin(n->key))
        diag_add(r->d, n->key_at, "%s.capture: %%{%s} has a meaning of its own", path, n->key);
    for (int i = 0; i < r->out->capture_count; i++)
        if (strcmp(r->out->captures[i], n->key) == 0)
            diag_add(r->d, n->key_at, "%s.capture: an earlier part captures \"%s\"", path, n->key);
}

static void add_captures(struct reader *r, struct flow_part *part, const struct node *map,
                         const char *path)
{
    struct flow_parts *out = r->out;
    const char **all =
        arena_array(r->arena, const char *, out->capture_count + (map ? map->count : 0) + 1);

    part->first_capture = out->capture_count;
    if (out->capture_count)
        memcpy(all, out->captures, sizeof(*all) * (size_t)out->capture_count);
    for (const struct node *n = map && map->type == NODE_MAP ? map->first : NULL; n; n = n->next) {
        check_capture(r, n, path);
        all[out->capture_count] = n->key;
        out->captures = all;
        out->capture_count++;
    }
    out->captures = all;
}

static void read_request(struct reader *r, struct flow_part *part, const struct node *n,
                         const char *path)
{
    struct http_part *o = arena_new(r->arena, struct http_part);
    const struct target *t;
    struct request_compile c = {&o->request, n, path, r->declared, false, r->declared != NULL};

    opt_bind(http_part_table, NULL, n, path, o, &r->bind);
    t = o->request.target;
    part->request_opts = &o->request;
    part->fresh = o->connection == 1;
    part->max_body = (size_t)o->max_body;
    if (t && t->scheme && strcmp(t->scheme, "http") != 0 && strcmp(t->scheme, "https") != 0)
        diag_add(r->d, n->at, "%s.target: the url of \"%s\" is neither http: nor https:", path,
                 t->name);
    else if (t && t->scheme)
        part->request = request_compile(&c, r->arena, r->d);
    add_captures(r, part, o->request.capture, path);
}

/* A fingerprint that differs every time is a template, which only a flow knows. */
static void read_expect(struct reader *r, struct flow_check *c, const struct node *n,
                        const char *check)
{
    const char *path = arena_printf(r->arena, "%s.expect", check);
    struct tls_expect_opts *o = arena_new(r->arena, struct tls_expect_opts);
    const struct node *at = n && n->type == NODE_MAP ? node_find(n, "fingerprint") : NULL;
    struct node none = {.type = NODE_MAP};
    struct err e;

    opt_bind(tls_expect_table, NULL, n ? n : &none, path, o, &r->bind);
    if (at && o->fingerprint && strstr(o->fingerprint, "%{")) {
        c->fingerprint = template_compile(o->fingerprint, r->bind.scope, r->arena, &e);
        o->fingerprint = NULL;
        if (!c->fingerprint)
            diag_add(r->d, at->at, "%s.fingerprint: %s", path, e.text);
    }
    c->expect = tls_expect_compile(o, c->target->tls.verify, n, check, r->arena, r->d);
}

static void read_check(struct reader *r, struct flow_part *part, const struct node *n,
                       const char *path)
{
    struct tls_part o = {0};

    opt_bind(tls_part_table, NULL, n, path, &o, &r->bind);
    part->check.target = o.target;
    part->check.server_name = o.server_name;
    part->check.timeout = (uint64_t)o.timeout;
    if (!o.target || !o.target->scheme)
        return;
    if (strcmp(o.target->scheme, "https") != 0 && strcmp(o.target->scheme, "wss") != 0)
        diag_add(r->d, n->at, "%s.target: the url of \"%s\" is neither https: nor wss:", path,
                 o.target->name);
    read_expect(r, &part->check, o.expect, path);
}

static void check_part(struct reader *r, const struct part_opts *o, const struct node *n,
                       const char *path)
{
    if (!o->http == !o->tls)
        diag_add(r->d, n->at, "%s: a part is either http or tls", path);
    for (int i = 0; o->name && i < r->out->n; i++)
        if (strcmp(r->out->names[i], o->name) == 0)
            diag_add(r->d, n->at, "%s.name: there is another part \"%s\"", path, o->name);
}

static void read_part(struct reader *r, const struct node *n, const char *path,
                      const struct template_scope *outer)
{
    struct template_scope *scope = arena_new(r->arena, struct template_scope);
    struct flow_part *part = &r->out->v[r->out->n];
    struct part_opts o = {0};

    if (outer)
        *scope = *outer;
    scope->captures = r->out->captures;
    r->bind.scope = scope;
    opt_bind(part_table, NULL, n, path, &o, &r->bind);
    check_part(r, &o, n, path);
    part->name = r->out->names[r->out->n] = o.name ? o.name : ""; /* which has been told */
    part->think = (uint64_t)o.think;
    part->every = (uint64_t)o.until.every;
    part->within = o.until_given ? (uint64_t)o.until.within : 0;
    if (o.until_given && o.until.every >= o.until.within)
        diag_warn(r->bind.diags, n->at, "%s.until: one look only: `every` is not below `within`",
                  path);
    if (o.http)
        read_request(r, part, o.http, arena_printf(r->arena, "%s.http", path));
    else if (o.tls)
        read_check(r, part, o.tls, arena_printf(r->arena, "%s.tls", path));
    r->out->n++;
}

bool flow_read(struct flow_parts *out, const struct flow_opts *o, const char *path,
               const struct declared *declared, struct arena *arena, struct diags *d)
{
    struct reader r = {out, declared, arena, d, *o->bind};
    int before = d->errors, i = 0;

    *out = (struct flow_parts){0};
    r.bind.arena = arena;
    r.bind.diags = d;
    if (o->parts->type != NODE_LIST || o->parts->count == 0)
        return diag_add(d, o->parts->at, "%s.parts: expected a list of parts", path);
    out->v = arena_array(arena, struct flow_part, o->parts->count);
    out->names = arena_array(arena, const char *, o->parts->count);
    out->captures = arena_new(arena, const char *);
    for (const struct node *n = o->parts->first; n; n = n->next, i++)
        read_part(&r, n, arena_printf(arena, "%s.parts[%d]", path, i), o->bind->scope);
    return d->errors == before;
}

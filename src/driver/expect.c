#include "driver/expect.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/redact.h"
#include "driver/answer.h"
#include "net/http1.h"
#include "net/pattern.h"

#define LOOKED_MAX (4 * QUOTED_MAX) /* of a body: a secret is found before it is cut */

#define OPT_OF     struct expect_opts
const struct opt expect_table[] = {
    OPT_TEXTS(status, "acceptable status codes, classes or ranges", .example = "[200, 404, 5xx]"),
    OPT_NODE(header,
             "fields that must be there, each with a pattern to find in it; empty: any value",
             .schema = "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}}",
             .example = "{content-type: application/json}"),
    OPT_TEXT(body, NULL, "PCRE2 pattern to find in the body", .example = "\"status\": *\"ok\""),
    OPT_NODE(json, "values in a JSON body, by JSON pointer", .schema = "{\"type\":\"object\"}",
             .example = "{/status: deployed}"),
    {0},
};
#undef OPT_OF

struct range {
    int lo, hi;
};

struct field {
    const char *name;
    const char *text;
    const struct pattern *pattern;
};

struct expect {
    const char *status_text; /* as written, for messages */
    struct range *status;
    struct field *fields;
    const struct node **values; /* each with its pointer as key */
    const char *body_text;
    const struct pattern *body;
    int status_count, field_count, value_count;
    bool explicit_status;
};

/* "204", "2xx" or "200-299". */
static bool parse_range(const char *s, struct range *r)
{
    int end = 0;

    if (strlen(s) == 3 && s[0] >= '1' && s[0] <= '5' && strcasecmp(s + 1, "xx") == 0) {
        r->lo = (s[0] - '0') * 100;
        r->hi = r->lo + 99;
        return true;
    }
    if (strlen(s) == 3 && sscanf(s, "%3d%n", &r->lo, &end) == 1 && s[end] == '\0')
        r->hi = r->lo;
    else if (strlen(s) != 7 || sscanf(s, "%3d-%3d%n", &r->lo, &r->hi, &end) != 2 || s[end])
        return false;
    return isdigit((unsigned char)s[0]) && r->lo >= 100 && r->hi <= 599 && r->lo <= r->hi;
}

static struct pos place(const struct node *at, const char *key)
{
    const struct node *n = at ? node_find(at, key) : NULL;

    return n ? n->at : at ? at->at : (struct pos){0};
}

static void compile_status(struct expect *x, const struct texts *status, const struct node *at,
                           const char *path, struct arena *arena, struct diags *d)
{
    const char *text = "";

    x->status = arena_array(arena, struct range, status->n);
    for (int i = 0; i < status->n; i++) {
        text = arena_printf(arena, "%s%s%s", text, i ? " or " : "", status->v[i]);
        if (!parse_range(status->v[i], &x->status[x->status_count++]))
            diag_add(d, place(at, "status"),
                     "%s.status: \"%s\" is not a status (try 200, 2xx or 200-299)", path,
                     status->v[i]);
    }
    x->status_text = text;
}

static const struct pattern *compile_pattern(const char *text, struct pos at, const char *path,
                                             struct arena *arena, struct diags *d)
{
    struct err e;
    const struct pattern *p = pattern_compile(text, arena, &e);

    if (!p)
        diag_add(d, at, "%s: %s", path, e.text);
    return p;
}

static void compile_fields(struct expect *x, const struct node *map, const char *path,
                           struct arena *arena, struct diags *d)
{
    if (map->type != NODE_MAP) {
        diag_add(d, map->at, "%s.header: expected a map from names to patterns", path);
        return;
    }
    x->fields = arena_array(arena, struct field, map->count);
    for (const struct node *n = map->first; n; n = n->next) {
        struct field *f = &x->fields[x->field_count++];
        const char *where = arena_printf(arena, "%s.header.%s", path, n->key);

        f->name = n->key;
        f->text = n->secret ? "***" : n->text;
        if (n->type == NODE_SCALAR)
            f->pattern = compile_pattern(n->text, n->at, where, arena, d);
        else
            diag_add(d, n->at, "%s: expected a pattern", where);
    }
}

static void compile_values(struct expect *x, const struct node *map, const char *path,
                           struct arena *arena, struct diags *d)
{
    if (map->type != NODE_MAP) {
        diag_add(d, map->at, "%s.json: expected a map from JSON pointers to values", path);
        return;
    }
    x->values = arena_array(arena, const struct node *, map->count);
    for (const struct node *n = map->first; n; n = n->next) {
        const char *cure = json_pointer_cure(n->key, arena);

        if (n->key[0] != '\0' && n->key[0] != '/')
            diag_add(d, n->key_at, "%s.json: \"%s\" is not a JSON pointer (try \"/%s\")", path,
                     n->key, cure ? cure : n->key);
        else if (cure)
            diag_add(d, n->key_at, "%s.json: \"%s\": " JSON_TILDE " (try \"%s\")", path, n->key,
                     cure);
        x->values[x->value_count++] = n;
    }
}

static void set_default_status(struct expect *x, struct arena *arena)
{
    x->status = arena_new(arena, struct range);
    x->status[0] = (struct range){200, 399};
    x->status_count = 1;
    x->status_text = "200-399";
}

struct expect *expect_compile(const struct expect_opts *o, bool default_status,
                              const struct node *at, const char *path, struct arena *arena,
                              struct diags *d)
{
    struct expect *x = arena_new(arena, struct expect);
    int before = d->errors;

    x->explicit_status = o->status.n > 0;
    if (x->explicit_status)
        compile_status(x, &o->status, at, path, arena, d);
    else if (default_status)
        set_default_status(x, arena);
    if (o->header)
        compile_fields(x, o->header, path, arena, d);
    if (o->json)
        compile_values(x, o->json, path, arena, d);
    if (o->body) {
        const struct node *n = at ? node_find(at, "body") : NULL;
        const char *where = arena_printf(arena, "%s.body", path);

        x->body_text = n && n->secret ? "***" : o->body;
        x->body = compile_pattern(o->body, place(at, "body"), where, arena, d);
    }
    return d->errors == before ? x : NULL;
}

bool expect_needs_head(const struct expect *x)
{
    return x->field_count > 0 || x->value_count > 0; /* the coding of what is no JSON */
}

bool expect_needs_body(const struct expect *x)
{
    return x->body || x->value_count > 0;
}

int expect_checks(const struct expect *x)
{
    return x->explicit_status + x->field_count + x->value_count + (x->body != NULL);
}

void answer_quote(const struct answer *a, char out[QUOTED_ROOM])
{
    size_t looked = a->body_len < LOOKED_MAX ? a->body_len : LOOKED_MAX, len;
    struct buf clean = {0};

    redact(a->body ? a->body : "", looked, &clean);
    len = clean.len < QUOTED_MAX ? clean.len : QUOTED_MAX;
    snprintf(out, QUOTED_ROOM, "%.*s%s", (int)len, buf_text(&clean),
             len < clean.len || looked < a->body_len ? "..." : "");
    for (char *p = out; *p; p++)
        if (iscntrl((unsigned char)*p))
            *p = ' ';
    buf_free(&clean);
}

/* What a status says about whom to turn to. */
static const char *hint(int status)
{
    switch (status) {
    case 401:
        return " (the credentials are not accepted)";
    case 429:
        return " (a rate limit: raise it or lower the rate; `count:` tells it apart)";
    default:
        return "";
    }
}

static bool status_met(const struct expect *x, const struct answer *a, char why[WHY_MAX])
{
    char quoted[QUOTED_ROOM];

    for (int i = 0; i < x->status_count; i++)
        if (a->status >= x->status[i].lo && a->status <= x->status[i].hi)
            return true;
    answer_quote(a, quoted);
    snprintf(why, WHY_MAX, "status %d, expected %.40s%s%s%.44s", a->status, x->status_text,
             hint(a->status), a->quote && *quoted ? ": " : "", a->quote ? quoted : "");
    return x->status_count == 0;
}

static bool field_met(const struct field *f, const struct answer *a, char why[WHY_MAX])
{
    struct http1_span head = {a->head, a->head_len}, value;

    if (!http1_field(&head, f->name, &value)) {
        snprintf(why, WHY_MAX, "no header %s, expected \"%s\"", f->name, f->text);
        return false;
    }
    if (pattern_search(f->pattern, value.data, value.len))
        return true;
    snprintf(why, WHY_MAX, "header %s is \"%.*s%s\", expected \"%s\"", f->name,
             (int)(value.len < 80 ? value.len : 80), value.data, value.len > 80 ? "..." : "",
             f->text);
    return false;
}

static bool body_met(const struct expect *x, const struct answer *a, char why[WHY_MAX])
{
    if (pattern_search(x->body, a->body, a->body_len))
        return true;
    snprintf(why, WHY_MAX, "\"%.100s\" is not in the %sbody of %zu bytes", x->body_text,
             a->cut ? "kept part of the " : "", a->body_len);
    return false;
}

struct tally { /* explicit parts met, and the first reason why not */
    int met;
    bool failed;
    char *why;
};

static void tally_add(struct tally *t, bool met, const char *reason)
{
    t->met += met;
    if (!met && !t->failed)
        snprintf(t->why, WHY_MAX, "%s", reason);
    t->failed |= !met;
}

bool expect_judge(const struct expect *x, struct answer *a, int *met, char why[WHY_MAX])
{
    struct tally t = {.why = why};
    char reason[WHY_MAX] = "";

    if (x->status_count > 0)
        tally_add(&t, status_met(x, a, reason), reason);
    t.met = x->explicit_status ? t.met : 0;
    for (int i = 0; i < x->field_count; i++)
        tally_add(&t, field_met(&x->fields[i], a, reason), reason);
    if (x->body)
        tally_add(&t, body_met(x, a, reason), reason);
    for (int i = 0; i < x->value_count; i++)
        tally_add(&t, answer_has(a, x->values[i], reason), reason);
    if (met)
        *met = t.met;
    return !t.failed;
}

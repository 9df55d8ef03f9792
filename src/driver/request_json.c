/*
 * request_json.c - JSON written in YAML.
 *
 * The tree becomes JSON text once; only scalars with a %{...} are left to be rendered.  Positions
 * are in the tree, so a template that does not compile is reported where it stands.
 */
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "driver/answer.h"
#include "driver/request_parts.h"

static void add(struct maker *m, const char *text)
{
    pieces_text(&m->parts->body, m->arena, text, strlen(text));
}

static void add_string(struct maker *m, const char *text)
{
    add(m, json_quote(text, m->arena));
}

static void add_template(struct maker *m, const struct node *n, const char *path)
{
    struct pieces *body = &m->parts->body;
    const struct bind *b = m->c->opts->bind;
    struct err e;
    const struct template *t = template_compile(n->text, b ? b->scope : NULL, m->arena, &e);
    bool numeric;

    if (!t) {
        diag_add(m->d, n->at, "%s: %s", path, e.text);
    } else if (template_constant(t)) {
        add_string(m, template_constant(t));
    } else if (template_is_single(t, &numeric)) {
        pieces_template(body, m->arena, PIECE_JSON_VALUE, t);
    } else {
        add(m, "\"");
        pieces_template(body, m->arena, PIECE_JSON, t);
        add(m, "\"");
    }
}

static void add_scalar(struct maker *m, const struct node *n, const char *path)
{
    if (strstr(n->text, "%{"))
        add_template(m, n, path);
    else if (json_reads_as_string(n))
        add_string(m, n->text);
    else
        add(m, n->text[0] ? n->text : "null");
}

void request_json(struct maker *m, const struct node *value, const char *path)
{
    bool map = value->type == NODE_MAP;
    int i = 0;

    if (value->type == NODE_SCALAR) {
        add_scalar(m, value, path);
        return;
    }
    add(m, map ? "{" : "[");
    for (const struct node *n = value->first; n; n = n->next, i++) {
        if (i > 0)
            add(m, ",");
        if (map) {
            add_string(m, n->key);
            add(m, ":");
        }
        request_json(m, n,
                     map ? arena_printf(m->arena, "%s.%s", path, n->key)
                         : arena_printf(m->arena, "%s[%d]", path, i));
    }
    add(m, map ? "}" : "]");
}

#include "spec/opt.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "spec/opttype.h"
#include "spec/template.h"

static bool bind_map(const struct opt *table, const char *const *others, const struct node *map,
                     const char *path, void *out, const struct bind *b);

const struct opt *opt_find(const struct opt *table, const char *name)
{
    for (const struct opt *o = table; o && o->name; o++) {
        if (strcmp(o->name, name) == 0)
            return o;
    }
    return NULL;
}

static int least(int a, int b)
{
    return a < b ? a : b;
}

#define WORD_MAX 64

/* Edits between two words: insert, delete, replace, swap neighbours. */
static int edits(const char *a, const char *b)
{
    int rows[3][WORD_MAX + 1], *before = rows[0], *last = rows[1], *row = rows[2], *spare;
    int n = (int)strlen(b);

    for (int j = 0; j <= n; j++)
        last[j] = j;
    for (int i = 1; a[i - 1]; i++) {
        row[0] = i;
        for (int j = 1; j <= n; j++) {
            row[j] = least(least(last[j], row[j - 1]) + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], before[j - 2] + 1);
        }
        spare = before;
        before = last;
        last = row;
        row = spare;
    }
    return last[n];
}

static const char *begun(const char *word, size_t len, const char *const *names)
{
    const char *found = NULL;

    for (; len >= 3 && names && *names; names++) {
        if (strncmp(*names, word, len) != 0 || strlen(*names) > WORD_MAX)
            continue;
        if (found)
            return NULL;
        found = *names;
    }
    return found;
}

/* In a word of three letters, two edits would find anything. */
const char *opt_nearest(const char *word, const char *const *names)
{
    size_t len = strlen(word);
    int best = len < 4 ? 2 : 3;
    const char *found = NULL;

    if (len == 0 || len > WORD_MAX)
        return NULL;
    for (const char *const *n = names; n && *n; n++) {
        size_t other = strlen(*n);
        int d;

        if (other == 0 || other > WORD_MAX || other > len + 2 || len > other + 2)
            continue;
        d = edits(word, *n);
        if (d < best) {
            best = d;
            found = *n;
        }
    }
    return found ? found : begun(word, len, names);
}

const char *opt_hint(const char *word, const char *const *names, const char *otherwise,
                     char buf[OPT_HINT_MAX])
{
    const char *near = opt_nearest(word, names);

    if (!near)
        return otherwise;
    snprintf(buf, OPT_HINT_MAX, " (did you mean \"%s\"?)", near);
    return buf;
}

static const char *join(const struct bind *b, const char *path, const char *key)
{
    return *path ? arena_printf(b->arena, "%s.%s", path, key) : arena_strdup(b->arena, key);
}

static bool in_list(const char *name, const char *const *list)
{
    for (; list && *list; list++) {
        if (strcmp(*list, name) == 0)
            return true;
    }
    return false;
}

static void refuse_key(const struct opt *table, const char *const *others, const struct node *child,
                       const char *path, const struct bind *b)
{
    char hint[OPT_HINT_MAX];
    const char **names;
    int n = 0;

    for (const struct opt *o = table; o->name; o++)
        n++;
    for (int i = 0; others && others[i]; i++)
        n++;
    names = xcalloc((size_t)n + 1, sizeof(*names));
    n = 0;
    for (const struct opt *o = table; o->name; o++)
        names[n++] = o->name;
    for (int i = 0; others && others[i]; i++)
        names[n++] = others[i];
    diag_add(b->diags, child->key_at, "%s%sno option \"%s\"%s", path, *path ? ": " : "", child->key,
             opt_hint(child->key, names, "", hint));
    free(names);
}

static bool bind_list(const struct opt *o, const struct node *list, const char *path,
                      struct texts *out, const struct bind *b)
{
    struct texts all = {.v = arena_array(b->arena, const char *, list->count)}, one;
    bool ok = true;

    for (const struct node *c = list->first; c; c = c->next) {
        const char *at = arena_printf(b->arena, "%s[%d]", path, all.n);

        one = (struct texts){0};
        if (c->type != NODE_SCALAR)
            ok = diag_add(b->diags, c->at, "%s: expected text, not a %s", at,
                          c->type == NODE_MAP ? "map" : "list");
        else if (c->deferred)
            one.v = NULL; /* "" until its phase has run */
        else
            ok &= opt_bind_value(o, c, at, &one, b);
        all.v[all.n++] = one.v ? one.v[0] : "";
    }
    if (ok)
        *out = all;
    return ok;
}

static bool bind_templates(const struct node *map, const char *path, struct named_templates *out,
                           const struct bind *b, unsigned flags)
{
    static const struct node empty = {.type = NODE_SCALAR, .raw = "", .text = "", .quoted = true};
    struct named_templates all = {
        .names = arena_array(b->arena, const char *, map->count),
        .values = arena_array(b->arena, const struct template *, map->count),
    };
    const struct opt row = {.name = path, .type = OPT_T_TEMPLATE, .flags = flags};
    bool ok = true;

    if (map->type == NODE_LIST || (map->type == NODE_SCALAR && (map->quoted || map->raw[0])))
        return diag_add(b->diags, map->at, "%s: expected a map from names to text", path);
    for (const struct node *c = map->first; c; c = c->next) {
        const struct node *value = c->type == NODE_SCALAR && c->deferred ? &empty : c;

        all.names[all.n] = arena_strdup(b->arena, c->key);
        ok &= opt_bind_value(&row, value, join(b, path, c->key), &all.values[all.n], b);
        all.n++;
    }
    if (ok)
        *out = all;
    return ok;
}

static bool bind_row(const struct opt *o, const struct node *n, const char *path, void *field,
                     const struct bind *b)
{
    if (o->type == OPT_T_NODE) {
        *(const struct node **)field = n;
        return true;
    }
    if (n->type == NODE_SCALAR && n->deferred)
        return true;
    if (o->type == OPT_T_SUB)
        return bind_map(o->sub, NULL, n, path, field, b);
    if (o->type == OPT_T_TEMPLATES)
        return bind_templates(n, path, field, b, o->flags);
    if (o->type == OPT_T_TEXTS && n->type == NODE_LIST)
        return bind_list(o, n, path, field, b);
    return opt_bind_value(o, n, path, field, b);
}

static void set_defaults(const struct opt *table, void *out, const struct bind *b)
{
    struct diags none;
    struct bind quiet = *b;

    diags_init(&none, "default", b->arena);
    quiet.diags = &none;
    for (const struct opt *o = table; o->name; o++) {
        void *field = (char *)out + o->offset;
        struct node n = {.type = NODE_SCALAR, .raw = o->def, .text = o->def, .quoted = true};

        if (o->type == OPT_T_SUB)
            set_defaults(o->sub, field, b);
        else if (o->def && !opt_bind_value(o, &n, o->name, field, &quiet))
            bug("the default of an option is wrong: %s", none.first->text);
    }
}

/* The owner of a NODE binds what is inside after opt_bind() has returned. */
static const struct bind *copy_binding(const struct bind *b)
{
    struct bind *copy = arena_new(b->arena, struct bind);

    *copy = *b;
    return copy;
}

static bool bind_child(const struct opt *table, const char *const *others, const struct node *child,
                       const char *path, void *out, const struct bind *b)
{
    const struct opt *o = opt_find(table, child->key);

    if (!o && in_list(child->key, others))
        return true;
    if (!o) {
        refuse_key(table, others, child, path, b);
        return false;
    }
    if (o->given)
        *(bool *)((char *)out + o->given - 1) = true;
    if (o->binding)
        *(const struct bind **)((char *)out + o->binding - 1) = copy_binding(b);
    return bind_row(o, child, join(b, path, o->name), (char *)out + o->offset, b);
}

static bool bind_map(const struct opt *table, const char *const *others, const struct node *map,
                     const char *path, void *out, const struct bind *b)
{
    bool ok = true, is_empty = map->type == NODE_SCALAR && !map->quoted && !map->raw[0];

    if (map->type != NODE_MAP && !is_empty)
        return diag_add(b->diags, map->at, "%s%sexpected a map of options", path,
                        *path ? ": " : "");
    for (const struct node *c = map->first; c; c = c->next)
        ok &= bind_child(table, others, c, path, out, b);
    for (const struct opt *o = table; o->name; o++) {
        if ((o->flags & OPT_REQUIRED) && !node_find(map, o->name))
            ok = diag_add(b->diags, map->at, "%s%s\"%s\" is missing", path, *path ? ": " : "",
                          o->name);
    }
    return ok;
}

bool opt_bind(const struct opt *table, const char *const *others, const struct node *map,
              const char *path, void *out, const struct bind *b)
{
    set_defaults(table, out, b);
    return bind_map(table, others, map, path, out, b);
}

/*
 * yaml.c - libyaml's events, made into a tree.
 *
 * The reader recurses once a level, so its depth is bounded here, and with it that of everything
 * that walks the tree later.  An alias costs as many nodes as what it stands for: the same counter
 * bounds a document that is long and one that is short but unfolds.
 */
#include "spec/yaml.h"

#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "base/arena.h"
#include "base/mem.h"
#include "spec/yamlhint.h"

enum {
    SIZE_MAX_BYTES = 4 << 20,
    DEPTH_MAX = 64,
    NODES_MAX = 100000,
    ANCHORS_MAX = 1000,
};

struct anchor {
    struct anchor *next;
    const char *name;
    struct node *node; /* NULL while it is being read */
};

struct reader {
    yaml_parser_t parser;
    yaml_event_t event; /* the current one */
    const char *text;
    size_t len;
    struct arena *arena;
    struct diags *diags;
    struct anchor *anchors;
    int anchor_count;
    int nodes;
    bool stop;  /* reading cannot go on */
    bool wrong; /* reading goes on, for further mistakes, but there will be no tree */
};

static struct node *read_node(struct reader *r, int depth);

static struct pos pos_of(yaml_mark_t m)
{
    return (struct pos){(int)m.line + 1, (int)m.column + 1};
}

static struct node *give_up(struct reader *r)
{
    r->stop = true;
    return NULL;
}

static void report_parser(struct reader *r)
{
    const yaml_parser_t *y = &r->parser;
    struct yaml_problem p = {
        .text = r->text,
        .len = r->len,
        .at = pos_of(y->problem_mark),
        .problem = y->problem ? y->problem : "unknown error",
        .context_at = pos_of(y->context_mark),
        .context = y->context,
    };

    if (y->error == YAML_MEMORY_ERROR)
        abort();
    if (y->error == YAML_READER_ERROR)
        p.at = yaml_place(r->text, y->problem_offset < r->len ? y->problem_offset : r->len);
    yaml_explain(r->diags, &p);
}

static bool next(struct reader *r)
{
    if (r->stop)
        return false;
    yaml_event_delete(&r->event);
    if (yaml_parser_parse(&r->parser, &r->event))
        return true;
    memset(&r->event, 0, sizeof(r->event));
    report_parser(r);
    r->stop = true;
    return false;
}

static struct node *new_node(struct reader *r, enum node_type type, struct pos at)
{
    struct node *n;

    if (++r->nodes > NODES_MAX) {
        diag_add(r->diags, at, "the document has more than %d values, counting those of aliases",
                 NODES_MAX);
        return give_up(r);
    }
    n = arena_new(r->arena, struct node);
    *n = (struct node){.type = type, .at = at, .raw = "", .text = ""};
    return n;
}

static bool too_deep(struct reader *r, int depth, struct pos at)
{
    if (depth <= DEPTH_MAX)
        return false;
    diag_add(r->diags, at, "nested more than %d levels deep", DEPTH_MAX);
    r->stop = true;
    return true;
}

/* A copy for an alias: counted, and bounded in depth like what is written out. */
static struct node *unfold(struct reader *r, const struct node *from, int depth)
{
    struct node *n, *tail = NULL;

    if (too_deep(r, depth, from->at) || !(n = new_node(r, from->type, from->at)))
        return NULL;
    *n = *from;
    n->next = n->first = NULL;
    n->count = 0;
    for (const struct node *c = from->first; c; c = c->next) {
        struct node *copy = unfold(r, c, depth + 1);

        if (!copy)
            return NULL;
        node_append(n, &tail, copy);
    }
    return n;
}

static struct node *read_alias(struct reader *r, int depth)
{
    const char *name = (const char *)r->event.data.alias.anchor;
    struct pos at = pos_of(r->event.start_mark);

    for (const struct anchor *a = r->anchors; a; a = a->next) {
        if (strcmp(a->name, name) != 0)
            continue;
        if (a->node)
            return unfold(r, a->node, depth);
        diag_add(r->diags, at, "anchor \"%s\" contains itself", name);
        return give_up(r);
    }
    diag_add(r->diags, at,
             "no anchor \"&%s\" stands before this alias: quote this value if it is text", name);
    r->wrong = true;
    return new_node(r, NODE_SCALAR, at);
}

/* Known from here on; its node is set when it is complete. */
static struct anchor *open_anchor(struct reader *r, const yaml_char_t *name)
{
    struct anchor *a;

    if (!name)
        return NULL;
    if (++r->anchor_count > ANCHORS_MAX) {
        diag_add(r->diags, pos_of(r->event.start_mark), "more than %d anchors", ANCHORS_MAX);
        r->stop = true;
        return NULL;
    }
    a = arena_new(r->arena, struct anchor);
    a->name = arena_strdup(r->arena, (const char *)name);
    a->next = r->anchors;
    r->anchors = a;
    return a;
}

static void refuse_tag(struct reader *r, const yaml_char_t *tag)
{
    if (!tag)
        return;
    diag_add(r->diags, pos_of(r->event.start_mark),
             "\"!\" begins a tag, and a suite has none: quote this value if it is text");
    r->wrong = true;
}

/* `limit: >5` is a block of text, five columns deep, without a line in it. */
static void check_block(struct reader *r)
{
    yaml_scalar_style_t style = r->event.data.scalar.style;

    if ((style != YAML_FOLDED_SCALAR_STYLE && style != YAML_LITERAL_SCALAR_STYLE) ||
        r->event.data.scalar.length)
        return;
    diag_add(r->diags, pos_of(r->event.start_mark),
             "\"%c\" begins a block of text, and this one is empty: quote this value if it is text",
             style == YAML_FOLDED_SCALAR_STYLE ? '>' : '|');
    r->wrong = true;
}

static struct node *read_scalar(struct reader *r)
{
    const char *value = (const char *)r->event.data.scalar.value;
    size_t len = r->event.data.scalar.length;
    struct node *n = new_node(r, NODE_SCALAR, pos_of(r->event.start_mark));

    if (!n)
        return NULL;
    refuse_tag(r, r->event.data.scalar.tag);
    check_block(r);
    if (memchr(value, '\0', len)) {
        diag_add(r->diags, n->at, "a value cannot hold a NUL character");
        r->wrong = true;
        return n;
    }
    n->raw = n->text = arena_strndup(r->arena, value, len);
    n->quoted = r->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    return n;
}

static struct node *read_list(struct reader *r, int depth)
{
    struct node *list = new_node(r, NODE_LIST, pos_of(r->event.start_mark)), *tail = NULL;

    if (!list)
        return NULL;
    refuse_tag(r, r->event.data.sequence_start.tag);
    while (next(r) && r->event.type != YAML_SEQUENCE_END_EVENT) {
        struct node *child = read_node(r, depth + 1);

        if (!child)
            return NULL;
        node_append(list, &tail, child);
    }
    return r->stop ? NULL : list;
}

static bool is_merge(const struct node *key)
{
    return key->type == NODE_SCALAR && !key->quoted && strcmp(key->raw, "<<") == 0;
}

/* In flow maps `{a:1}` is one key without a value, which nobody means. */
static void check_colon(struct reader *r, const struct node *key, const struct node *value)
{
    if (key->quoted || value->quoted || value->type != NODE_SCALAR || value->raw[0])
        return;
    if (!strchr(key->raw, ':'))
        return;
    diag_add(r->diags, key->at, "write a space after the \":\" in \"%s\", or quote it", key->raw);
    r->wrong = true;
}

/* The children of a merged map, or of each in a list of maps, follow the map's own. */
static void merge(struct reader *r, struct node *value, struct node *map, struct node **tail)
{
    bool is_list = value->type == NODE_LIST;

    for (struct node *m = is_list ? value->first : value; m; m = is_list ? m->next : NULL) {
        if (m->type != NODE_MAP) {
            diag_add(r->diags, value->at, "\"<<\" merges a map or a list of maps");
            r->wrong = true;
            return;
        }
        for (struct node *c = m->first, *following; c; c = following) {
            following = c->next;
            c->next = NULL;
            node_append(map, tail, c);
        }
    }
}

struct entry { /* a child of a map, and its place among the others */
    struct node *node;
    int order;
};

static int by_key(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int c = strcmp(x->node->key, y->node->key);

    return c ? c : (x->order > y->order) - (x->order < y->order);
}

static int by_order(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;

    return (x->order > y->order) - (x->order < y->order);
}

/* Leaves the first of each key.  Beyond the first `own` children they are merged ones. */
static void drop_repeated(struct reader *r, struct node *map, int own)
{
    int n = map->count, kept = 0;
    struct entry *all = xcalloc((size_t)n, sizeof(*all));
    struct node *tail = NULL;

    for (struct node *c = map->first; c; c = c->next, kept++)
        all[kept] = (struct entry){c, kept};
    qsort(all, (size_t)n, sizeof(*all), by_key);
    kept = 0;
    for (int i = 0; i < n; i++) {
        const struct node *first = kept ? all[kept - 1].node : NULL;

        if (!first || strcmp(first->key, all[i].node->key) != 0)
            all[kept++] = all[i];
        else if (all[i].order < own)
            diag_add(r->diags, all[i].node->key_at,
                     "key \"%s\" is repeated; the first one, on line %d, counts", first->key,
                     first->key_at.line);
    }
    qsort(all, (size_t)kept, sizeof(*all), by_order);
    map->first = NULL;
    map->count = 0;
    for (int i = 0; i < kept; i++) {
        all[i].node->next = NULL;
        node_append(map, &tail, all[i].node);
    }
    free(all);
}

/* One key and its value, appended to `map`, or to the list of what is to be merged. */
static bool read_pair(struct reader *r, struct node *map, struct node **tail, struct node *merges,
                      struct node **merges_tail, int depth)
{
    struct node *key = read_node(r, depth + 1), *value;

    if (!key || !next(r) || !(value = read_node(r, depth + 1)))
        return false;
    if (key->type != NODE_SCALAR) {
        diag_add(r->diags, key->at,
                 "a key must be plain text: quote this value if its {} or [] are text");
        r->wrong = true;
        return true;
    }
    check_colon(r, key, value);
    value->key = key->raw;
    value->key_at = key->at;
    if (is_merge(key))
        node_append(merges, merges_tail, value);
    else
        node_append(map, tail, value);
    return true;
}

static struct node *read_map(struct reader *r, int depth)
{
    struct node *map = new_node(r, NODE_MAP, pos_of(r->event.start_mark)), *tail = NULL;
    struct node merges = {0}, *merges_tail = NULL;
    int own;

    if (!map)
        return NULL;
    refuse_tag(r, r->event.data.mapping_start.tag);
    while (next(r) && r->event.type != YAML_MAPPING_END_EVENT) {
        if (!read_pair(r, map, &tail, &merges, &merges_tail, depth))
            return NULL;
    }
    if (r->stop)
        return NULL;
    own = map->count;
    for (struct node *m = merges.first; m; m = m->next)
        merge(r, m, map, &tail);
    drop_repeated(r, map, own);
    return map;
}

/* The node that the current event begins; NULL if reading stops. */
static struct node *read_node(struct reader *r, int depth)
{
    struct anchor *anchor = NULL;
    struct node *n;

    if (too_deep(r, depth, pos_of(r->event.start_mark)))
        return NULL;
    switch (r->event.type) {
    case YAML_ALIAS_EVENT:
        return read_alias(r, depth);
    case YAML_SCALAR_EVENT:
        anchor = open_anchor(r, r->event.data.scalar.anchor);
        n = read_scalar(r);
        break;
    case YAML_SEQUENCE_START_EVENT:
        anchor = open_anchor(r, r->event.data.sequence_start.anchor);
        n = read_list(r, depth);
        break;
    case YAML_MAPPING_START_EVENT:
        anchor = open_anchor(r, r->event.data.mapping_start.anchor);
        n = read_map(r, depth);
        break;
    default:
        return give_up(r);
    }
    if (anchor)
        anchor->node = n;
    return n;
}

static struct node *read_document(struct reader *r)
{
    struct node *root = NULL;

    while (next(r)) {
        struct pos at = pos_of(r->event.start_mark);

        if (r->event.type == YAML_STREAM_END_EVENT)
            break;
        if (r->event.type != YAML_DOCUMENT_START_EVENT)
            continue;
        if (root) {
            diag_add(r->diags, at, "a second document begins here; a file holds one");
            return give_up(r);
        }
        if (!next(r) || !(root = read_node(r, 0)))
            return give_up(r);
    }
    if (!r->stop && (!root || (root->type == NODE_SCALAR && !root->quoted && !root->raw[0]))) {
        diag_add(r->diags, (struct pos){1, 1}, "the file is empty");
        return NULL;
    }
    return r->stop || r->wrong ? NULL : root;
}

/* YAML 1.2, 5.2: a byte order mark may begin a document; libyaml skips it only where it guesses. */
static size_t mark_bytes(const char *text, size_t len)
{
    return len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

struct node *yaml_parse(const char *text, size_t len, struct arena *arena, struct diags *d)
{
    size_t mark = mark_bytes(text, len);
    struct reader r = {.text = text + mark, .len = len - mark, .arena = arena, .diags = d};
    const char *nul = len ? memchr(text, '\0', len) : NULL;
    struct node *root;

    if (len > SIZE_MAX_BYTES) {
        diag_add(d, (struct pos){0}, "larger than %d MiB", SIZE_MAX_BYTES >> 20);
        return NULL;
    }
    if (nul) {
        diag_add(d, yaml_place(text, (size_t)(nul - text)),
                 "a NUL byte: this is not text in UTF-8");
        return NULL;
    }
    if (!yaml_parser_initialize(&r.parser))
        abort();
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)r.text, r.len);
    root = read_document(&r);
    yaml_event_delete(&r.event);
    yaml_parser_delete(&r.parser);
    return root;
}

/*
 * yaml.h - a YAML document as a tree that knows where everything was written.
 *
 * Scalars stay text until an option gives them a type, so that `no` is not false and `1.10` not
 * 1.1.  Depth, node count and the expansion of aliases are bounded.  A repeated key is a mistake,
 * and the first one counts.  Anchors, aliases and merge keys (`<<`) are resolved while reading; an
 * aliased subtree is copied, each copy keeping the positions of the original.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spec/diag.h"

enum node_type { NODE_SCALAR, NODE_MAP, NODE_LIST };

struct node {
    enum node_type type;
    struct node *next;  /* sibling */
    struct node *first; /* children of a map or list, in file order */
    int count;          /* children */
    const char *key;    /* inside a map */
    struct pos at, key_at;
    const char *raw;   /* scalar: as written, NUL-terminated, never holds a NUL */
    const char *text;  /* scalar: with every ${...} replaced; equals raw until then */
    bool quoted;       /* scalar: written with quotes or as a block: always a string in JSON */
    bool secret;       /* its text came from a secret: never print it */
    bool deferred;     /* names ${phase...}, which has no value before that phase has run */
    uint64_t services; /* bit i: its text refers to service i of the suite */
};

/* NULL if the text is no YAML document; what is wrong is in `d`. */
struct node *yaml_parse(const char *text, size_t len, struct arena *arena, struct diags *d);

const struct node *node_find(const struct node *map, const char *key); /* may be NULL */
struct node *node_copy(const struct node *n, struct arena *arena);     /* deep */

/* A map at the place of `n` with `n` as the value of its only key: the long form of a short one. */
struct node *node_wrap(const struct node *n, const char *key, struct arena *arena);

/* Adds `child` after *tail, the parent's last one (NULL: it has none), and makes it the last. */
void node_append(struct node *parent, struct node **tail, struct node *child);

/* A map without children, for binding a table's defaults alone. */
extern const struct node node_nothing;

#include "spec/yaml.h"

#include <string.h>

#include "base/arena.h"

const struct node node_nothing = {.type = NODE_MAP, .raw = "", .text = ""};

void node_append(struct node *parent, struct node **tail, struct node *child)
{
    if (*tail)
        (*tail)->next = child;
    else
        parent->first = child;
    *tail = child;
    parent->count++;
}

const struct node *node_find(const struct node *map, const char *key)
{
    if (map->type != NODE_MAP)
        return NULL;
    for (const struct node *c = map->first; c; c = c->next) {
        if (strcmp(c->key, key) == 0)
            return c;
    }
    return NULL;
}

struct node *node_copy(const struct node *n, struct arena *arena)
{
    struct node *copy = arena_new(arena, struct node), *tail = NULL;

    *copy = *n;
    copy->next = copy->first = NULL;
    copy->count = 0;
    for (const struct node *c = n->first; c; c = c->next)
        node_append(copy, &tail, node_copy(c, arena));
    return copy;
}

struct node *node_wrap(const struct node *n, const char *key, struct arena *arena)
{
    struct node *map = arena_new(arena, struct node), *inner = arena_new(arena, struct node);
    struct node *tail = NULL;

    *map = *inner = *n;
    map->type = NODE_MAP;
    map->first = map->next = NULL;
    map->count = 0;
    inner->key = key;
    inner->next = NULL;
    node_append(map, &tail, inner);
    return map;
}

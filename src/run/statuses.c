#include "run/statuses.h"

#include <stdlib.h>

#include "base/arena.h"
#include "run/result.h"

static int find(const struct statuses *s, int code)
{
    int i = 0;

    while (i < s->n && s->v[i].code != code)
        i++;
    return i;
}

void statuses_add(struct statuses *s, int code, uint64_t count)
{
    int i = find(s, code);

    if (i == s->n && s->n >= STATUSES_MAX) {
        code = STATUS_OTHER;
        i = find(s, code);
    }
    if (i == s->n)
        s->v[s->n++].code = code;
    s->v[i].count += count;
}

void statuses_merge(struct statuses *into, const struct statuses *from)
{
    for (int i = 0; i < from->n; i++)
        statuses_add(into, from->v[i].code, from->v[i].count);
}

static int by_code(const void *a, const void *b)
{
    const struct status_count *x = a, *y = b;

    return x->code - y->code;
}

struct status_count *statuses_list(const struct statuses *parts, const struct meter_shape *shape,
                                   struct arena *arena, int *n)
{
    struct status_count *list;
    int total = 0;

    for (int p = 0; p < shape->part_count; p++)
        total += parts[p].n;
    list = arena_array(arena, struct status_count, total);
    *n = 0;
    for (int p = 0; p < shape->part_count; p++) {
        for (int i = 0; i < parts[p].n; i++)
            list[*n + i] = (struct status_count){p > 0 ? shape->parts[p] : NULL, parts[p].v[i].code,
                                                 parts[p].v[i].count};
        qsort(list + *n, (size_t)parts[p].n, sizeof(*list), by_code);
        *n += parts[p].n;
    }
    return list;
}

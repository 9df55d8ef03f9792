#include "target/ingest_bump.h"

#include <stdalign.h>

#include "base/mem.h"

#define FIRST (16 << 10)
#define ALIGN 16

struct bump_more {
    struct bump_more *next;
    alignas(ALIGN) char bytes[];
};

static void *take(void *ctx, size_t size)
{
    struct bump *b = ctx;
    size_t need = (size + ALIGN - 1) / ALIGN * ALIGN;
    struct bump_more *m;
    void *at;

    if (size > BUMP_MAX || b->wanted + need > BUMP_MAX)
        return NULL;
    b->wanted += need;
    if (need <= b->size - b->used) {
        at = b->block + b->used;
        b->used += need;
        return at;
    }
    m = xrealloc(NULL, sizeof(*m) + need);
    m->next = b->more;
    b->more = m;
    return m->bytes;
}

static void keep(void *ctx, void *at)
{
    (void)ctx;
    (void)at;
}

static void free_more(struct bump *b)
{
    struct bump_more *next;

    for (struct bump_more *m = b->more; m; m = next) {
        next = m->next;
        free(m);
    }
    b->more = NULL;
}

ProtobufCAllocator *bump_start(struct bump *b)
{
    size_t first = b->first ? b->first : FIRST;

    if (b->wanted > b->size || !b->block) {
        b->size = b->wanted > first ? b->wanted : first;
        b->block = xrealloc(b->block, b->size);
    }
    free_more(b);
    b->used = b->wanted = 0;
    b->allocator = (ProtobufCAllocator){take, keep, b};
    return &b->allocator;
}

void bump_free(struct bump *b)
{
    free_more(b);
    free(b->block);
    *b = (struct bump){0};
}

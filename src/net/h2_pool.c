#include "net/h2_pool.h"

#include <stdint.h>
#include <string.h>

#include "base/mem.h"

#define STEP    16
#define CLASSES 513 /* up to 8 KiB; larger ones are the C library's */
#define SLAB    ((size_t)64 << 10)

/* A frame of 16 KiB (RFC 9113 4.2), its head and a little; nothing else of a new session is. */
#define FRAME_MIN (16 << 10)
#define FRAME_MAX ((16 << 10) + 64)

struct block { /* what stands before each piece of memory: as long as malloc() aligns to */
    size_t size;
    struct block *next; /* while it is free */
};

struct slab {
    struct slab *next;
    size_t used, size; /* both with this head */
    size_t padding;    /* blocks begin where malloc() would have them begin */
};

struct h2_pool {
    struct block *free[CLASSES];
    struct slab *slabs;
    size_t held; /* bytes of slabs */
    bool sharing;
    char frame[FRAME_MAX];
};

struct h2_pool *h2_pool_new(void)
{
    return xcalloc(1, sizeof(struct h2_pool));
}

void h2_pool_free(struct h2_pool *p)
{
    struct slab *next;

    for (struct slab *s = p ? p->slabs : NULL; s; s = next) {
        next = s->next;
        free(s);
    }
    free(p);
}

void h2_pool_share(struct h2_pool *p, bool on)
{
    if (p)
        p->sharing = on;
}

/* A pool that has grown large goes on in huge pages; what it then takes too much is little of it.
 */
static struct slab *add_slab(struct h2_pool *p)
{
    size_t size = p->held < 2 * MEM_HUGE ? SLAB : MEM_HUGE;
    struct slab *s = size == MEM_HUGE ? xcalloc_huge(1, size) : xrealloc(NULL, size);

    *s = (struct slab){.next = p->slabs, .used = sizeof(*s), .size = size};
    p->held += size;
    return p->slabs = s;
}

static struct block *carve(struct h2_pool *p, size_t size)
{
    size_t need = sizeof(struct block) + size;
    struct slab *s = p->slabs;
    struct block *b;

    if (!s || s->used + need > s->size)
        s = add_slab(p);
    b = (struct block *)((char *)s + s->used);
    s->used += need;
    b->size = size;
    return b;
}

void *h2_pool_alloc(size_t size, void *pool)
{
    struct h2_pool *p = pool;
    size_t class = (size + STEP - 1) / STEP;
    struct block *b;

    if (p->sharing && size >= FRAME_MIN && size <= FRAME_MAX)
        return p->frame;
    if (class >= CLASSES) {
        b = xrealloc(NULL, sizeof(*b) + size);
        b->size = size;
        return b + 1;
    }
    b = p->free[class];
    if (b)
        p->free[class] = b->next;
    else
        b = carve(p, class * STEP);
    return b + 1;
}

void *h2_pool_calloc(size_t n, size_t size, void *pool)
{
    size_t all;

    if (__builtin_mul_overflow(n, size, &all))
        abort();
    return memset(h2_pool_alloc(all, pool), 0, all);
}

void h2_pool_release(void *block, void *pool)
{
    struct h2_pool *p = pool;
    struct block *b;
    size_t class;

    if (!block || block == p->frame)
        return;
    b = (struct block *)block - 1;
    class = (b->size + STEP - 1) / STEP;
    if (class >= CLASSES) {
        free(b);
        return;
    }
    b->next = p->free[class];
    p->free[class] = b;
}

void *h2_pool_realloc(void *old, size_t size, void *pool)
{
    struct h2_pool *p = pool;
    size_t had = old == p->frame ? FRAME_MAX : old ? ((struct block *)old - 1)->size : 0;
    void *fresh;

    if (old && had >= size)
        return old;
    fresh = h2_pool_alloc(size, pool);
    if (old)
        memcpy(fresh, old, had);
    h2_pool_release(old, pool);
    return fresh;
}

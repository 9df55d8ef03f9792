/* mem.h - the allocator for what is not in an arena, which never returns NULL; free() frees. */
#pragma once

#include <stdint.h>
#include <stdlib.h>

/*
 * Begins to bring a stretch of memory into the cache.  What is used once in a second or so, by the
 * thousand, has always left it; asking for all of the next one while this one is in work costs one
 * wait in place of a dozen.  Any address will do.
 */
static inline void mem_fetch(const void *p, size_t from, size_t to)
{
    for (uintptr_t at = (uintptr_t)p + from; at < (uintptr_t)p + to; at += 64)
        __builtin_prefetch((const void *)at);
}

static inline void *mem_check(void *p)
{
    if (!p)
        abort();
    return p;
}

static inline void *xcalloc(size_t n, size_t size)
{
    return mem_check(calloc(n ? n : 1, size ? size : 1));
}

static inline void *xrealloc(void *old, size_t size)
{
    return mem_check(realloc(old, size ? size : 1));
}

#define MEM_HUGE ((size_t)2 << 20) /* bytes of a huge page */

/*
 * As xcalloc(), for what is large and read here and there: its whole huge pages are asked for as
 * such, so that the processor does not walk page tables for nearly each access.
 */
void *xcalloc_huge(size_t n, size_t size);

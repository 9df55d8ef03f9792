/* mem.h - the allocator for what is not in an arena.  None of these returns NULL; free() frees. */
#pragma once

#include <stdlib.h>

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

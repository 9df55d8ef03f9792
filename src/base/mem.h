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

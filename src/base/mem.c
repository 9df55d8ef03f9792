#include "base/mem.h"

#include <string.h>
#include <sys/mman.h>

void *xcalloc_huge(size_t n, size_t size)
{
    size_t bytes;
    void *p = NULL;

    if (__builtin_mul_overflow(n, size, &bytes))
        abort();
    if (bytes < MEM_HUGE)
        return xcalloc(n, size);
    mem_check(posix_memalign(&p, MEM_HUGE, bytes) == 0 ? p : NULL);
    madvise(p, bytes - bytes % MEM_HUGE, MADV_HUGEPAGE); /* refused: they are small ones */
    return memset(p, 0, bytes);
}

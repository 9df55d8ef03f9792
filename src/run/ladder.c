#include "run/ladder.h"

#include "base/err.h"

void ladder_add(struct ladder *l, uint64_t from_ns, double size)
{
    int n = atomic_load_explicit(&l->count, memory_order_relaxed);

    if (n == RUNGS_MAX)
        bug("a ladder of more than %d rungs", RUNGS_MAX);
    l->rungs[n] = (struct rung){from_ns, size};
    atomic_store_explicit(&l->count, n + 1, memory_order_release);
}

void ladder_ask(struct ladder *l, int from, int to, bool last)
{
    uint32_t n = atomic_load_explicit(&l->asked, memory_order_relaxed);

    l->question = (struct question){from, to, last};
    atomic_store_explicit(&l->asked, n + 1, memory_order_release);
}

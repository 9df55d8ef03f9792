#include "base/timers.h"

#include "base/mem.h"

#define ARITY 4

struct timers_entry { /* the key lies in the heap, so sifting touches no timer but the moved ones */
    uint64_t when;
    struct timer *timer;
};

static void put(struct timers *ts, uint32_t at, struct timers_entry e)
{
    ts->heap[at] = e;
    e.timer->index = at + 1;
}

static void sift_up(struct timers *ts, uint32_t at, struct timers_entry e)
{
    while (at > 0) {
        uint32_t parent = (at - 1) / ARITY;

        if (ts->heap[parent].when <= e.when)
            break;
        put(ts, at, ts->heap[parent]);
        at = parent;
    }
    put(ts, at, e);
}

static uint32_t earliest_child(const struct timers *ts, uint32_t first)
{
    uint32_t best = first, end = first + ARITY < ts->count ? first + ARITY : ts->count;

    for (uint32_t i = first + 1; i < end; i++)
        if (ts->heap[i].when < ts->heap[best].when)
            best = i;
    return best;
}

static void sift_down(struct timers *ts, uint32_t at, struct timers_entry e)
{
    for (;;) {
        uint32_t child = at * ARITY + 1;

        if (child >= ts->count)
            break;
        child = earliest_child(ts, child);
        if (ts->heap[child].when >= e.when)
            break;
        put(ts, at, ts->heap[child]);
        at = child;
    }
    put(ts, at, e);
}

static void place(struct timers *ts, uint32_t at, struct timers_entry e)
{
    if (at > 0 && ts->heap[(at - 1) / ARITY].when > e.when)
        sift_up(ts, at, e);
    else
        sift_down(ts, at, e);
}

void timers_set(struct timers *ts, struct timer *t, uint64_t when_ns)
{
    struct timers_entry e = {when_ns, t};

    if (t->index) {
        place(ts, t->index - 1, e);
        return;
    }
    if (ts->count == ts->cap) {
        ts->cap = ts->cap ? ts->cap * 2 : 64;
        ts->heap = xrealloc(ts->heap, ts->cap * sizeof(*ts->heap));
    }
    sift_up(ts, ts->count++, e);
}

void timers_cancel(struct timers *ts, struct timer *t)
{
    uint32_t at = t->index - 1;

    if (!t->index)
        return;
    t->index = 0;
    if (at == --ts->count)
        return;
    place(ts, at, ts->heap[ts->count]);
}

uint64_t timers_next(const struct timers *ts)
{
    return ts->count ? ts->heap[0].when : UINT64_MAX;
}

struct timer *timers_pop(struct timers *ts, uint64_t now, uint64_t *when_ns)
{
    struct timer *t;

    if (!ts->count || ts->heap[0].when > now)
        return NULL;
    t = ts->heap[0].timer;
    *when_ns = ts->heap[0].when;
    timers_cancel(ts, t);
    return t;
}

int timers_run(struct timers *ts, uint64_t now)
{
    struct timer *t;
    uint64_t when;
    int fired = 0;

    while ((t = timers_pop(ts, now, &when))) {
        t->fire(t, now);
        fired++;
    }
    return fired;
}

void timers_free(struct timers *ts)
{
    free(ts->heap);
    *ts = (struct timers){0};
}

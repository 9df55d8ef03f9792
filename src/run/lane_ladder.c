/*
 * lane_ladder.c - answers are copies of whole seconds of the lane's meter, made once or a few times
 * for each size; a turn without news costs two relaxed loads.
 */
#include "run/lane_ladder.h"

#include <time.h>

#include "base/clock.h"
#include "run/lane_state.h"

static uint64_t thread_cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* An operation that nobody has answered yet took at least as long as it is old. */
static void add_open(struct ladder_answer *a, const struct question *q, const struct op *op)
{
    uint64_t age = a->at_ns > op->due_ns ? a->at_ns - op->due_ns : 0;
    int second = (int)op->second;

    if (second >= q->to)
        return;
    a->unanswered++;
    if (second < q->from)
        return;
    meter_trend(&a->meter, M_OP_DURATION, op->part, TAG_FAILED, second, age);
    meter_rate(&a->meter, M_OP_FAILED, op->part, q->last ? TAG_FAILED : TAG_OK, second, q->last);
    meter_rate(&a->meter, M_OP_OK, op->part, q->last ? TAG_FAILED : TAG_OK, second, !q->last);
}

static void answer(struct lane_run *l)
{
    const struct question *q = &l->setup.ladder->question;
    struct ladder_answer *a = &l->answer;

    meter_free(&a->meter);
    meter_init(&a->meter, l->setup.shape);
    meter_merge_seconds(&a->meter, &l->meter, q->from, q->to);
    a->at_ns = now_ns();
    a->cpu_ns = thread_cpu_ns();
    a->ended = atomic_load_explicit(&l->live.ended, memory_order_relaxed);
    a->unanswered = 0;
    a->waiting = pacer_waiting(&l->pacer, l->start_ns + (uint64_t)q->to * NS_PER_S);
    a->full = !lane_has_free(l);
    for (uint32_t i = 0; l->busy && i < l->fresh; i++)
        if (l->slots[i].busy)
            add_open(a, q, &l->lane.ops[i]);
}

void lane_ladder_follow(struct lane_run *l)
{
    const struct ladder *ladder = l->setup.ladder;
    int count = atomic_load_explicit(&ladder->count, memory_order_acquire);
    uint32_t asked = atomic_load_explicit(&ladder->asked, memory_order_acquire);

    for (; l->rungs < count; l->rungs++)
        pacer_size(&l->pacer, ladder->rungs[l->rungs].from_ns, ladder->rungs[l->rungs].size);
    if (asked == atomic_load_explicit(&l->answer.answered, memory_order_relaxed))
        return;
    answer(l);
    atomic_store_explicit(&l->answer.answered, asked, memory_order_release);
}

#include "run/stepper.h"

#include <stdio.h>

#include "base/arena.h"
#include "base/clock.h"
#include "run/ladder.h"
#include "run/lane.h"
#include "run/result.h"
#include "suite/suite.h"

#define AHEAD_NS  (150 * NS_PER_MS) /* lanes look at least every 100 ms */
#define LOOK_NS   (20 * NS_PER_MS)  /* while a question is open */
#define ASK_NS    (200 * NS_PER_MS) /* from one question to the next about the same seconds */
#define SIZES_CAP 600               /* stepping.c allows fewer */

static const struct load *load_of(const struct stepper *s)
{
    return &s->result->step->load;
}

/* The first whole second of the step that the lanes can still hear of in time. */
static int next_second(const struct stepper *s, uint64_t now)
{
    uint64_t at = now + AHEAD_NS > s->start_ns ? now + AHEAD_NS - s->start_ns : 0;

    return (int)((at + NS_PER_S - 1) / NS_PER_S);
}

static uint64_t second_ns(const struct stepper *s, int second)
{
    return s->start_ns + (uint64_t)second * NS_PER_S;
}

static void settle(struct stepper *s, int second)
{
    ladder_add(s->ladder, (uint64_t)second * NS_PER_S, s->climb.size);
    s->from = second + stepping_lead(load_of(s));
    s->to = s->from + (int)(load_of(s)->stepping.hold / (int64_t)NS_PER_S);
    s->state = STEPPER_SETTLE;
    s->wait_ns = second_ns(s, s->from);
}

void stepper_begin(struct stepper *s)
{
    climb_begin(&s->climb, &load_of(s)->stepping);
    s->began_cpu = arena_array(s->arena, uint64_t, s->lane_count);
    s->began_at = arena_array(s->arena, uint64_t, s->lane_count);
    s->result->sizes = arena_array(s->arena, struct size_result, SIZES_CAP);
    settle(s, 0);
}

static void ask(struct stepper *s, int from, int to, bool last)
{
    ladder_ask(s->ladder, from, to, last);
    s->asked = atomic_load_explicit(&s->ladder->asked, memory_order_relaxed);
}

static bool answered(struct stepper *s)
{
    for (int i = 0; i < s->lane_count; i++)
        if (atomic_load_explicit(&lane_answer(s->lanes[i])->answered, memory_order_acquire) !=
            s->asked)
            return false;
    s->asked = 0;
    return true;
}

struct open { /* what is open of what was due before the end of the question */
    uint64_t unanswered, waiting_busy, waiting_own;
};

static struct open count_open(const struct stepper *s)
{
    struct open o = {0};

    for (int i = 0; i < s->lane_count; i++) {
        const struct ladder_answer *a = lane_answer(s->lanes[i]);

        o.unanswered += a->unanswered;
        if (a->full)
            o.waiting_busy += a->waiting;
        else
            o.waiting_own += a->waiting;
    }
    return o;
}

static void note_begin(struct stepper *s)
{
    s->began_ended = 0;
    for (int i = 0; i < s->lane_count; i++) {
        const struct ladder_answer *a = lane_answer(s->lanes[i]);

        s->began_cpu[i] = a->cpu_ns;
        s->began_at[i] = a->at_ns;
        s->began_ended += a->ended;
    }
}

/* The first answer after the end of a hold. */
static void note_end(struct stepper *s)
{
    struct open o = count_open(s);
    double ended = -(double)s->began_ended, longest = 0;

    s->size->late_busy = (double)o.waiting_busy;
    s->size->late_own = (double)o.waiting_own;
    s->size->cpu = 0;
    for (int i = 0; i < s->lane_count; i++) {
        const struct ladder_answer *a = lane_answer(s->lanes[i]);
        double took = (double)(a->at_ns - s->began_at[i]);
        double cpu = took > 0 ? (double)(a->cpu_ns - s->began_cpu[i]) / took : 0;

        ended += (double)a->ended;
        longest = took > longest ? took : longest;
        if (cpu > s->size->cpu)
            s->size->cpu = cpu;
    }
    s->size->achieved = longest > 0 ? ended * 1e9 / longest : 0;
}

/* Judges the size by what the lanes have answered. */
static void judge(struct stepper *s, bool open)
{
    struct step_result so_far = *s->result;

    meter_init(&so_far.meter, &so_far.shape);
    for (int i = 0; i < s->lane_count; i++)
        meter_merge(&so_far.meter, &lane_answer(s->lanes[i])->meter);
    sizes_judge(&so_far, s->size, open, s->arena);
    meter_free(&so_far.meter);
}

static void tell(struct stepper *s, bool again)
{
    const struct size_result *z = s->size;
    const char *name = s->result->step->name, *line;
    char text[UNITS_MAX];

    if (!s->note)
        return;
    stepping_print(&load_of(s)->stepping, z->size, text);
    if (z->verdict == VERDICT_PASS)
        line = arena_printf(s->arena, "  %s: %s held", name, text);
    else if (z->verdict == VERDICT_BREACH)
        line = arena_printf(s->arena, "  %s: %s did not hold: %s", name, text, z->reason);
    else
        line = arena_printf(s->arena, "  %s: %s could not be judged%s: %s", name, text,
                            again ? ", and is held for longer" : "", z->reason);
    s->note(s->ctx, line);
}

static void stop(struct stepper *s, uint64_t now)
{
    s->state = STEPPER_OVER;
    s->wait_ns = UINT64_MAX;
    atomic_store(&s->control->stop_ns, now);
}

/* Nothing new, or only what the lesser size has, until all that was due has been answered. */
static void rest(struct stepper *s, uint64_t now)
{
    bool rate = load_of(s)->stepping.of == STEPPING_RATE;
    uint64_t from = now + AHEAD_NS - s->start_ns;

    ladder_add(s->ladder, from, rate ? 0 : s->climb.size);
    s->to = (int)(from / NS_PER_S);
    s->state = STEPPER_REST;
    s->wait_ns = s->start_ns + from;
    s->give_up_ns = s->wait_ns + (uint64_t)load_of(s)->graceful_stop;
}

static void move_on(struct stepper *s, uint64_t now)
{
    enum climb_move move = climb_judged(&s->climb, s->size->verdict);

    tell(s, move == CLIMB_AGAIN);
    switch (move) {
    case CLIMB_AGAIN:
        s->to += (int)(load_of(s)->stepping.hold / (int64_t)NS_PER_S);
        s->state = STEPPER_HOLD;
        s->wait_ns = second_ns(s, s->to);
        break;
    case CLIMB_UP:
        settle(s, next_second(s, now));
        break;
    case CLIMB_DOWN:
        rest(s, now);
        break;
    case CLIMB_STOP:
        stop(s, now);
    }
}

/* A new entry of the table, or the one that is held for longer. */
static void end_hold(struct stepper *s)
{
    struct step_result *r = s->result;

    if (!s->climb.again)
        s->size = &r->sizes[r->size_count++];
    *s->size = (struct size_result){.size = s->climb.size, .from = s->from, .to = s->to};
    note_end(s);
}

static bool holds_up(const struct open *o)
{
    return o->unanswered + o->waiting_busy + o->waiting_own > 0;
}

/*
 * What is open makes a verdict only where more answers cannot change it: a breach of a time that
 * the open ones are already beyond, or too many not even begun.
 */
static void drain(struct stepper *s, uint64_t now)
{
    struct open o = count_open(s);
    bool last = s->ladder->question.last;

    if (!s->size || s->size->to != s->to)
        end_hold(s);
    judge(s, holds_up(&o) && !last);
    if (holds_up(&o) && !last && (s->size->verdict != VERDICT_BREACH || o.waiting_own)) {
        s->wait_ns = now + ASK_NS;
        return;
    }
    move_on(s, now);
}

static void after_rest(struct stepper *s, uint64_t now)
{
    struct open o = count_open(s);
    char size[UNITS_MAX];

    if (!holds_up(&o)) {
        settle(s, next_second(s, now));
        return;
    }
    s->wait_ns = now + ASK_NS;
    if (now < s->give_up_ns)
        return;
    if (s->note)
        s->note(s->ctx,
                arena_printf(s->arena, "  %s: %s was not tried: what was due before is still open",
                             s->result->step->name,
                             stepping_print(&load_of(s)->stepping, s->climb.size, size)));
    stop(s, now);
}

/* The question that belongs to the state, once its time has come. */
static void put_question(struct stepper *s, uint64_t now)
{
    switch (s->state) {
    case STEPPER_SETTLE:
        ask(s, s->from, s->from, false);
        s->state = STEPPER_ASKED_BEGIN;
        break;
    case STEPPER_HOLD:
        s->state = STEPPER_DRAIN;
        s->give_up_ns = now + (uint64_t)load_of(s)->graceful_stop;
        ask(s, s->from, s->to, false);
        break;
    case STEPPER_DRAIN:
        ask(s, s->from, s->to, now >= s->give_up_ns);
        break;
    case STEPPER_REST:
        ask(s, s->to, s->to, false);
        break;
    default:
        break;
    }
}

static void use_answer(struct stepper *s, uint64_t now)
{
    switch (s->state) {
    case STEPPER_ASKED_BEGIN:
        note_begin(s);
        s->state = STEPPER_HOLD;
        s->wait_ns = second_ns(s, s->to);
        break;
    case STEPPER_DRAIN:
        drain(s, now);
        break;
    case STEPPER_REST:
        after_rest(s, now);
        break;
    default:
        break;
    }
}

uint64_t stepper_turn(struct stepper *s, uint64_t now)
{
    if (atomic_load(&s->control->stop_ns) != UINT64_MAX)
        s->state = STEPPER_OVER;
    if (s->state == STEPPER_OVER)
        return UINT64_MAX;
    if (!s->asked && now >= s->wait_ns)
        put_question(s, now);
    if (s->asked && answered(s))
        use_answer(s, now);
    return s->asked ? now + LOOK_NS : s->wait_ns;
}

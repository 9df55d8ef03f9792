#include "base/rng.h"
#include "base/timers.h"

#include "unit.h"

#define COUNT 1000

static uint64_t last_fired;
static int fired;

struct probe {
    struct timer timer;
    uint64_t when;
};

static void note(struct timer *t, uint64_t now)
{
    struct probe *p = (struct probe *)t;

    assert_true(p->when <= now);
    assert_true(p->when >= last_fired);
    last_fired = p->when;
    fired++;
}

static void fires_in_order_of_time(void **state)
{
    static struct probe probes[COUNT];
    struct timers ts = {0};
    uint64_t rng = 7;
    int alive = 0;

    (void)state;
    last_fired = 0;
    fired = 0;
    for (int i = 0; i < COUNT; i++) {
        probes[i] = (struct probe){{note, 0}, rng_next(&rng) % 500};
        timers_set(&ts, &probes[i].timer, probes[i].when);
    }
    for (int i = 0; i < COUNT; i += 3) /* moved, both ways */
        timers_set(&ts, &probes[i].timer, probes[i].when = rng_next(&rng) % 900);
    for (int i = 0; i < COUNT; i += 7)
        timers_cancel(&ts, &probes[i].timer);
    for (int i = 0; i < COUNT; i++)
        alive += timer_is_set(&probes[i].timer);
    assert_int_equal(alive, COUNT - (COUNT + 6) / 7);
    for (uint64_t now = 0; now < 1000; now += 37)
        timers_run(&ts, now);
    assert_int_equal(fired, alive);
    assert_true(timers_next(&ts) == UINT64_MAX);
    timers_free(&ts);
}

static void again(struct timer *t, uint64_t now)
{
    struct probe *p = (struct probe *)t;

    (void)now;
    fired++;
    assert_false(timer_is_set(t));
    p->when++;
}

static void idle_when_it_fires(void **state)
{
    struct timers ts = {0};
    struct probe p = {{again, 0}, 5};
    uint64_t when;

    (void)state;
    fired = 0;
    timers_cancel(&ts, &p.timer);
    timers_set(&ts, &p.timer, 5);
    assert_int_equal(timers_run(&ts, 4), 0);
    assert_int_equal(timers_run(&ts, 5), 1);
    timers_set(&ts, &p.timer, 9);
    assert_null(timers_pop(&ts, 8, &when));
    assert_ptr_equal(timers_pop(&ts, 9, &when), &p.timer);
    assert_int_equal(when, 9);
    assert_int_equal(fired, 1);
    timers_free(&ts);
}

UNIT_GROUP(timers, cmocka_unit_test(fires_in_order_of_time), cmocka_unit_test(idle_when_it_fires));

/* Answers by status: counted, bounded, merged, and the way through result.json and back. */
#include "unit.h"

#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "report/statuses_report.h"
#include "run/result.h"
#include "run/statuses.h"
#include "stats/meter.h"

static uint64_t count_of(const struct statuses *s, int code)
{
    for (int i = 0; i < s->n; i++)
        if (s->v[i].code == code)
            return s->v[i].count;
    return 0;
}

static uint64_t total_of(const struct statuses *s)
{
    uint64_t total = 0;

    for (int i = 0; i < s->n; i++)
        total += s->v[i].count;
    return total;
}

static void codes_are_counted(void **state)
{
    struct statuses s = {0};

    (void)state;
    for (int i = 0; i < 100; i++)
        statuses_add(&s, i % 10 ? 200 : 503, 1);
    assert_int_equal(s.n, 2);
    assert_int_equal(count_of(&s, 200), 90);
    assert_int_equal(count_of(&s, 503), 10);
}

/* A peer that makes up a status for each answer costs no more room, and no answer is lost. */
static void they_are_bounded(void **state)
{
    struct statuses s = {0}, t = {0};

    (void)state;
    for (int i = 0; i < 2000; i++) {
        statuses_add(&s, 100 + i % 500, 1);
        statuses_add(&t, 599 - i % 500, 1);
    }
    assert_int_equal(s.n, STATUSES_MAX + 1);
    assert_int_equal(total_of(&s), 2000);
    statuses_merge(&t, &s);
    assert_int_equal(t.n, STATUSES_MAX + 1);
    assert_int_equal(total_of(&t), 4000);
    memset(&t, 0, sizeof(t));
    statuses_add(&t, 100, 1);
    statuses_merge(&t, &s);
    assert_int_equal(count_of(&t, 100), 1 + count_of(&s, 100));
    assert_int_equal(count_of(&t, STATUS_OTHER), count_of(&s, STATUS_OTHER));
    for (int i = 0; i < 500; i++)
        statuses_add(&t, 100 + i, 1);
    assert_int_equal(t.n, STATUSES_MAX + 1);
    assert_int_equal(total_of(&t), 2501);
}

static void they_are_listed_by_part_and_code(void **state)
{
    static const char *const names[] = {NULL, "order", "look"};
    struct meter_shape shape = {.parts = names, .part_count = 3};
    struct statuses parts[3] = {0};
    struct step_result sr = {0};
    struct arena a = {0};
    struct buf text = {0};

    (void)state;
    statuses_add(&parts[1], 503, 1);
    statuses_add(&parts[1], 201, 999);
    statuses_add(&parts[2], 201, 1);
    sr.statuses = statuses_list(parts, &shape, &a, &sr.status_count);
    assert_int_equal(sr.status_count, 3);
    assert_string_equal(sr.statuses[0].part, "order");
    assert_int_equal(sr.statuses[0].code, 201);
    assert_int_equal(sr.statuses[1].code, 503);
    assert_string_equal(sr.statuses[2].part, "look");
    statuses_report_text(&sr, &text);
    assert_string_equal(buf_text(&text), "201 x 1,000, 503 x 1");
    buf_free(&text);
    arena_free(&a);
}

UNIT_GROUP(statuses, cmocka_unit_test(codes_are_counted), cmocka_unit_test(they_are_bounded),
           cmocka_unit_test(they_are_listed_by_part_and_code))

/* Sizes of a stepping load: what was measured at each, judged, and what the whole run makes of it.
 */
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/redact.h"
#include "run/result.h"
#include "suite/suite.h"

#include "unit.h"

#define S   NS_PER_S
#define MS  NS_PER_MS

#define P99 "op_duration: p(99)<50ms"

struct measured {
    struct arena arena;
    struct diags diags;
    struct suite_source source;
    struct suite *suite;
    struct step_result r;
    struct size_result sizes[4];
};

static void load(struct measured *m, const char *thresholds)
{
    static char text[1024];

    snprintf(
        text, sizeof(text),
        "suite: s\nphases:\n  - name: p\n    noop: {}\n    load: {executor: stepping, of: rate, "
        "start: 1000/s, step: 1000/s, max: 9k/s, hold: 10s}\n    thresholds: {%s}\n",
        thresholds);
    *m = (struct measured){0};
    m->source = (struct suite_source){.file = "s.yaml", .text = text, .len = strlen(text)};
    diags_init(&m->diags, "s.yaml", &m->arena);
    m->suite = suite_load(&m->source, &m->arena, &m->diags);
    assert_non_null(m->suite);
}

/* Four sizes, each held for 10 s: 1000 operations in each second, `slow` of them of 100 ms. */
static void measure(struct measured *m, const char *thresholds, const int slow[4])
{
    load(m, thresholds);
    m->r = (struct step_result){.step = &m->suite->phases[0].steps[0], .begun = true};
    step_shape(m->r.step, &m->arena, &m->r.shape);
    meter_init(&m->r.meter, &m->r.shape);
    m->r.sizes = m->sizes;
    m->r.size_count = 4;
    for (int i = 0; i < 4; i++) {
        m->sizes[i] =
            (struct size_result){.size = (i + 1) * 1000, .from = i * 12 + 1, .to = i * 12 + 11};
        for (int t = m->sizes[i].from; t < m->sizes[i].to; t++)
            for (int k = 0; k < 1000; k++) {
                meter_trend(&m->r.meter, M_OP_DURATION, 0, TAG_OK, t, (k < slow[i] ? 100 : 1) * MS);
                meter_trend(&m->r.meter, M_SCHEDULE_LAG, 0, TAG_OK, t, 1000);
                meter_rate(&m->r.meter, M_OP_FAILED, 0, TAG_OK, t, false);
            }
        /* What lies between two holds is nobody's. */
        meter_trend(&m->r.meter, M_OP_DURATION, 0, TAG_OK, m->sizes[i].to, 3600 * S);
        m->r.sent += 10000;
    }
}

static void measured_done(struct measured *m)
{
    meter_free(&m->r.meter);
    arena_free(&m->arena);
    redact_reset();
}

static double gauge(const struct measured *m, int metric)
{
    struct selection sel = {.metric = metric, .part = -1, .outcome = -1, .to = -1};
    struct series s;
    double last;

    series_select(&s, &m->r.meter, &sel);
    last = s.n ? s.last : -1;
    assert_true(s.n <= 1);
    series_free(&s);
    return last;
}

static void each_size_is_judged_by_its_own_seconds(void **state)
{
    static const int slow[4] = {0, 5, 30, 400};
    struct measured m;

    (void)state;
    measure(&m, P99, slow);
    sizes_conclude(&m.r, &m.arena);
    sizes_conclude(&m.r, &m.arena); /* saying it twice changes nothing */
    assert_int_equal(m.sizes[0].verdict, VERDICT_PASS);
    assert_int_equal(m.sizes[1].verdict, VERDICT_PASS);
    assert_int_equal(m.sizes[2].verdict, VERDICT_BREACH);
    assert_int_equal(m.sizes[3].verdict, VERDICT_BREACH);
    assert_true(gauge(&m, M_LAST_GOOD) == 2000);
    assert_true(gauge(&m, M_FIRST_BAD) == 3000);
    assert_non_null(strstr(sizes_sentence(&m.r, &m.arena), "2000/s held, 3000/s did not"));
    measured_done(&m);
}

static void who_was_late_decides(void **state)
{
    static const int slow[4] = {0, 0, 0, 0};
    struct measured m;

    (void)state;
    measure(&m, P99, slow);
    m.sizes[1].late_own = 2000;  /* of 20,000: this machine was */
    m.sizes[2].late_busy = 2000; /* of 30,000: every operation waited for the target */
    m.sizes[3].late_busy = 1000; /* of 40,000: no more than 5% */
    sizes_conclude(&m.r, &m.arena);
    assert_int_equal(m.sizes[1].verdict, VERDICT_INCONCLUSIVE);
    assert_true(m.sizes[1].unfit);
    assert_int_equal(m.sizes[2].verdict, VERDICT_BREACH);
    assert_int_equal(m.sizes[3].verdict, VERDICT_PASS);
    assert_true(gauge(&m, M_LAST_GOOD) == 1000); /* below the least that did not hold */
    measured_done(&m);
}

/* A breach by no more than our own lag is not the target's, and not a size that did not hold. */
static void own_lag_is_no_breach(void **state)
{
    static const int slow[4] = {0, 900, 0, 0};
    struct measured m;

    (void)state;
    measure(&m, P99, slow);
    for (int t = m.sizes[1].from; t < m.sizes[1].to; t++)
        for (int k = 0; k < 100; k++)
            meter_trend(&m.r.meter, M_SCHEDULE_LAG, 0, TAG_OK, t, 60 * MS);
    sizes_conclude(&m.r, &m.arena);
    assert_int_equal(m.sizes[1].verdict, VERDICT_INCONCLUSIVE);
    assert_true(m.sizes[1].unfit);
    assert_true(gauge(&m, M_FIRST_BAD) == -1);
    measured_done(&m);
}

/* A stored run, cut down to `sizes`, through the whole of the verdict. */
static const struct finding *judge(struct measured *m, int sizes, struct run_result *r,
                                   struct phase_result *p)
{
    m->r.size_count = sizes;
    *p = (struct phase_result){.phase = &m->suite->phases[0], .steps = &m->r};
    *r = (struct run_result){
        .suite = m->suite, .phases = p, .phase_count = 1, .arena = &m->arena, .complete = true};
    phase_judge(p, r, &m->arena);
    run_verdict(r);
    return p->findings;
}

static void the_answer_is_no_breach(void **state)
{
    static const int slow[4] = {0, 0, 400, 400}, all[4] = {400, 400, 400, 400}, none[4] = {0};
    struct phase_result p;
    struct run_result r;
    struct measured m;

    (void)state;
    measure(&m, P99, slow);
    judge(&m, 3, &r, &p);
    assert_int_equal(r.exit_code, 0);
    assert_null(p.findings->next); /* the limit of a size is no finding of the step */
    measured_done(&m);
    measure(&m, P99, all); /* not even the first one */
    assert_non_null(strstr(judge(&m, 1, &r, &p)->message, "not even 1000/s held"));
    assert_int_equal(r.exit_code, 1);
    measured_done(&m);
    measure(&m, P99 ", last_good: value>=2000", slow);
    judge(&m, 3, &r, &p);
    assert_int_equal(r.exit_code, 0);
    measured_done(&m);
    measure(&m, P99 ", last_good: value>=2001", slow);
    judge(&m, 3, &r, &p);
    assert_int_equal(r.exit_code, 1);
    measured_done(&m);
    measure(&m, P99 ", last_good: value>=0", all); /* whoever asks for so little gets it */
    judge(&m, 1, &r, &p);
    assert_int_equal(r.exit_code, 0);
    measured_done(&m);
    measure(&m, P99, none);
    m.sizes[3].late_own = 30000; /* it was us, and nothing was asked of the answer */
    judge(&m, 4, &r, &p);
    assert_int_equal(r.exit_code, 3);
    measured_done(&m);
}

static void a_lower_bound_proves_only_so_much(void **state)
{
    static const int none[4] = {0};
    struct phase_result p;
    struct run_result r;
    struct measured m;

    (void)state;
    measure(&m, P99 ", last_good: value>=3000", none);
    m.sizes[3].late_own = 30000; /* 3000 held; what 4000 would have done, we could not tell */
    judge(&m, 4, &r, &p);
    assert_int_equal(r.exit_code, 0);
    measured_done(&m);
    measure(&m, P99 ", last_good: value>=3500", none);
    m.sizes[3].late_own = 30000;
    assert_non_null(strstr(judge(&m, 4, &r, &p)->next->message, "only a lower bound"));
    assert_int_equal(r.exit_code, 3);
    measured_done(&m);
    measure(&m, P99 ", last_good: value<5000", none); /* it may well be more */
    judge(&m, 4, &r, &p);
    assert_int_equal(r.exit_code, 3);
    measured_done(&m);
}

UNIT_GROUP(sizes, cmocka_unit_test(each_size_is_judged_by_its_own_seconds),
           cmocka_unit_test(who_was_late_decides), cmocka_unit_test(own_lag_is_no_breach),
           cmocka_unit_test(the_answer_is_no_breach),
           cmocka_unit_test(a_lower_bound_proves_only_so_much));

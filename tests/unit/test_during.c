/* `during:`: what a suite says, when its steps begin, and which seconds are judged. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/redact.h"
#include "run/held.h"
#include "run/result.h"
#include "run/window.h"
#include "suite/suite.h"

#include "unit.h"

#define S ((int64_t)NS_PER_S)

struct loaded {
    struct arena arena;
    struct diags diags;
    struct suite_source source;
    struct suite *suite;
};

/* A phase with an attack whose load is `load`, and a control step with `during` and `more`. */
static void load(struct loaded *l, const char *attack, const char *during, const char *more)
{
    static char text[2048];

    snprintf(text, sizeof(text),
             "suite: s\n"
             "phases:\n"
             "  - name: p\n"
             "    parallel:\n"
             "      control:\n"
             "        noop: {}\n"
             "        during: {%s}\n"
             "        load: {executor: constant-arrival-rate, rate: 10/s%s\n"
             "      loris:\n"
             "        noop: {hold: true}\n"
             "        load: {%s}\n",
             during, more, attack);
    *l = (struct loaded){0};
    l->source = (struct suite_source){.file = "s.yaml", .text = text, .len = strlen(text)};
    diags_init(&l->diags, "s.yaml", &l->arena);
    l->suite = suite_load(&l->source, &l->arena, &l->diags);
}

static void done(struct loaded *l)
{
    arena_free(&l->arena);
    redact_reset();
}

#define HOLD "executor: hold-connections, connections: 100, rate: 50/s, duration: 20s"

static void control_begins_before_and_outlives(void **state)
{
    struct loaded l;
    const struct step *control, *loris;

    (void)state;
    load(&l, HOLD, "step: loris, before: 5s, after: 10s", "}");
    assert_non_null(l.suite);
    control = &l.suite->phases[0].steps[0];
    loris = &l.suite->phases[0].steps[1];
    assert_ptr_equal(control->during->attack, loris);
    assert_int_equal(control->load.start_time, 0);
    assert_int_equal(control->load.duration, 35 * S);
    assert_int_equal(loris->load.start_time, 5 * S);
    assert_true(fabs(control->during->held - 0.9) < 1e-9);
    done(&l);
}

static void attack_that_waits_is_waited_for(void **state)
{
    struct loaded l;

    (void)state;
    load(&l, HOLD ", start_time: 3s", "step: loris, before: 2s, after: 1s", "}");
    assert_non_null(l.suite);
    assert_int_equal(l.suite->phases[0].steps[0].load.start_time, 3 * S);
    assert_int_equal(l.suite->phases[0].steps[1].load.start_time, 5 * S);
    done(&l);
}

static void expect_mistake(const char *attack, const char *during, const char *more,
                           const char *words)
{
    struct loaded l;

    load(&l, attack, during, more);
    assert_null(l.suite);
    for (const struct diag *d = l.diags.first; d; d = d->next)
        if (!d->warning && strstr(d->text, words)) {
            done(&l);
            return;
        }
    fail_msg("no mistake says \"%s\"", words);
}

static void mistakes_are_told(void **state)
{
    static const char VUS[] = "executor: constant-vus, vus: 3, duration: 20s";

    (void)state;
    expect_mistake(HOLD, "step: lori", "}", "no step \"lori\" (did you mean \"loris\"?)");
    expect_mistake(HOLD, "step: control", "}", "no attack on itself");
    expect_mistake(HOLD, "before: 5s", "}", "step");
    expect_mistake(VUS, "step: loris", "}", "holds nothing");
    expect_mistake(HOLD, "step: loris, before: 500ms", "}", "whole seconds");
    expect_mistake(HOLD, "step: loris, held: 0%", "}", "above 0%");
    expect_mistake(HOLD, "step: loris, at_least: 30s", "}", "could never be judged");
    expect_mistake("executor: hold-connections, connections: 100, rate: 5/s, duration: 20s",
                   "step: loris, held: 50%, at_least: 11s", "}", "takes 9.8s to open");
    expect_mistake(HOLD, "step: loris", ", duration: 30s}", "leave it out");
    expect_mistake(HOLD, "step: loris", ", start_time: 1s}", "delay the attack");
    expect_mistake("executor: hold-connections, connections: 1, rate: 1/s, duration: until-stopped",
                   "step: loris", "}", "no end to outlive");
    expect_mistake(HOLD, "step: loris",
                   "}\n        thresholds: {\"op_ok{window:later}\": rate>=1%}",
                   "a window is before, during or after");
}

static void duration_that_follows_may_be_written(void **state)
{
    struct loaded l;

    (void)state;
    load(&l, HOLD, "step: loris, before: 5s, after: 10s", ", duration: 35s}");
    assert_non_null(l.suite);
    done(&l);
}

static void held_time_is_spread_over_seconds(void **state)
{
    struct held a = {0}, b = {0};

    (void)state;
    held_add(&a, 0, (uint64_t)S / 2);
    held_add(&a, 10, 2 * (uint64_t)S + (uint64_t)S / 4);
    held_add(&b, 4, 3 * (uint64_t)S);
    held_merge(&a, &b);
    assert_true(fabs(held_in(&a, 0) / 1e9 - 9) < 1e-9);
    assert_true(fabs(held_in(&a, 1) / 1e9 - 14) < 1e-9);
    assert_true(fabs(held_in(&a, 2) / 1e9 - 6.5) < 1e-9);
    assert_true(fabs(held_in(&a, 3)) < 1e-9);
    assert_int_equal(a.until_ns, 3 * S);
    held_take(&a, (uint64_t)S + (uint64_t)S / 2); /* one of them was not held from 1.5 s on */
    assert_true(fabs(held_in(&a, 0) / 1e9 - 9) < 1e-9);
    assert_true(fabs(held_in(&a, 1) / 1e9 - 13.5) < 1e-9);
    assert_true(fabs(held_in(&a, 2) / 1e9 - 5.5) < 1e-9);
    held_take(&a, 9 * (uint64_t)S);
    assert_true(fabs(held_in(&a, 2) / 1e9 - 5.5) < 1e-9);
    held_free(&a);
    held_free(&b);
}

struct fixture {
    struct loaded l;
    struct phase_result phase;
    struct step_result steps[2]; /* control, loris */
};

/* The attack of 20 s holds in its seconds `from` to `to` - 1; nobody has sent anything yet. */
static void begin(struct fixture *f, const char *during, const char *more, int from, int to)
{
    load(&f->l, HOLD, during, more);
    assert_non_null(f->l.suite);
    f->phase = (struct phase_result){.phase = &f->l.suite->phases[0], .steps = f->steps};
    for (int i = 0; i < 2; i++) {
        f->steps[i] = (struct step_result){.step = &f->phase.phase->steps[i],
                                           .begun = true,
                                           .sent = 350,
                                           .ok = 350,
                                           .planned = 350};
        step_shape(f->steps[i].step, &f->l.arena, &f->steps[i].shape);
        meter_init(&f->steps[i].meter, &f->steps[i].shape);
    }
    phase_link_attacks(&f->phase);
    assert_ptr_equal(f->steps[0].attack, &f->steps[1]);
    f->steps[1].planned = 0;
    for (int i = 0; i < 20; i++)
        meter_gauge(&f->steps[1].meter, M_CONNECTIONS_HELD, 0, TAG_OK, i,
                    i >= from && i < to ? 90 : 89.9);
}

static void send(struct fixture *f, int from, int to, int failed_of_10, uint64_t duration)
{
    for (int s = from; s < to; s++)
        for (int i = 0; i < 10; i++) {
            bool ok = i >= failed_of_10;

            meter_rate(&f->steps[0].meter, M_OP_OK, 0, ok ? TAG_OK : TAG_FAILED, s, ok);
            meter_rate(&f->steps[0].meter, M_OP_FAILED, 0, ok ? TAG_OK : TAG_FAILED, s, !ok);
            if (ok)
                meter_trend(&f->steps[0].meter, M_OP_DURATION, 0, TAG_OK, s, duration);
        }
}

static void end(struct fixture *f)
{
    meter_free(&f->steps[0].meter);
    meter_free(&f->steps[1].meter);
    done(&f->l);
}

static const struct finding *judged(struct fixture *f, const char *name)
{
    struct run_result r = {.suite = f->l.suite,
                           .phases = &f->phase,
                           .phase_count = 1,
                           .complete = true,
                           .arena = &f->l.arena};

    phase_judge(&f->phase, &r, &f->l.arena);
    for (const struct finding *g = f->phase.findings; g; g = g->next)
        if (strstr(g->name, name))
            return g;
    fail_msg("no finding \"%s\"", name);
    return NULL;
}

#define AROUND "step: loris, before: 5s, after: 10s, at_least: 10s"

/* Of 30 s of control traffic, 15 overlap the attack: what fails then must not be diluted. */
static void only_the_overlap_is_judged(void **state)
{
    struct fixture f;
    const struct finding *g;

    (void)state;
    begin(&f, AROUND, "}\n        thresholds: {op_ok: rate>=80%}", 2, 17);
    send(&f, 0, 7, 0, 1000000);
    send(&f, 7, 22, 4, 1000000); /* 60 of 350 fail: 83% are well over all, 60% in the overlap */
    send(&f, 22, 35, 0, 1000000);
    g = judged(&f, "op_ok");
    assert_int_equal(g->state, FOUND_BREACH);
    assert_int_equal(g->evidence.n, 150);
    assert_int_equal(g->evidence.from, 7);
    assert_int_equal(g->evidence.to, 22);
    end(&f);
}

static void windows_can_be_named(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, AROUND,
          "}\n        thresholds: {\"op_ok{window:before}\": rate==100%, "
          "\"op_ok{window:after}\": rate>=50%}",
          0, 20);
    send(&f, 0, 5, 0, 1000000);
    send(&f, 5, 25, 9, 1000000);
    send(&f, 25, 35, 2, 1000000);
    assert_int_equal(judged(&f, "window:before")->state, FOUND_PASS);
    assert_int_equal(judged(&f, "window:before")->evidence.n, 50);
    assert_int_equal(judged(&f, "window:after")->state, FOUND_PASS);
    assert_int_equal(judged(&f, "window:after")->evidence.n, 100);
    end(&f);
}

static void an_attack_that_held_too_little_decides_nothing(void **state)
{
    struct fixture f;
    const struct finding *g;

    (void)state;
    begin(&f, AROUND, "}\n        thresholds: {op_ok: rate>=50%}", 0, 9);
    send(&f, 0, 35, 0, 1000000);
    g = judged(&f, "op_ok");
    assert_int_equal(g->state, FOUND_INCONCLUSIVE);
    assert_non_null(strstr(g->message, "in 9 of 20 seconds"));
    assert_int_equal(judged(&f, "control: executed")->state, FOUND_INCONCLUSIVE);
    end(&f);
    begin(&f, AROUND, "}\n        thresholds: {op_ok: rate>=50%}", 0, 10);
    send(&f, 0, 35, 0, 1000000);
    assert_int_equal(judged(&f, "op_ok")->state, FOUND_PASS);
    end(&f);
}

static int recovery(struct fixture *f)
{
    struct windows w;
    int after;

    windows_find(&f->steps[0], &w);
    after = windows_recovery(&f->steps[0], &w);
    windows_free(&w);
    return after;
}

static void recovery_is_when_it_is_as_before(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, AROUND, "}", 0, 20);
    send(&f, 0, 5, 0, 1000000);
    send(&f, 25, 28, 9, 1000000);  /* still failing for 3 s */
    send(&f, 28, 30, 0, 90000000); /* then slow for 2 */
    send(&f, 30, 35, 0, 1000000);
    assert_int_equal(recovery(&f), 5);
    end(&f);
    begin(&f, AROUND, "}", 0, 20);
    send(&f, 0, 5, 0, 1000000);
    send(&f, 25, 35, 10, 0);
    assert_int_equal(recovery(&f), -1);
    end(&f);
    begin(&f, AROUND, "}", 0, 20);
    send(&f, 0, 5, 0, 1000000);
    send(&f, 25, 35, 0, 90000000); /* answers, and slowly to the end */
    assert_int_equal(recovery(&f), -1);
    end(&f);
}

/* What thresholds leave out says nothing of how it was before, either. */
static void a_warm_up_is_no_level_to_come_back_to(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, AROUND, ", warmup: 4s}", 0, 20);
    send(&f, 0, 4, 10, 0);
    send(&f, 4, 5, 0, 1000000);
    send(&f, 25, 35, 10, 0);
    assert_int_equal(recovery(&f), -1);
    end(&f);
    begin(&f, AROUND, ", warmup: 5s}", 0, 20);
    send(&f, 0, 5, 0, 1000000);
    send(&f, 25, 35, 0, 1000000);
    assert_int_equal(recovery(&f), -1);
    end(&f);
}

/* Two of 30 a little slower than any of 50 before: a service that never suffered. */
static void a_slow_sample_is_no_damage(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, AROUND, "}", 0, 20);
    send(&f, 0, 5, 0, 1000000);
    send(&f, 25, 35, 0, 900000);
    for (int i = 0; i < 2; i++)
        meter_trend(&f.steps[0].meter, M_OP_DURATION, 0, TAG_OK, 34, 1500000);
    assert_int_equal(recovery(&f), 0);
    end(&f);
}

UNIT_GROUP(during, cmocka_unit_test(control_begins_before_and_outlives),
           cmocka_unit_test(attack_that_waits_is_waited_for), cmocka_unit_test(mistakes_are_told),
           cmocka_unit_test(duration_that_follows_may_be_written),
           cmocka_unit_test(held_time_is_spread_over_seconds),
           cmocka_unit_test(only_the_overlap_is_judged), cmocka_unit_test(windows_can_be_named),
           cmocka_unit_test(an_attack_that_held_too_little_decides_nothing),
           cmocka_unit_test(recovery_is_when_it_is_as_before),
           cmocka_unit_test(a_warm_up_is_no_level_to_come_back_to),
           cmocka_unit_test(a_slow_sample_is_no_damage))

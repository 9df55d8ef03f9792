/* From text to struct suite: origins of values, what refers to which service, shapes, mistakes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/redact.h"
#include "suite/plan.h"
#include "suite/suite.h"

#include "unit.h"

struct loaded {
    struct arena arena;
    struct diags diags;
    struct suite_source source;
    struct suite *suite;
};

static void load(struct loaded *l, const char *text, const char *preset, const char *const *sets,
                 const char *const *environ)
{
    int n = 0;

    while (sets && sets[n])
        n++;
    *l = (struct loaded){0};
    l->source = (struct suite_source){.file = "s.yaml",
                                      .text = text,
                                      .len = strlen(text),
                                      .preset = preset,
                                      .sets = sets,
                                      .set_count = n,
                                      .environ = environ,
                                      .run_id = "r1",
                                      .run_dir = "/out",
                                      .run_tmp = "/tmp/r1",
                                      .self = "/bin/self"};
    diags_init(&l->diags, "s.yaml", &l->arena);
    l->suite = suite_load(&l->source, &l->arena, &l->diags);
}

static void done(struct loaded *l)
{
    arena_free(&l->arena);
    redact_reset();
}

static void assert_mistakes(struct loaded *l, const char *const *expected)
{
    const struct diag *d = l->diags.first;

    for (; *expected; expected++, d = d->next) {
        char text[512];

        while (d && d->warning)
            d = d->next;
        if (!d)
            fail_msg("missing: %s", *expected);
        snprintf(text, sizeof(text), "%d:%d: %s", d->at.line, d->at.col, d->text);
        assert_string_equal(text, *expected);
    }
    while (d && d->warning)
        d = d->next;
    if (d)
        fail_msg("unexpected: %s", d->text);
    assert_null(l->suite);
}

static const char ONE_PHASE[] = "phases:\n"
                                "  - name: a\n"
                                "    noop: {latency: \"${x}\"}\n";

static const char *value_of(const struct loaded *l, const char *name)
{
    assert_non_null(l->suite);
    return vars_find(l->suite->vars, name)->value;
}

static void the_nearest_origin_wins(void **state)
{
    char text[512];
    static const char *const env[] = {"X_ENV=3", NULL},
                             *const own[] = {"X_ENV=3", "SHAKEDOWN_VAR_x=4s", NULL},
                             *const set[] = {"x=5", NULL};
    struct loaded l;

    (void)state;
    snprintf(text, sizeof(text),
             "suite: s\nvars:\n  x: {default: 1s, env: X_ENV, unit: s}\npresets:\n  p: {x: 2s}\n%s",
             ONE_PHASE);
    load(&l, text, NULL, NULL, NULL);
    assert_string_equal(value_of(&l, "x"), "1s");
    assert_int_equal(vars_find(l.suite->vars, "x")->origin, ORIGIN_DEFAULT);
    done(&l);
    load(&l, text, "p", NULL, NULL);
    assert_string_equal(value_of(&l, "x"), "2s");
    done(&l);
    load(&l, text, "p", NULL, env); /* a bare number from outside gets the unit */
    assert_string_equal(value_of(&l, "x"), "3s");
    done(&l);
    load(&l, text, "p", NULL, own);
    assert_string_equal(value_of(&l, "x"), "4s");
    done(&l);
    load(&l, text, "p", set, own);
    assert_string_equal(value_of(&l, "x"), "5s");
    assert_string_equal(vars_find(l.suite->vars, "x")->origin_detail, "--set");
    done(&l);
}

static void values_cannot_add_structure(void **state)
{
    static const char *const set[] = {"x=1s}, exec: {command: [rm]", NULL};
    static const char *const mistakes[] = {
        "6:21: phases[0].noop.latency: \"1s}, exec: {command: [rm]\" is not a duration (try 30s or "
        "1m30s)",
        NULL};
    char text[512];
    struct loaded l;

    (void)state;
    snprintf(text, sizeof(text), "suite: s\nvars:\n  x: 1s\n%s", ONE_PHASE);
    load(&l, text, NULL, set, NULL);
    assert_mistakes(&l, mistakes);
    done(&l);
}

static void a_service_is_used_only_if_a_value_refers_to_it(void **state)
{
    static const char text[] =
        "suite: s\n"
        "vars:\n"
        "  url: {default: \"http://127.0.0.1:${service.api.port}/\", env: URL}\n"
        "targets: {t: {url: \"${url}\"}}\n"
        "services:\n"
        "  db: {command: [db], ports: [main]}\n"
        "  api: {command: [shakedown, \"${service.db.port}\"], ports: [main, admin]}\n"
        "  other: {command: [other]}\n"
        "phases:\n"
        "  - name: a\n"
        "    http: {target: t}\n";
    static const char *const env[] = {"URL=http://127.0.0.1:1/", NULL};
    struct loaded l;

    (void)state;
    load(&l, text, NULL, NULL, NULL);
    assert_non_null(l.suite);
    assert_int_equal(suite_needed(l.suite, phase_services(&l.suite->phases[0])), 3);
    assert_string_equal(l.suite->services[1].command.v[0], "/bin/self");
    done(&l);
    load(&l, text, NULL, NULL, env);
    assert_int_equal(suite_needed(l.suite, phase_services(&l.suite->phases[0])), 0);
    done(&l);
}

static void all_mistakes_are_told_at_once(void **state)
{
    static const char text[] = "suite: s\n"
                               "phases:\n"
                               "  - name: a\n"
                               "    noop: {latancy: 1s}\n"
                               "    load: {executor: constant-vus, vus: 2, rate: 5/s}\n"
                               "    thresholds: {op_durations: p(99)<1s, op_failed: p(50)<1}\n"
                               "  - name: a\n"
                               "    noop: {}\n"
                               "    exec: [true]\n"
                               "  - name: b\n"
                               "    http: {target: nowhere}\n"
                               "extra: 1\n";
    static const char *const mistakes[] = {
        "4:12: phases[0].noop: no option \"latancy\" (did you mean \"latency\"?)",
        "5:11: phases[0].load: constant-vus needs \"duration\"",
        "5:44: phases[0].load: constant-vus has no option \"rate\" (it has: vus, duration, "
        "start_time, graceful_stop, warmup, lanes)",
        "6:18: phases[0].thresholds: noop has no metric \"op_durations\" (did you mean "
        "\"op_duration\"?)",
        NULL};
    struct loaded l;
    const struct diag *d;
    int n = 0;

    (void)state;
    load(&l, text, NULL, NULL, NULL);
    assert_null(l.suite);
    for (d = l.diags.first; d; d = d->next) {
        char at[512];

        snprintf(at, sizeof(at), "%d:%d: %s", d->at.line, d->at.col, d->text);
        if (n < 4 && !d->warning)
            assert_string_equal(at, mistakes[n]);
        n += !d->warning;
    }
    assert_int_equal(n, 9); /* also: p(50) of a rate, two names, two drivers, no target, extra */
    done(&l);
}

static void a_threshold_that_says_nothing_is_a_mistake(void **state)
{
    static const struct {
        const char *thresholds, *mistake;
    } t[] = {
        {"{op_failed: []}", "phases[0].thresholds.op_failed: the list is empty"},
        {"{op_failed: {threshold: rate<1%, confidence: 100%}}",
         "phases[0].thresholds.op_failed: no number of samples proves rate<1% at 100%"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        char text[256];
        struct loaded l;

        snprintf(text, sizeof(text),
                 "suite: s\nphases:\n  - name: a\n    noop: {}\n"
                 "    load: {executor: constant-vus, vus: 2, duration: 5s}\n"
                 "    thresholds: %s\n",
                 t[i].thresholds);
        load(&l, text, NULL, NULL, NULL);
        assert_null(l.suite);
        assert_non_null(strstr(l.diags.first->text, t[i].mistake));
        done(&l);
    }
}

static void thresholds_of_a_phase_name_their_step(void **state)
{
    static const char text[] =
        "suite: s\n"
        "phases:\n"
        "  - name: a\n"
        "    parallel:\n"
        "      one: {noop: {}, load: {executor: constant-vus, vus: 1, duration: 1s}}\n"
        "      two: {noop: {}, load: {executor: constant-vus, vus: 1, duration: 1s}}\n"
        "    thresholds:\n"
        "      \"op_duration{step:one}\": [p(50)<1s, p(99)<2s]\n"
        "      \"op_failed{step:two,outcome:ok}\": rate<1%\n";
    const struct step *one, *two;
    struct selection sel;
    struct loaded l;

    (void)state;
    load(&l, text, NULL, NULL, NULL);
    assert_non_null(l.suite);
    one = &l.suite->phases[0].steps[0];
    two = &l.suite->phases[0].steps[1];
    assert_int_equal(one->threshold_count, 2);
    assert_int_equal(two->threshold_count, 1);
    assert_true(step_select(two, &two->thresholds[0]->selector, &sel));
    assert_int_equal(sel.metric, M_OP_FAILED);
    assert_int_equal(sel.outcome, TAG_OK);
    assert_false(step_select(one, &two->thresholds[0]->selector, &sel));
    done(&l);
}

static void a_load_without_thresholds_gets_one(void **state)
{
    static const char text[] =
        "suite: s\nphases:\n  - name: a\n    noop: {}\n"
        "    load: {executor: constant-arrival-rate, rate: 100/s, duration: 10s, warmup: 1500ms}\n";
    struct selection sel;
    struct loaded l;
    const struct step *s;

    (void)state;
    load(&l, text, NULL, NULL, NULL);
    s = &l.suite->phases[0].steps[0];
    assert_true(s->implied_threshold);
    assert_string_equal(s->thresholds[0]->text, "rate==0%");
    assert_int_equal(l.diags.warnings, 1);
    assert_true(step_select(s, &s->thresholds[0]->selector, &sel));
    assert_int_equal(sel.from, 2); /* the warm-up, in whole seconds */
    assert_true(load_operations(&s->load) == 1000);
    done(&l);
}

static void what_a_phase_publishes_is_bound_later(void **state)
{
    static const char text[] =
        "suite: s\n"
        "phases:\n"
        "  - name: a\n"
        "    noop: {}\n"
        "  - name: b\n"
        "    noop: {latency: \"${phase.a.output}\"}\n"
        "    load: {executor: constant-vus, vus: 1, duration: \"${phase.a.output.length}\"}\n"
        "    thresholds: {op_duration: \"p(50)<${phase.a.output}\"}\n";
    struct diags d;
    struct loaded l;
    struct phase *b;

    (void)state;
    load(&l, text, NULL, NULL, NULL);
    assert_non_null(l.suite);
    b = &l.suite->phases[1];
    assert_true(b->steps[0].deferred);
    suite_publish(l.suite, "a", "", "25ms");
    diags_init(&d, "s.yaml", &l.arena);
    assert_false(suite_bind_phase(l.suite, b, &d)); /* `length` was never published */
    suite_publish(l.suite, "a", "length", "3s");
    diags_init(&d, "s.yaml", &l.arena);
    assert_true(suite_bind_phase(l.suite, b, &d));
    assert_true(b->steps[0].load.duration == INT64_C(3000000000));
    assert_true(b->steps[0].thresholds[0]->limit == 25e6);
    assert_int_equal(b->steps[0].threshold_count, 1);
    done(&l);
}

static void a_later_phase_cannot_be_named(void **state)
{
    static const char text[] =
        "suite: s\nphases:\n  - name: a\n    noop: {latency: \"${phase.b.output}\"}\n"
        "  - name: b\n    noop: {}\n";
    static const char *const mistakes[] = {"4:21: phase \"b\" has not run yet when this is needed",
                                           NULL};
    struct loaded l;

    (void)state;
    load(&l, text, NULL, NULL, NULL);
    assert_mistakes(&l, mistakes);
    done(&l);
}

static void secrets_are_needed_only_when_named(void **state)
{
    static const char text[] = "suite: s\n"
                               "secrets:\n"
                               "  used: {env: USED}\n"
                               "  unused: {env: UNUSED}\n"
                               "services:\n"
                               "  v: {command: [v, \"${secrets.used}\"], start: always}\n"
                               "phases:\n  - name: a\n    noop: {}\n";
    static const char *const env[] = {"USED=hunter22", NULL};
    static const char *const without[] = {"6:20: secret \"used\": the environment has no USED",
                                          NULL};
    struct loaded l;

    (void)state;
    load(&l, text, NULL, NULL, NULL);
    assert_mistakes(&l, without);
    done(&l);
    load(&l, text, NULL, NULL, env); /* and even then it must not reach a command line */
    assert_null(l.suite);
    assert_non_null(strstr(l.diags.first->text, "must not stand on a command line"));
    assert_null(strstr(l.diags.first->text, "hunter22"));
    done(&l);
}

/* The report has what ${env.NAME} was, be the secret of that name in use or not. */
static void secrets_of_the_environment_stay_out_of_the_plan(void **state)
{
    static const char text[] =
        "suite: s\n"
        "secrets: {x: {file: \"${env.F:-${env.UNUSED:+no}y}\", env: UNUSED}}\n"
        "phases:\n  - name: a\n    noop: {}\n";
    static const char *const env[] = {"UNUSED=hunter22", NULL};
    struct buf shown = {0};
    struct loaded l;

    (void)state;
    load(&l, text, NULL, NULL, env);
    assert_non_null(l.suite);
    redact("UNUSED: hunter22", 16, &shown);
    assert_string_equal(buf_text(&shown), "UNUSED: ***");
    buf_free(&shown);
    done(&l);
    redact_reset();
}

static void references_in_a_circle_are_told(void **state)
{
    static const char text[] =
        "suite: s\nvars: {a: \"${b}\", b: \"${a}\"}\nphases:\n  - name: p\n    noop: {}\n";
    struct loaded l;

    (void)state;
    load(&l, text, NULL, NULL, NULL);
    assert_null(l.suite);
    assert_non_null(strstr(l.diags.first->text, "refers to itself"));
    done(&l);
}

static void the_plan_adds_up(void **state)
{
    static const char text[] =
        "suite: s\nphases:\n"
        "  - name: a\n    noop: {}\n    load: {executor: constant-vus, vus: 70, duration: 10s}\n"
        "  - name: b\n    noop: {}\n    load: {executor: constant-arrival-rate, rate: 50/s, "
        "duration: 5m}\n";
    struct loaded l;
    struct plan p;

    (void)state;
    load(&l, text, NULL, NULL, NULL);
    plan_make(&p, l.suite, &l.arena);
    assert_true(p.length_s == 310);
    assert_int_equal(p.descriptors, 70);
    assert_true(p.phases[1].steps[0].operations == 15000);
    done(&l);
}

/* A suite may name its preset, which the command line beats, and a variable more than one name in
 * the environment. */
static void the_suite_may_choose_its_preset(void **state)
{
    static const char text[] = "suite: s\npreset: \"${env.PRESET:-small}\"\nvars:\n  x: {default: "
                               "1s, env: [X_NEW, X_OLD]}\n"
                               "presets:\n  small: {x: 2s}\n  large: {x: 3s}\n"
                               "phases:\n  - name: a\n    noop: {latency: \"${x}\"}\n";
    static const char *const large[] = {"PRESET=large", NULL},
                             *const none[] = {"PRESET=smal", NULL},
                             *const old[] = {"X_OLD=4s", NULL},
                             *const both[] = {"X_OLD=4s", "X_NEW=5s", NULL};
    static const struct {
        const char *preset, *const *environ, *x, *chosen;
    } samples[] = {
        {NULL, NULL, "2s", "small"},    {NULL, large, "3s", "large"},
        {"large", NULL, "3s", "large"}, {"small", large, "2s", "small"},
        {NULL, old, "4s", "small"},     {NULL, both, "5s", "small"},
    };
    struct loaded l;

    (void)state;
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        load(&l, text, samples[i].preset, NULL, samples[i].environ);
        assert_string_equal(value_of(&l, "x"), samples[i].x);
        assert_string_equal(l.suite->preset, samples[i].chosen);
        done(&l);
    }
    load(&l, text, NULL, NULL, none);
    assert_mistakes(&l, (const char *const[]){
                            "2:9: preset: no preset \"smal\" (did you mean \"small\"?)", NULL});
    done(&l);
}

UNIT_GROUP(suite, cmocka_unit_test(the_suite_may_choose_its_preset),
           cmocka_unit_test(the_nearest_origin_wins), cmocka_unit_test(values_cannot_add_structure),
           cmocka_unit_test(a_service_is_used_only_if_a_value_refers_to_it),
           cmocka_unit_test(all_mistakes_are_told_at_once),
           cmocka_unit_test(a_threshold_that_says_nothing_is_a_mistake),
           cmocka_unit_test(thresholds_of_a_phase_name_their_step),
           cmocka_unit_test(a_load_without_thresholds_gets_one),
           cmocka_unit_test(what_a_phase_publishes_is_bound_later),
           cmocka_unit_test(a_later_phase_cannot_be_named),
           cmocka_unit_test(secrets_are_needed_only_when_named),
           cmocka_unit_test(secrets_of_the_environment_stay_out_of_the_plan),
           cmocka_unit_test(references_in_a_circle_are_told), cmocka_unit_test(the_plan_adds_up));

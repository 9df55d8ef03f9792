/* A results directory, written and read back. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/redact.h"
#include "fixture_result.h"
#include "report/files.h"
#include "report/plan_json.h"
#include "report/result_read.h"
#include "report/series.h"
#include "report/stored.h"
#include "run/observer.h"
#include "run/result.h"
#include "spec/diag.h"

static void assert_same_series(const struct step_result *a, const struct step_result *b, int metric,
                               int part)
{
    struct series x, y;
    struct selection sel = {metric, part, -1, 0, -1};

    series_select(&x, &a->meter, &sel);
    series_select(&y, &b->meter, &sel);
    assert_int_equal(x.n, y.n);
    assert_int_equal(x.hits, y.hits);
    assert_int_equal(x.seconds, y.seconds);
    assert_true(x.sum == y.sum && x.last == y.last && x.min == y.min && x.max == y.max);
    for (int i = 0; i < x.seconds; i++)
        assert_int_equal(x.slices[i].n, y.slices[i].n);
    for (int i = 0; x.hist && i <= 1000; i++)
        assert_true(hist_quantile(x.hist, i / 1000.0) == hist_quantile(y.hist, i / 1000.0));
    series_free(&x);
    series_free(&y);
}

static void meters_survive(void **state)
{
    struct arena arena = {0};
    struct run_result *a = fixture_result(&arena), *b = fixture_blank(&arena);
    struct buf text = {0}, again = {0};
    struct err e;

    (void)state;
    series_json(a, &text);
    b->run_id = a->run_id;
    assert_true(series_read(buf_text(&text), text.len, b, &e));
    for (int p = 0; p < a->phase_count; p++)
        for (int k = 0; a->phases[p].steps && k < a->phases[p].phase->step_count; k++)
            for (int m = 0; m < a->phases[p].steps[k].shape.metric_count; m++)
                for (int part = -1; part < 3; part++)
                    assert_same_series(&a->phases[p].steps[k], &b->phases[p].steps[k], m, part);
    series_json(b, &again);
    assert_string_equal(buf_text(&text), buf_text(&again));
    buf_free(&text);
    buf_free(&again);
    fixture_free(b, &(struct arena){0});
    fixture_free(a, &arena);
}

static void result_survives(void **state)
{
    struct arena arena = {0};
    struct run_result *a = fixture_result(&arena), *b = fixture_blank(&arena);
    struct buf text = {0}, again = {0}, series = {0};
    struct err e;

    (void)state;
    a->interrupted = "SIGTERM";
    a->services[0].failure = "exited with 1";
    a->services[0].last_lines = "one\ntwo";
    result_json(a, &text);
    series_json(a, &series);
    assert_true(result_read(buf_text(&text), text.len, b, &e));
    assert_true(series_read(buf_text(&series), series.len, b, &e));
    /* Verdicts are not read but reached again. */
    b->exit_code = a->exit_code;
    b->headline = a->headline;
    b->findings = a->findings;
    for (int i = 0; i < a->phase_count; i++)
        b->phases[i].findings = a->phases[i].findings;
    result_json(b, &again);
    assert_string_equal(buf_text(&text), buf_text(&again));
    assert_int_equal(b->elapsed_ns, a->elapsed_ns);
    assert_int_equal(b->phases[1].steps[0].status_count, 4);
    assert_string_equal(b->phases[1].steps[0].statuses[3].part, "served");
    assert_int_equal(b->phases[1].steps[0].statuses[3].code, STATUS_OTHER);
    assert_int_equal(b->phases[1].steps[0].measured_ns, a->phases[1].steps[0].measured_ns);
    buf_free(&text);
    buf_free(&again);
    buf_free(&series);
    fixture_free(b, &(struct arena){0});
    fixture_free(a, &arena);
}

static void plan_keeps_what_the_suite_names(void **state)
{
    struct arena arena = {0};
    struct run_result *r = fixture_result(&arena);
    struct buf text = {0};
    struct plan plan;
    struct err e;

    (void)state;
    plan_json(r->suite, &text);
    assert_null(strstr(buf_text(&text), FIXTURE_SECRET));
    assert_null(strstr(buf_text(&text), "OTHER"));
    assert_true(plan_read(buf_text(&text), text.len, &plan, &arena, &e));
    assert_string_equal(plan.file, "suites/edge-gate.yaml");
    assert_string_equal(plan.env[0], "FIXTURE_A=yes");
    assert_null(plan.env[1]);
    assert_int_equal(plan.var_count, 2);
    assert_string_equal(plan.vars[0].value, "10");
    assert_int_equal(plan.vars[0].origin, ORIGIN_PRESET);
    assert_true(plan.vars[1].secret);
    buf_free(&text);
    fixture_free(r, &arena);
}

static void assert_refused(const char *slice, const char *metric)
{
    struct arena arena = {0};
    struct run_result *r = fixture_blank(&arena);
    struct buf text = {0};
    struct err e = {0};

    buf_printf(&text,
               "{\"schema\":\"shakedown.series/1\",\"steps\":[{\"name\":\"sanity\",\"cells\":["
               "{\"metric\":\"%s\",\"part\":0,\"outcome\":\"ok\",\"slices\":[%s]}]},"
               "{\"name\":\"sustained-rate\",\"cells\":[]},{\"name\":\"loris\",\"cells\":[]},"
               "{\"name\":\"control\",\"cells\":[]},{\"name\":\"forget-the-fleet\",\"cells\":[]}]}",
               metric, slice);
    if (series_read(text.data, text.len, r, &e))
        fail_msg("%s accepted for %s", slice, metric);
    assert_ptr_equal(strstr(e.text, "series.json: "), e.text);
    buf_free(&text);
    fixture_free(r, &arena);
}

static void forged_series_are_refused(void **state)
{
    static const char *const trends[] = {
        "1",
        "[]",
        "[1,5,5,5]",
        "[1,5,5,5,\"\"]",
        "[2,5,5,5,\"5\"]",
        "[1,5,5,5,\"5 \",1]",
        "[1,5,6,5,\"5\"]",
        "[1,5,5,9,\"5\"]",
        "[2,5,5,5,\"5 0\"]",
        "[1,5,5,5,\"5:0\"]",
        "[1,5,5,5,\"4736\"]",
        "[1,5,5,5,\"5:99999999999\"]",
        "[1,5,5,5,\"-5\"]",
        "[1,5,5,5,\"5x\"]",
        "[-1,5,5,5,\"5\"]",
        "[1,-5,5,5,\"5\"]",
        "[1,5,5,5,5]",
        "[2,10,5,4735,\"4735 1\"]",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(trends) / sizeof(*trends); i++)
        assert_refused(trends[i], "op_duration");
    assert_refused("[1,2]", "op_failed");
    assert_refused("[1,0,2,1,0]", "vus");
    assert_refused("[1,-1]", "iterations");
    assert_refused("[1,1]", "nosuch");
}

static void mutated_files_never_crash(void **state)
{
    struct arena arena = {0};
    struct run_result *r = fixture_result(&arena);
    struct buf result = {0}, series = {0};
    struct err e;

    (void)state;
    result_json(r, &result);
    series_json(r, &series);
    for (size_t i = 0; i < 200; i++) {
        struct arena scratch = {0};
        struct run_result *blank = fixture_blank(&scratch);
        struct buf *text = i % 2 ? &result : &series;
        char *byte = &text->data[i * 7919 % text->len], old = *byte;

        *byte = "0\"]}-x,\x80"[i % 8];
        result_read(buf_text(&result), result.len, blank, &e);
        series_read(buf_text(&series), series.len, blank, &e);
        *byte = old;
        fixture_free(blank, &scratch);
    }
    buf_free(&result);
    buf_free(&series);
    fixture_free(r, &arena);
}

static const char suite_text[] =
    "suite: stored\n"
    "vars:\n"
    "  limit: {default: 5, unit: ms, env: STORED_LIMIT}\n"
    "  rate: {default: 10}\n"
    "  share: {default: 0.5, unit: \"%\"}\n"
    "  who: {default: \"${env.STORED_WHO:-nobody}\"}\n"
    "phases:\n"
    "  - name: steady\n"
    "    noop: {latency: 1ms}\n"
    "    load: {executor: constant-arrival-rate, rate: \"${rate}/s\", duration: 60s}\n"
    "    tags: {who: \"${who}\"}\n"
    "    thresholds: {op_duration: \"p(90)<${limit}\", checks: \"rate<${share}\"}\n";

struct place {
    struct arena arena;
    struct diags diags;
    struct run_result *r;
    struct suite_source source;
    struct files_opts opts;
    char dir[64];
};

static void run_one(struct place *p)
{
    static const char *const env[] = {"STORED_LIMIT=20", "STORED_WHO=me", NULL};
    static const char *const sets[] = {"rate=100"};
    struct step_result *sr;

    *p = (struct place){.dir = "/tmp/shakedown-stored-XXXXXX"};
    assert_non_null(mkdtemp(p->dir));
    p->source = (struct suite_source){.file = "a/stored.yaml",
                                      .text = suite_text,
                                      .len = sizeof(suite_text) - 1,
                                      .sets = sets,
                                      .set_count = 1,
                                      .environ = env,
                                      .run_id = "r-2",
                                      .run_dir = p->dir,
                                      .run_tmp = p->dir};
    p->opts = (struct files_opts){.dir = p->dir};
    diags_init(&p->diags, p->source.file, &p->arena);
    p->r = arena_new(&p->arena, struct run_result);
    p->r->suite = suite_load(&p->source, &p->arena, &p->diags);
    assert_non_null(p->r->suite);
    p->r->run_id = "r-2";
    p->r->dir = p->dir;
    p->r->arena = &p->arena;
    p->r->started_wall_ns = UINT64_C(1795203239123456789);
    p->r->elapsed_ns = 60 * NS_PER_S + 1;
    p->r->complete = true;
    p->r->phase_count = 1;
    p->r->phases = arena_new(&p->arena, struct phase_result);
    p->r->phases[0].phase = &p->r->suite->phases[0];
    p->r->phases[0].elapsed_ns = 60 * NS_PER_S;
    sr = p->r->phases[0].steps = arena_new(&p->arena, struct step_result);
    sr->step = &p->r->suite->phases[0].steps[0];
    step_shape(sr->step, &p->arena, &sr->shape);
    meter_init(&sr->meter, &sr->shape);
    sr->begun = true;
    sr->measured_ns = 60 * NS_PER_S + 987654321;
    sr->planned = sr->sent = sr->ok = 6000;
    for (int i = 0; i < 6000; i++) {
        meter_trend(&sr->meter, M_OP_DURATION, 0, TAG_OK, i / 100, (uint64_t)(i * 7919 % 10000000));
        meter_count(&sr->meter, M_ITERATIONS, 0, TAG_OK, i / 100, 1);
        meter_rate(&sr->meter, M_CHECKS, 0, TAG_OK, i / 100, i % 20 == 0);
    }
}

static void judge(struct run_result *r, struct arena *arena)
{
    for (int i = 0; i < r->phase_count; i++)
        phase_judge(&r->phases[i], r, arena);
    run_verdict(r);
}

static struct run_result *again(struct place *p, const char *set, struct err *e)
{
    const char *sets[] = {set};
    struct stored_opts o = {p->dir, sets, set ? 1 : 0};

    diags_init(&p->diags, p->source.file, &p->arena);
    return stored_load(&o, &p->arena, &p->diags, e);
}

static void meters_free(struct run_result *r)
{
    for (int i = 0; i < r->phase_count; i++)
        for (int k = 0; k < r->phases[i].phase->step_count; k++)
            meter_free(&r->phases[i].steps[k].meter);
}

static void leave(struct place *p)
{
    meters_free(p->r);
    fs_remove_tree(p->dir);
    arena_free(&p->arena);
    redact_reset();
}

static void judging_again_gives_the_same_bytes(void **state)
{
    struct place p;
    struct buf before[3] = {{0}}, after[3] = {{0}};
    struct run_result *r;
    struct err e = {0};

    (void)state;
    run_one(&p);
    judge(p.r, &p.arena);
    assert_int_equal(p.r->exit_code, 0);
    assert_true(files_write(&p.opts, p.r, &e));
    r = again(&p, NULL, &e);
    if (!r)
        fail_msg("%s %s", e.text, p.diags.first ? p.diags.first->text : "");
    judge(r, &p.arena);
    result_json(p.r, &before[0]);
    result_json(r, &after[0]);
    junit_xml(p.r, JUNIT_CI, &before[1]);
    junit_xml(r, JUNIT_CI, &after[1]);
    summary_text(p.r, false, &before[2]);
    summary_text(r, false, &after[2]);
    for (int i = 0; i < 3; i++) {
        assert_string_equal(buf_text(&before[i]), buf_text(&after[i]));
        buf_free(&before[i]);
        buf_free(&after[i]);
    }
    meters_free(r);
    leave(&p);
}

static void judging_with_other_limits_can_breach(void **state)
{
    struct place p;
    struct run_result *r;
    struct err e = {0};

    (void)state;
    run_one(&p);
    judge(p.r, &p.arena);
    assert_true(files_write(&p.opts, p.r, &e));
    r = again(&p, "limit=1", &e);
    assert_non_null(r);
    judge(r, &p.arena);
    assert_int_equal(r->exit_code, 1);
    meters_free(r);
    assert_null(again(&p, "nosuch=1", &e));
    assert_true(p.diags.errors > 0);
    leave(&p);
}

static void missing_or_foreign_files_are_told(void **state)
{
    static const char *const names[] = {"plan.json", "suite.yaml", "series.json", "result.json"};
    struct place p;
    struct err e = {0};
    char path[128];

    (void)state;
    run_one(&p);
    for (size_t i = 0; i < 4; i++) {
        assert_true(files_write(&p.opts, p.r, &e));
        snprintf(path, sizeof(path), "%s/%s", p.dir, names[i]);
        assert_int_equal(unlink(path), 0);
        assert_null(again(&p, NULL, &e));
        if (!strstr(e.text, names[i]))
            fail_msg("%s: %s", names[i], e.text);
        assert_true(fs_write(path, "{\"schema\": \"other/1\"}", 21, 0644, &e));
        assert_null(again(&p, NULL, &e));
        assert_true(e.text[0]);
    }
    leave(&p);
}

static void observer_writes_and_remembers_failure(void **state)
{
    struct place p;
    struct observer *o;
    struct files_opts bad = {.dir = "/nonexistent/place"};
    struct err e = {0};
    struct buf text = {0};
    char path[128];
    int saved = dup(STDERR_FILENO);

    (void)state;
    run_one(&p);
    o = files_observer(&p.opts, &p.arena);
    o->phase_end(o->ctx, p.r, &p.r->phases[0]);
    assert_false(files_failed(o));
    snprintf(path, sizeof(path), "%s/junit.xml", p.dir);
    assert_true(fs_read(path, 1 << 20, &text, &e));
    o = files_observer(&bad, &p.arena);
    assert_non_null(freopen("/dev/null", "w", stderr));
    o->run_end(o->ctx, p.r);
    dup2(saved, STDERR_FILENO);
    close(saved);
    assert_true(files_failed(o));
    buf_free(&text);
    leave(&p);
}

UNIT_GROUP(stored, cmocka_unit_test(meters_survive), cmocka_unit_test(result_survives),
           cmocka_unit_test(plan_keeps_what_the_suite_names),
           cmocka_unit_test(forged_series_are_refused), cmocka_unit_test(mutated_files_never_crash),
           cmocka_unit_test(judging_again_gives_the_same_bytes),
           cmocka_unit_test(judging_with_other_limits_can_breach),
           cmocka_unit_test(missing_or_foreign_files_are_told),
           cmocka_unit_test(observer_writes_and_remembers_failure))

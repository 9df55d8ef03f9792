/* What programs read: result.json. */
#include "unit.h"

#include <stdint.h>
#include <string.h>

#include <jansson.h>

#include "base/buf.h"
#include "fixture_result.h"
#include "report/breakdown.h"
#include "report/files.h"
#include "run/result.h"

struct loaded {
    struct arena arena;
    struct run_result *r;
    struct buf text;
    json_t *root;
};

static void render(struct loaded *l)
{
    buf_clear(&l->text);
    json_decref(l->root);
    result_json(l->r, &l->text);
    l->root = json_loadb(l->text.data, l->text.len, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(l->root);
}

static void load(struct loaded *l)
{
    *l = (struct loaded){0};
    l->r = fixture_result(&l->arena);
    render(l);
}

static void unload(struct loaded *l)
{
    json_decref(l->root);
    buf_free(&l->text);
    fixture_free(l->r, &l->arena);
}

static const json_t *step(const struct loaded *l, size_t phase, size_t i)
{
    const json_t *p = json_array_get(json_object_get(l->root, "phases"), phase);

    return json_array_get(json_object_get(p, "steps"), i);
}

static const json_t *values(const json_t *from, const char *metric)
{
    return json_object_get(json_object_get(json_object_get(from, "metrics"), metric), "values");
}

static const char *text_of(const json_t *o, const char *key)
{
    return json_string_value(json_object_get(o, key));
}

static void verdict_is_the_runs(void **state)
{
    struct loaded l;

    (void)state;
    load(&l);
    assert_string_equal(text_of(l.root, "schema"), "shakedown.result/1");
    assert_string_equal(text_of(l.root, "verdict"), "breach");
    assert_int_equal(json_integer_value(json_object_get(l.root, "exit_code")), 1);
    assert_string_equal(text_of(json_object_get(l.root, "run"), "started"),
                        "2026-11-20T19:33:59.123Z");
    unload(&l);
}

static void unfinished_run_is_no_pass(void **state)
{
    struct loaded l;

    (void)state;
    load(&l);
    l.r->exit_code = 0;
    l.r->complete = false;
    render(&l);
    assert_string_equal(text_of(l.root, "verdict"), "inconclusive");
    assert_int_equal(json_integer_value(json_object_get(l.root, "exit_code")), 3);
    l.r->complete = true;
    render(&l);
    assert_string_equal(text_of(l.root, "verdict"), "pass");
    unload(&l);
}

static void metrics_have_k6_shape(void **state)
{
    struct loaded l;
    const json_t *s, *v, *m;

    (void)state;
    load(&l);
    s = step(&l, 1, 0);
    v = values(s, "op_duration");
    assert_int_equal(json_integer_value(json_object_get(v, "count")), 3000);
    assert_float_equal(json_number_value(json_object_get(v, "min")), 1, 1e-9);
    assert_in_range((uintmax_t)(json_number_value(json_object_get(v, "p(99.9)")) * 1000), 9800,
                    10000);
    m = json_object_get(json_object_get(s, "metrics"), "op_duration");
    assert_string_equal(text_of(m, "type"), "trend");
    assert_string_equal(text_of(m, "contains"), "time");
    v = values(s, "op_failed");
    assert_float_equal(json_number_value(json_object_get(v, "rate")), 0.02, 1e-12);
    assert_int_equal(json_integer_value(json_object_get(v, "passes")), 60);
    assert_int_equal(json_integer_value(json_object_get(v, "fails")), 2940);
    v = values(s, "http_reqs");
    assert_int_equal(json_integer_value(json_object_get(v, "count")), 3000);
    assert_float_equal(json_number_value(json_object_get(v, "rate")), 3000 / 30.012345678, 1e-6);
    v = values(s, "vus");
    assert_float_equal(json_number_value(json_object_get(v, "value")), 299.9, 1e-9);
    unload(&l);
}

static void shares_appear_where_they_differ(void **state)
{
    struct loaded l;
    const json_t *s;

    (void)state;
    load(&l);
    s = step(&l, 1, 0);
    assert_non_null(values(s, "http_req_duration{part:order}"));
    assert_non_null(values(s, "op_duration{outcome:ok}"));
    assert_non_null(values(s, "op_duration{outcome:failed}"));
    assert_null(values(s, "vus{outcome:ok}")); /* all of it */
    assert_null(values(step(&l, 2, 0), "op_duration"));
    unload(&l);
}

static void findings_carry_their_evidence(void **state)
{
    struct loaded l;
    const json_t *p, *f;

    (void)state;
    load(&l);
    p = json_array_get(json_object_get(l.root, "phases"), 1);
    assert_string_equal(text_of(p, "state"), "breach");
    f = json_array_get(json_object_get(p, "findings"), 1);
    assert_string_equal(text_of(f, "metric"), "op_duration");
    assert_string_equal(text_of(f, "unit"), "ms");
    assert_float_equal(json_number_value(json_object_get(f, "observed")), 9.91, 1e-12);
    assert_float_equal(json_number_value(json_object_get(f, "limit")), 5, 1e-12);
    assert_float_equal(json_number_value(json_object_get(f, "margin")), -4.91, 1e-12);
    assert_int_equal(json_integer_value(json_object_get(f, "n")), 3000);
    assert_int_equal(json_integer_value(json_object_get(f, "line")), 14);
    /* A warning is told and decides nothing. */
    p = json_array_get(json_object_get(l.root, "phases"), 2);
    assert_string_equal(text_of(p, "state"), "pass");
    unload(&l);
}

static void statuses_are_counted(void **state)
{
    struct loaded l;
    const json_t *s, *all, *order;

    (void)state;
    load(&l);
    s = step(&l, 1, 0);
    all = json_object_get(s, "status_codes");
    assert_int_equal(json_object_size(all), 3);
    assert_int_equal(json_integer_value(json_object_get(all, "201")), 2950);
    assert_int_equal(json_integer_value(json_object_get(all, "503")), 50);
    assert_int_equal(json_integer_value(json_object_get(all, "other")), 2);
    order = json_object_get(json_object_get(s, "status_codes_by_part"), "order");
    assert_int_equal(json_integer_value(json_object_get(order, "503")), 50);
    assert_int_equal(json_object_size(order), 2);
    unload(&l);
}

static void secrets_stay_out(void **state)
{
    struct loaded l;
    struct buf series = {0};

    (void)state;
    load(&l);
    assert_null(strstr(buf_text(&l.text), FIXTURE_SECRET));
    assert_non_null(strstr(buf_text(&l.text), "***"));
    series_json(l.r, &series);
    assert_null(strstr(buf_text(&series), FIXTURE_SECRET));
    buf_free(&series);
    unload(&l);
}

static void bytes_repeat(void **state)
{
    struct loaded a, b;

    (void)state;
    load(&a);
    load(&b);
    assert_string_equal(buf_text(&a.text), buf_text(&b.text));
    unload(&a);
    unload(&b);
}

static bool count_looks(const struct step_result *sr, const void *ctx)
{
    (void)sr;
    ++*(int *)(uintptr_t)ctx;
    return true;
}

/* Or a run of many phases would take the cube of their number. */
static void a_metric_is_added_up_once(void **state)
{
    int looks = 0, steps = 0;
    struct loaded l;

    (void)state;
    load(&l);
    for (int i = 0; i < l.r->phase_count; i++)
        for (int k = 0; l.r->phases[i].steps && k < l.r->phases[i].phase->step_count; k++)
            steps += l.r->phases[i].steps[k].begun;
    json_decref(breakdown_metrics(l.r, count_looks, &looks));
    assert_true(steps > 1);
    assert_true(looks <= steps * (1 + l.r->phases[0].steps[0].shape.metric_count));
    unload(&l);
}

UNIT_GROUP(result_json, cmocka_unit_test(verdict_is_the_runs),
           cmocka_unit_test(unfinished_run_is_no_pass), cmocka_unit_test(metrics_have_k6_shape),
           cmocka_unit_test(shares_appear_where_they_differ),
           cmocka_unit_test(statuses_are_counted), cmocka_unit_test(findings_carry_their_evidence),
           cmocka_unit_test(secrets_stay_out), cmocka_unit_test(bytes_repeat),
           cmocka_unit_test(a_metric_is_added_up_once))

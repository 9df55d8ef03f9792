/*
 * fuzz_stored.c - the files of a results directory, as somebody else may have left them: the first
 * byte chooses series.json, result.json or plan.json, the rest is its text.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "report/files.h"
#include "report/plan_json.h"
#include "report/result_read.h"
#include "report/series.h"
#include "run/result.h"
#include "spec/diag.h"

static const char text[] =
    "suite: s\n"
    "services: {b: {command: [\"true\"]}}\n"
    "phases:\n"
    "  - name: p\n"
    "    noop: {latency: 1ms}\n"
    "    load: {executor: constant-arrival-rate, rate: 10/s, duration: 10s}\n"
    "    thresholds: {op_duration: \"p(90)<5ms\", op_failed: \"rate<1%\"}\n";

static struct suite *suite_once(void)
{
    static struct arena arena;
    static struct suite *suite;
    static const struct suite_source source = {
        .file = "s.yaml", .text = text, .len = sizeof(text) - 1, .run_id = "r"};
    struct diags d;

    diags_init(&d, "s.yaml", &arena);
    if (!suite && !(suite = suite_load(&source, &arena, &d)))
        abort();
    return suite;
}

/* Whatever was accepted must also be judged and written without harm. */
static void use(struct run_result *r)
{
    struct buf out = {0};

    phase_judge(&r->phases[0], r, r->arena);
    run_verdict(r);
    result_json(r, &out);
    series_json(r, &out);
    junit_xml(r, JUNIT_CI, &out);
    summary_text(r, true, &out);
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct suite *suite = suite_once();
    struct arena arena = {0};
    struct step_result step = {.step = &suite->phases[0].steps[0], .begun = true};
    struct phase_result phase = {.phase = &suite->phases[0], .steps = &step};
    struct run_result r = {
        .suite = suite, .arena = &arena, .run_id = "r", .phases = &phase, .phase_count = 1};
    const char *rest = (const char *)data + 1;
    struct plan plan;
    struct err e;
    bool ok = false;

    if (size < 2)
        return 0;
    step_shape(step.step, &arena, &step.shape);
    meter_init(&step.meter, &step.shape);
    if (data[0] == 's')
        ok = series_read(rest, size - 1, &r, &e);
    else if (data[0] == 'r')
        ok = result_read(rest, size - 1, &r, &e);
    else
        plan_read(rest, size - 1, &plan, &arena, &e);
    if (ok)
        use(&r);
    meter_free(&step.meter);
    arena_free(&arena);
    return 0;
}

/*
 * result_json.c - result.json, the run for programs; docs/result.schema.json describes it.
 *
 * What judging needs beside the meters (series.json) is in here too, and result_read() takes it
 * back.
 */
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "report/breakdown.h"
#include "report/document.h"
#include "report/figures.h"
#include "report/pressure.h"
#include "report/files.h"
#include "report/plan_json.h"
#include "report/sizes_report.h"
#include "report/statuses_report.h"
#include "report/text.h"
#include "run/result.h"

static json_t *services_json(const struct run_result *r)
{
    json_t *list = json_array();

    for (int i = 0; i < r->service_count; i++) {
        const struct service_result *s = &r->services[i];
        json_t *o = json_object();

        if (s->service) {
            json_object_set_new(o, "name", document_text(s->service->name));
            json_object_set_new(o, "started", json_boolean(s->started));
            json_object_set_new(o, "ready", json_boolean(s->ready));
            json_object_set_new(o, "ready_ms", document_ms((double)s->ready_ns));
            json_object_set_new(o, "failure", document_text(s->failure));
            json_object_set_new(o, "last_lines", document_lines(s->last_lines));
            json_array_append_new(list, o);
        } else {
            json_decref(o);
        }
    }
    return list;
}

static void evidence_json(json_t *o, const struct finding *f)
{
    const struct evidence *ev = &f->evidence;
    enum metric_unit unit = text_unit(f->threshold, f->metric);
    static const char *const units[] = {"", "ms", "bytes", "share", "per_second"};
    double scale = unit == UNIT_TIME ? 1e-6 : 1;
    struct buf selector = {0};
    json_t *window = json_object();

    text_selector(&selector, f->threshold);
    json_object_set_new(o, "metric", document_word(buf_text(&selector)));
    buf_free(&selector);
    json_object_set_new(o, "expr", document_text(f->threshold->text));
    json_object_set_new(o, "unit", document_word(units[unit]));
    json_object_set_new(o, "observed",
                        ev->has_value ? document_number(ev->observed * scale) : json_null());
    json_object_set_new(o, "limit", document_number(f->threshold->limit * scale));
    json_object_set_new(o, "margin",
                        ev->has_value ? document_number(ev->margin * scale) : json_null());
    json_object_set_new(o, "n", document_count(ev->n));
    json_object_set_new(o, "hits", document_number(ev->hits));
    json_object_set_new(o, "ci_low",
                        ev->has_interval ? document_number(ev->low * scale) : json_null());
    json_object_set_new(o, "ci_high",
                        ev->has_interval ? document_number(ev->high * scale) : json_null());
    json_object_set_new(o, "confidence", document_number(ev->confidence));
    json_object_set_new(o, "phi", document_number(ev->phi));
    json_object_set_new(window, "from", document_number(ev->from));
    json_object_set_new(window, "to", document_number(ev->to));
    json_object_set_new(o, "window", window);
    json_object_set_new(o, "reason", document_text(ev->reason));
}

static json_t *findings_json(const struct suite *suite, const struct finding *f)
{
    json_t *list = json_array();

    for (; f; f = f->next) {
        json_t *o = json_object();

        json_object_set_new(o, "kind", document_word(finding_kind_names[f->kind]));
        json_object_set_new(o, "state", document_word(finding_state_names[f->state]));
        json_object_set_new(o, "name", document_text(f->name));
        json_object_set_new(o, "message", document_text(f->message));
        json_object_set_new(o, "type", document_text(f->type));
        json_object_set_new(o, "severity", document_word(f->warn ? "warn" : "fail"));
        json_object_set_new(o, "step", document_text(f->step));
        if (f->threshold && f->metric)
            evidence_json(o, f);
        json_object_set_new(o, "file", document_text(suite->file));
        json_object_set_new(o, "line", document_number(f->line));
        json_object_set_new(o, "col", document_number(f->col));
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *errors_json(const struct step_result *sr)
{
    json_t *list = json_array();

    for (int i = 0; i < sr->error_count; i++) {
        const struct error_count *ec = &sr->errors[i];
        json_t *o = json_object();

        json_object_set_new(o, "outcome", document_word(outcomes[ec->outcome].name));
        json_object_set_new(o, "fault", document_word(fault_names[outcomes[ec->outcome].fault]));
        json_object_set_new(o, "why", document_text(ec->why));
        json_object_set_new(o, "count", document_count(ec->count));
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *time_json(uint64_t wall_ns)
{
    char text[TEXT_TIME_MAX];

    return wall_ns ? document_word(text_time(wall_ns, text)) : json_null();
}

static json_t *facts_json(const struct fact *f)
{
    json_t *o = json_object();

    for (; f; f = f->next)
        document_set(o, f->key, document_text(f->value));
    return o;
}

static json_t *step_json(const struct step_result *sr)
{
    const struct step *step = sr->step;
    json_t *o = json_object(), *tags = json_object();

    for (int i = 0; i < step->tag_count; i++)
        document_set(tags, step->tags[i].name, document_text(step->tags[i].value));
    json_object_set_new(o, "name", document_text(step->name));
    json_object_set_new(o, "driver", document_text(step->driver ? step->driver->name : NULL));
    json_object_set_new(o, "executor", document_word(executor_names[step->load.executor]));
    json_object_set_new(o, "begun", json_boolean(sr->begun));
    json_object_set_new(o, "started", time_json(sr->started_wall_ns));
    json_object_set_new(o, "measured_ms", document_ms((double)sr->measured_ns));
    json_object_set_new(o, "planned", document_number(sr->planned));
    json_object_set_new(o, "sent", document_count(sr->sent));
    json_object_set_new(o, "ok", document_count(sr->ok));
    json_object_set_new(o, "failed", document_count(sr->failed));
    json_object_set_new(o, "client_errors", document_count(sr->client_errors));
    json_object_set_new(o, "dropped", document_count(sr->dropped));
    json_object_set_new(o, "unfinished", document_count(sr->unfinished));
    json_object_set_new(o, "failure", document_text(sr->failure));
    json_object_set_new(o, "interrupted", json_boolean(sr->interrupted));
    json_object_set_new(o, "failure_is_breach", json_boolean(sr->failure_is_breach));
    json_object_set_new(o, "tags", tags);
    json_object_set_new(o, "facts", facts_json(sr->facts));
    json_object_set_new(o, "metrics", figures_json(sr));
    json_object_set_new(o, "during", figures_during_json(sr));
    json_object_set_new(o, "pressure", pressure_json(sr));
    json_object_set_new(o, "stepping", sizes_report_json(sr));
    json_object_set_new(o, "errors", errors_json(sr));
    json_object_set_new(o, "status_codes", statuses_report_json(sr));
    json_object_set_new(o, "status_codes_by_part", statuses_report_parts_json(sr));
    return o;
}

static json_t *phase_json(const struct run_result *r, const struct phase_result *p)
{
    json_t *o = json_object(), *steps = json_array();

    for (int i = 0; i < p->phase->step_count; i++) {
        struct step_result sr = figures_step(p, i);

        json_array_append_new(steps, step_json(&sr));
    }
    json_object_set_new(o, "name", document_text(p->phase->name));
    json_object_set_new(o, "state", document_word(finding_state_names[text_phase_state(p)]));
    json_object_set_new(o, "skipped", document_text(p->skipped));
    json_object_set_new(o, "started", time_json(p->started_wall_ns));
    json_object_set_new(o, "duration_ms", document_ms((double)p->elapsed_ns));
    json_object_set_new(o, "steps", steps);
    json_object_set_new(o, "findings", findings_json(r->suite, p->findings));
    return o;
}

static json_t *monitor_json(const struct monitor_result *m)
{
    json_t *o = json_object();

    json_object_set_new(o, "lag_p50_ms", document_ms(m->lag_p50_ns));
    json_object_set_new(o, "lag_p99_ms", document_ms(m->lag_p99_ns));
    json_object_set_new(o, "lag_max_ms", document_ms(m->lag_max_ns));
    json_object_set_new(o, "cpu_share", document_number(m->cpu_share));
    json_object_set_new(o, "steal_share", document_number(m->steal_share));
    json_object_set_new(o, "throttled_ms", document_ms((double)m->throttled_ns));
    json_object_set_new(o, "cpu_seconds", document_number(m->cpu_seconds));
    json_object_set_new(o, "peak_rss", document_count(m->peak_rss));
    return o;
}

static json_t *run_json(const struct run_result *r)
{
    json_t *o = json_object();

    json_object_set_new(o, "id", document_text(r->run_id));
    json_object_set_new(o, "suite", document_text(r->suite->name));
    json_object_set_new(o, "file", document_text(r->suite->file));
    json_object_set_new(o, "preset", document_text(r->suite->preset));
    json_object_set_new(o, "started", time_json(r->started_wall_ns));
    json_object_set_new(o, "duration_ms", document_ms((double)r->elapsed_ns));
    json_object_set_new(o, "complete", json_boolean(r->complete));
    json_object_set_new(o, "interrupted", document_text(r->interrupted));
    return o;
}

void result_json(const struct run_result *r, struct buf *out)
{
    json_t *o = json_object(), *phases = json_array();

    for (int i = 0; i < r->phase_count; i++)
        json_array_append_new(phases, phase_json(r, &r->phases[i]));
    json_object_set_new(o, "schema", document_word("shakedown.result/1"));
    json_object_set_new(o, "run", run_json(r));
    json_object_set_new(o, "verdict", document_word(text_verdict(r)));
    json_object_set_new(o, "exit_code", document_number(text_exit_code(r)));
    json_object_set_new(o, "headline", document_text(text_headline(r)));
    json_object_set_new(o, "vars", plan_vars(r->suite->vars, false));
    json_object_set_new(o, "services", services_json(r));
    json_object_set_new(o, "phases", phases);
    json_object_set_new(o, "by_tag", breakdown_json(r));
    json_object_set_new(o, "findings", findings_json(r->suite, r->findings));
    json_object_set_new(o, "monitor", monitor_json(&r->monitor));
    document_write(o, true, out);
}

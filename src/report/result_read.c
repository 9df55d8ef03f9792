#include "report/result_read.h"

#include <string.h>

#include "base/arena.h"
#include "report/document.h"
#include "report/sizes_report.h"
#include "report/statuses_report.h"
#include "report/text.h"
#include "run/result.h"

static uint64_t time_read(struct reading *rd, const json_t *from, const char *key)
{
    const char *s = read_optional(rd, from, key);
    uint64_t t = s ? text_time_parse(s) : 0;

    if (s && !t)
        read_fault(rd, "\"%s\" is not a time", key);
    return t;
}

static void errors_read(struct reading *rd, const json_t *list, struct step_result *sr)
{
    size_t n = json_array_size(list);

    sr->errors = arena_array(rd->arena, struct error_count, n + 1);
    for (size_t i = 0; i < n && !rd->failed; i++) {
        const json_t *from = json_array_get(list, i);
        const char *name = read_text(rd, from, "outcome");
        int outcome = 0;

        while (outcome < OP_OUTCOMES && strcmp(outcomes[outcome].name, name) != 0)
            outcome++;
        if (outcome == OP_OUTCOMES) {
            read_fault(rd, "\"%.60s\" is no outcome", name);
            return;
        }
        sr->errors[sr->error_count++] = (struct error_count){
            .outcome = (enum outcome)outcome,
            .why = read_optional(rd, from, "why"),
            .count = read_count(rd, from, "count"),
        };
    }
}

/* Older results have none. */
static const struct fact *facts_read(struct reading *rd, const json_t *from)
{
    struct fact *first = NULL, **end = &first;
    const char *key;
    json_t *value;

    json_object_foreach(json_object_get(from, "facts"), key, value)
    {
        *end = arena_new(rd->arena, struct fact);
        (*end)->key = arena_strdup(rd->arena, key);
        (*end)->value =
            arena_strdup(rd->arena, json_is_string(value) ? json_string_value(value) : "");
        end = &(*end)->next;
    }
    return first;
}

static void step_read(struct reading *rd, const json_t *from, struct step_result *sr)
{
    const char *name = read_text(rd, from, "name");

    if (!rd->failed && strcmp(name, sr->step->name) != 0)
        read_fault(rd, "step \"%.100s\" stands where the suite has \"%.100s\"", name,
                   sr->step->name);
    sr->begun = read_bool(rd, from, "begun");
    sr->started_wall_ns = time_read(rd, from, "started");
    sr->measured_ns = read_ns(rd, from, "measured_ms");
    sr->planned = read_number(rd, from, "planned");
    sr->sent = read_count(rd, from, "sent");
    sr->ok = read_count(rd, from, "ok");
    sr->failed = read_count(rd, from, "failed");
    sr->client_errors = read_count(rd, from, "client_errors");
    sr->dropped = read_count(rd, from, "dropped");
    sr->unfinished = read_count(rd, from, "unfinished");
    sr->failure = read_optional(rd, from, "failure");
    sr->interrupted = read_bool(rd, from, "interrupted");
    sr->failure_is_breach = read_bool(rd, from, "failure_is_breach");
    sr->facts = facts_read(rd, from);
    sizes_report_read(rd, from, sr);
    errors_read(rd, read_list(rd, from, "errors"), sr);
    statuses_report_read(rd, from, sr);
}

static void phase_read(struct reading *rd, const json_t *from, struct phase_result *p)
{
    const char *name = read_text(rd, from, "name");
    const json_t *steps = read_list(rd, from, "steps");

    if (!rd->failed && strcmp(name, p->phase->name) != 0)
        read_fault(rd, "phase \"%.100s\" stands where the suite has \"%.100s\"", name,
                   p->phase->name);
    if (!rd->failed && json_array_size(steps) != (size_t)p->phase->step_count)
        read_fault(rd, "phase \"%.100s\" has %zu steps, but %d in the suite", name,
                   json_array_size(steps), p->phase->step_count);
    p->skipped = read_optional(rd, from, "skipped");
    p->started_wall_ns = time_read(rd, from, "started");
    p->elapsed_ns = read_ns(rd, from, "duration_ms");
    for (int i = 0; i < p->phase->step_count && !rd->failed; i++)
        step_read(rd, json_array_get(steps, (size_t)i), &p->steps[i]);
}

static const struct service *service_find(const struct suite *s, const char *name)
{
    for (int i = 0; i < s->service_count; i++)
        if (strcmp(s->services[i].name, name) == 0)
            return &s->services[i];
    return NULL;
}

static void services_read(struct reading *rd, const json_t *list, struct run_result *r)
{
    size_t n = json_array_size(list);

    r->services = arena_array(rd->arena, struct service_result, n + 1);
    for (size_t i = 0; i < n && !rd->failed; i++) {
        const json_t *from = json_array_get(list, i);
        const char *name = read_text(rd, from, "name");
        const struct service *service = service_find(r->suite, name);

        if (!service) {
            read_fault(rd, "the suite has no service \"%.100s\"", name);
            return;
        }
        r->services[r->service_count++] = (struct service_result){
            .service = service,
            .started = read_bool(rd, from, "started"),
            .ready = read_bool(rd, from, "ready"),
            .ready_ns = read_ns(rd, from, "ready_ms"),
            .failure = read_optional(rd, from, "failure"),
            .last_lines = read_optional(rd, from, "last_lines"),
        };
    }
}

static void monitor_read(struct reading *rd, const json_t *from, struct monitor_result *m)
{
    m->lag_p50_ns = (double)read_ns(rd, from, "lag_p50_ms");
    m->lag_p99_ns = (double)read_ns(rd, from, "lag_p99_ms");
    m->lag_max_ns = (double)read_ns(rd, from, "lag_max_ms");
    m->cpu_share = read_number(rd, from, "cpu_share");
    m->steal_share = read_number(rd, from, "steal_share");
    m->throttled_ns = read_ns(rd, from, "throttled_ms");
    m->cpu_seconds = read_number(rd, from, "cpu_seconds");
    m->peak_rss = read_count(rd, from, "peak_rss");
}

bool result_read(const char *text, size_t len, struct run_result *r, struct err *e)
{
    struct reading rd = {.arena = r->arena, .e = e, .file = "result.json"};
    json_t *root = document_parse(&rd, text, len, "shakedown.result/1");
    const json_t *run = read_object(&rd, root, "run"), *phases = read_list(&rd, root, "phases");

    r->run_id = read_text(&rd, run, "id");
    r->started_wall_ns = time_read(&rd, run, "started");
    r->elapsed_ns = read_ns(&rd, run, "duration_ms");
    r->complete = read_bool(&rd, run, "complete");
    r->interrupted = read_optional(&rd, run, "interrupted");
    if (!rd.failed && json_array_size(phases) != (size_t)r->phase_count)
        read_fault(&rd, "%zu phases, but the suite has %d", json_array_size(phases),
                   r->phase_count);
    for (int i = 0; i < r->phase_count && !rd.failed; i++)
        phase_read(&rd, json_array_get(phases, (size_t)i), &r->phases[i]);
    services_read(&rd, read_list(&rd, root, "services"), r);
    monitor_read(&rd, read_object(&rd, root, "monitor"), &r->monitor);
    json_decref(root);
    return !rd.failed;
}

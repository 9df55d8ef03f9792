#include "fixture_result.h"

#include <string.h>

#include "base/clock.h"
#include "base/redact.h"
#include "run/result.h"

#define HOSTILE "\033[2J\r\n::error::gotcha <b>&]]> \xff\xfe ##[group] " FIXTURE_SECRET

static const struct metric own_metrics[] = {
    {"http_req_duration", METRIC_TREND, UNIT_TIME, "first to last byte", false},
    {"http_reqs", METRIC_COUNTER, UNIT_NONE, "requests", true},
    {"body_size", METRIC_TREND, UNIT_BYTES, "of a body", false},
    {NULL, METRIC_COUNTER, UNIT_NONE, NULL, false},
};
static const struct driver own_driver = {.name = "http", .metrics = own_metrics};
static const char *const part_names[] = {"order", "served"};

enum { OWN_DURATION = M_ENGINE_COUNT, OWN_REQS, OWN_SIZE, OWN_END };

static void step_make(struct step *s, const char *name, enum executor ex, struct arena *a)
{
    const struct metric **all = arena_array(a, const struct metric *, OWN_END);

    for (int i = 0; i < M_ENGINE_COUNT; i++)
        all[i] = &engine_metrics[i];
    for (int i = M_ENGINE_COUNT; i < OWN_END; i++)
        all[i] = &own_metrics[i - M_ENGINE_COUNT];
    s->name = name;
    s->driver = &own_driver;
    s->load.executor = ex;
    s->metrics = all;
    s->metric_count = OWN_END;
    s->declared = (struct declared){.parts = part_names, .part_count = 2};
    s->tags = arena_array(a, struct tag, 2);
    s->tags[0] = (struct tag){"step", name};
    s->tags[1] = (struct tag){"token", FIXTURE_SECRET};
    s->tag_count = 2;
    s->at = (struct pos){12, 5};
}

static struct suite *suite_make(struct arena *a)
{
    static const char text[] = "suite: edge-gate\nvars: {a: \"${env.FIXTURE_A:-x}\"}\n";
    static const char *const env[] = {"FIXTURE_AB=no", "FIXTURE_A=yes", "OTHER=1", NULL};
    struct suite *s = arena_new(a, struct suite);
    struct suite_source *src = arena_new(a, struct suite_source);
    struct phase *p;

    *src = (struct suite_source){.file = "suites/edge-gate.yaml",
                                 .text = text,
                                 .len = sizeof(text) - 1,
                                 .preset = "laptop",
                                 .environ = env,
                                 .run_id = "r-1",
                                 .run_dir = "results/r-1",
                                 .run_tmp = "/tmp/r-1"};
    *s = (struct suite){.name = "edge-gate",
                        .file = src->file,
                        .preset = "laptop",
                        .phase_count = 4,
                        .source = src,
                        .arena = a,
                        .service_count = 1};
    s->vars = arena_new(a, struct vars);
    s->vars->v = arena_array(a, struct var, 2);
    s->vars->v[0] = (struct var){
        .name = "rate", .value = "10", .origin = ORIGIN_PRESET, .origin_detail = "preset laptop"};
    s->vars->v[1] = (struct var){.name = "token", .value = FIXTURE_SECRET, .secret = true};
    s->vars->n = 2;
    s->services = arena_array(a, struct service, 1);
    s->services[0] = (struct service){.name = "backend", .at = {7, 3}};
    p = s->phases = arena_array(a, struct phase, 4);
    p[0] = (struct phase){.name = "sanity", .step_count = 1};
    p[1] = (struct phase){.name = "sustained-rate", .step_count = 1};
    p[2] = (struct phase){.name = "slow-loris", .step_count = 2, .parallel = true};
    p[3] = (struct phase){.name = "forget-the-fleet", .when = WHEN_ALWAYS, .step_count = 1};
    for (int i = 0; i < 4; i++)
        p[i].steps = arena_array(a, struct step, p[i].step_count);
    step_make(&p[0].steps[0], "sanity", EX_ONCE, a);
    step_make(&p[1].steps[0], "sustained-rate", EX_CONSTANT_ARRIVAL_RATE, a);
    step_make(&p[2].steps[0], "loris", EX_HOLD_CONNECTIONS, a);
    step_make(&p[2].steps[1], "control", EX_CONSTANT_ARRIVAL_RATE, a);
    step_make(&p[3].steps[0], "forget-the-fleet", EX_ONCE, a);
    return s;
}

struct run_result *fixture_blank(struct arena *a)
{
    struct run_result *r = arena_new(a, struct run_result);

    r->suite = suite_make(a);
    r->arena = a;
    r->dir = "results/r-1";
    r->phase_count = r->suite->phase_count;
    r->phases = arena_array(a, struct phase_result, r->phase_count);
    for (int i = 0; i < r->phase_count; i++) {
        struct phase_result *p = &r->phases[i];

        p->phase = &r->suite->phases[i];
        p->steps = arena_array(a, struct step_result, p->phase->step_count);
        for (int k = 0; k < p->phase->step_count; k++) {
            p->steps[k].step = &p->phase->steps[k];
            step_shape(p->steps[k].step, a, &p->steps[k].shape);
            meter_init(&p->steps[k].meter, &p->steps[k].shape);
        }
    }
    return r;
}

static void operate(struct step_result *sr, int seconds, int per_second, uint64_t wall)
{
    struct meter *m = &sr->meter;

    sr->begun = true;
    sr->started_wall_ns = wall;
    sr->measured_ns = (uint64_t)seconds * NS_PER_S + 12345678;
    sr->planned = sr->sent = (uint64_t)(seconds * per_second);
    for (int i = 0; i < seconds * per_second; i++) {
        int second = i / per_second, part = 1 + i % 2;
        bool failed = i % 50 == 49;
        enum tag_outcome o = failed ? TAG_FAILED : TAG_OK;
        uint64_t ns = NS_PER_MS + (uint64_t)i * 7919 % 9000000;

        meter_trend(m, M_OP_DURATION, 0, o, second, ns);
        meter_rate(m, M_OP_FAILED, 0, o, second, failed);
        meter_rate(m, M_OP_OK, 0, o, second, !failed);
        meter_count(m, M_ITERATIONS, 0, o, second, 1);
        meter_trend(m, OWN_DURATION, part, o, second, ns / 2);
        meter_count(m, OWN_REQS, part, o, second, 1);
        meter_trend(m, OWN_SIZE, 0, o, second, UINT64_C(1) << (i % 50));
        meter_gauge(m, M_VUS, 0, TAG_OK, second, 0.1 * i);
        sr->failed += failed;
    }
    sr->ok = sr->sent - sr->failed;
}

static struct finding *found(struct finding ***at, struct arena *a, enum finding_kind kind,
                             enum finding_state state, const char *name, const char *message)
{
    struct finding *f = **at = arena_new(a, struct finding);

    *at = &f->next;
    f->kind = kind;
    f->state = state;
    f->name = name;
    f->message = message;
    f->type = state == FOUND_BREACH ? "threshold" : "inconclusive";
    f->line = 14;
    f->col = 7;
    return f;
}

static void judged(struct finding *f, struct arena *a, const struct metric *m, const char *text,
                   double observed)
{
    struct threshold *t = arena_new(a, struct threshold);

    t->text = text;
    t->selector.metric = m->name;
    t->agg = m->type == METRIC_TREND ? AGG_P : AGG_RATE;
    t->quantile = 0.99;
    t->cmp = CMP_LE;
    t->limit = m->type == METRIC_TREND ? 5e6 : 0.01;
    f->threshold = t;
    f->metric = m;
    f->evidence = (struct evidence){.verdict = (enum verdict)f->state,
                                    .has_value = true,
                                    .observed = observed,
                                    .margin = t->limit - observed,
                                    .n = 3000,
                                    .hits = 60,
                                    .has_interval = true,
                                    .low = observed * 0.95,
                                    .high = observed * 1.05,
                                    .confidence = 0.95,
                                    .phi = 1.25,
                                    .to = 30,
                                    .reason = "the bound lies beyond the limit"};
}

static void fill_findings(struct run_result *r, struct arena *a)
{
    struct finding **at = &r->findings;
    struct finding *f;

    found(&at, a, FINDING_SERVICE, FOUND_PASS, "backend", "ready in 0.3s");
    at = &r->phases[0].findings;
    found(&at, a, FINDING_EXECUTED, FOUND_PASS, "sanity: executed", "1 of 1 operations");
    at = &r->phases[1].findings;
    found(&at, a, FINDING_EXECUTED, FOUND_PASS, "sustained-rate: executed", "all was sent");
    f = found(&at, a, FINDING_THRESHOLD, FOUND_BREACH, "sustained-rate: op_duration p(99)<=5ms",
              "p(99) is 9.91ms " HOSTILE);
    judged(f, a, &engine_metrics[M_OP_DURATION], "p(99)<=5ms", 9.91e6);
    f->step = "sustained-rate";
    f = found(&at, a, FINDING_THRESHOLD, FOUND_INCONCLUSIVE, "sustained-rate: op_failed rate<=1%",
              "2% observed, but 1% is inside the interval");
    judged(f, a, &engine_metrics[M_OP_FAILED], "rate<=1%", 0.02);
    at = &r->phases[2].findings;
    f = found(&at, a, FINDING_THRESHOLD, FOUND_BREACH, "control: op_failed rate<=1%", "2% failed");
    judged(f, a, &engine_metrics[M_OP_FAILED], "rate<=1%", 0.02);
    f->warn = true;
    found(&at, a, FINDING_EXECUTED, FOUND_PASS, "executed", "first");
    found(&at, a, FINDING_EXECUTED, FOUND_PASS, "executed", "second of the same name");
}

static void fill_errors(struct step_result *sr, struct arena *a)
{
    sr->errors = arena_array(a, struct error_count, 7);
    for (int i = 0; i < 7; i++)
        sr->errors[i] = (struct error_count){(enum outcome)(OP_UNEXPECTED + i),
                                             i ? "no answer" : HOSTILE, (uint64_t)(70 - i)};
    sr->error_count = 7;
    sr->statuses = arena_array(a, struct status_count, 4);
    sr->statuses[0] = (struct status_count){"order", 201, 1450};
    sr->statuses[1] = (struct status_count){"order", 503, 50};
    sr->statuses[2] = (struct status_count){"served", 201, 1500};
    sr->statuses[3] = (struct status_count){"served", STATUS_OTHER, 2};
    sr->status_count = 4;
    sr->client_errors = 3;
    sr->dropped = 2;
    sr->unfinished = 1;
}

struct run_result *fixture_result(struct arena *a)
{
    struct run_result *r = fixture_blank(a);
    uint64_t wall = UINT64_C(1795203239) * NS_PER_S + 123 * NS_PER_MS;

    redact_add(FIXTURE_SECRET);
    r->run_id = "r-1";
    r->started_wall_ns = wall;
    r->elapsed_ns = 92 * NS_PER_S + 345678901;
    r->services = arena_array(a, struct service_result, 1);
    r->service_count = 1;
    r->services[0] = (struct service_result){.service = &r->suite->services[0],
                                             .started = true,
                                             .ready = true,
                                             .ready_ns = 300 * NS_PER_MS};
    for (int i = 0; i < 3; i++) {
        r->phases[i].started_wall_ns = wall + (uint64_t)i * 30 * NS_PER_S;
        r->phases[i].elapsed_ns = 30 * NS_PER_S + 1;
    }
    operate(&r->phases[0].steps[0], 1, 1, wall);
    operate(&r->phases[1].steps[0], 30, 100, wall);
    operate(&r->phases[2].steps[1], 20, 10, wall);
    fill_errors(&r->phases[1].steps[0], a);
    r->phases[2].steps[0].failure = "connect 127.0.0.1:1: refused " FIXTURE_SECRET;
    meter_free(&r->phases[3].steps[0].meter);
    r->phases[3].steps = NULL; /* never reached */
    r->phases[3].skipped = "the run was told to leave everything";
    fill_findings(r, a);
    r->monitor = (struct monitor_result){.lag_p50_ns = 21500,
                                         .lag_p99_ns = 310000.4,
                                         .lag_max_ns = 2e6,
                                         .cpu_share = 0.8512,
                                         .cpu_seconds = 12.25,
                                         .peak_rss = 45000000};
    r->complete = true;
    r->exit_code = 1;
    r->headline = "sustained-rate: op_duration p(99) is 9.91ms, limit 5ms";
    return r;
}

void fixture_free(struct run_result *r, struct arena *a)
{
    for (int i = 0; i < r->phase_count; i++)
        for (int k = 0; r->phases[i].steps && k < r->phases[i].phase->step_count; k++)
            meter_free(&r->phases[i].steps[k].meter);
    arena_free(a);
    redact_reset();
}

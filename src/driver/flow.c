#include "driver/flow.h"

#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "driver/flow_run.h"
#include "driver/route.h"
#include "driver/tls_expect.h"
#include "net/tls.h"

#define OPT_OF struct flow_opts
static const struct opt flow_table[] = {
    OPT_NODE(parts, "what one operation does, part after part; each has a name and http or tls",
             .schema = "{\"type\":\"array\",\"minItems\":1,\"items\":{\"type\":\"object\","
                       "\"required\":[\"name\"],\"properties\":{\"name\":{\"type\":\"string\"},"
                       "\"http\":{\"type\":\"object\"},\"tls\":{\"type\":\"object\"},"
                       "\"until\":{\"type\":\"object\",\"properties\":{\"every\":{},\"within\":{}},"
                       "\"additionalProperties\":false},\"think\":{\"type\":\"string\"}},"
                       "\"additionalProperties\":false}}",
             .example = "[{name: order, http: {target: api, method: POST, capture: {id: "
                        "\"json:/id\"}}}, {name: look, http: {target: api, path: \"/%{id}\"}, "
                        "until: {every: 1s, within: 60s}}]",
             .flags = OPT_REQUIRED, OPT_BINDING(bind)),
    {0},
};
#undef OPT_OF

static const struct metric flow_metrics[] = {
    [FLOW_PART_DURATION] = {"part_duration", METRIC_TREND, UNIT_TIME,
                            "one part with all its tries and pauses, without thinking"},
    [FLOW_PART_FAILED] = {"part_failed", METRIC_RATE, UNIT_RATIO,
                          "parts that did not end as expected"},
    [FLOW_PART_TRIES] = {"part_tries", METRIC_COUNTER, UNIT_NONE, "tries of parts"},
    FETCH_ROWS(FLOW_HTTP),
    [FLOW_TCP_CONNECTING] = {"tcp_connecting", METRIC_TREND, UNIT_TIME,
                             "TCP connects of looks at a certificate"},
    [FLOW_TLS_HANDSHAKING] = {"tls_handshaking", METRIC_TREND, UNIT_TIME,
                              "TLS handshakes of looks at a certificate"},
    [FLOW_METRICS] = {0},
};

static bool flow_check(const void *opts, const struct node *at, const char *path, struct diags *d)
{
    struct flow_parts parts;

    (void)at;
    return flow_read(&parts, opts, path, NULL, d->arena, d);
}

static void flow_declare(const void *opts, struct arena *arena, struct declared *out)
{
    struct flow_parts parts;
    struct diags ignored;

    diags_init(&ignored, "", arena);
    flow_read(&parts, opts, "", NULL, arena, &ignored);
    for (int i = 0; i < parts.n; i++)
        if (parts.v[i].request_opts)
            request_declare(parts.v[i].request_opts, arena, out);
    out->parts = parts.names;
    out->part_count = parts.n;
}

static bool make_route(struct flow_check *c, struct arena *arena, struct err *e)
{
    struct target t = *c->target;

    t.tls.examine = tls_expect_examines(c->expect);
    return route_make(&c->route, &t, NULL, false, arena, e);
}

static bool flow_prepare(struct job *job, struct err *e)
{
    struct flow_job *j = job->priv;
    struct diags d;

    diags_init(&d, "", job->arena);
    if (!flow_read(&j->parts, job->opts, job->name, job->declared, job->arena, &d))
        return err_set(e, "%s", d.first->text);
    for (int i = 0; i < j->parts.n; i++)
        if (!j->parts.v[i].request && !make_route(&j->parts.v[i].check, job->arena, e))
            return false;
    if (job->verify)
        j->kept = arena_array(job->arena, char *, j->parts.capture_count);
    for (int i = 0; j->kept && i < j->parts.capture_count; i++)
        j->kept[i] = arena_alloc(job->arena, CAPTURE_ROOM);
    return true;
}

static void flow_collect(struct job *job)
{
    struct flow_job *j = job->priv;

    for (int i = 0; j->kept && i < j->parts.capture_count; i++)
        if (j->kept[i][0])
            job_publish(job, j->parts.captures[i], j->kept[i]);
    for (int i = 0; i < j->parts.n; i++)
        tls_ctx_free(j->parts.v[i].check.route.ctx);
    j->parts.n = 0;
}

const struct driver driver_flow = {
    .name = "flow",
    .brief = "one pass through several parts: requests with captures, polls, served certificates",
    .opts = flow_table,
    .metrics = flow_metrics,
    .opts_size = sizeof(struct flow_opts),
    .job_size = sizeof(struct flow_job),
    .lane_size = sizeof(struct flow_lane),
    .op_size = sizeof(struct flow_op),
    .check = flow_check,
    .declare = flow_declare,
    .prepare = flow_prepare,
    .start = flow_start,
    .fire = flow_fire,
    .stop = flow_stop,
    .collect = flow_collect,
};

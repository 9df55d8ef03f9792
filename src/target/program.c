#include "target/program.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/units.h"
#include "target/request.h"
#include "target/route.h"
#include "target/stall.h"
#include "target/strata.h"

#define VALUE_MAX 256

static bool set_latency(struct program *p, const char *text, struct err *e)
{
    return dist_parse(&p->latency, text, e);
}

static bool set_first_byte(struct program *p, const char *text, struct err *e)
{
    return dist_parse(&p->first_byte, text, e);
}

static bool parse_status(const char *text, int low, int high, int *status, struct err *e)
{
    int64_t n;

    if (!units_int(text, &n) || n < low || n > high)
        return err_set(e, "\"%s\" is not a status from %d to %d", text, low, high);
    *status = (int)n;
    return true;
}

static bool set_status(struct program *p, const char *text, struct err *e)
{
    return parse_status(text, 200, 599, &p->status, e);
}

/* 101 would end HTTP on the connection, and 100 answers an expectation. */
static bool set_early(struct program *p, const char *text, struct err *e)
{
    return parse_status(text, 102, 199, &p->early, e);
}

static bool set_size(struct program *p, const char *text, struct err *e)
{
    int64_t size;

    if (!units_size(text, &size) || size > PROGRAM_SIZE_MAX)
        return err_set(e, "\"%s\" is not a size up to 1 TiB (try 64KiB)", text);
    p->size = size;
    p->sized = true;
    return true;
}

static bool parse_share(const char *text, double *share, struct err *e)
{
    double value;

    if (!units_ratio(text, &value) || value > 1)
        return err_set(e, "\"%s\" is not a share up to 100%% (try 1%%)", text);
    *share = value;
    return true;
}

static bool set_reset(struct program *p, const char *text, struct err *e)
{
    return parse_share(text, &p->reset, e);
}

static bool set_errors(struct program *p, const char *text, struct err *e)
{
    char share[32], status[32] = "503", rest;
    int n = sscanf(text, " %31s %31s %c", share, status, &rest);

    if (n != 1 && n != 2)
        return err_set(e, "\"%s\" is not a share with a status (try \"1%% 503\")", text);
    return parse_share(share, &p->errors, e) && parse_status(status, 200, 599, &p->error_status, e);
}

static bool parse_flag(const char *text, bool *flag, struct err *e)
{
    bool yes = !*text || strcmp(text, "1") == 0 || strcmp(text, "true") == 0;

    if (!yes && strcmp(text, "0") != 0 && strcmp(text, "false") != 0)
        return err_set(e, "\"%s\" is neither true nor false", text);
    *flag = yes;
    return true;
}

static bool set_truncate(struct program *p, const char *text, struct err *e)
{
    return parse_flag(text, &p->truncate, e);
}

static bool set_close(struct program *p, const char *text, struct err *e)
{
    return parse_flag(text, &p->close, e);
}

static bool set_chunked(struct program *p, const char *text, struct err *e)
{
    return parse_flag(text, &p->chunked, e);
}

static bool set_stamps(struct program *p, const char *text, struct err *e)
{
    return parse_flag(text, &p->stamps, e);
}

static const struct knob {
    const char *name;
    bool (*set)(struct program *p, const char *text, struct err *e);
} knobs[] = {
    {"latency", set_latency},   {"first_byte", set_first_byte}, {"status", set_status},
    {"size", set_size},         {"errors", set_errors},         {"reset", set_reset},
    {"truncate", set_truncate}, {"close", set_close},           {"chunked", set_chunked},
    {"early", set_early},       {"stamps", set_stamps},         {0},
};

/* In a field's name a dash stands for an underscore. */
static bool same_name(const char *knob, struct http1_span name)
{
    size_t len = strlen(knob);

    if (len != name.len)
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = name.data[i] == '-' ? '_' : name.data[i];

        if (strncasecmp(&c, knob + i, 1) != 0)
            return false;
    }
    return true;
}

static const struct knob *knob_find(struct http1_span name)
{
    for (const struct knob *k = knobs; k->name; k++)
        if (same_name(k->name, name))
            return k;
    return NULL;
}

bool program_set(struct program *p, const char *knob, const char *text, struct err *e)
{
    const struct knob *k = knob_find((struct http1_span){knob, strlen(knob)});

    if (!k)
        bug("no knob \"%s\"", knob);
    return k->set(p, text, e) || err_wrap(e, "%s", knob);
}

static bool set_from_path(struct program *p, const struct route *route, struct http1_span path,
                          struct err *e)
{
    size_t len = strlen(route->path);
    char value[VALUE_MAX];

    if (route->flag && !program_set(p, route->flag, "1", e))
        return false;
    if (!route->knob)
        return true;
    if (!query_decode((struct http1_span){path.data + len, path.len - len}, value, sizeof(value)))
        return err_set(e, "the path cannot be decoded");
    return program_set(p, route->knob, value, e);
}

/* A parameter that is no knob is the page's own affair. */
static bool set_from_query(struct program *p, struct http1_span query, struct err *e)
{
    char value[VALUE_MAX];
    struct field f;

    while (query_next(&query, &f)) {
        const struct knob *k = knob_find(f.name);

        if (!k)
            continue;
        if (!query_decode(f.value, value, sizeof(value)))
            return err_set(e, "%s: the value cannot be decoded", k->name);
        if (!k->set(p, value, e))
            return err_wrap(e, "%s", k->name);
    }
    return true;
}

/* A misspelt knob would quietly leave the fault out, so it is refused. */
static bool set_from_fields(struct program *p, struct http1_span rest, struct err *e)
{
    size_t prefix = strlen(REQUEST_KNOB_PREFIX);
    char value[VALUE_MAX];
    const struct knob *k;
    struct field f;

    while (field_next(&rest, &f)) {
        if (f.name.len <= prefix || strncasecmp(f.name.data, REQUEST_KNOB_PREFIX, prefix) != 0)
            continue;
        k = knob_find((struct http1_span){f.name.data + prefix, f.name.len - prefix});
        if (!k || f.value.len >= sizeof(value))
            return err_set(e, "%.*s: %s", (int)(f.name.len < 64 ? f.name.len : 64), f.name.data,
                           k ? "the value is too long" : "there is no such knob");
        snprintf(value, sizeof(value), "%.*s", (int)f.value.len, f.value.data);
        if (!k->set(p, value, e))
            return err_wrap(e, "%s", k->name);
    }
    return true;
}

const struct program *program_for(const struct program *defaults, const struct route *route,
                                  const struct request *rq, struct program *own, struct err *e)
{
    if (!route->knob && !route->flag && !rq->query.len && !rq->knobs)
        return defaults;
    *own = *defaults;
    if (!set_from_path(own, route, rq->path, e))
        return NULL;
    if (!(route->flags & ROUTE_QUERY) && !set_from_query(own, rq->query, e))
        return NULL;
    return !rq->knobs || set_from_fields(own, rq->head, e) ? own : NULL;
}

struct plan program_plan(const struct program *p, const struct stall *stall, uint64_t seed,
                         uint64_t number, uint64_t arrival_ns)
{
    uint64_t begin = stall_delayed(stall, arrival_ns);
    struct plan plan = {0};

    plan.due_ns = stall_delayed(stall, begin + dist_sample(&p->latency, seed, number));
    if (p->first_byte.count) {
        /* Another seed: the two times of one request are independent. */
        plan.first_ns = stall_delayed(stall, begin + dist_sample(&p->first_byte, ~seed, number));
        if (plan.due_ns < plan.first_ns)
            plan.due_ns = plan.first_ns;
    }
    plan.reset = strata_hit(STRATA_RESET, number, p->reset);
    plan.error = !plan.reset && strata_hit(STRATA_ERROR, number, p->errors);
    return plan;
}

#include "driver/http.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "base/err.h"
#include "driver/route.h"
#include "net/tls.h"

static const char *const connections[] = {"keep", "new", "resume", NULL};
static const char *const protocols[] = {"http1", "h2", "auto", "h2c", NULL};

static_assert(offsetof(struct http_opts, request) == 0, "REQUEST_ROWS counts on it");

static const struct opt http_table[] = {
#define OPT_OF struct request_opts
    OPT_TARGET(target, "the target to send it to", .flags = OPT_REQUIRED),
    REQUEST_ROWS("30s"),
#undef OPT_OF
#define OPT_OF struct http_opts
    OPT_CHOICE(connection, "keep",
               "keep: reuse connections; new: a full handshake for each request; resume: a new "
               "connection with a resumed TLS session",
               .choices = connections),
    OPT_CHOICE(protocol, "http1",
               "http1: HTTP/1.1; h2: HTTP/2 over TLS; auto: what the server chooses of both; h2c: "
               "HTTP/2 without TLS",
               .choices = protocols),
    OPT_INT(streams, "100", "HTTP/2: requests that a connection carries at a time, at most",
            .min = 1, .max = 1000000, OPT_GIVEN(streams_given)),
    OPT_INT(connections, "0", "connections, at most; requests beyond wait; 0: as many as it takes",
            .min = 0, .max = 1000000),
    OPT_SIZE(max_body, "1MiB", "how much of a body expectations and captures look into", .min = 1,
             .max = 1 << 30),
    OPT_NODE(requests, "a mix: each has a name, a weight and what it has other than this map",
             .schema = "{\"type\":\"array\",\"minItems\":1,\"items\":{\"type\":\"object\"}}",
             .example = "[{name: list, path: /items, weight: 9}, {name: add, method: POST}]",
             OPT_BINDING(bind)),
    {0},
};
#undef OPT_OF

struct entry_opts {
    struct request_opts request;
    const char *name;
    int64_t weight;
};

static const struct opt entry_table[] = {
#define OPT_OF struct request_opts
    REQUEST_ROWS("30s"),
#undef OPT_OF
#define OPT_OF struct entry_opts
    OPT_TEXT(name, NULL, "name of the part, for its metrics", .flags = OPT_REQUIRED),
    OPT_INT(weight, "1", "how often, in proportion to the others", .min = 1, .max = 1000000),
    {0},
};
#undef OPT_OF

static const struct metric http_metrics[] = {
    [HTTP_REQS] = {"http_reqs", METRIC_COUNTER, UNIT_NONE, "requests"},
    [HTTP_FAILED] = {"http_req_failed", METRIC_RATE, UNIT_RATIO,
                     "requests without the expected answer"},
    [HTTP_DURATION] = {"http_req_duration", METRIC_TREND, UNIT_TIME,
                       "sending, waiting and receiving together, without connecting"},
    [HTTP_BLOCKED] = {"http_req_blocked", METRIC_TREND, UNIT_TIME,
                      "from the request's turn to its first action"},
    [HTTP_CONNECTING] = {"http_req_connecting", METRIC_TREND, UNIT_TIME,
                         "TCP connects; a reused connection gives no sample"},
    [HTTP_TLS] = {"http_req_tls_handshaking", METRIC_TREND, UNIT_TIME,
                  "TLS handshakes; a reused connection gives no sample"},
    [HTTP_SENDING] = {"http_req_sending", METRIC_TREND, UNIT_TIME, "until the request was sent"},
    [HTTP_WAITING] = {"http_req_waiting", METRIC_TREND, UNIT_TIME,
                      "from the request sent to the first byte of the answer"},
    [HTTP_RECEIVING] = {"http_req_receiving", METRIC_TREND, UNIT_TIME,
                        "from the first byte of the answer to its last"},
    [HTTP_LAG] = {"receive_lag", METRIC_TREND, UNIT_TIME,
                  "from the kernel's receipt of the answer's last bytes, where the answer ends, to "
                  "their being read"},
    [HTTP_OPENED] = {"connections_opened", METRIC_COUNTER, UNIT_NONE, "connections established"},
    [HTTP_RESUMED] = {"tls_resumed", METRIC_COUNTER, UNIT_NONE,
                      "TLS handshakes that resumed a session"},
    [HTTP_RETRIES] = {"http_retries", METRIC_COUNTER, UNIT_NONE,
                      "requests sent again because a kept connection had died"},
    [HTTP_METRICS] = {0},
};

/* What an entry of the mix does not say, the map around it says for all. */
static void inherit(struct request_opts *o, const struct request_opts *from, struct arena *arena)
{
    struct named_templates *own = &o->headers, all = {0};
    int room = own->n + from->headers.n;

    o->target = from->target;
    o->method = o->method ? o->method : from->method;
    o->path = o->path ? o->path : from->path;
    o->capture = o->capture ? o->capture : from->capture;
    o->record = o->record ? o->record : from->record;
    o->count = o->count ? o->count : from->count;
    o->bind = o->bind ? o->bind : from->bind;
    if (!o->auth.basic && !o->auth.bearer)
        o->auth = from->auth;
    if (!o->expect_given)
        o->expect = from->expect;
    if (!o->timeout_given)
        o->timeout = from->timeout;
    all.names = arena_array(arena, const char *, room);
    all.values = arena_array(arena, const struct template *, room);
    for (int i = 0; i < room; i++) {
        const struct named_templates *s = i < own->n ? own : &from->headers;
        int at = i < own->n ? i : i - own->n;
        bool known = false;

        for (int k = 0; k < all.n; k++)
            known |= strcasecmp(all.names[k], s->names[at]) == 0;
        if (!known) {
            all.names[all.n] = s->names[at];
            all.values[all.n++] = s->values[at];
        }
    }
    o->headers = all;
}

/* The requests of a step: one, or the entries of its mix; false with mistakes in `d`. */
struct mix {
    struct entry_opts *v;
    const struct node **at;
    const char **paths;
    int n;
};

static bool read_entry(struct mix *mix, const struct http_opts *o, const struct node *n,
                       const char *path, struct arena *arena, struct diags *d)
{
    struct bind b = *o->bind;
    struct entry_opts *entry = &mix->v[mix->n];
    bool unique = true;

    b.arena = arena;
    b.diags = d;
    mix->at[mix->n] = n;
    mix->paths[mix->n] = path;
    if (!opt_bind(entry_table, NULL, n, path, entry, &b))
        return false;
    for (int i = 0; i < mix->n; i++)
        if (strcmp(mix->v[i].name, entry->name) == 0)
            unique =
                diag_add(d, n->at, "%s.name: there is another request \"%s\"", path, entry->name);
    inherit(&entry->request, &o->request, arena);
    mix->n++;
    return unique;
}

static bool read_mix(struct mix *mix, const struct http_opts *o, const struct node *at,
                     const char *path, struct arena *arena, struct diags *d)
{
    int room = o->requests && o->requests->count > 0 ? o->requests->count : 1, i = 0;
    bool ok = true;

    *mix = (struct mix){arena_array(arena, struct entry_opts, room),
                        arena_array(arena, const struct node *, room),
                        arena_array(arena, const char *, room), 0};
    if (!o->requests) {
        *mix->v = (struct entry_opts){o->request, NULL, 1};
        mix->at[0] = at;
        mix->paths[0] = path;
        mix->n = 1;
        return true;
    }
    if (o->requests->type != NODE_LIST || o->requests->count == 0)
        return diag_add(d, o->requests->at, "%s.requests: expected a list of requests", path);
    if (o->request.body || o->request.body_file || o->request.json)
        ok = diag_add(d, at ? at->at : o->requests->at,
                      "%s: with requests, a body belongs to one of them", path);
    for (const struct node *n = o->requests->first; n; n = n->next, i++)
        ok &= read_entry(mix, o, n, arena_printf(arena, "%s.requests[%d]", path, i), arena, d);
    return ok;
}

static void check_metrics(const struct node *map, const char *path, struct diags *d)
{
    for (const struct node *n = map && map->type == NODE_MAP ? map->first : NULL; n; n = n->next)
        for (const struct metric *m = http_metrics; m->name; m++)
            if (strcmp(m->name, n->key) == 0)
                diag_add(d, n->key_at, "%s: \"%s\" is a metric of this driver already", path,
                         n->key);
}

static void check_protocol(const struct http_opts *o, struct pos pos, const char *path,
                           struct diags *d)
{
    bool secure = strcmp(o->request.target->scheme, "https") == 0;

    if (o->connection == CONNECTION_RESUME && !secure)
        diag_add(d, pos, "%s.connection: resume needs an https: target", path);
    if (o->protocol == HTTP_2 && !secure)
        diag_add(d, pos, "%s.protocol: h2 needs an https: target (did you mean \"h2c\"?)", path);
    if (o->protocol == HTTP_2_CLEAR && secure)
        diag_add(d, pos, "%s.protocol: h2c needs an http: target (did you mean \"h2\"?)", path);
    if (o->protocol == HTTP_1 && o->streams_given && o->streams > 1)
        diag_add(d, pos,
                 "%s.streams: HTTP/1.1 carries one request at a time; give protocol: h2, h2c or "
                 "auto",
                 path);
    if (o->protocol != HTTP_1 && o->request.headers.n > H2_FIELDS_MAX / 2)
        diag_add(d, pos, "%s.headers: at most %d", path, H2_FIELDS_MAX / 2);
}

static bool http_check(const void *opts, const struct node *at, const char *path, struct diags *d)
{
    const struct http_opts *o = opts;
    const struct target *t = o->request.target;
    struct pos pos = at ? at->at : (struct pos){0};
    int before = d->errors;
    struct mix mix;

    if (!t || !t->scheme) /* undeclared, or its url is wrong: that has been told */
        return false;
    if (strcmp(t->scheme, "http") != 0 && strcmp(t->scheme, "https") != 0)
        return diag_add(d, pos,
                        "%s.target: \"%s\" is a %s: url, and this driver speaks http: and "
                        "https:",
                        path, t->name, t->scheme);
    check_protocol(o, pos, path, d);
    read_mix(&mix, o, at, path, d->arena, d);
    for (int i = 0; i < mix.n; i++) {
        struct request_compile c = {&mix.v[i].request, mix.at[i], mix.paths[i], NULL, false, false};

        check_metrics(c.opts->record, path, d);
        check_metrics(c.opts->count, path, d);
        request_compile(&c, d->arena, d);
    }
    return d->errors == before;
}

static void http_declare(const void *opts, struct arena *arena, struct declared *out)
{
    const struct http_opts *o = opts;
    struct diags ignored;
    const char **names;
    struct mix mix;

    diags_init(&ignored, "", arena);
    read_mix(&mix, o, NULL, "", arena, &ignored);
    names = arena_array(arena, const char *, mix.n);
    for (int i = 0; i < mix.n; i++) {
        names[i] = mix.v[i].name;
        request_declare(&mix.v[i].request, arena, out);
    }
    if (o->requests) {
        out->parts = names;
        out->part_count = mix.n;
    }
}

static bool compile_mix(struct http_job *j, struct job *job, struct err *e)
{
    struct diags d;
    struct mix mix;
    uint64_t sum = 0;

    diags_init(&d, "", job->arena);
    if (!read_mix(&mix, j->opts, NULL, job->name, job->arena, &d))
        return err_set(e, "%s", d.first->text);
    j->requests = arena_array(job->arena, struct request *, mix.n);
    j->shares = arena_array(job->arena, uint64_t, mix.n);
    j->parts = j->opts->requests != NULL;
    for (; j->count < mix.n; j->count++) {
        struct request_compile c = {
            &mix.v[j->count].request,         NULL, mix.paths[j->count], job->declared,
            j->connection != CONNECTION_KEEP, true};
        struct request *r = request_compile(&c, job->arena, &d);

        if (!r)
            return err_set(e, "%s", d.first->text);
        sum += (uint64_t)mix.v[j->count].weight;
        j->requests[j->count] = r;
        j->shares[j->count] = sum;
        if (!r->bytes && r->bound > j->bound)
            j->bound = r->bound;
    }
    return true;
}

/* For HTTP/2, the heads of the requests that are the same every time. */
static void make_lists(struct http_job *j, struct arena *arena)
{
    bool secure = strcmp(j->opts->request.target->scheme, "https") == 0;

    j->lists = arena_array(arena, struct http_list, j->count);
    for (int i = 0; i < j->count; i++) {
        const struct request *r = j->requests[i];

        if (!r->bytes)
            continue;
        j->lists[i].fields = arena_array(arena, struct h2_field, H2_FIELDS_MAX);
        http_list_make(&j->lists[i], arena_strndup(arena, r->bytes, r->len), r->len, secure);
    }
}

static bool set_protocol(struct http_job *j, const struct job *job, struct err *e)
{
    const struct http_opts *o = j->opts;

    j->version = (enum http_version)o->protocol;
    j->connection = (enum connection)o->connection;
    j->streams = 1;
    if (j->version != HTTP_1 && j->connection == CONNECTION_KEEP && o->streams > 1)
        j->streams = (int)o->streams;
    if (j->version == HTTP_AUTO && strcmp(o->request.target->scheme, "https") != 0)
        j->version = HTTP_1; /* without TLS there is nobody to choose */
    if (o->connections > 0 && o->connections < job->lane_count)
        return err_set(e, "%" PRId64 " connections cannot be shared by %d lanes", o->connections,
                       job->lane_count);
    return true;
}

static bool http_prepare(struct job *job, struct err *e)
{
    static const char *const alpn[][3] = {
        [HTTP_1] = {"http/1.1"}, [HTTP_2] = {"h2"}, [HTTP_AUTO] = {"h2", "http/1.1"}};
    struct http_job *j = job->priv;

    j->opts = job->opts;
    if (!set_protocol(j, job, e))
        return false;
    if (!compile_mix(j, job, e))
        return false;
    if (j->version != HTTP_1)
        make_lists(j, job->arena);
    for (int i = 0; job->verify && i < j->count; i++)
        j->requests[i]->answer_needed = j->requests[i]->body_needed = true; /* to be quoted */
    if (job->verify && !j->parts)
        j->captured = arena_array(job->arena, char *, j->requests[0]->capture_count);
    for (int i = 0; j->captured && i < j->requests[0]->capture_count; i++)
        j->captured[i] = arena_alloc(job->arena, CAPTURED_MAX);
    return route_make(&j->route, j->opts->request.target, alpn[j->version % HTTP_2_CLEAR],
                      j->connection == CONNECTION_RESUME, job->arena, e);
}

static void http_collect(struct job *job)
{
    struct http_job *j = job->priv;

    for (int i = 0; j->captured && i < j->requests[0]->capture_count; i++)
        if (j->captured[i][0])
            job_publish(job, j->requests[0]->captures[i].name, j->captured[i]);
    tls_ctx_free(j->route.ctx);
    j->route.ctx = NULL;
}

const struct driver driver_http = {
    .name = "http",
    .brief = "HTTP/1.1 and HTTP/2 requests, on kept or new connections",
    .opts = http_table,
    .metrics = http_metrics,
    .opts_size = sizeof(struct http_opts),
    .job_size = sizeof(struct http_job),
    .lane_size = sizeof(struct http_lane),
    .op_size = sizeof(struct http_op),
    .check = http_check,
    .declare = http_declare,
    .prepare = http_prepare,
    .start = http_start,
    .fire = http_fire,
    .flush = http_flush,
    .stop = http_stop,
    .collect = http_collect,
};

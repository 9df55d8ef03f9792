/*
 * slow.c - a hostile client: one operation is one connection held open against a server.
 *
 * That the server ends it is no failure, but the defence at work; that it could not be established
 * is one.  Who opens how many, and again what was ended, is hold-connections' business.
 */
#include "driver/slow.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "driver/route.h"
#include "net/tls.h"
#include "spec/opt.h"

#define SECOND   INT64_C(1000000000)
#define HOURS(n) ((n)*3600 * SECOND)

static const struct slow_attack *const attacks[] = {
    &slow_headers,   &slow_body,        &slow_read,           &slow_idle,
    &slow_half_open, &slow_hello_drip,  &slow_hello_oversize, &slow_hello_fragment,
    &slow_no_sni,    &slow_unknown_sni, &slow_h2_read,        &slow_h2_silence,
};

static const char *const attack_names[] = {
    "headers",
    "body",
    "read",
    "idle",
    "half-open",
    "client-hello-drip",
    "client-hello-oversize",
    "client-hello-fragment",
    "no-sni",
    "unknown-sni",
    "h2-slow-read",
    "h2-ping-silence",
    NULL,
};

static const char *const by_names[] = {"bytes", "records", NULL};

#define OPT_OF struct slow_opts
static const struct opt slow_table[] = {
    OPT_TARGET(target, "the target to hold connections against", .flags = OPT_REQUIRED),
    OPT_CHOICE(attack, NULL, "what is done on each connection", .choices = attack_names,
               .flags = OPT_REQUIRED),
    OPT_DURATION(every, NULL,
                 "between two follow-ups of a connection; default 10s, read 5s, client-hello-drip "
                 "1s, client-hello-fragment 10ms",
                 .min = 1000000, .max = HOURS(24), OPT_GIVEN(every_given)),
    OPT_SIZE(piece, NULL,
             "bytes of a follow-up: body, client-hello-drip 1, client-hello-fragment 64", .min = 1,
             .max = 16384, OPT_GIVEN(piece_given)),
    OPT_CHOICE(by, "bytes",
               "pieces of a ClientHello are bytes of its record, or records of their own",
               .choices = by_names, OPT_GIVEN(by_given)),
    OPT_SIZE(size, NULL,
             "Content-Length of body, default 1MiB; length of client-hello-oversize, default 40KiB",
             .min = 2, .max = INT64_C(1) << 40, OPT_GIVEN(size_given)),
    OPT_SIZE(window, "1KiB", "what the server may send ahead: read, h2-slow-read, h2-ping-silence",
             .min = 1, .max = 1 << 20, OPT_GIVEN(window_given)),
    OPT_INT(requests, "1", "made at once on a connection: read, h2-slow-read, h2-ping-silence",
            .min = 1, .max = 100, OPT_GIVEN(requests_given)),
    OPT_TEXT(path, NULL, "path and query of the request; default: the target's",
             OPT_GIVEN(path_given)),
    OPT_DURATION(settle, "0",
                 "a connection counts as held, and not as refused, once it has lasted so long",
                 .min = 0, .max = HOURS(1)),
    OPT_DURATION(timeout, "10s", "for connecting and the TLS handshake", .min = 1000000,
                 .max = HOURS(1)),
    {0},
};
#undef OPT_OF

static const struct metric slow_metrics[] = {
    [SLOW_ATTEMPTED] = {"connections_attempted", METRIC_COUNTER, UNIT_NONE,
                        "connections begun to be opened"},
    [SLOW_ESTABLISHED] = {"connections_established", METRIC_COUNTER, UNIT_NONE,
                          "connections on which the attack began"},
    [SLOW_REFUSED] = {"connections_refused", METRIC_COUNTER, UNIT_NONE,
                      "connections that were never held: refused, timed out, or turned away"},
    [SLOW_REOPENED] = {"connections_reopened", METRIC_COUNTER, UNIT_NONE,
                       "attempts in place of a connection that was ended"},
    [SLOW_EVICTED] = {"connections_evicted", METRIC_COUNTER, UNIT_NONE,
                      "held connections that the server ended"},
    [SLOW_EVICTED_AFTER] = {"evicted_after", METRIC_TREND, UNIT_TIME,
                            "from when the attack began on a connection to when the server ended "
                            "it"},
    [SLOW_BY_FIN] = {"closed_by_fin", METRIC_COUNTER, UNIT_NONE, "evictions without a word"},
    [SLOW_BY_RST] = {"closed_by_rst", METRIC_COUNTER, UNIT_NONE, "evictions by a TCP reset"},
    [SLOW_BY_ALERT] = {"closed_by_alert", METRIC_COUNTER, UNIT_NONE, "evictions by a TLS alert"},
    [SLOW_BY_STATUS] = {"closed_by_status", METRIC_COUNTER, UNIT_NONE,
                        "evictions with an HTTP answer, such as 408"},
    [SLOW_BY_H2] = {"closed_by_h2", METRIC_COUNTER, UNIT_NONE,
                    "evictions by an HTTP/2 GOAWAY or RST_STREAM"},
    [SLOW_LOST] = {"connections_lost", METRIC_COUNTER, UNIT_NONE,
                   "held connections of which nothing was acknowledged any more"},
    [SLOW_ACCEPTED] = {"hellos_accepted", METRIC_COUNTER, UNIT_NONE,
                       "attacks with a ClientHello in which the server completed the handshake"},
    [SLOW_METRICS] = {0},
};

/* An option that the attack would ignore is a mistake, not a wish. */
static bool check_taken(const struct slow_opts *o, const struct slow_attack *a,
                        const struct node *at, const char *path, struct diags *d)
{
    const struct {
        const char *name;
        bool given;
        unsigned bit;
    } options[] = {
        {"every", o->every_given, TAKES_EVERY},          {"by", o->by_given, TAKES_BY},
        {"piece", o->piece_given, TAKES_PIECE},          {"size", o->size_given, TAKES_SIZE},
        {"window", o->window_given, TAKES_WINDOW},       {"path", o->path_given, TAKES_PATH},
        {"requests", o->requests_given, TAKES_REQUESTS},
    };
    bool ok = true;

    for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++)
        if (options[i].given && !(a->takes & options[i].bit))
            ok =
                diag_add(d, node_find(at, options[i].name)->key_at,
                         "%s: attack \"%s\" has no use for \"%s\"", path, a->name, options[i].name);
    return ok;
}

static bool is_path(const char *s)
{
    for (const char *p = s; *p; p++)
        if ((unsigned char)*p <= ' ' || *p == 0x7F)
            return false;
    return *s == '/';
}

static bool slow_check(const void *opts, const struct node *at, const char *path, struct diags *d)
{
    const struct slow_opts *o = opts;
    const struct slow_attack *a = attacks[o->attack];
    bool ok = check_taken(o, a, at, path, d);

    if (o->path && !is_path(o->path))
        ok = diag_add(d, node_find(at, "path")->at,
                      "%s.path: begins with / and has neither spaces nor control characters", path);
    if (a == &slow_hello_oversize && o->size_given &&
        (o->size <= 32768 || o->size > TLS_FILLER_MAX))
        ok = diag_add(d, node_find(at, "size")->at,
                      "%s.size: an oversized ClientHello has more than 32KiB and at most %d bytes",
                      path, TLS_FILLER_MAX);
    if (a->needs_tls && o->target && o->target->scheme && strcmp(o->target->scheme, "https") != 0)
        ok = diag_add(d, at->at, "%s: attack \"%s\" needs TLS, and target \"%s\" is a %s:// one",
                      path, a->name, o->target->name, o->target->scheme);
    return ok;
}

static void slow_declare(const void *opts, struct arena *arena, struct declared *out)
{
    (void)opts;
    out->parts = slow_parts(arena, &out->part_count);
}

static bool slow_prepare(struct job *job, struct err *e)
{
    static const char *const http1[] = {"http/1.1", NULL}, *const h2[] = {"h2", NULL};
    struct slow_job *j = job->priv;
    const struct slow_opts *o = job->opts;
    const struct slow_attack *a = attacks[o->attack];

    j->opts = o;
    j->attack = a;
    j->every = (uint64_t)(o->every_given ? o->every : a->every);
    j->piece = (size_t)(o->piece_given ? o->piece : a->piece);
    j->size = (size_t)(o->size_given ? o->size : a->size);
    if (!route_make(&j->route, o->target, a->alpn ? h2 : http1, false, job->arena, e))
        return false;
    j->ctx = j->route.ctx;
    if (a->raw)
        j->route.ctx = NULL;
    return !a->prepare || a->prepare(j, job, e);
}

static void slow_collect(struct job *job)
{
    struct slow_job *j = job->priv;

    tls_ctx_free(j->ctx);
    j->ctx = j->route.ctx = NULL;
}

const struct driver driver_slow = {
    .name = "slow",
    .brief = "hostile connections, held open by saying too little, too slowly or nothing",
    .opts = slow_table,
    .metrics = slow_metrics,
    .opts_size = sizeof(struct slow_opts),
    .job_size = sizeof(struct slow_job),
    .lane_size = sizeof(struct slow_lane),
    .op_size = sizeof(struct slow_conn),
    .flags = DRIVER_HOLDS | DRIVER_ONLY_HELD,
    .check = slow_check,
    .declare = slow_declare,
    .prepare = slow_prepare,
    .start = slow_start,
    .fire = slow_fire,
    .last_look = slow_last_look,
    .stop = slow_stop,
    .collect = slow_collect,
};

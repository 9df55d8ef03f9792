/*
 * request.h - one HTTP request as users write it: the options that `http`, `probe` and the parts of
 * a flow share, and what they become.
 *
 * A driver embeds struct request_opts as the first member of its options and begins its table with
 * REQUEST_ROWS, under an OPT_OF of struct request_opts.  request_compile() then checks what a table
 * cannot, and makes the immutable struct request; check() calls it for its diagnostics alone.
 *
 *     #define OPT_OF struct request_opts
 *     static const struct opt probe_opts[] = {
 *         OPT_TARGET(target, "where to send it", .flags = OPT_REQUIRED),
 *         REQUEST_ROWS("30s"),
 *     #undef OPT_OF
 *     #define OPT_OF struct probe_opts
 *         OPT_DURATION(within, "30s", "..."),
 *         {0},
 *     };
 */
#pragma once

#include "driver/expect.h"
#include "driver/target.h"
#include "spec/opt.h"
#include "spec/template.h"
#include "stats/metric.h"

struct buf;
struct declared;
struct op;

struct auth_opts {
    const struct template *basic;  /* "user:password" */
    const struct template *bearer; /* token */
};
extern const struct opt auth_table[];

struct request_opts {
    const struct target *target;
    const char *method;          /* NULL: GET, or POST with a body */
    const struct template *path; /* NULL: the target's */
    struct named_templates headers;
    const struct template *body;
    const char *body_file;
    const struct node *json;
    struct auth_opts auth;
    struct expect_opts expect;
    const struct node *capture, *record, *count;
    int64_t timeout;
    bool expect_given, timeout_given;
    /* Of the map; NULL if it has neither json, capture, record nor count. */
    const struct bind *bind;
};

#define REQUEST_ROWS(timeout_default) \
    OPT_TEXT(method, NULL, "method; the default is GET, or POST when there is a body", \
             .example = "PUT"), \
        OPT_TEMPLATE(path, NULL, "path and query, in place of the target's", \
                     .example = "/api/v1/items?page=2"), \
        OPT_TEMPLATES(headers, "header fields, in place of the ones sent by default"), \
        OPT_TEMPLATE(body, NULL, "body, as text"), \
        OPT_TEXT(body_file, NULL, "file that is the body, byte for byte", .flags = OPT_PATH), \
        OPT_NODE(json, "body, as JSON written in YAML; text in it may hold %{...}", \
                 OPT_BINDING(bind)), \
        OPT_SUB(auth, struct auth_opts, auth_table, "credentials for the authorization header"), \
        OPT_SUB(expect, struct expect_opts, expect_table, \
                "what the answer must be; the default is a status of 200 to 399", \
                OPT_GIVEN(expect_given)), \
        OPT_NODE(capture, \
                 "values to keep from the answer: name to json:/pointer, header:Name or " \
                 "regex:pattern", \
                 .schema = REQUEST_CAPTURE_SCHEMA, OPT_BINDING(bind)), \
        OPT_NODE(record, "numbers in the answer as metrics: name to a source, as in capture", \
                 .schema = REQUEST_RECORD_SCHEMA, OPT_BINDING(bind)), \
        OPT_NODE(count, "answers to count as metrics: name to what they look like, as in expect", \
                 .schema = REQUEST_COUNT_SCHEMA, OPT_BINDING(bind)), \
        OPT_DURATION(timeout, timeout_default, "give up on one request after this long", \
                     .min = 1000000, .max = INT64_C(86400000000000), OPT_GIVEN(timeout_given))

#define REQUEST_CAPTURE_SCHEMA \
    "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}}"
#define REQUEST_RECORD_SCHEMA \
    "{\"type\":\"object\",\"additionalProperties\":{\"anyOf\":[{\"type\":\"string\"}," \
    "{\"type\":\"object\",\"properties\":{\"from\":{\"type\":\"string\"}," \
    "\"as\":{\"enum\":[\"counter\",\"trend\"]}},\"required\":[\"from\"]," \
    "\"additionalProperties\":false}]}}"
#define REQUEST_COUNT_SCHEMA "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"object\"}}"

struct record { /* a number of the answer that becomes a sample */
    const char *metric;
    struct source from;
    bool trend; /* else a counter that sums */
    int index;  /* among the declared metrics of the step */
};

struct counted { /* answers that look like this are counted */
    const char *metric;
    struct expect *like;
    int index;
};

struct capture {
    const char *name;
    struct source from;
};

struct request { /* immutable */
    const struct target *target;
    const char *method;
    bool head;          /* the answer has no body */
    bool idempotent;    /* RFC 9110 9.2.2: may be sent again when a kept connection had died */
    bool answer_needed; /* something looks into the answer beyond its status: keep its head */
    bool body_needed;   /* and its body */
    int64_t timeout;
    struct expect *expect;
    struct record *records;
    struct counted *counts;
    struct capture *captures;
    int record_count, count_count, capture_count;
    const char *bytes; /* the whole message when it is the same every time; else NULL */
    size_t len;
    size_t bound;                /* room that request_render() needs */
    struct request_parts *parts; /* private */
};

/*
 * Checks and compiles.  `at` is the map `o` was bound from and `path` names it.  With mistakes in
 * `d` the result is NULL.  `declared` gives the metrics' indexes; NULL while only checking. `close`
 * asks for "connection: close".  A body_file is read if `read_file`; else it is only looked for.
 */
struct request_compile {
    const struct request_opts *opts;
    const struct node *at;
    const char *path;
    const struct declared *declared;
    bool close, read_file;
};
struct request *request_compile(const struct request_compile *c, struct arena *arena,
                                struct diags *d);

/* Adds the metrics of `record` and `count` that `out` does not have yet; for declare(). */
void request_declare(const struct request_opts *o, struct arena *arena, struct declared *out);

/*
 * The message for one operation, in the `bound` bytes at `out`: it starts at *start and is *len
 * bytes. False if a value cannot be sent where it stands, such as a line end in a header field;
 * `why` says it.
 */
bool request_render(const struct request *r, const struct template_values *v, char *out,
                    const char **start, size_t *len, char why[WHY_MAX]);

/*
 * The same for a client that makes the message itself: URL with the target's scheme, host and port;
 * header lines "name: value" without host, content-length and connection, each ended by NUL, an
 * empty one last; and the body.  All appended.
 */
bool request_pieces(const struct request *r, const struct template_values *v, struct buf *url,
                    struct buf *headers, struct buf *body, char why[WHY_MAX]);

/* The header lines of request_pieces() as a list that NULL ends, in memory that grows. */
void request_header_list(const struct buf *headers, const char ***list);

/*
 * Holds an answer against everything the request asked for: adds a check for each explicit
 * expectation, records and counts.  True if it is as expected; `why` says what is not.
 * `metric_base` is the number of metrics in the driver's own table.
 */
bool request_judge(const struct request *r, struct answer *a, struct op *op, int metric_base,
                   char why[WHY_MAX]);

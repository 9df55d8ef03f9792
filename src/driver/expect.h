/*
 * expect.h - what an answer must look like, and what is read out of it.
 *
 * An expectation is looked at whole: every part of it is one check of the operation, and the first
 * unmet one is the reason.  Without `expect:` an answer with a status of 200 to 399 is as expected.
 */
#pragma once

#include "spec/opt.h"

struct arena;
struct err;
struct expect;
struct json_t;
struct pattern;

struct expect_opts {
    struct texts status;       /* "200", "2xx", "200-299" */
    const struct node *header; /* name: pattern */
    const char *body;          /* PCRE2 pattern, searched for */
    const struct node *json;   /* pointer: value */
};
extern const struct opt expect_table[];

struct answer { /* what came back; valid while it is judged */
    int status;
    const char *head; /* complete, with its empty line */
    size_t head_len;
    const char *body; /* as far as it was kept */
    size_t body_len;
    bool cut;            /* the body was longer than what was kept */
    bool quote;          /* a reason may quote it: it is of one operation, not one of thousands */
    bool parsed;         /* private: `json` is what the body holds, or NULL */
    struct json_t *json; /* private */
};
void answer_release(struct answer *a); /* what judging it has made */

#define WHY_MAX     200
#define QUOTED_MAX  80
#define QUOTED_ROOM (QUOTED_MAX + 4)

/* The beginning of its body, on one line, without secrets. */
void answer_quote(const struct answer *a, char out[QUOTED_ROOM]);

/*
 * `at` is the map `o` was bound from, for positions; NULL: none.  Without `status` any status will
 * do, or with `default_status` one of 200-399, which is then no explicit part.
 */
struct expect *expect_compile(const struct expect_opts *o, bool default_status,
                              const struct node *at, const char *path, struct arena *arena,
                              struct diags *d);

bool expect_needs_head(const struct expect *x);
bool expect_needs_body(const struct expect *x);
int expect_checks(const struct expect *x); /* explicit parts */

/*
 * How many explicit parts are met, in *met (may be NULL); true if all are, also the default.  If
 * not, the first one that is not is described in `why`: "status 503, expected 2xx".
 */
bool expect_judge(const struct expect *x, struct answer *a, int *met, char why[WHY_MAX]);

/* Where a value is read from: "json:/pointer", "header:Name" or "regex:pattern" of the body. */
struct source {
    bool json;
    const char *name;              /* the pointer, or the field */
    const struct pattern *pattern; /* its first group, or all that it matches; NULL: none */
};
bool source_parse(struct source *s, const char *text, struct arena *arena, struct err *e);
bool source_number(const struct source *s, struct answer *a, double *value);
/* As text, 1 to size-1 bytes and NUL; false if it is not there, null, empty or longer. */
bool source_text(const struct source *s, struct answer *a, char *out, size_t size);

/* Why source_text() has none: "no json /id", "the body is not JSON", ... */
void source_missing(const struct source *s, struct answer *a, size_t size, char out[80]);

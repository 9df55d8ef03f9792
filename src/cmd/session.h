/*
 * session.h - a suite opened from the command line: file, values, identity of the run.
 *
 * session_open() prints every mistake and warning to stderr.  Nothing is created or contacted
 * before a command goes on to do so.
 */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/buf.h"
#include "suite/suite.h"

struct suite_args { /* the options that every command about a suite shares */
    const char *file;
    const char *preset;
    struct texts set;
};

/* Rows for a command's table; the struct has a `struct suite_args args` first. */
#define SUITE_ARGS_ROWS \
    {.name = "suite", \
     .type = OPT_T_TEXT, \
     .offset = OPT_AT(args.file, const char *), \
     .help = "the suite's file; - reads standard input", \
     .flags = OPT_REQUIRED | OPT_POSITIONAL}, \
        {.name = "preset", \
         .type = OPT_T_TEXT, \
         .offset = OPT_AT(args.preset, const char *), \
         .help = "named set of values of the suite", \
         .short_name = 'p'}, \
    { \
        .name = "set", .type = OPT_T_TEXTS, .offset = OPT_AT(args.set, struct texts), \
        .help = "value of a variable, above all other origins; may be repeated", \
        .example = "name=value" \
    }

struct session {
    struct arena arena;
    struct diags diags;
    struct suite_source source;
    struct buf text;
    struct suite *suite;
};

struct session_opts {
    const struct suite_args *args;
    const char *run_id;  /* NULL: made from the time and chance */
    const char *out;     /* results directory; NULL: results/RUN-ID */
    bool reserve_ports;  /* a real run */
    bool names_only;     /* a listing: values and secrets are not needed */
    bool cleanup;        /* of an earlier run: the `when: always` phases, in its private folder */
    const char *run_tmp; /* of that run; NULL: a new one */
    const struct fixed_port *fixed; /* its services that run still */
    int fixed_count;
};

bool session_open(struct session *s, const struct session_opts *o); /* false: exit EXIT_USAGE */
void session_close(struct session *s);

void session_print(const struct diags *d); /* to stderr, without what secrets they quote */

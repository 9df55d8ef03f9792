/*
 * sql_text.h - SQL taken apart into statements, each with its line and its parameters.
 *
 * A statement ends at a semicolon outside of quotes, comments, dollar quotes, parentheses and the
 * body of a routine or trigger.  `:name` outside of quotes and comments is a parameter; it is sent
 * as $1 or ?1 with its value beside it, so that no value is ever part of a statement.  Commands of
 * psql are refused by name.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct arena;
struct err;

enum sql_dialect { SQL_POSTGRES, SQL_SQLITE };

struct sql_statement {
    const char *text;  /* as it is sent, NUL-terminated */
    const int *params; /* $1 is the value of names[params[0]], and so on */
    int param_count;
    const char *source; /* "seed/01.sql", for messages */
    int line;           /* of `source`, where the statement begins */
    bool transaction;   /* BEGIN, COMMIT and the like */
};

struct sql_script {
    struct sql_statement *v;
    int n;
};

struct sql_input {
    const char *source;
    const char *text; /* need not end with NUL */
    size_t len;
    enum sql_dialect dialect;
    const char *const *names; /* of the parameters that there are */
    int name_count;
};

/* Keeps `in->source`; a mistake is told with source and line. */
bool sql_split(struct sql_script *out, const struct sql_input *in, struct arena *arena,
               struct err *e);

/* The line of the source that byte `offset` of the statement's text stands in. */
int sql_line(const struct sql_statement *s, size_t offset);

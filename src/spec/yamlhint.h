/*
 * yamlhint.h - what a YAML error means to somebody who is writing a suite.
 *
 * The grammar of YAML gives `%`, `*`, `>`, `@` and braces a meaning of their own, and the suite
 * language uses them all in values.  The parser's message then names a token; what the writer needs
 * to hear is "quote this value".
 */
#pragma once

#include <stddef.h>

#include "spec/diag.h"

struct yaml_problem {
    const char *text; /* the whole document */
    size_t len;
    struct pos at; /* where reading stopped */
    const char *problem;
    struct pos context_at; /* where the construct began that was being read */
    const char *context;   /* or NULL */
};

void yaml_explain(struct diags *d, const struct yaml_problem *p);

/* The position of a byte: columns count characters. */
struct pos yaml_place(const char *text, size_t offset);

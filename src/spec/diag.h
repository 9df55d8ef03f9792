/*
 * diag.h - mistakes in a suite, with their places.
 *
 * Reading a suite does not stop at the first mistake: each check adds a diagnostic and goes on, so
 * that one run shows them all, in file order, in the form that editors and CI already understand:
 *
 *     suites/api.yaml:14:11: phases[2].load.rate: "10/x" is not a rate (try 200/s or 12k/m)
 *
 * Warnings are listed the same way and make nothing fail.  An exact repetition is dropped, and
 * control characters in a text are replaced, so that each message is one line.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

struct arena;

struct pos {
    int line, col; /* both from 1; line 0: no place in the file */
};

struct diag {
    struct diag *next;
    struct pos at;
    bool warning;
    const char *text;
};

struct diags {
    const char *file; /* as the user named it */
    struct arena *arena;
    struct diag *first, *last;
    int errors, warnings; /* all that were found; the list keeps at most 500 */
    int kept;
};

void diags_init(struct diags *d, const char *file, struct arena *arena);

/* Always false, so that a check can `return diag_add(...)`. */
bool diag_add(struct diags *d, struct pos at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void diag_warn(struct diags *d, struct pos at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void diags_print(const struct diags *d, FILE *out);

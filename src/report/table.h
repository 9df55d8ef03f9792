/*
 * table.h - aligned columns of clean text.  `{0}` is an empty table; table_print() empties it
 * again.
 */
#pragma once

#include <stdbool.h>

#include "report/text.h"

#define TABLE_COLUMNS 10

struct table {
    struct table_cell *cells;
    int count, cap;
    int columns;   /* cells in a row; set before the first table_add() */
    unsigned left; /* bit i: column i is aligned to the left */
};

/* The next cell, in row order; `clean` is copied, NULL is an empty one. */
void table_add(struct table *t, const char *clean, enum style style);

/*
 * Each row on a line of its own, indented.  A row wider than TEXT_COLUMNS breaks after its second
 * cell, which may then be as long as it likes.
 */
void table_print(struct table *t, int indent, bool color, struct buf *out);

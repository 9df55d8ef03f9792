/*
 * dataset.h - rows for %{data.column}, from a CSV file (RFC 4180, header row) or a JSON file (an
 * array of flat objects; the first one's keys are the columns).  Read whole, immutable afterwards.
 */
#pragma once

#include <stdbool.h>

struct arena;
struct err;

struct dataset {
    const char **columns;
    int column_count;
    const char **cells;  /* row by row */
    int row_count;       /* at least 1 */
    const bool *numeric; /* by column: every cell is a JSON number, and was one in a JSON file */
};

const struct dataset *dataset_load(const char *path, struct arena *arena, struct err *e);
int dataset_column(const struct dataset *d, const char *name); /* -1: none */

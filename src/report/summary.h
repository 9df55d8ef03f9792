/* summary.h - rows that the tables of summary.txt share. */
#pragma once

struct figures;
struct table;

void summary_headings(struct table *t, const char *const *names); /* t->columns of them */
void summary_times(struct table *t, const struct figures *f);     /* rate, p50, p95, p99 */

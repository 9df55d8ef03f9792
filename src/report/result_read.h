/* result_read.h - what result.json (files.h writes it) knows of a run beside its meters. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct err;
struct run_result;

/*
 * Fills `r`, whose suite, arena and phases with their steps are in place.  Findings and verdict are
 * left out: they are decided anew.  The text is not trusted.
 */
bool result_read(const char *text, size_t len, struct run_result *r, struct err *e);

/* series.h - reading back series.json (files.h writes it): a step's meter, slice by slice. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct err;
struct run_result;

/*
 * Fills the meters of `r`, whose phases and steps are in place with their shapes and empty meters.
 * The text is not trusted: what does not fit the steps or itself is refused, and memory stays in
 * proportion to `len`.
 */
bool series_read(const char *text, size_t len, struct run_result *r, struct err *e);

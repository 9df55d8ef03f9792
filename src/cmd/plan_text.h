/* plan_text.h - a plan for people, as `run --dry-run` prints it. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

struct plan;
struct suite;

void plan_print(const struct plan *p, const struct suite *s, bool origins, FILE *out);

/*
 * fixture_result.h - a run made by hand, for the tests of the reports: four phases, of which one
 * passes, one breaches, one runs two steps at once and one is skipped, with text as hostile as
 * peers can send it.
 */
#pragma once

#include "base/arena.h"

struct run_result;

#define FIXTURE_SECRET "c4nary-S3cret"

/* Adds FIXTURE_SECRET to the list of secrets. */
struct run_result *fixture_result(struct arena *arena);
void fixture_free(struct run_result *r, struct arena *arena);

/* The same suite with empty meters and nothing found, as reading back needs it. */
struct run_result *fixture_blank(struct arena *arena);

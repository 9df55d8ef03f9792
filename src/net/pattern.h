/*
 * pattern.h - PCRE2 patterns, searched for in text that may be hostile.
 *
 * A pattern is constant once compiled and may be used by any thread.  Matching is bounded: a text
 * that makes a pattern run away counts as no match.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct arena;
struct err;
struct pattern;

/* Lives in the arena; NULL with the reason and its place in the pattern if it does not compile. */
const struct pattern *pattern_compile(const char *text, struct arena *arena, struct err *e);

bool pattern_search(const struct pattern *p, const char *text, size_t len);

/* Where the first group matched, or the whole pattern if it has none; false if nothing did. */
bool pattern_find(const struct pattern *p, const char *text, size_t len, size_t *at, size_t *size);

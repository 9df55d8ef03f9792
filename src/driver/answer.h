/* answer.h - an answer as JSON; for expect.c and request*.c. */
#pragma once

#include "driver/expect.h"

/* Does the value at the pointer `expected->key` equal `expected`?  If not, `why` says what is
 * there. */
bool answer_has(struct answer *a, const struct node *expected, char why[WHY_MAX]);

/*
 * What a JSON pointer may have been meant to be whose tildes are not all escapes (RFC 6901 3: ~0
 * and ~1 are, and nothing else); NULL if they are.  Lives in `arena`.
 */
const char *json_pointer_cure(const char *pointer, struct arena *arena);
#define JSON_TILDE "in a JSON pointer ~0 is a ~ and ~1 a /"

/*
 * How a scalar of a suite reads as JSON: quoted is a string, but for exactly one ${...}, which has
 * its value's own type; plain numbers, true, false and null are JSON's and anything else a string.
 */
bool json_is_literal(const char *text, size_t len); /* a number, true, false or null */
bool json_reads_as_string(const struct node *scalar);

const char *json_quote(const char *text,
                       struct arena *arena); /* as a JSON string, with its quotes */

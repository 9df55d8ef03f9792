/* base64url.h - binary as text that may stand in URLs and JSON (RFC 4648 5), without padding. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct buf;

void base64url_add(struct buf *out, const void *data, size_t len);

/*
 * Appends what the text stands for.  Strict, as RFC 7515 2 has it: no padding, no white space, no
 * other alphabet, and no stray bits at the end.  False leaves `out` as it was.
 */
bool base64url_decode(struct buf *out, const char *text, size_t len);

/* Is it text of that alphabet, and not empty? */
bool base64url_is(const char *text, size_t len);

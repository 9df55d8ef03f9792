/*
 * redact.h - secrets stay out of everything that is written.
 *
 * The process has one list of secret texts.  Every writer of people's or machines' output (log,
 * terminal, reports, captured service output) passes its text through redact(), which replaces each
 * secret, and its base64, URL-encoded and JSON-escaped forms, by "***".  The userinfo of any URL in
 * the text goes the same way, listed or not.  Texts are added on the main thread before any lane or
 * service starts; after that the list is only read.  The beginning of a secret, six bytes and more,
 * is recognised where "..." says that a text was cut, and half of the secret and more where a text
 * ends.  A stream is redacted line by line.
 */
#pragma once

#include <stddef.h>

struct buf;

void redact_add(
    const char *secret); /* copied; one under 4 bytes is ignored: it would hit anything */
void redact_reset(void); /* forgets and wipes all */
void redact(const char *text, size_t len, struct buf *out); /* appends */

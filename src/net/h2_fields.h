/*
 * h2_fields.h - a head of HTTP/1.1 as the list of fields that HTTP/2 has in its place (RFC 9113 8).
 *
 * Messages are written once, as HTTP/1.1; this is their other form.  Names become lower case where
 * they stand, fields that belong to the connection are left out (8.2.2), a request's host becomes
 * :authority (8.3.1), and a status line becomes :status.  The list points into the head.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "net/h2.h"

/* How many fields; at most `room`, what is beyond is left out. */
int h2_fields_request(char *head, size_t len, bool secure, struct h2_field *out, int room);
int h2_fields_response(char *head, size_t len, struct h2_field *out, int room);

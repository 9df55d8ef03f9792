/*
 * request.h - one request as the pages of the target see it: spans of its head and body.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/http1.h"

struct request {
    struct http1_span head, method;
    struct http1_span path,
        query; /* of the target in any of its forms; the query without its '?' */
    struct http1_span body;
    uint8_t minor;  /* HTTP/1.minor */
    bool head_only; /* the method is HEAD */
    bool host;      /* exactly one host field */
    bool expects;   /* expect: 100-continue */
    bool knobs;     /* has an X-Target- field */
};

/* From the parser that has just answered HTTP1_HEAD with this head. */
void request_init(struct request *rq, const struct http1 *p, struct http1_span head);

#define REQUEST_KNOB_PREFIX "x-target-"

bool span_is(struct http1_span s, const char *text); /* exactly */

struct field {
    struct http1_span name, value; /* the value trimmed */
};

/* Walks the fields of a head: `*rest` starts as the head itself; false at the end. */
bool field_next(struct http1_span *rest, struct field *f);

/* Walks "a=1&b=2": `*rest` starts as the query.  A name without '=' has an empty value. */
bool query_next(struct http1_span *rest, struct field *f);

/*
 * The value of a query parameter as text: %XX and '+' decoded, NUL-terminated.  False if it is
 * longer than `size`, or holds a broken escape or a control character.
 */
bool query_decode(struct http1_span value, char *text, size_t size);

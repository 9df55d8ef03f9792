/*
 * grpc.h - gRPC's framing and status, without I/O.
 *
 * A call is an HTTP/2 stream; each of its messages has a prefix of five bytes, and how the call
 * ended stands in its trailers (gRPC over HTTP2, doc/PROTOCOL-HTTP2.md of the grpc project).  What
 * a peer sends is bounded: a message by the `max` of its reader, which holds a piece of a message
 * only while the rest of it has not come.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GRPC_PREFIX      5         /* a flag and a length, big endian */
#define GRPC_MESSAGE_MAX (4 << 20) /* what receivers accept unless they are told otherwise */

enum grpc_code { /* grpc-status */
                 GRPC_OK,
                 GRPC_CANCELLED,
                 GRPC_UNKNOWN,
                 GRPC_INVALID_ARGUMENT,
                 GRPC_DEADLINE_EXCEEDED,
                 GRPC_NOT_FOUND,
                 GRPC_ALREADY_EXISTS,
                 GRPC_PERMISSION_DENIED,
                 GRPC_RESOURCE_EXHAUSTED,
                 GRPC_FAILED_PRECONDITION,
                 GRPC_ABORTED,
                 GRPC_OUT_OF_RANGE,
                 GRPC_UNIMPLEMENTED,
                 GRPC_INTERNAL,
                 GRPC_UNAVAILABLE,
                 GRPC_DATA_LOSS,
                 GRPC_UNAUTHENTICATED,
                 GRPC_CODES,
};

extern const char *const grpc_code_names[GRPC_CODES + 1]; /* "OK", "CANCELLED"; ends with NULL */

/* The value of grpc-status; a number that is not one of the above is GRPC_UNKNOWN.  False: it is no
 * number. */
bool grpc_code_parse(const char *text, size_t len, enum grpc_code *code);

/* What an answer without grpc-status means (doc/http-grpc-status-mapping.md). */
enum grpc_code grpc_code_of_http(int status);

/* "application/grpc", alone or followed by '+' or ';', in any case. */
bool grpc_content_type(const char *value, size_t len);

/*
 * The text of grpc-message, decoded, at most `size` - 1 bytes and a NUL.  A malformed escape stands
 * for itself; control characters become spaces and bytes that are no UTF-8 become '?', so that the
 * text is fit to be shown.  Returns its length.
 */
size_t grpc_message_decode(const char *text, size_t len, char *out, size_t size);

/* The other way: at most `size` - 1 bytes and a NUL; never cut inside an escape. */
size_t grpc_message_encode(const char *text, size_t len, char *out, size_t size);

/*
 * The value of grpc-timeout: at most eight digits and a unit.  Printing rounds up to what eight
 * digits can say; parsing saturates.  The buffer for printing has 12 bytes.
 */
void grpc_timeout_print(int64_t ns, char out[12]);
bool grpc_timeout_parse(const char *text, size_t len, int64_t *ns);

void grpc_prefix(char out[GRPC_PREFIX], size_t len); /* of a message of `len` bytes, as it is */

/* {0} is ready to read; it is one pointer long, because there may be a million of them. */
struct grpc_reader {
    struct grpc_partial *partial; /* a message, or its prefix, that has begun; NULL: none */
};

enum grpc_event {
    GRPC_MORE,       /* all bytes are used: no message is complete */
    GRPC_MESSAGE,    /* the next one */
    GRPC_COMPRESSED, /* its flag is set, though no encoding was agreed on: the call is broken */
    GRPC_TOO_LARGE,  /* it is longer than `max`: the call is broken */
};

struct grpc_span {
    const char *data;
    size_t len;
};

/*
 * Takes bytes from the front of `in`.  A message lies in `in`'s bytes or in the reader, until the
 * next call.  After an event that breaks the call, the same one is given for ever.
 */
enum grpc_event grpc_next(struct grpc_reader *r, struct grpc_span *in, size_t max,
                          struct grpc_span *message);
bool grpc_reader_is_clean(const struct grpc_reader *r); /* not inside a message */
void grpc_reader_free(struct grpc_reader *r);           /* leaves {0} */

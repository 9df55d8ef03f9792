/* http1_head.h - what a complete head or trailer section says; for http1.c alone. */
#pragma once

#include "net/http1.h"

enum http1_state {
    S_START, /* of a message, or inside its head */
    S_DONE,  /* the head was all; END is still to be told */
    S_LENGTH,
    S_UNTIL_CLOSE,
    S_CHUNK_SIZE,
    S_CHUNK_PAD, /* white space after the size */
    S_CHUNK_EXT,
    S_CHUNK_LF, /* a CR was read */
    S_CHUNK_DATA,
    S_CHUNK_END, /* the line end after a chunk's data */
    S_CHUNK_END_LF,
    S_TRAILER,
    S_BAD,
};

/* Sets what the head says, and the state that its body begins with.  NULL, or what is wrong. */
const char *http1_read_head(struct http1 *p, const struct http1_span *head);
const char *http1_read_trailer(struct http1 *p, struct http1_span section);

/*
 * reply.h - one answer, as bytes, piece by piece.
 *
 * A page says what to answer; the connection adds what the program and the protocol ask for and
 * then takes the bytes in pieces, so that a body of any size and a reader of any slowness cost one
 * piece of memory.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct buf;

struct reply { /* {0} is an empty 0-status reply */
    uint16_t status;
    const char *type; /* content-type */
    const char *text; /* the body; NULL: `size` bytes of filling */
    uint64_t size;    /* of the body */
    char *owned;      /* freed with the reply: what `text` points into, or NULL */
    char *fields;     /* further field lines, each with its CRLF; freed with the reply; or NULL */
    bool head_only;   /* answers HEAD */
    bool old;         /* the request was HTTP/1.0 */
    bool streamed;    /* HTTP/2: its frames say where the body ends */
    bool chunked, close, truncate;
    uint64_t sent; /* private: bytes of the body rendered */
};

#define REPLY_PIECE 16384 /* bytes of body at most in one piece */

/* `text` has to outlive the reply. */
void reply_text(struct reply *re, uint16_t status, const char *text);
/* JSON; takes `text`. */
void reply_json(struct reply *re, uint16_t status, char *text);
void reply_fill(struct reply *re, uint64_t size); /* so many bytes of text/plain */

/* Appends the head.  `date` is an IMF-fixdate; `stamps` further field lines or "". */
void reply_head(const struct reply *re, const char *date, const char *stamps, struct buf *out);

/* Appends the next piece of the body, if there is one; true when that was the last. */
bool reply_body(struct reply *re, struct buf *out);

/* An interim answer (RFC 9110 15.2). */
void reply_interim(int status, struct buf *out);

/* The connection has to close after it, whatever was asked: its end is the end of the body. */
bool reply_closes(const struct reply *re);

void reply_free(struct reply *re); /* leaves {0} */

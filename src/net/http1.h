/*
 * http1.h - HTTP/1.1 messages (RFC 9112), without I/O.
 *
 * Bytes in, events out, for requests and for responses.  The parser keeps no bytes: while a head is
 * incomplete it answers HTTP1_MORE with nothing used, and the caller presents the same bytes again
 * with more behind them (the scan goes on where it stopped).  A body is handed out as spans of the
 * caller's own buffer.  Everything is bounded: a head by `head_max`, its fields by
 * HTTP1_FIELDS_MAX, interim answers by HTTP1_INTERIM_MAX, a chunk-size line by 32 bytes of digits
 * and extensions by `head_max`.
 *
 * Framing is strict where leniency would hide a fault or let two readers disagree: a repeated or
 * malformed content-length, content-length beside transfer-encoding, an unknown transfer coding,
 * white space before a field's colon, obsolete folding and bare CR are HTTP1_BAD; a bare LF ends a
 * line.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum http1_kind { HTTP1_RESPONSE, HTTP1_REQUEST };

enum http1_event {
    HTTP1_MORE, /* feed more; all that could be used was */
    HTTP1_INFO, /* a 1xx response's head; the real one follows */
    HTTP1_HEAD, /* the head is complete: status or method, framing and keep_alive are set */
    HTTP1_BODY, /* a span of the body */
    HTTP1_END,  /* the message is complete; the parser is ready for the next */
    HTTP1_BAD,  /* `why` says what is wrong with it; nothing more can be read */
};

#define HTTP1_FIELDS_MAX  256
#define HTTP1_INTERIM_MAX 100 /* 1xx answers before the real one */

struct http1 {
    uint32_t head_max; /* bytes; 0: 64 KiB */
    uint8_t kind;      /* enum http1_kind */
    uint8_t state;     /* private */
    bool no_body;    /* response: the request was HEAD (or CONNECT succeeded); set by the caller */
    uint8_t minor;   /* HTTP/1.minor */
    uint16_t status; /* response */
    bool keep_alive; /* after this message, by version and connection: fields */
    uint8_t interim; /* private */
    bool chunked;
    uint32_t scanned;                           /* private */
    int64_t length;                             /* content-length; -1: none */
    uint64_t left;                              /* private: of the body or chunk */
    uint32_t head_len;                          /* bytes of the head, with its empty line */
    uint32_t method_len, target_at, target_len; /* request: in the head */
    const char *why;                            /* of HTTP1_BAD: static text */
};

struct http1_span {
    const char *data;
    size_t len;
};

void http1_init(struct http1 *p, enum http1_kind kind, uint32_t head_max);

/* Reads one event's worth; `*used` bytes of `data` are done with.  `span` is set for HTTP1_BODY;
 * for HTTP1_HEAD and HTTP1_INFO it is the head itself, for http1_field(). */
enum http1_event http1_next(struct http1 *p, const char *data, size_t len, size_t *used,
                            struct http1_span *span);

/* The peer closed: HTTP1_END if that ends the message, HTTP1_MORE if none had begun, else
 * HTTP1_BAD. */
enum http1_event http1_eof(struct http1 *p);

/* The value of the first field called `name` (any case) in a complete head, trimmed; false: none.
 */
bool http1_field(const struct http1_span *head, const char *name, struct http1_span *value);

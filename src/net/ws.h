/*
 * ws.h - the WebSocket protocol (RFC 6455), without I/O: frames in and out, and the upgrade.
 *
 * Bytes in, events out, for either end.  The reader keeps no bytes but an unfinished frame header
 * and the payload of an unfinished control frame; the payload of a message is handed out as spans
 * of the caller's own buffer, unmasked in place.  Everything is bounded: a frame by `frame_max`, a
 * message by `message_max`.  It is strict: a set reserved bit, an unknown opcode, a wrong masking,
 * a length that is not in its shortest form, a fragmented or long control frame, a fragment out of
 * turn, a close code that must not be sent and text that is not UTF-8 are WS_BAD.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/http1.h"

struct buf;

enum ws_role { WS_CLIENT, WS_SERVER }; /* which end reads: a server's input is masked */

enum ws_opcode { WS_CONTINUED, WS_TEXT, WS_BINARY, WS_CLOSE = 8, WS_PING, WS_PONG };

enum ws_event {
    WS_MORE,    /* feed more; all was used */
    WS_DATA,    /* a span of a message; `message` says of which kind */
    WS_END,     /* the message is complete */
    WS_CONTROL, /* a close, ping or pong, named by `opcode`; the span is its payload */
    WS_BAD,     /* `why` says what is wrong, `code` what to close with; nothing more can be read */
};

/* RFC 6455 7.4.1.  0 stands for a close frame without a code. */
enum {
    WS_CODE_NORMAL = 1000,
    WS_CODE_GOING_AWAY = 1001,
    WS_CODE_PROTOCOL = 1002,
    WS_CODE_UNSENT = 1006, /* never on the wire: the connection ended without a close frame */
    WS_CODE_NOT_TEXT = 1007,
    WS_CODE_POLICY = 1008,
    WS_CODE_TOO_LARGE = 1009,
};

#define WS_CONTROL_MAX 125
#define WS_REASON_MAX  123
#define WS_HEADER_MAX  14

struct ws {
    uint32_t frame_max, message_max; /* bytes of payload */
    uint8_t role;                    /* enum ws_role */
    uint8_t state;                   /* private */
    uint8_t opcode;                  /* of the frame being read */
    uint8_t message;                 /* WS_TEXT or WS_BINARY; 0: none has begun */
    bool fin, masked;                /* private */
    uint8_t header_len, control_len; /* private */
    uint16_t code;                   /* of a close that was read, or of WS_BAD */
    uint32_t utf8;                   /* private */
    uint64_t left, length, at;       /* private: of the frame; of the message; since the mask */
    const char *why;                 /* of WS_BAD: static text */
    uint8_t mask[4];
    uint8_t header[WS_HEADER_MAX]; /* private, as `control` */
    char control[WS_CONTROL_MAX];
};

void ws_init(struct ws *w, enum ws_role role, uint32_t frame_max, uint32_t message_max);

/* Reads one event's worth; `*used` bytes of `data` are done with, and may have been unmasked. */
enum ws_event ws_next(struct ws *w, char *data, size_t len, size_t *used, struct http1_span *span);

/* Appends one frame; masked if `mask` is not NULL, as a client has to. */
void ws_frame(struct buf *out, enum ws_opcode opcode, bool fin, const void *data, size_t len,
              const uint8_t mask[4]);

/* A close frame's payload; code 0: empty.  `reason` is cut to what fits. */
size_t ws_close_payload(char out[WS_CONTROL_MAX], uint16_t code, const char *reason);

/* The upgrade, RFC 6455 4: the key in a request, and the answer to it, both NUL-terminated. */
#define WS_KEY_MAX    25
#define WS_ACCEPT_MAX 29
void ws_key(char key[WS_KEY_MAX], const uint8_t nonce[16]);
void ws_accept(char accept[WS_ACCEPT_MAX], const char *key);

/* NULL if an answer takes up the upgrade that was asked for with `key`, or what is wrong with it.
 */
const char *ws_refusal(const struct http1 *p, const struct http1_span *head, const char *key);

/*
 * ws.c - frames of RFC 6455.
 *
 * A header is gathered byte by byte until it is complete, which its first two bytes decide; then
 * the payload passes through.  Text is checked as it passes, by Hoehrmann's idea of a decoder as a
 * state, here without his table: what is still to come of a character, and the range of its next
 * byte.
 */
#include "net/ws.h"

#include <string.h>

#include "base/buf.h"
#include "base/utf8.h"

enum { S_HEADER, S_PAYLOAD, S_DONE, S_CONTROL, S_BAD };

void ws_init(struct ws *w, enum ws_role role, uint32_t frame_max, uint32_t message_max)
{
    *w = (struct ws){.frame_max = frame_max, .message_max = message_max, .role = (uint8_t)role};
}

static enum ws_event bad(struct ws *w, uint16_t code, const char *why)
{
    w->state = S_BAD;
    w->code = code;
    w->why = why;
    return WS_BAD;
}

static bool is_control(unsigned opcode)
{
    return opcode >= WS_CLOSE;
}

/* Bytes of the header, by its first two (RFC 6455 5.2). */
static size_t header_size(const uint8_t *h)
{
    size_t length = (h[1] & 0x7f) == 126 ? 2 : (h[1] & 0x7f) == 127 ? 8 : 0;

    return 2 + length + (h[1] & 0x80 ? 4 : 0);
}

/* What the first two bytes say may be wrong already. */
static const char *start_fault(const struct ws *w)
{
    unsigned opcode = w->header[0] & 0x0f, length = w->header[1] & 0x7f;
    bool fin = w->header[0] & 0x80, masked = w->header[1] & 0x80;

    if (w->header[0] & 0x70)
        return "a reserved bit is set in a frame, and no extension was agreed on";
    if (opcode > WS_PONG || (opcode > WS_BINARY && opcode < WS_CLOSE))
        return "a frame has an unknown opcode";
    if (masked != (w->role == WS_SERVER))
        return masked ? "a frame from the server is masked" : "a frame from the client is unmasked";
    if (is_control(opcode) && (!fin || length > WS_CONTROL_MAX))
        return fin ? "a control frame is longer than 125 bytes" : "a control frame is fragmented";
    if (opcode == WS_CONTINUED && !w->message)
        return "a continuation without a message";
    if ((opcode == WS_TEXT || opcode == WS_BINARY) && w->message)
        return "a message begins inside another one";
    return NULL;
}

static bool read_length(struct ws *w)
{
    size_t n = header_size(w->header) - 2 - (w->masked ? 4 : 0);

    w->left = w->header[1] & 0x7f;
    if (n == 0)
        return true;
    w->left = 0;
    for (size_t i = 0; i < n; i++)
        w->left = w->left << 8 | w->header[2 + i];
    return n == 2 ? w->left > 125 : w->left > UINT16_MAX && !(w->left >> 63);
}

static enum ws_event begin_frame(struct ws *w)
{
    w->fin = w->header[0] & 0x80;
    w->opcode = w->header[0] & 0x0f;
    w->masked = w->header[1] & 0x80;
    if (!read_length(w))
        return bad(w, WS_CODE_PROTOCOL, "a frame's length is not in its shortest form");
    if (w->left > w->frame_max)
        return bad(w, WS_CODE_TOO_LARGE, "a frame is larger than allowed");
    if (w->masked)
        memcpy(w->mask, w->header + w->header_len - 4, 4);
    w->at = 0;
    w->header_len = 0;
    w->state = is_control(w->opcode) ? S_CONTROL : S_PAYLOAD;
    w->control_len = 0;
    if (is_control(w->opcode))
        return WS_MORE;
    if (w->opcode != WS_CONTINUED) {
        w->message = w->opcode;
        w->length = 0;
        w->utf8 = 0;
    }
    w->length += w->left;
    if (w->length > w->message_max)
        return bad(w, WS_CODE_TOO_LARGE, "a message is larger than allowed");
    return WS_MORE;
}

/* WS_MORE with the state moved on, or with all input used. */
static enum ws_event read_header(struct ws *w, const char *data, size_t len, size_t *used)
{
    const char *why;

    while (*used < len) {
        w->header[w->header_len++] = (uint8_t)data[(*used)++];
        if (w->header_len < 2)
            continue;
        why = w->header_len == 2 ? start_fault(w) : NULL;
        if (why)
            return bad(w, WS_CODE_PROTOCOL, why);
        if (w->header_len == header_size(w->header))
            return begin_frame(w);
    }
    return WS_MORE;
}

static void unmask(struct ws *w, char *data, size_t len)
{
    if (w->masked)
        for (size_t i = 0; i < len; i++)
            data[i] = (char)((uint8_t)data[i] ^ w->mask[(w->at + i) % 4]);
    w->at += len;
    w->left -= len;
}

static enum ws_event read_payload(struct ws *w, char *data, size_t len, size_t *used,
                                  struct http1_span *span)
{
    size_t n = len < w->left ? len : (size_t)w->left;

    if (w->left == 0) {
        if (w->fin && w->message == WS_TEXT && w->utf8 != 0)
            return bad(w, WS_CODE_NOT_TEXT, "text ends inside a character");
        w->state = w->fin ? S_DONE : S_HEADER;
        return WS_MORE;
    }
    if (n == 0)
        return WS_MORE;
    unmask(w, data, n);
    *used += n;
    *span = (struct http1_span){data, n};
    if (w->message == WS_TEXT && !utf8_check(&w->utf8, data, n))
        return bad(w, WS_CODE_NOT_TEXT, "text is not UTF-8");
    return WS_DATA;
}

/* RFC 6455 7.4: codes that an endpoint may put on the wire. */
static bool is_code(uint16_t code)
{
    return (code >= 1000 && code <= 1014 && (code < 1004 || code > 1006)) ||
           (code >= 3000 && code <= 4999);
}

static enum ws_event end_control(struct ws *w, struct http1_span *span)
{
    w->state = S_HEADER;
    *span = (struct http1_span){w->control, w->control_len};
    if (w->opcode != WS_CLOSE)
        return WS_CONTROL;
    w->code = 0;
    if (w->control_len == 0)
        return WS_CONTROL;
    if (w->control_len < 2)
        return bad(w, WS_CODE_PROTOCOL, "a close frame has half a code");
    w->code = (uint16_t)((uint8_t)w->control[0] << 8 | (uint8_t)w->control[1]);
    if (!is_code(w->code))
        return bad(w, WS_CODE_PROTOCOL, "a close frame has a code that must not be sent");
    if (!utf8_is(w->control + 2, w->control_len - 2u))
        return bad(w, WS_CODE_NOT_TEXT, "a close frame's reason is not UTF-8");
    return WS_CONTROL;
}

static enum ws_event read_control(struct ws *w, char *data, size_t len, size_t *used,
                                  struct http1_span *span)
{
    size_t n = len < w->left ? len : (size_t)w->left;

    unmask(w, data, n);
    memcpy(w->control + w->control_len, data, n);
    w->control_len = (uint8_t)(w->control_len + n);
    *used += n;
    return w->left == 0 ? end_control(w, span) : WS_MORE;
}

enum ws_event ws_next(struct ws *w, char *data, size_t len, size_t *used, struct http1_span *span)
{
    enum ws_event event;
    uint8_t state;

    *used = 0;
    do {
        state = w->state;
        switch (state) {
        case S_HEADER:
            event = read_header(w, data, len, used);
            break;
        case S_PAYLOAD:
            event = read_payload(w, data + *used, len - *used, used, span);
            break;
        case S_CONTROL:
            event = read_control(w, data + *used, len - *used, used, span);
            break;
        case S_DONE:
            w->state = S_HEADER;
            w->opcode = w->message;
            w->message = 0;
            return WS_END;
        default:
            return WS_BAD;
        }
    } while (event == WS_MORE && w->state != state);
    return event;
}

void ws_frame(struct buf *out, enum ws_opcode opcode, bool fin, const void *data, size_t len,
              const uint8_t mask[4])
{
    char header[WS_HEADER_MAX], *payload;
    int bytes = len > UINT16_MAX ? 8 : len > 125 ? 2 : 0;
    size_t n = 2;

    header[0] = (char)((fin ? 0x80 : 0) | opcode);
    header[1] = (char)((mask ? 0x80 : 0) | (bytes == 8 ? 127 : bytes == 2 ? 126 : (int)len));
    while (bytes-- > 0)
        header[n++] = (char)(uint8_t)((uint64_t)len >> (bytes * 8));
    if (mask) {
        memcpy(header + n, mask, 4);
        n += 4;
    }
    buf_add(out, header, n);
    buf_add(out, data, len);
    payload = out->data + out->len - len;
    for (size_t i = 0; mask && i < len; i++)
        payload[i] = (char)((uint8_t)payload[i] ^ mask[i % 4]);
}

size_t ws_close_payload(char out[WS_CONTROL_MAX], uint16_t code, const char *reason)
{
    size_t len = reason ? strlen(reason) : 0;

    if (code == 0)
        return 0;
    if (len > WS_REASON_MAX)
        len = WS_REASON_MAX;
    /* A character is not cut in two. */
    while (len > 0 && reason[len] && ((uint8_t)reason[len] & 0xc0) == 0x80)
        len--;
    out[0] = (char)(uint8_t)(code >> 8);
    out[1] = (char)(uint8_t)code;
    if (len > 0)
        memcpy(out + 2, reason, len);
    return 2 + len;
}

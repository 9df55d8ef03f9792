#include "target/reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

static const char filling[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-\n";
#define FILLING (sizeof(filling) - 1)

static const struct {
    int status;
    const char *phrase;
} phrases[] = {
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {413, "Content Too Large"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {100, "Continue"},
    {102, "Processing"},
    {103, "Early Hints"},
    {0},
};

static const char *phrase_of(int status)
{
    int i = 0;

    while (phrases[i].status && phrases[i].status != status)
        i++;
    return phrases[i].status ? phrases[i].phrase : "";
}

void reply_text(struct reply *re, uint16_t status, const char *text)
{
    re->status = status;
    re->type = "text/plain; charset=utf-8";
    re->text = text;
    re->size = strlen(text);
}

void reply_json(struct reply *re, uint16_t status, char *text)
{
    re->status = status;
    re->type = "application/json";
    re->text = re->owned = text;
    re->size = strlen(text);
}

void reply_fill(struct reply *re, uint64_t size)
{
    re->status = 200;
    re->type = "text/plain; charset=utf-8";
    re->text = NULL;
    re->size = size;
}

/* RFC 9110 15.3.5, 15.4.5: never with a body. */
static bool never_has_body(const struct reply *re)
{
    return re->status == 204 || re->status == 304;
}

static bool has_chunks(const struct reply *re)
{
    return re->chunked && !re->old && !re->streamed;
}

/* HTTP/1.0 has no chunks: the end of the connection ends the body (RFC 9112 6.3). */
static bool until_close(const struct reply *re)
{
    return re->old && re->chunked && !never_has_body(re);
}

bool reply_closes(const struct reply *re)
{
    return until_close(re) || (re->truncate && !re->head_only && !never_has_body(re));
}

/* Decimal without printf, which would be a tenth of the cost of a small answer. */
static void add_number(struct buf *out, uint64_t n)
{
    char digits[20];
    size_t at = sizeof(digits);

    do
        digits[--at] = (char)('0' + n % 10);
    while (n /= 10);
    buf_add(out, digits + at, sizeof(digits) - at);
}

static void add_field(struct buf *out, const char *name, const char *value)
{
    buf_adds(out, name);
    buf_adds(out, value);
    buf_add(out, "\r\n", 2);
}

/* RFC 9112 4: the space before the phrase stays when there is no phrase. */
static void add_status_line(struct buf *out, int status)
{
    buf_adds(out, "HTTP/1.1 ");
    add_number(out, (uint64_t)status);
    add_field(out, " ", phrase_of(status));
}

void reply_interim(int status, struct buf *out)
{
    add_status_line(out, status);
    if (status == 103)
        buf_adds(out, "Link: </early>; rel=preload\r\n");
    buf_add(out, "\r\n", 2);
}

/* RFC 9112 6.1 and 6.2: how the reader finds the end of the body. */
static void add_framing(const struct reply *re, struct buf *out)
{
    if (never_has_body(re) || until_close(re))
        return;
    if (re->chunked && re->streamed)
        return;
    if (re->chunked) {
        add_field(out, "Transfer-Encoding: ", "chunked");
        return;
    }
    buf_adds(out, "Content-Length: ");
    add_number(out, re->size);
    buf_add(out, "\r\n", 2);
}

void reply_head(const struct reply *re, const char *date, const char *stamps, struct buf *out)
{
    add_status_line(out, re->status);
    add_field(out, "Date: ", date);
    if (!never_has_body(re))
        add_field(out, "Content-Type: ", re->type);
    add_framing(re, out);
    if (re->close)
        add_field(out, "Connection: ", "close");
    else if (re->old)
        add_field(out, "Connection: ", "keep-alive");
    if (re->fields)
        buf_adds(out, re->fields);
    buf_adds(out, stamps);
    buf_add(out, "\r\n", 2);
}

static void add_filling(struct buf *out, uint64_t at, size_t len)
{
    while (len > 0) {
        size_t from = at % FILLING, n = FILLING - from < len ? FILLING - from : len;

        buf_add(out, filling + from, n);
        at += n;
        len -= n;
    }
}

static void add_piece(struct reply *re, size_t len, struct buf *out)
{
    bool framed = has_chunks(re);

    if (framed)
        buf_printf(out, "%zx\r\n", len);
    if (re->text)
        buf_add(out, re->text + re->sent, len);
    else
        add_filling(out, re->sent, len);
    if (framed)
        buf_add(out, "\r\n", 2);
    re->sent += len;
}

bool reply_body(struct reply *re, struct buf *out)
{
    uint64_t end = re->truncate ? re->size / 2 : re->size, left = end - re->sent;

    if (re->head_only || never_has_body(re))
        return true;
    if (left)
        add_piece(re, left < REPLY_PIECE ? (size_t)left : REPLY_PIECE, out);
    if (re->sent < end)
        return false;
    if (has_chunks(re) && !re->truncate)
        buf_adds(out, "0\r\n\r\n");
    return true;
}

void reply_free(struct reply *re)
{
    free(re->owned);
    free(re->fields);
    *re = (struct reply){0};
}

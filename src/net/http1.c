/*
 * http1.c - the HTTP/1.1 reader.
 *
 * A head is looked at twice: once for its end, from where the last look stopped, and once for its
 * fields when all of it is there.  So nothing of a head has to be kept between calls, and a head
 * that arrives byte by byte costs no more than one that arrives whole.  Chunk-size lines are read
 * byte by byte with their progress in `left` and `scanned`; a trailer section is read like a head.
 */
#include "net/http1_head.h"

#include <string.h>

#define HEAD_MAX_DEFAULT 65536
#define CHUNK_DIGITS_MAX 32

static enum http1_event bad(struct http1 *p, const char *why)
{
    p->state = S_BAD;
    p->why = why;
    return HTTP1_BAD;
}

void http1_init(struct http1 *p, enum http1_kind kind, uint32_t head_max)
{
    *p = (struct http1){.kind = (uint8_t)kind, .length = -1, .keep_alive = true};
    p->head_max = head_max ? head_max : HEAD_MAX_DEFAULT;
}

/*
 * The end of the head or trailer section that starts at `data`: the bytes up to and with its empty
 * line; 0 if that has not come.  The last line end without its successor is looked at again.
 */
static size_t find_end(struct http1 *p, const char *data, size_t len)
{
    const char *end = data + len, *lf = data + p->scanned;

    while ((lf = memchr(lf, '\n', (size_t)(end - lf)))) {
        const char *next = lf + 1;

        if (next < end && *next == '\n')
            return (size_t)(next + 1 - data);
        if (end - next >= 2 && next[0] == '\r' && next[1] == '\n')
            return (size_t)(next + 2 - data);
        if (next == end || (*next == '\r' && next + 1 == end)) {
            p->scanned = (uint32_t)(lf - data);
            return 0;
        }
        lf = next;
    }
    p->scanned = (uint32_t)len;
    return 0;
}

/* What cannot become a head is refused at once rather than waited for. */
static const char *early_fault(const struct http1 *p, const char *data, size_t len)
{
    size_t n = len < 7 ? len : 7;

    if (p->kind == HTTP1_RESPONSE && memcmp(data, "HTTP/1.", n) != 0)
        return "the answer does not begin with HTTP/1.x";
    return len >= p->head_max ? "the head is larger than allowed" : NULL;
}

static enum http1_event next_head(struct http1 *p, const char *data, size_t len, size_t *used,
                                  struct http1_span *span)
{
    const char *why;
    size_t skip = 0, end;

    /* RFC 9112 2.2: empty lines before a request line are ignored. */
    while (p->kind == HTTP1_REQUEST && len > skip && (data[skip] == '\r' || data[skip] == '\n')) {
        if (data[skip] == '\r' && len - skip < 2)
            break;
        if (data[skip] == '\r' && data[skip + 1] != '\n')
            return bad(p, "bare CR in the head");
        skip += data[skip] == '\r' ? 2 : 1;
    }
    *used = skip;
    data += skip;
    len -= skip;
    if (len == 0 || (p->kind == HTTP1_REQUEST && len == 1 && *data == '\r'))
        return HTTP1_MORE;
    end = find_end(p, data, len);
    if (end == 0 || end > p->head_max) {
        why = early_fault(p, data, len);
        return why ? bad(p, why) : HTTP1_MORE;
    }
    *span = (struct http1_span){data, end};
    why = http1_read_head(p, span);
    if (why)
        return bad(p, why);
    *used = skip + end;
    p->head_len = (uint32_t)end;
    p->scanned = 0;
    if (p->kind == HTTP1_RESPONSE && p->status < 200 && p->status != 101) {
        p->state = S_START;
        return ++p->interim > HTTP1_INTERIM_MAX ? bad(p, "interim answers without end")
                                                : HTTP1_INFO;
    }
    return HTTP1_HEAD;
}

static enum http1_event finish(struct http1 *p)
{
    p->state = S_START;
    p->scanned = 0;
    p->interim = 0;
    return HTTP1_END;
}

static enum http1_event give(struct http1 *p, const char *data, size_t len, size_t *used,
                             struct http1_span *span)
{
    size_t n = p->state == S_UNTIL_CLOSE || len < p->left ? len : (size_t)p->left;

    if (n == 0)
        return HTTP1_MORE;
    *span = (struct http1_span){data, n};
    *used = n;
    if (p->state == S_UNTIL_CLOSE)
        return HTTP1_BODY;
    p->left -= n;
    if (p->left == 0)
        p->state = p->chunked ? S_CHUNK_END : S_DONE;
    return HTTP1_BODY;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The size is read: what its line end leads to. */
static void end_chunk_line(struct http1 *p)
{
    p->state = p->left ? S_CHUNK_DATA : S_TRAILER;
    p->scanned = 0;
}

static const char *read_size_digit(struct http1 *p, char c)
{
    int digit = hex_value(c);

    if (digit < 0 && p->scanned == 0)
        return "malformed chunk size";
    if (digit >= 0) {
        if (p->left >> 59 || ++p->scanned > CHUNK_DIGITS_MAX)
            return "chunk size is too large";
        p->left = p->left << 4 | (uint64_t)digit;
        return NULL;
    }
    if (c == ' ' || c == '\t')
        p->state = S_CHUNK_PAD;
    else if (c == ';')
        p->state = S_CHUNK_EXT;
    else if (c == '\r')
        p->state = S_CHUNK_LF;
    else if (c == '\n')
        end_chunk_line(p);
    else
        return "malformed chunk size";
    return NULL;
}

/* RFC 9112 7.1 and 7.1.1: what follows the size; extensions are passed over. */
static const char *read_size_rest(struct http1 *p, char c)
{
    if (++p->scanned > p->head_max)
        return "chunk extensions are larger than allowed";
    if (c == '\n')
        end_chunk_line(p);
    else if (p->state == S_CHUNK_LF || c == '\0')
        return "malformed chunk size line";
    else if (c == '\r')
        p->state = S_CHUNK_LF;
    else if (c == ';')
        p->state = S_CHUNK_EXT;
    else if (p->state == S_CHUNK_PAD && c != ' ' && c != '\t')
        return "malformed chunk size line";
    return NULL;
}

static const char *read_chunk_end(struct http1 *p, char c)
{
    if (c == '\r' && p->state == S_CHUNK_END) {
        p->state = S_CHUNK_END_LF;
        return NULL;
    }
    if (c != '\n')
        return "chunk data runs past its size";
    p->state = S_CHUNK_SIZE;
    p->scanned = 0;
    return NULL;
}

/* All that lies between the data of two chunks. */
static enum http1_event next_chunk_line(struct http1 *p, const char *data, size_t len, size_t *used)
{
    const char *why = NULL;
    size_t i = 0;

    while (i < len && p->state != S_CHUNK_DATA && p->state != S_TRAILER) {
        char c = data[i++];

        if (p->state == S_CHUNK_SIZE)
            why = read_size_digit(p, c);
        else if (p->state == S_CHUNK_END || p->state == S_CHUNK_END_LF)
            why = read_chunk_end(p, c);
        else
            why = read_size_rest(p, c);
        if (why)
            return bad(p, why);
    }
    *used = i;
    return HTTP1_MORE;
}

static enum http1_event next_trailer(struct http1 *p, const char *data, size_t len, size_t *used)
{
    size_t end = 0;
    const char *why;

    if (len >= 1 && data[0] == '\n')
        end = 1;
    else if (len >= 2 && data[0] == '\r' && data[1] == '\n')
        end = 2;
    else
        end = find_end(p, data, len);
    if (end > p->head_max || (end == 0 && len >= p->head_max))
        return bad(p, "the trailer section is larger than allowed");
    if (end == 0)
        return HTTP1_MORE;
    why = http1_read_trailer(p, (struct http1_span){data, end});
    if (why)
        return bad(p, why);
    *used = end;
    return finish(p);
}

static enum http1_event next_chunked(struct http1 *p, const char *data, size_t len, size_t *used,
                                     struct http1_span *span)
{
    enum http1_event event = HTTP1_MORE;
    size_t line = 0, n = 0;

    if (p->state != S_CHUNK_DATA && p->state != S_TRAILER)
        event = next_chunk_line(p, data, len, &line);
    if (event == HTTP1_MORE && p->state == S_CHUNK_DATA)
        event = give(p, data + line, len - line, &n, span);
    else if (event == HTTP1_MORE && p->state == S_TRAILER)
        event = next_trailer(p, data + line, len - line, &n);
    *used = line + n;
    return event;
}

enum http1_event http1_next(struct http1 *p, const char *data, size_t len, size_t *used,
                            struct http1_span *span)
{
    *used = 0;
    switch (p->state) {
    case S_START:
        return next_head(p, data, len, used, span);
    case S_DONE:
        return finish(p);
    case S_LENGTH:
    case S_UNTIL_CLOSE:
        return give(p, data, len, used, span);
    case S_BAD:
        return HTTP1_BAD;
    default:
        return next_chunked(p, data, len, used, span);
    }
}

enum http1_event http1_eof(struct http1 *p)
{
    if (p->state == S_DONE || p->state == S_UNTIL_CLOSE)
        return finish(p);
    if (p->state == S_BAD)
        return HTTP1_BAD;
    if (p->state == S_START && p->scanned == 0)
        return HTTP1_MORE;
    return bad(p, p->state == S_START ? "closed inside the head" : "closed inside the body");
}

#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "net/http1.h"

struct sample {
    enum http1_kind kind;
    const char *bytes;
    const char *events; /* as described by transcribe() */
    bool no_body;
};

/*
 * Feeds `len` bytes of which the first `split` come alone, and writes down what happens: heads as
 * "H<status or method>", their framing, bodies as "(text)" with spans joined, and the end.
 */
static void note_head(struct buf *out, const struct http1 *p, const struct http1_span *span)
{
    if (p->kind == HTTP1_RESPONSE)
        buf_printf(out, "H%d", p->status);
    else
        buf_printf(out, "H%.*s %.*s", (int)p->method_len, span->data, (int)p->target_len,
                   span->data + p->target_at);
    buf_adds(out, p->keep_alive ? " keep" : " close");
    assert_int_equal(span->len, p->head_len);
}

static bool step(struct http1 *p, const char **data, size_t *len, struct buf *out, bool *in_body)
{
    struct http1_span span;
    size_t used;
    enum http1_event event = http1_next(p, *data, *len, &used, &span);

    assert_true(used <= *len);
    *data += used;
    *len -= used;
    if (*in_body && event != HTTP1_BODY && event != HTTP1_MORE) {
        buf_addc(out, ')');
        *in_body = false;
    }
    if (event == HTTP1_BODY && !*in_body)
        buf_addc(out, '(');
    *in_body |= event == HTTP1_BODY;
    if (event == HTTP1_BODY)
        buf_add(out, span.data, span.len);
    else if (event == HTTP1_HEAD)
        note_head(out, p, &span);
    else if (event == HTTP1_INFO)
        buf_printf(out, "I%d ", p->status);
    else if (event == HTTP1_END)
        buf_adds(out, ".");
    else if (event == HTTP1_BAD)
        buf_printf(out, "! %s", p->why);
    return event != HTTP1_MORE && event != HTTP1_BAD;
}

static void transcribe(const struct sample *s, size_t split, size_t step_len, struct buf *out)
{
    size_t total = strlen(s->bytes), given = split, done = 0;
    bool in_body = false, bad = false;
    struct http1 p;

    http1_init(&p, s->kind, 256);
    p.no_body = s->no_body;
    for (;;) {
        /* A copy of the right length, so that a sanitizer sees a read beyond it. */
        char *copy = xcalloc(1, given - done);
        const char *data = copy;
        size_t len = given - done;

        memcpy(copy, s->bytes + done, len);
        while (step(&p, &data, &len, out, &in_body))
            ;
        bad = p.why != NULL;
        done = given - len;
        free(copy);
        if (given == total || bad)
            break;
        given = given + step_len < total ? given + step_len : total;
    }
    if (bad)
        return;
    switch (http1_eof(&p)) {
    case HTTP1_END:
        buf_adds(out, in_body ? ")eof" : "eof");
        break;
    case HTTP1_BAD:
        buf_printf(out, "! %s", p.why);
        break;
    default:
        break;
    }
}

static const struct sample samples[] = {
    {HTTP1_RESPONSE, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "H200 keep(hello)."},
    {HTTP1_RESPONSE, "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", "H200 keep(hello)."},
    {HTTP1_RESPONSE, "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "H200 keep."},
    {HTTP1_RESPONSE,
     "HTTP/1.1 404 Not Found\r\nConnection: foo, Close\r\nContent-Length: 1\r\n\r\nx",
     "H404 close(x)."},
    {HTTP1_RESPONSE, "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", "H200 close(x)."},
    {HTTP1_RESPONSE, "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx",
     "H200 keep(x)."},
    {HTTP1_RESPONSE,
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
     "5\r\nhello\r\n06;ext=\"a\" ;b\r\n world\r\n0\r\n\r\n",
     "H200 keep(hello world)."},
    {HTTP1_RESPONSE,
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n2 \r\nab\r\n0\r\nX-Sum: 1\r\nY: "
     "2\r\n\r\n",
     "H200 keep(ab)."},
    {HTTP1_RESPONSE, "HTTP/1.1 200 OK\r\n\r\nuntil close", "H200 close(until close)eof"},
    {HTTP1_RESPONSE, "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", "H204 keep."},
    {HTTP1_RESPONSE, "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "H304 keep."},
    {HTTP1_RESPONSE, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "H200 keep.", true},
    {HTTP1_RESPONSE,
     "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
     "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
     "I100 I103 H200 keep(ok)."},
    {HTTP1_RESPONSE, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "H101 close."},
    {HTTP1_RESPONSE,
     "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 201 OK\r\nContent-Length: 1\r\n\r\nb",
     "H200 keep(a).H201 keep(b)."},
    {HTTP1_REQUEST, "GET /a?b HTTP/1.1\r\nHost: x\r\n\r\n", "HGET /a?b keep."},
    {HTTP1_REQUEST, "\r\n\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\nHEAD * HTTP/1.0\r\n\r\n",
     "HGET /a keep.HHEAD * close."},
    {HTTP1_REQUEST, "POST / HTTP/1.1\r\ncontent-length:  3 \r\n\r\nabcPUT / HTTP/1.1\r\n\r\n",
     "HPOST / keep(abc).HPUT / keep."},
    /* What is refused. */
    {HTTP1_RESPONSE, "SSH-2.0-x\r\n", "! the answer does not begin with HTTP/1.x"},
    {HTTP1_RESPONSE, "HTTP/2.0 200 OK\r\n\r\n", "! the answer does not begin with HTTP/1.x"},
    {HTTP1_RESPONSE, "HTTP/1.1 20 OK\r\n\r\n", "! malformed status line"},
    {HTTP1_RESPONSE, "HTTP/1.1 2000 OK\r\n\r\n", "! malformed status line"},
    {HTTP1_RESPONSE, "HTTP/1.1 099 OK\r\n\r\n", "! status below 100"},
    {HTTP1_RESPONSE, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
     "! repeated content-length"},
    {HTTP1_RESPONSE, "HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\na",
     "! malformed content-length"},
    {HTTP1_RESPONSE, "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "! malformed content-length"},
    {HTTP1_RESPONSE, "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n", "! malformed content-length"},
    {HTTP1_RESPONSE, "HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\n",
     "! content-length is too large"},
    {HTTP1_RESPONSE,
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n",
     "! content-length beside transfer-encoding"},
    {HTTP1_RESPONSE, "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     "! transfer-encoding in HTTP/1.0"},
    {HTTP1_RESPONSE, "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
     "! transfer coding other than chunked"},
    {HTTP1_RESPONSE,
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
     "! repeated transfer-encoding"},
    {HTTP1_RESPONSE, "HTTP/1.1 200 OK\r\nX : 1\r\n\r\n", "! malformed header field name"},
    {HTTP1_RESPONSE, "HTTP/1.1 200 OK\r\n: 1\r\n\r\n", "! malformed header field name"},
    {HTTP1_RESPONSE, "HTTP/1.1 200 OK\r\nX: 1\r\n 2\r\n\r\n", "! folded header field"},
    {HTTP1_RESPONSE, "HTTP/1.1 200 OK\r\nX\r\n\r\n", "! header field without a colon"},
    {HTTP1_RESPONSE, "HTTP/1.1 200 OK\r\nX: 1\rY: 2\r\n\r\n", "! bare CR in the head"},
    {HTTP1_RESPONSE, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
     "H200 keep! malformed chunk size"},
    {HTTP1_RESPONSE, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
     "H200 keep! malformed chunk size"},
    {HTTP1_RESPONSE, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1 x\r\n",
     "H200 keep! malformed chunk size line"},
    {HTTP1_RESPONSE, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;a\rb\r\n",
     "H200 keep! malformed chunk size line"},
    {HTTP1_RESPONSE, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n",
     "H200 keep! chunk size is too large"},
    {HTTP1_RESPONSE,
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n000000000000000000000000000000000\r\n",
     "H200 keep! chunk size is too large"},
    {HTTP1_RESPONSE, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc",
     "H200 keep(a)! chunk data runs past its size"},
    {HTTP1_RESPONSE, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n bad\r\n\r\n",
     "H200 keep! folded header field"},
    {HTTP1_RESPONSE, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",
     "H200 keep(ab! closed inside the body"},
    {HTTP1_RESPONSE, "HTTP/1.1 200 OK\r\nConte", "! closed inside the head"},
    {HTTP1_REQUEST, "GET  / HTTP/1.1\r\n\r\n", "! malformed request target"},
    {HTTP1_REQUEST, "G@T / HTTP/1.1\r\n\r\n", "! malformed method"},
    {HTTP1_REQUEST, "GET / HTTP/1.1 \r\n\r\n", "! the request line does not end with HTTP/1.x"},
    {HTTP1_REQUEST, "GET /\r\n\r\n", "! malformed request target"},
};

static void every_split_gives_the_same_events(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        size_t len = strlen(samples[i].bytes);

        for (size_t split = 0; split <= len; split++) {
            struct buf whole = {0}, dripped = {0};

            transcribe(&samples[i], split, len, &whole);
            transcribe(&samples[i], split, 1, &dripped);
            if (strcmp(buf_text(&whole), samples[i].events) != 0 ||
                strcmp(buf_text(&dripped), samples[i].events) != 0)
                fail_msg("sample %zu split at %zu:\n  %s\n  %s\nexpected\n  %s", i, split,
                         buf_text(&whole), buf_text(&dripped), samples[i].events);
            buf_free(&whole);
            buf_free(&dripped);
        }
    }
}

/* The first event of a response to which `filler` is added `n` times behind `start`. */
static const char *grow(const char *start, const char *filler, int n, const char *end)
{
    static struct http1 p;
    struct buf b = {0};
    struct http1_span span;
    size_t used;
    enum http1_event event;
    const char *data;
    size_t len;

    buf_adds(&b, start);
    for (int i = 0; i < n; i++)
        buf_adds(&b, filler);
    buf_adds(&b, end);
    http1_init(&p, HTTP1_RESPONSE, 4096);
    data = b.data;
    len = b.len;
    do {
        event = http1_next(&p, data, len, &used, &span);
        data += used;
        len -= used;
    } while (event == HTTP1_HEAD || event == HTTP1_BODY);
    buf_free(&b);
    return event == HTTP1_BAD ? p.why : event == HTTP1_END ? "end" : "more";
}

static void everything_is_bounded(void **state)
{
    static const char start[] = "HTTP/1.1 200 OK\r\n";
    static const char chunked[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

    (void)state;
    assert_string_equal(grow(start, "X", 4096, ""), "the head is larger than allowed");
    assert_string_equal(grow(start, "X: 12345678\r\n", 400, "\r\n"),
                        "the head is larger than allowed");
    assert_string_equal(grow(start, "X: 12345678\r\n", 300, ""), "more");
    assert_string_equal(grow(start, "X: 1\r\n", HTTP1_FIELDS_MAX + 1, "\r\n"),
                        "too many header fields");
    assert_string_equal(grow(start, "X: 1\r\n", HTTP1_FIELDS_MAX - 1, "Content-Length: 0\r\n\r\n"),
                        "end");
    assert_string_equal(grow(chunked, "1;", 5000, ""), "chunk extensions are larger than allowed");
    assert_string_equal(grow(chunked, "0\r\nX: 12345678\r\n", 1, ""), "more");
    assert_string_equal(grow("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
                             "X: 12345678\r\n", 400, ""),
                        "the trailer section is larger than allowed");
}

static void nul_is_refused(void **state)
{
    static const char bytes[] = "HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n";
    struct http1_span span;
    struct http1 p;
    size_t used;

    (void)state;
    http1_init(&p, HTTP1_RESPONSE, 0);
    assert_int_equal(http1_next(&p, bytes, sizeof(bytes) - 1, &used, &span), HTTP1_BAD);
    assert_string_equal(p.why, "NUL in the head");
    assert_int_equal(http1_next(&p, "x", 1, &used, &span), HTTP1_BAD);
}

static void fields_are_found(void **state)
{
    static const char bytes[] =
        "HTTP/1.1 200 X-A: 0\r\nX-A:  one \r\nX-AB: two\r\nEmpty:\r\nx-a: 3\r\n\r\n";
    struct http1_span head = {bytes, sizeof(bytes) - 1}, value;

    (void)state;
    assert_true(http1_field(&head, "x-a", &value));
    assert_int_equal(value.len, 3);
    assert_memory_equal(value.data, "one", 3);
    assert_true(http1_field(&head, "X-Ab", &value));
    assert_memory_equal(value.data, "two", 3);
    assert_true(http1_field(&head, "empty", &value));
    assert_int_equal(value.len, 0);
    assert_false(http1_field(&head, "X", &value));
}

UNIT_GROUP(http1, cmocka_unit_test(every_split_gives_the_same_events),
           cmocka_unit_test(everything_is_bounded), cmocka_unit_test(nul_is_refused),
           cmocka_unit_test(fields_are_found))

#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "net/ws.h"

#define FRAME_MAX   200
#define MESSAGE_MAX 400

struct sample {
    enum ws_role role;
    const char *bytes;
    size_t len;
    const char *events; /* as described by transcribe() */
};

#define SAMPLE(role, bytes, events) \
    { \
        role, bytes, sizeof(bytes) - 1, events \
    }

/*
 * Feeds `len` bytes of which the first `split` come alone, and writes down what happens: messages
 * as T(...) or B(...) with their spans joined, control frames as c<code>(...), p(...), o(...).
 */
static void note_control(struct buf *out, const struct ws *w, const struct http1_span *span)
{
    size_t skip = w->opcode == WS_CLOSE && span->len >= 2 ? 2 : 0;

    if (w->opcode == WS_CLOSE)
        buf_printf(out, "c%u", (unsigned)w->code);
    else
        buf_addc(out, w->opcode == WS_PING ? 'p' : 'o');
    buf_printf(out, "(%.*s)", (int)(span->len - skip), span->data + skip);
}

static bool step(struct ws *w, char **data, size_t *len, struct buf *out, struct buf *message)
{
    struct http1_span span;
    size_t used;
    enum ws_event event = ws_next(w, *data, *len, &used, &span);

    assert_true(used <= *len);
    if (event == WS_DATA) {
        assert_true(span.data >= *data && span.data + span.len <= *data + *len);
        buf_add(message, span.data, span.len);
    }
    *data += used;
    *len -= used;
    if (event == WS_END) {
        buf_printf(out, "%c(%s)", w->opcode == WS_TEXT ? 'T' : 'B', buf_text(message));
        buf_clear(message);
    } else if (event == WS_CONTROL) {
        note_control(out, w, &span);
    } else if (event == WS_BAD) {
        buf_printf(out, "!%u %s", (unsigned)w->code, w->why);
    }
    return event != WS_MORE && event != WS_BAD;
}

static void transcribe(const struct sample *s, size_t split, struct buf *out)
{
    size_t at = 0, given[] = {split, s->len - split};
    struct buf message = {0};
    struct ws w;

    ws_init(&w, s->role, FRAME_MAX, MESSAGE_MAX);
    for (int i = 0; i < 2 && !w.why; i++) {
        /* A copy of the right length, so that a sanitizer sees a read beyond it. */
        char *copy = xcalloc(1, given[i]), *data = copy;
        size_t len = given[i];

        memcpy(copy, s->bytes + at, len);
        at += len;
        while (step(&w, &data, &len, out, &message))
            ;
        assert_true(len == 0 || w.why);
        free(copy);
    }
    buf_free(&message);
}

static void holds_at_every_split(const struct sample *s)
{
    for (size_t split = 0; split <= s->len; split++) {
        struct buf got = {0};

        transcribe(s, split, &got);
        assert_string_equal(buf_text(&got), s->events);
        buf_free(&got);
    }
}

#define HUNDRED \
    "01234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901" \
    "23" \
    "456789"

/* RFC 6455 5.7 has the first ones. */
static void frames_are_read(void **state)
{
    static const struct sample samples[] = {
        SAMPLE(WS_CLIENT, "\x81\x05Hello", "T(Hello)"),
        SAMPLE(WS_SERVER, "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", "T(Hello)"),
        SAMPLE(WS_CLIENT, "\x01\x03Hel\x80\x02lo", "T(Hello)"),
        SAMPLE(WS_CLIENT, "\x89\x05Hello\x8a\x05Hello", "p(Hello)o(Hello)"),
        SAMPLE(WS_CLIENT, "\x01\x03Hel\x89\x01?\x00\x00\x80\x02lo\x82\x01x", "p(?)T(Hello)B(x)"),
        SAMPLE(WS_CLIENT, "\x81\x00\x82\x00", "T()B()"),
        SAMPLE(WS_CLIENT, "\x82\x7e\x00\xc8" HUNDRED HUNDRED, "B(" HUNDRED HUNDRED ")"),
        SAMPLE(WS_CLIENT, "\x88\x00", "c0()"),
        SAMPLE(WS_CLIENT, "\x88\x02\x03\xe8", "c1000()"),
        SAMPLE(WS_CLIENT,
               "\x88\x0a\x03\xf0to\xc3\xb6"
               "late",
               "c1008(to\xc3\xb6late)"),
        SAMPLE(WS_CLIENT, "\x01\x01\xe2\x00\x01\x82\x80\x01\xac", "T(\xe2\x82\xac)"),
        SAMPLE(WS_CLIENT, "\x81\x04\xf4\x8f\xbf\xbf", "T(\xf4\x8f\xbf\xbf)"),
        SAMPLE(WS_SERVER, "\x88\x82\x01\x02\x03\x04\x02\xea", "c1000()"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++)
        holds_at_every_split(&samples[i]);
}

static void faults_are_refused(void **state)
{
    static const struct sample samples[] = {
        SAMPLE(WS_CLIENT, "\xc1\x05Hello",
               "!1002 a reserved bit is set in a frame, and no extension was agreed on"),
        SAMPLE(WS_CLIENT, "\x83\x00", "!1002 a frame has an unknown opcode"),
        SAMPLE(WS_CLIENT, "\x8b\x00", "!1002 a frame has an unknown opcode"),
        SAMPLE(WS_CLIENT, "\x81\x81\x01\x02\x03\x04x", "!1002 a frame from the server is masked"),
        SAMPLE(WS_SERVER, "\x81\x01x", "!1002 a frame from the client is unmasked"),
        SAMPLE(WS_CLIENT, "\x09\x00", "!1002 a control frame is fragmented"),
        SAMPLE(WS_CLIENT, "\x89\x7e\x00\x7e", "!1002 a control frame is longer than 125 bytes"),
        SAMPLE(WS_CLIENT, "\x80\x00", "!1002 a continuation without a message"),
        SAMPLE(WS_CLIENT, "\x01\x00\x81\x00", "!1002 a message begins inside another one"),
        SAMPLE(WS_CLIENT, "\x82\x7e\x00\x7d", "!1002 a frame's length is not in its shortest form"),
        SAMPLE(WS_CLIENT, "\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff",
               "!1002 a frame's length is not in its shortest form"),
        SAMPLE(WS_CLIENT, "\x82\x7f\x80\x00\x00\x00\x00\x01\x00\x00",
               "!1002 a frame's length is not in its shortest form"),
        SAMPLE(WS_CLIENT, "\x82\x7e\x00\xc9", "!1009 a frame is larger than allowed"),
        SAMPLE(WS_CLIENT,
               "\x02\x7e\x00\xc8" HUNDRED HUNDRED "\x00\x7e\x00\xc8" HUNDRED HUNDRED "\x80\x01",
               "!1009 a message is larger than allowed"),
        SAMPLE(WS_CLIENT, "\x88\x01\x03", "!1002 a close frame has half a code"),
        SAMPLE(WS_CLIENT, "\x88\x02\x03\xee",
               "!1002 a close frame has a code that must not be sent"),
        SAMPLE(WS_CLIENT, "\x88\x02\x03\xe7",
               "!1002 a close frame has a code that must not be sent"),
        SAMPLE(WS_CLIENT, "\x88\x03\x03\xe8\xff", "!1007 a close frame's reason is not UTF-8"),
        SAMPLE(WS_CLIENT, "\x81\x02\xc0\x80", "!1007 text is not UTF-8"),
        SAMPLE(WS_CLIENT, "\x81\x03\xed\xa0\x80", "!1007 text is not UTF-8"),
        SAMPLE(WS_CLIENT, "\x81\x02\xe2\x82", "!1007 text ends inside a character"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++)
        holds_at_every_split(&samples[i]);
}

/* What is written comes back, masked or not, in each form of the length. */
static void frames_come_back(void **state)
{
    static const size_t sizes[] = {0, 1, 125, 126, 127, 65535, 65536, 70000};
    static const uint8_t mask[4] = {0x12, 0x00, 0xff, 0x80};

    (void)state;
    for (size_t i = 0; i < 2 * sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct buf out = {0}, payload = {0}, got = {0};
        struct http1_span span;
        size_t used, at = 0;
        enum ws_event event;
        struct ws w;

        for (size_t k = 0; k < sizes[i / 2]; k++)
            buf_addc(&payload, (char)(uint8_t)(k * 7));
        ws_frame(&out, WS_BINARY, true, payload.data, payload.len, i % 2 ? mask : NULL);
        ws_init(&w, i % 2 ? WS_SERVER : WS_CLIENT, 70000, 70000);
        while ((event = ws_next(&w, out.data + at, out.len - at, &used, &span)) == WS_DATA) {
            buf_add(&got, span.data, span.len);
            at += used;
        }
        assert_int_equal(event, WS_END);
        assert_int_equal(at + used, out.len);
        assert_int_equal(got.len, payload.len);
        if (got.len > 0)
            assert_memory_equal(got.data, payload.data, got.len);
        buf_free(&out);
        buf_free(&payload);
        buf_free(&got);
    }
}

static void a_reason_is_cut_between_characters(void **state)
{
    char payload[WS_CONTROL_MAX], reason[WS_REASON_MAX + 4];

    (void)state;
    memset(reason, 'a', sizeof(reason));
    memcpy(reason + WS_REASON_MAX - 1, "\xc3\xb6", 3);
    assert_int_equal(ws_close_payload(payload, 1008, reason), 2 + WS_REASON_MAX - 1);
    assert_memory_equal(payload,
                        "\x03\xf0"
                        "aaa",
                        5);
    assert_int_equal(ws_close_payload(payload, 0, "no code"), 0);
    assert_int_equal(ws_close_payload(payload, 1000, NULL), 2);
}

static void the_upgrade_is_checked(void **state)
{
    static const char key[] = "dGhlIHNhbXBsZSBub25jZQ==";
#define ANSWER(status, fields) "HTTP/1.1 " status "\r\n" fields "\r\n"
#define GOOD                   "Upgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n"
#define ACCEPT                 "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
    static const struct {
        const char *answer, *why;
    } samples[] = {
        {ANSWER("101 x", GOOD ACCEPT), NULL},
        {ANSWER("200 x", GOOD ACCEPT), "the answer is not 101"},
        {ANSWER("101 x", "Upgrade: h2c\r\nConnection: Upgrade\r\n" ACCEPT),
         "the answer does not upgrade to websocket"},
        {ANSWER("101 x", "Upgrade: websocket\r\nConnection: upgraded\r\n" ACCEPT),
         "the answer has no connection: upgrade"},
        {ANSWER("101 x", GOOD), "sec-websocket-accept does not answer the key"},
        {ANSWER("101 x", GOOD "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOp=\r\n"),
         "sec-websocket-accept does not answer the key"},
        {ANSWER("101 x", GOOD ACCEPT "Sec-WebSocket-Extensions: permessage-deflate\r\n"),
         "the answer has an extension that was not offered"},
        {ANSWER("101 x", GOOD ACCEPT "Sec-WebSocket-Protocol: chat\r\n"),
         "the answer has a subprotocol that was not offered"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        struct http1_span head;
        struct http1 p;
        const char *why;
        size_t used;

        http1_init(&p, HTTP1_RESPONSE, 0);
        assert_int_equal(http1_next(&p, samples[i].answer, strlen(samples[i].answer), &used, &head),
                         HTTP1_HEAD);
        why = ws_refusal(&p, &head, key);
        assert_string_equal(why ? why : "", samples[i].why ? samples[i].why : "");
    }
}

UNIT_GROUP(ws, cmocka_unit_test(frames_are_read), cmocka_unit_test(faults_are_refused),
           cmocka_unit_test(frames_come_back), cmocka_unit_test(a_reason_is_cut_between_characters),
           cmocka_unit_test(the_upgrade_is_checked))

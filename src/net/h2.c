/*
 * h2.c - nghttp2, with bounds on what a peer may make it do, and words for how things ended.
 *
 * nghttp2 answers a broken rule by itself: with RST_STREAM for a stream and with GOAWAY for a
 * connection, when the next bytes are sent.  That it did so is seen here as the end of a stream
 * that the peer did not reset, and as a GOAWAY of ours with an error in it.
 */
#include "net/h2.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <nghttp2/nghttp2.h>

#include "base/err.h"
#include "base/mem.h"
#include "net/h2_pool.h"
#include "net/h2_state.h"

/* More than may be on its way for streams that were cancelled. */
#define IDLE_BYTES_MAX (32 << 20)

static nghttp2_session_callbacks *callbacks;
static nghttp2_option *options;

static int fail(struct h2 *h, const char *why)
{
    if (!h->failure)
        h->failure = why;
    return NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *hd, void *ctx)
{
    struct h2 *h = ctx;

    (void)session;
    (void)hd;
    return ++h->idle > H2_IDLE_MAX ? fail(h, "the peer floods the connection with empty frames")
                                   : 0;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
    struct h2 *h = ctx;
    int32_t id = frame->hd.stream_id;

    h->head_bytes = 0;
    h->status = 0;
    if (h->server && h->on->open && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        nghttp2_session_set_stream_user_data(session, id, h->on->open(h->owner, id));
    h->head_id = id;
    h->head_stream = nghttp2_session_get_stream_user_data(session, id);
    return 0;
}

/* The owner hears that the stream has ended now; nghttp2 closes it when it sends the reset. */
static void end_stream(struct h2 *h, int32_t id, void *stream, enum h2_end end, const char *why)
{
    nghttp2_session_set_stream_user_data(h->session, id, NULL);
    if (h->on->closed)
        h->on->closed(h->owner, stream, end, why);
}

static int three_digits(const uint8_t *s) /* nghttp2 has seen to it that they are */
{
    return (s[0] - '0') * 100 + (s[1] - '0') * 10 + (s[2] - '0');
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *ctx)
{
    struct h2 *h = ctx;
    void *stream = h->head_stream;
    struct h2_field f = {(const char *)name, (const char *)value, name_len, value_len, false};

    (void)session;
    (void)flags;
    h->head_bytes += (uint32_t)(name_len + value_len) + 32;
    if (h->head_bytes > H2_HEAD_MAX) {
        if (stream)
            end_stream(h, frame->hd.stream_id, stream, H2_BROKEN, "a head of more than 64 KiB");
        h->head_stream = NULL;
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    if (name_len == 7 && memcmp(name, ":status", 7) == 0)
        h->status = three_digits(value);
    if (stream && h->on->field)
        h->on->field(h->owner, stream, &f);
    return 0;
}

/* RFC 9113 8.1: interim heads come before the final one, trailers have no status. */
static enum h2_part part_of(const struct h2 *h, const nghttp2_frame *frame)
{
    if (h->server)
        return frame->headers.cat == NGHTTP2_HCAT_REQUEST ? H2_HEAD : H2_TRAILERS;
    return h->status == 0 ? H2_TRAILERS : h->status < 200 ? H2_INTERIM : H2_HEAD;
}

static void take_headers(struct h2 *h, const nghttp2_frame *frame, void *stream)
{
    enum h2_part part = part_of(h, frame);

    if (stream && part == H2_HEAD)
        h2_useful(h);
    if (stream && h->on->head)
        h->on->head(h->owner, stream, part);
}

static const char *name_of(uint32_t code)
{
    return code == NGHTTP2_NO_ERROR ? NULL : nghttp2_http2_strerror(code);
}

static void take_end(struct h2 *h, void *stream)
{
    if (stream)
        h2_useful(h);
    if (stream && h->on->end)
        h->on->end(h->owner, stream);
}

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
    int32_t id = frame->hd.stream_id;
    bool flagged = frame->hd.flags & NGHTTP2_FLAG_END_STREAM; /* or ACK, which is the same bit */
    struct h2 *h = ctx;

    if (frame->hd.type == NGHTTP2_HEADERS)
        take_headers(h, frame, h->head_stream);
    if ((frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) && flagged)
        take_end(h, nghttp2_session_get_stream_user_data(session, id));
    if (frame->hd.type == NGHTTP2_RST_STREAM)
        h->peer_reset = id;
    if (frame->hd.type == NGHTTP2_SETTINGS && !flagged && h->on->settings)
        h->on->settings(h->owner);
    if (frame->hd.type == NGHTTP2_PING && !flagged && h->on->ping)
        h->on->ping(h->owner);
    if (frame->hd.type == NGHTTP2_GOAWAY && h->on->goaway)
        h->on->goaway(h->owner, name_of(frame->goaway.error_code));
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                   size_t len, void *ctx)
{
    struct h2 *h = ctx;
    void *stream = nghttp2_session_get_stream_user_data(session, id);

    (void)flags;
    if (stream)
        h2_useful(h);
    if (stream && h->on->data)
        h->on->data(h->owner, stream, (const char *)data, len);
    return 0;
}

static int on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int error,
                            void *ctx)
{
    struct h2 *h = ctx;

    (void)session;
    (void)frame;
    h->reason = nghttp2_strerror(error);
    return 0;
}

static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
    struct h2 *h = ctx;
    void *stream;
    bool ends;

    if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR)
        fail(h, h->reason ? h->reason : nghttp2_http2_strerror(frame->goaway.error_code));
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return 0;
    if (frame->hd.type == NGHTTP2_DATA && frame->hd.length > 0)
        h2_useful(h); /* the peer's window updates have let it through */
    ends = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    if (ends ? !h->on->sent : frame->hd.type == NGHTTP2_DATA || h->server || !h->on->opened)
        return 0;
    stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (stream)
        (ends ? h->on->sent : h->on->opened)(h->owner, stream);
    return 0;
}

/* A request that was still waiting for its turn when the peer said GOAWAY. */
static int on_frame_not_send(nghttp2_session *session, const nghttp2_frame *frame, int error,
                             void *ctx)
{
    struct h2 *h = ctx;

    (void)session;
    if (frame->hd.type == NGHTTP2_HEADERS && error == NGHTTP2_ERR_START_STREAM_NOT_ALLOWED)
        h->not_sent = frame->hd.stream_id;
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *ctx)
{
    struct h2 *h = ctx;
    void *stream = nghttp2_session_get_stream_user_data(session, id);
    bool by_peer = h->peer_reset == id;

    h->peer_reset = 0;
    if (!stream || !h->on->closed)
        return 0;
    if (h->failure) /* it is us who have given up the connection */
        h->on->closed(h->owner, stream, H2_BROKEN, h->failure);
    else if (code == NGHTTP2_REFUSED_STREAM || h->not_sent == id)
        h->on->closed(h->owner, stream, H2_REFUSED, "not processed by the peer");
    else if (by_peer)
        h->on->closed(h->owner, stream, H2_RESET, nghttp2_http2_strerror(code));
    else if (code != NGHTTP2_NO_ERROR)
        h->on->closed(h->owner, stream, H2_BROKEN,
                      h->reason ? h->reason : nghttp2_http2_strerror(code));
    else
        h->on->closed(h->owner, stream, H2_DONE, NULL);
    return 0;
}

static void prepare(void)
{
    mem_check(nghttp2_session_callbacks_new(&callbacks) == 0 ? callbacks : NULL);
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_recv);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_send);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, on_frame_not_send);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    mem_check(nghttp2_option_new(&options) == 0 ? options : NULL);
    /* Closed streams would be kept for a priority tree that nobody asks for. */
    nghttp2_option_set_no_closed_streams(options, 1);
}

static void submit_settings(struct h2 *h, const struct h2_config *c)
{
    const nghttp2_settings_entry entries[] = {
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, c->window},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, H2_HEAD_MAX},
        {c->server ? NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS : NGHTTP2_SETTINGS_ENABLE_PUSH,
         c->server ? c->streams : 0},
    };

    if (nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, entries, 3) != 0 ||
        nghttp2_session_set_local_window_size(h->session, NGHTTP2_FLAG_NONE, 0,
                                              (int32_t)c->connection_window) != 0)
        bug("settings that nghttp2 does not take");
}

/*
 * A client's session has put the preface where it makes its frames: it is taken out now, before
 * another session of the pool makes one there.
 */
static void take_magic(struct h2 *h)
{
    const uint8_t *magic;

    if (h->server)
        return;
    if (nghttp2_session_mem_send(h->session, &magic) != H2_PREFACE_LEN)
        bug("a client session that does not begin with the preface");
    h->preface = true;
}

struct h2 *h2_new(const struct h2_config *c, const struct h2_events *events, void *owner)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    nghttp2_mem mem = {c->pool, h2_pool_alloc, h2_pool_release, h2_pool_calloc, h2_pool_realloc};
    struct h2 *h = xcalloc(1, sizeof(*h));

    pthread_once(&once, prepare);
    h->pool = c->pool;
    h->on = events;
    h->owner = owner;
    h->server = c->server;
    h2_pool_share(c->pool, true);
    if ((c->server ? nghttp2_session_server_new3 : nghttp2_session_client_new3)(
            &h->session, callbacks, h, options, c->pool ? &mem : NULL) != 0)
        abort();
    h2_pool_share(c->pool, false);
    take_magic(h);
    submit_settings(h, c);
    return h;
}

const void *h2_node(const struct h2 *h, int32_t id)
{
    return nghttp2_session_find_stream(h->session, id);
}

void h2_fetch_head(const struct h2 *h)
{
    mem_fetch(h, 0, sizeof(*h));
}

/* What a frame takes of nghttp2 1.52's session; see tls_warm.h. */
void h2_fetch(const struct h2 *h)
{
    mem_fetch(h->session, 0, 960);
    mem_fetch(h->session, 2304, 2928);
}

void h2_free(struct h2 *h)
{
    if (!h)
        return;
    nghttp2_session_del(h->session);
    free(h);
}

static ssize_t checked(struct h2 *h, ssize_t n)
{
    if (n == NGHTTP2_ERR_NOMEM)
        abort();
    if (n < 0)
        fail(h, nghttp2_strerror((int)n));
    return n;
}

void h2_receive(struct h2 *h, const char *data, size_t len)
{
    if (h->failure)
        return;
    checked(h, nghttp2_session_mem_recv(h->session, (const uint8_t *)data, len));
    h->idle_bytes += len;
    if (h->idle_bytes > IDLE_BYTES_MAX)
        fail(h, "the peer floods the connection with bytes that mean nothing");
}

/* The frame is copied before any other session of the pool makes one: they share the memory. */
size_t h2_send(struct h2 *h, char *out, size_t size)
{
    const uint8_t *frame;
    size_t len = 0;
    ssize_t n = 1;

    if (h->preface) {
        memcpy(out, H2_PREFACE, H2_PREFACE_LEN);
        len = H2_PREFACE_LEN;
        h->preface = false;
    }
    while (n > 0 && size - len >= H2_SEND_ROOM) {
        n = checked(h, nghttp2_session_mem_send(h->session, &frame));
        if (n > 0)
            memcpy(out + len, frame, (size_t)n);
        len += n > 0 ? (size_t)n : 0;
    }
    return len;
}

bool h2_wants_send(const struct h2 *h)
{
    return h->preface || nghttp2_session_want_write(h->session) != 0;
}

const char *h2_failure(const struct h2 *h)
{
    return h->failure;
}

bool h2_over(const struct h2 *h)
{
    return !nghttp2_session_want_read(h->session) && !nghttp2_session_want_write(h->session);
}

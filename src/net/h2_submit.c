/*
 * h2_submit.c - what the owner of a session says: requests, answers, bodies, ends.
 */
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "net/h2_state.h"

/* The library does not write to what it is given, whatever its types say. */
static void convert(const struct h2_field *from, int n, bool copy, nghttp2_nv to[H2_FIELDS_MAX])
{
    const uint8_t keep = copy ? 0 : NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE;

    if (n > H2_FIELDS_MAX)
        bug("%d fields", n);
    for (int i = 0; i < n; i++)
        to[i] = (nghttp2_nv){
            (uint8_t *)from[i].name,
            (uint8_t *)from[i].value,
            from[i].name_len,
            from[i].value_len,
            (uint8_t)(from[i].secret ? keep | NGHTTP2_NV_FLAG_NO_INDEX : keep),
        };
}

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *out, size_t size,
                         uint32_t *flags, nghttp2_data_source *source, void *ctx)
{
    struct h2 *h = ctx;
    void *stream = nghttp2_session_get_stream_user_data(session, id);
    bool last = false;
    ssize_t n;

    (void)source;
    if (!stream)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    n = h->on->read(h->owner, stream, (char *)out, size, &last);
    if (n == H2_LATER)
        return NGHTTP2_ERR_DEFERRED;
    if (n == H2_ABORT)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (last)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return n;
}

/* Anything else than what a caller cannot know of is a mistake of the caller. */
static int32_t submitted(int32_t result)
{
    if (result == NGHTTP2_ERR_NOMEM)
        abort();
    return result;
}

int32_t h2_request(struct h2 *h, const struct h2_field *fields, int n, bool body, void *stream)
{
    nghttp2_data_provider provider = {.read_callback = read_body};
    nghttp2_nv nv[H2_FIELDS_MAX];
    int32_t id;

    convert(fields, n, false, nv);
    h2_useful(h);
    id = submitted(
        nghttp2_submit_request(h->session, NULL, nv, (size_t)n, body ? &provider : NULL, stream));
    return id < 0 ? -1 : id;
}

int32_t h2_open(struct h2 *h, const struct h2_field *fields, int n, void *stream)
{
    nghttp2_nv nv[H2_FIELDS_MAX];
    int32_t id;

    convert(fields, n, false, nv);
    h2_useful(h);
    id = submitted(
        nghttp2_submit_headers(h->session, NGHTTP2_FLAG_NONE, -1, NULL, nv, (size_t)n, stream));
    return id < 0 ? -1 : id;
}

void h2_respond(struct h2 *h, int32_t id, const struct h2_field *fields, int n, bool body)
{
    nghttp2_data_provider provider = {.read_callback = read_body};
    nghttp2_nv nv[H2_FIELDS_MAX];

    convert(fields, n, true, nv);
    submitted(nghttp2_submit_response(h->session, id, nv, (size_t)n, body ? &provider : NULL));
}

void h2_interim(struct h2 *h, int32_t id, const struct h2_field *fields, int n)
{
    nghttp2_nv nv[H2_FIELDS_MAX];

    convert(fields, n, true, nv);
    submitted(nghttp2_submit_headers(h->session, 0, id, NULL, nv, (size_t)n, NULL));
}

void h2_respond_open(struct h2 *h, int32_t id, const struct h2_field *fields, int n)
{
    h2_interim(h, id, fields, n); /* nghttp2 sees by the stream's state that it is the answer */
}

bool h2_data(struct h2 *h, int32_t id)
{
    nghttp2_data_provider provider = {.read_callback = read_body};

    return submitted(nghttp2_submit_data(h->session, NGHTTP2_FLAG_NONE, id, &provider)) !=
           NGHTTP2_ERR_DATA_EXIST;
}

void h2_trailers(struct h2 *h, int32_t id, const struct h2_field *fields, int n)
{
    nghttp2_nv nv[H2_FIELDS_MAX];

    convert(fields, n, true, nv);
    submitted(nghttp2_submit_trailer(h->session, id, nv, (size_t)n));
}

void h2_set_stream(struct h2 *h, int32_t id, void *stream)
{
    if (id == h->head_id)
        h->head_stream = stream;
    nghttp2_session_set_stream_user_data(h->session, id, stream);
}

void h2_resume(struct h2 *h, int32_t id)
{
    submitted(nghttp2_session_resume_data(h->session, id));
}

void h2_cancel(struct h2 *h, int32_t id, enum h2_cancel code)
{
    static const uint32_t codes[] = {NGHTTP2_CANCEL, NGHTTP2_INTERNAL_ERROR, NGHTTP2_NO_ERROR};

    if (id == h->head_id)
        h->head_stream = NULL;
    nghttp2_session_set_stream_user_data(h->session, id, NULL);
    submitted(nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, id, codes[code]));
}

void h2_shutdown(struct h2 *h)
{
    int32_t last = nghttp2_session_get_last_proc_stream_id(h->session);

    submitted(
        nghttp2_submit_goaway(h->session, NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, NULL, 0));
}

void h2_goaway(struct h2 *h, enum h2_goaway code, const char *text)
{
    static const uint32_t codes[] = {NGHTTP2_INTERNAL_ERROR, NGHTTP2_ENHANCE_YOUR_CALM};
    int32_t last = nghttp2_session_get_last_proc_stream_id(h->session);

    submitted(nghttp2_submit_goaway(h->session, NGHTTP2_FLAG_NONE, last, codes[code],
                                    (const uint8_t *)text, strlen(text)));
}

void h2_ping(struct h2 *h)
{
    submitted(nghttp2_submit_ping(h->session, NGHTTP2_FLAG_NONE, NULL));
}

uint32_t h2_peer_streams(const struct h2 *h)
{
    return nghttp2_session_get_remote_settings(h->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}

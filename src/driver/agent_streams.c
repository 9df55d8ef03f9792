/*
 * agent_streams.c - what a link carries: calls as streams of HTTP/2, their messages and how they
 * end.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "driver/agent_link.h"

/* The fields of an answer's head or trailers; both are short lists. */
static void on_field(void *owner, void *stream, const struct h2_field *f)
{
    struct link_head *h = &((struct link *)owner)->all->head;
    enum grpc_code code;

    (void)stream;
    if (f->name_len == 7 && memcmp(f->name, ":status", 7) == 0) {
        *h = (struct link_head){.code = -1};
        for (size_t i = 0; i < f->value_len && i < 3; i++)
            h->status = h->status * 10 + (f->value[i] - '0');
    } else if (f->name_len == 12 && memcmp(f->name, "content-type", 12) == 0) {
        h->typed = grpc_content_type(f->value, f->value_len);
        grpc_message_decode(f->value, f->value_len, h->type, sizeof(h->type));
    } else if (f->name_len == 11 && memcmp(f->name, "grpc-status", 11) == 0) {
        h->code = grpc_code_parse(f->value, f->value_len, &code) ? (int)code : -1;
    } else if (f->name_len == 12 && memcmp(f->name, "grpc-message", 12) == 0) {
        grpc_message_decode(f->value, f->value_len, h->why, sizeof(h->why));
    }
}

static void finish(struct link *l, struct stream *s, const struct stream_end *end)
{
    s->id = 0;
    stream_free(s);
    s->kind->ended(l, s, end);
}

static void conclude(struct link *l, struct stream *s, enum outcome outcome, int code,
                     const char *why)
{
    const struct stream_end end = {outcome, code, false, why};

    finish(l, s, &end);
}

/* The call ended with a status. */
static void quote(struct link *l, struct stream *s, const struct link_head *h)
{
    const struct stream_end end = {h->code == GRPC_OK ? OP_OK : OP_UNEXPECTED, h->code, false,
                                   h->why, true};

    finish(l, s, &end);
}

/* The call is over for us; the server has to be told. */
static void give_up(struct link *l, struct stream *s, enum outcome outcome, int code,
                    const char *why)
{
    h2_cancel(l->h2, s->id, H2_CANCEL);
    link_dirty(l);
    conclude(l, s, outcome, code, why);
}

static void on_head(void *owner, void *stream, enum h2_part part)
{
    struct link *l = owner;
    struct stream *s = stream;
    const struct link_head *h = &l->all->head;
    char why[160];

    if (part != H2_HEAD)
        return;
    if (h->status == 200 && h->typed)
        return;
    if (h->status != 200)
        snprintf(why, sizeof(why), "HTTP status %d in place of a gRPC answer", h->status);
    else
        snprintf(why, sizeof(why), "content type \"%s\" in place of application/grpc", h->type);
    give_up(l, s, OP_UNEXPECTED, (int)grpc_code_of_http(h->status), why);
}

static void on_data(void *owner, void *stream, const char *data, size_t len)
{
    struct link *l = owner;
    struct stream *s = stream;
    struct grpc_span in = {data, len}, m;
    enum grpc_event what = GRPC_MORE;
    const char *why = NULL;

    while (s->id && !why &&
           (what = grpc_next(&s->reader, &in, GRPC_MESSAGE_MAX, &m)) == GRPC_MESSAGE)
        why = s->kind->message(l, s, m);
    if (!s->id)
        return;
    if (!why && what == GRPC_COMPRESSED)
        why = "a compressed message, though no compression was agreed on";
    else if (!why && what == GRPC_TOO_LARGE)
        why = "a message of more than 4 MiB";
    if (why)
        give_up(l, s, OP_PROTOCOL, GRPC_INTERNAL, why);
}

/* The server has said all, in trailers or with its head alone. */
static void on_end(void *owner, void *stream)
{
    struct link *l = owner;
    struct stream *s = stream;
    const struct link_head *h = &l->all->head;

    if (s->said_all)
        h2_set_stream(l->h2, s->id, NULL);
    else
        h2_cancel(l->h2, s->id, H2_CANCEL_NONE);
    link_dirty(l);
    if (!grpc_reader_is_clean(&s->reader))
        conclude(l, s, OP_PROTOCOL, GRPC_INTERNAL, "the call ended inside a message");
    else if (h->code < 0)
        conclude(l, s, OP_PROTOCOL, GRPC_UNKNOWN, "the call ended without grpc-status");
    else
        quote(l, s, h);
}

static void on_closed(void *owner, void *stream, enum h2_end how, const char *why)
{
    static const enum outcome outcomes_of[] = {[H2_DONE] = OP_PROTOCOL,
                                               [H2_REFUSED] = OP_RESET,
                                               [H2_RESET] = OP_RESET,
                                               [H2_BROKEN] = OP_PROTOCOL};
    const struct link *l = owner;
    bool one = how == H2_REFUSED && l->state == LINK_OPEN; /* the connection goes on without it */
    char text[128];
    const struct stream_end end = {outcomes_of[how], GRPC_UNAVAILABLE, how == H2_REFUSED && !one,
                                   text};

    if (one)
        snprintf(text, sizeof(text), "stream reset by the server: REFUSED_STREAM");
    else if (how == H2_RESET)
        snprintf(text, sizeof(text), "stream reset by the server: %s", why);
    else
        snprintf(text, sizeof(text), "%s", why ? why : "the call ended without grpc-status");
    finish(owner, stream, &end);
}

static void on_opened(void *owner, void *stream)
{
    struct stream *s = stream;
    struct link *l = owner;

    s->node = h2_node(l->h2, s->id);
    if (s->kind->opened)
        s->kind->opened(owner, s);
}

static ssize_t on_read(void *owner, void *stream, char *out, size_t size, bool *last)
{
    struct stream *s = stream;
    ssize_t n = s->kind->read(owner, s, out, size, last);

    s->said_all = *last && !s->in_pieces;
    return n;
}

static void on_goaway(void *owner, const char *code)
{
    struct link *l = owner;

    l->goaway = code;
    if (code && strcmp(code, "ENHANCE_YOUR_CALM") == 0)
        link_calm(l);
    link_drain(l);
}

const struct h2_events link_events = {
    .field = on_field,
    .head = on_head,
    .data = on_data,
    .end = on_end,
    .read = on_read,
    .closed = on_closed,
    .opened = on_opened,
    .goaway = on_goaway,
};

static bool begun(struct link *l, struct stream *s, int32_t id)
{
    if (id < 0) {
        l->state = LINK_DRAINING; /* 2^30 streams on one connection */
        return false;
    }
    s->id = id;
    s->node = NULL;
    s->said_all = false;
    link_dirty(l);
    return true;
}

bool stream_open(struct link *l, struct stream *s, const struct h2_field *fields, int n)
{
    s->in_pieces = true;
    return l->state == LINK_OPEN && begun(l, s, h2_open(l->h2, fields, n, s));
}

bool stream_call(struct link *l, struct stream *s, const struct h2_field *fields, int n)
{
    s->in_pieces = false;
    return l->state == LINK_OPEN && begun(l, s, h2_request(l->h2, fields, n, true, s));
}

void stream_put(struct link *l, struct stream *s)
{
    h2_data(l->h2, s->id);
    link_dirty(l);
}

void stream_resume(struct link *l, struct stream *s)
{
    h2_resume(l->h2, s->id);
    link_dirty(l);
}

void stream_cancel(struct link *l, struct stream *s)
{
    if (s->id && l->h2) {
        h2_cancel(l->h2, s->id, H2_CANCEL);
        link_dirty(l);
    }
    s->id = 0;
    stream_free(s);
}

void stream_free(struct stream *s)
{
    grpc_reader_free(&s->reader);
}

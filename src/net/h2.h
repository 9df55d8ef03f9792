/*
 * h2.h - one HTTP/2 connection (RFC 9113), of a client or a server, without I/O; on nghttp2.
 *
 * Bytes go in through h2_receive() and come back as events; requests and answers go in through
 * h2_request() and h2_respond() and come out of h2_send() as bytes, as many frames in one go as
 * there is room for.  SETTINGS, PING and flow control answer themselves, so that after h2_receive()
 * there may be something to send.
 *
 * A stream is known to its owner by a pointer of the owner's.  After its closed() event, or after
 * h2_cancel(), there are no further events of it.  h2_request(), h2_respond(), h2_resume() and
 * h2_cancel() may be called from an event; h2_receive(), h2_send() and h2_free() may not.
 *
 * What a peer may do is bounded: a head by H2_HEAD_MAX, frames that carry nothing (empty DATA,
 * PING, SETTINGS, PRIORITY, interim answers, WINDOW_UPDATE) by H2_IDLE_MAX in a row, during which
 * no body went out either, unknown ones by their bytes,
 * continuations, unsent acknowledgements and resets of streams by nghttp2.  Beyond that, and
 * whenever it breaks the rules for a connection, h2_failure() says why; the owner then closes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define H2_PREFACE     "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" /* RFC 9113 3.4 */
#define H2_PREFACE_LEN 24
#define H2_HEAD_MAX    (64 << 10) /* names, values and 32 bytes a field (RFC 9113 6.5.2) */
#define H2_IDLE_MAX    10000
#define H2_SEND_ROOM   (17 << 10) /* the largest frame, and a little */
#define H2_NODE_BYTES  224        /* of a stream, in nghttp2 1.52 */
#define H2_FIELDS_MAX  160        /* of a head that is sent */

struct h2;
struct h2_pool;

struct h2_field {
    const char *name, *value; /* the name in lower case */
    size_t name_len, value_len;
    bool secret; /* never in a compression table (RFC 7541 7.1.3) */
};

enum h2_part { H2_INTERIM, H2_HEAD, H2_TRAILERS };

enum h2_end {
    H2_DONE,    /* both sides have said all */
    H2_REFUSED, /* the peer has not processed it: it may be sent again (RFC 9113 8.7) */
    H2_RESET,   /* by the peer */
    H2_BROKEN,  /* the peer broke the rules on it */
};

enum { H2_LATER = -1, H2_ABORT = -2 }; /* of read() */

struct h2_events { /* any may be NULL */
    /* Server: a request begins; its stream, which h2_respond() knows by `id`. */
    void *(*open)(void *owner, int32_t id);
    void (*field)(void *owner, void *stream, const struct h2_field *f);
    /* A head is complete; its fields came before. */
    void (*head)(void *owner, void *stream, enum h2_part part);
    void (*data)(void *owner, void *stream, const char *data, size_t len);
    void (*end)(void *owner, void *stream);  /* the peer has said all */
    void (*sent)(void *owner, void *stream); /* our side went out of h2_send() to its end */
    /* Client: the head of h2_open() went out; from now on h2_data() may be called. */
    void (*opened)(void *owner, void *stream);
    /* The next bytes of our side's body; H2_LATER: after h2_resume(); H2_ABORT: reset it. */
    ssize_t (*read)(void *owner, void *stream, char *out, size_t size, bool *last);
    void (*closed)(void *owner, void *stream, enum h2_end end, const char *why);
    void (*settings)(void *owner); /* the peer's have come; see h2_peer_streams() */
    /* No new streams; those not processed are H2_REFUSED.  `code`: of its error, or NULL. */
    void (*goaway)(void *owner, const char *code);
    void (*ping)(void *owner); /* the peer asks for a sign of life; it is given by itself */
};

struct h2_config {
    bool server;
    uint32_t streams;                   /* server: at a time */
    uint32_t window, connection_window; /* bytes of data in flight towards us */
    struct h2_pool *pool;               /* of this thread, see h2_pool.h; NULL: none */
};

/* Keeps `events` and `owner`.  The preface and the settings are ready to be sent. */
struct h2 *h2_new(const struct h2_config *c, const struct h2_events *events, void *owner);
void h2_free(struct h2 *h); /* no events; NULL is fine */

/*
 * Begin to bring into the cache what sending and receiving use: first where that is, and what it is
 * when that has come.
 */
const void *h2_node(const struct h2 *h, int32_t id); /* where nghttp2 has it; for mem_fetch() */
void h2_fetch_head(const struct h2 *h);
void h2_fetch(const struct h2 *h);

void h2_receive(struct h2 *h, const char *data, size_t len);

/* Frames, at most `size` (at least H2_SEND_ROOM) bytes; 0: nothing to send for now. */
size_t h2_send(struct h2 *h, char *out, size_t size);
bool h2_wants_send(const struct h2 *h);

/* Why the connection cannot go on, known after h2_send() at the latest; NULL: it can. */
const char *h2_failure(const struct h2 *h);
bool h2_over(const struct h2 *h); /* both sides are done with it */

/*
 * Begins a stream: its id.  With `body`, read() gives it.  -1: the ids are used up.  The fields
 * stay where they are until the stream's first event or h2_cancel().
 */
int32_t h2_request(struct h2 *h, const struct h2_field *fields, int n, bool body, void *stream);
/* The same, with pieces whenever there are some: see h2_data(). */
int32_t h2_open(struct h2 *h, const struct h2_field *fields, int n, void *stream);
/* The fields are copied. */
void h2_respond(struct h2 *h, int32_t id, const struct h2_field *fields, int n, bool body);
void h2_interim(struct h2 *h, int32_t id, const struct h2_field *fields, int n);

/*
 * An answer without a plan: its head, then pieces whenever there are some, at last trailers.  After
 * h2_data(), read() is asked until it says "last", which ends the piece and not the stream; asking
 * again meanwhile is fine.  A stream that rests costs nothing but itself.  h2_data() is false if
 * the piece before is not quite out: it has to be asked again when h2_send() has no more.
 */
void h2_respond_open(struct h2 *h, int32_t id, const struct h2_field *fields, int n);
bool h2_data(struct h2 *h, int32_t id);
void h2_trailers(struct h2 *h, int32_t id, const struct h2_field *fields, int n);

void h2_set_stream(struct h2 *h, int32_t id, void *stream); /* the owner's pointer, from now on */
void h2_resume(struct h2 *h, int32_t id);

/* RST_STREAM; its owner wants no more events of it. */
enum h2_cancel { H2_CANCEL, H2_CANCEL_INTERNAL, H2_CANCEL_NONE };
void h2_cancel(struct h2 *h, int32_t id, enum h2_cancel code);

/* GOAWAY: what has begun is served, nothing new is taken. */
void h2_shutdown(struct h2 *h);

/* GOAWAY with an error: nothing is served any more; h2_failure() is set once it has been sent. */
enum h2_goaway { H2_GOAWAY_INTERNAL, H2_GOAWAY_CALM };
void h2_goaway(struct h2 *h, enum h2_goaway code, const char *text);
void h2_ping(struct h2 *h);

uint32_t h2_peer_streams(const struct h2 *h); /* how many it takes at a time */

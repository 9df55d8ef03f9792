/*
 * exchange.h - one request and the reply it is due, without I/O.
 *
 * Bytes go in through exchange_read() until it is ready, perhaps by way of an errand; then `plan`
 * says when the reply leaves, and `reply` gives its bytes.  exchange_clear() makes it ready for the
 * next request.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "net/http1.h"
#include "target/program.h"
#include "target/reply.h"

struct errand;
struct request;
struct server;

enum exchange_state {
    EXCHANGE_HEAD, /* between requests, or inside a head */
    EXCHANGE_BODY,
    EXCHANGE_ASKED, /* a page that waits has to be asked: errand_send() */
    EXCHANGE_READY, /* there is a reply */
};

struct exchange {
    struct server *server;
    enum exchange_state state;
    struct http1 parser;
    const struct route *route;
    struct plan plan;
    uint64_t arrival_ns; /* when the head was complete */
    uint64_t body_len;
    struct buf kept;       /* head and body, for a page that reads bodies */
    uint32_t kept_head;    /* of which the head */
    struct errand *errand; /* on its way; or NULL */
    int64_t fill;          /* bytes of filling in place of the page's body; -1: the page's own */
    int status;            /* in place of the page's own; 0 */
    bool counted;          /* it has a number in the ledger */
    bool stamps;
    bool streamed; /* over HTTP/2 */
    bool refused;  /* what is unread of it never will be read */
    struct reply reply;
};

void exchange_init(struct exchange *x, struct server *s);

/*
 * Reads what it can use of `len` bytes that were read at `now`, not beyond the end of the request;
 * how much that was.  Interim answers are appended to `out`, to go out at once.
 */
size_t exchange_read(struct exchange *x, const char *data, size_t len, uint64_t now,
                     struct buf *out);

/*
 * The same for a request that comes in parts, as HTTP/2's does: its head in the form of HTTP/1.1,
 * then any body, then its end.
 */
void exchange_head(struct exchange *x, const char *head, size_t len, uint64_t now,
                   struct buf *interim);
void exchange_body(struct exchange *x, const char *data, size_t len, uint64_t now);
void exchange_end(struct exchange *x, uint64_t now);

/* The request whose head and body, `len` bytes together, were kept. */
void exchange_request(const char *kept, size_t head, size_t len, const struct http1 *p,
                      struct request *rq);

/* The page has been asked, and this is its answer; takes it. */
void exchange_take(struct exchange *x, struct reply *answer, uint64_t now);

/* Answers with an error at once; the connection closes after it.  `text` is copied. */
void exchange_refuse(struct exchange *x, uint16_t status, const char *text, uint64_t now);

/* Appends the reply's head.  `now` is for its stamps. */
void exchange_reply_head(const struct exchange *x, const char *date, uint64_t now, struct buf *out);

/* The last byte has left, or the connection was reset in its place: into the ledger. */
void exchange_answered(const struct exchange *x, uint64_t now);
void exchange_clear(struct exchange *x);

/*
 * http.h - the inside of the http driver: http.c has the options and what is done once,
 * http_lane.c the connections of a lane, http_exchange.c what one request and its answer are in any
 * version of HTTP, http_h1.c and http_h2.c how each version puts them on a connection.
 */
#pragma once

#include <sys/queue.h>

#include "base/timers.h"
#include "driver/driver.h"
#include "driver/request.h"
#include "net/conn.h"
#include "net/h2.h"
#include "net/http1.h"

extern const struct driver driver_http;

enum http_metric {
    HTTP_REQS,
    HTTP_FAILED,
    HTTP_DURATION,
    HTTP_BLOCKED,
    HTTP_CONNECTING,
    HTTP_TLS,
    HTTP_SENDING,
    HTTP_WAITING,
    HTTP_RECEIVING,
    HTTP_LAG,
    HTTP_OPENED,
    HTTP_RESUMED,
    HTTP_RETRIES,
    HTTP_METRICS,
};

enum http_version { HTTP_1, HTTP_2, HTTP_AUTO, HTTP_2_CLEAR }; /* `protocol:` */

enum connection { CONNECTION_KEEP, CONNECTION_NEW, CONNECTION_RESUME };

struct http_opts {
    struct request_opts request; /* first, for REQUEST_ROWS */
    int connection, protocol;
    int64_t streams, connections, max_body;
    bool streams_given;
    const struct node *requests;
    const struct bind *bind; /* of the map, if it has requests */
};

struct http_list { /* a request's head as HTTP/2 has it, and its body */
    struct h2_field *fields;
    int n;
    const char *body;
    size_t body_len;
};

struct http_job {
    const struct http_opts *opts;
    struct request **requests; /* the mix; part i+1 if there are parts */
    struct http_list *lists;   /* of the requests that are the same every time */
    uint64_t *shares;          /* sums of the weights up to each */
    int count;
    bool parts;
    enum http_version version;
    int streams; /* operations that one connection carries at a time, at most */
    struct conn_route route;
    enum connection connection;
    size_t bound;    /* of any request's rendering */
    char **captured; /* CAPTURED_MAX bytes for each capture of a single operation; NULL: more */
};

#define CAPTURED_MAX  (64 << 10)

#define SCRATCH_BYTES (128 << 10) /* the largest head and at least as much again */
#define HEAD_BYTES    (64 << 10)
#define SEND_BYTES    (64 << 10) /* of HTTP/2 frames in one write */

TAILQ_HEAD(http_ops, http_op);
TAILQ_HEAD(http_conns, http_conn);

/*
 * A connection is closed and in `closed`, or it has been opened.  Then it carries `used` operations
 * and is in `open` as long as it can take another; if it is not to take any more (`ending`) it
 * closes when the last has left.  While it connects it takes operations that it will begin later.
 */
struct http_lane {
    struct lane *lane;
    struct http_job *job;
    struct http_conn *conns; /* one for each operation */
    struct http_conns closed, open;
    struct http_conn *dirty; /* have something to send; by next_dirty */
    struct http_ops waiting; /* for a connection, because all are full and there may be no more */
    int opened, limit;       /* connections that are not closed; and at most */
    char *scratch;           /* what is received is read here first */
    char *out;               /* frames on their way to a connection; NULL: HTTP/1.1 alone */
    struct h2_pool *pool;
    uint64_t flush_ns;
    unsigned turn;    /* of the source addresses */
    bool single_file; /* HTTP_AUTO: the last connection spoke HTTP/1.1 */
};

struct http_conn {
    struct conn conn; /* first: ready() casts */
    struct http_lane *lane;
    const struct http_protocol *protocol; /* once it is open */
    struct http_ops ops;
    TAILQ_ENTRY(http_conn) link; /* of `closed` or `open` */
    struct http_conn *next_dirty;
    int used, room;
    unsigned turn;
    bool listed; /* in `open` */
    bool ending, dirty;
    bool busy;   /* inside events of its session, where it cannot close */
    bool proven; /* it has carried an answer */
    bool primed; /* an earlier connection of the slot has: there is a session to resume, or it is
                    missing */
    struct http1 parser;
    struct h2 *h2;
    const char *goaway;      /* the peer's reason to say so */
    uint64_t sent, received; /* bytes that no operation has been told of yet */
    char *rest; /* HTTP/1.1: an unfinished head or line, to be presented again; HTTP/2: unsent */
    uint32_t rest_len, rest_cap;
};

struct http_op {
    struct op *op;
    struct http_conn *conn;    /* NULL: waiting, or no operation */
    TAILQ_ENTRY(http_op) link; /* of its connection, or of those that wait */
    const struct request *request;
    const struct http_list *list; /* HTTP/2 */
    struct http_list own;         /* of a message that differs every time */
    const char *bytes;
    size_t len, sent;
    char *rendered;     /* memory for a message that differs every time */
    struct timer timer; /* may fire early: `deadline` decides */
    uint64_t timer_at, deadline;
    uint64_t send_ns, sent_ns, first_ns, last_ns;
    uint64_t sent_bytes, received;
    char *kept; /* the answer, if it is looked into */
    size_t kept_head, kept_len, kept_cap;
    int32_t stream; /* 0: none */
    uint16_t status;
    uint8_t retries; /* times that it went out again */
    bool active, waiting, fresh, headed, cut;
};

struct http_protocol {
    void (*open)(struct http_conn *c);             /* it has just been connected */
    void (*send)(struct http_op *h, uint64_t now); /* begins its request */
    void (*ready)(struct http_conn *c);            /* something may have moved */
    void (*flush)(struct http_conn *c);            /* sends what was gathered; or NULL */
    void (*cancel)(struct http_op *h);             /* it leaves before its answer is complete */
};
extern const struct http_protocol http_h1, http_h2;

/* http_lane.c */
bool http_start(struct lane *lane, struct err *e);
void http_fire(struct lane *lane, struct op *op);
void http_flush(struct lane *lane);
void http_stop(struct lane *lane);
/* Puts it on a connection, on a new one if it is not to meet the same end again; or lets it wait.
 */
void http_place(struct http_op *h, uint64_t now);
void http_leave(struct http_op *h);    /* its connection is ready for others, or closes */
void http_settle(struct http_conn *c); /* as its `used`, `room` and `ending` have it now */
void http_dirty(struct http_conn *c);

/* http_exchange.c */
void http_begin(struct http_op *h);
void http_open(struct http_op *h, uint64_t now); /* its connection */
void http_ready(struct conn *c);
void http_expire(struct timer *t, uint64_t now);
void http_sending(struct http_op *h, uint64_t now);
enum http_kept { HTTP_KEEP_HEAD, HTTP_KEEP_BODY };
void http_keep(struct http_op *h, const char *data, size_t len, enum http_kept part);
void http_complete(struct http_op *h);
void http_fail(struct http_op *h, enum outcome outcome, const char *why, uint64_t now);
void http_refused(struct http_op *h, const char *why); /* the peer has not processed it */
/* The connection is over, and with it what it carries. */
void http_break(struct http_conn *c, enum outcome outcome, const char *why);

/* http_h2.c */
void http_list_make(struct http_list *list, char *bytes, size_t len, bool secure);

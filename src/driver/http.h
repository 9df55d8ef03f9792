/*
 * http.h - the inside of the http driver: http.c has the options and what is done once,
 * http_lane.c the connections of a lane, http_exchange.c one request and its answer.
 */
#pragma once

#include "base/timers.h"
#include "driver/driver.h"
#include "driver/request.h"
#include "net/conn.h"
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
    HTTP_OPENED,
    HTTP_RESUMED,
    HTTP_RETRIES,
    HTTP_METRICS,
};

enum connection { CONNECTION_KEEP, CONNECTION_NEW, CONNECTION_RESUME };

struct http_opts {
    struct request_opts request; /* first, for REQUEST_ROWS */
    int connection, protocol;
    int64_t max_body;
    const struct node *requests;
    const struct bind *bind; /* of the map, if it has requests */
};

struct http_job {
    const struct http_opts *opts;
    struct request **requests; /* the mix; part i+1 if there are parts */
    uint64_t *shares;          /* sums of the weights up to each */
    int count;
    bool parts;
    struct conn_route route;
    enum connection connection;
    size_t bound;    /* of any request's rendering */
    char **captured; /* CAPTURED_MAX bytes for each capture of a single operation; NULL: more */
};

#define CAPTURED_MAX  (64 << 10)

#define SCRATCH_BYTES (128 << 10) /* the largest head and at least as much again */
#define HEAD_BYTES    (64 << 10)

struct http_lane {
    struct lane *lane;
    struct http_job *job;
    struct http_conn *conns; /* one for each operation */
    struct http_conn *free;  /* closed ones, by `next` */
    struct http_conn *idle;  /* open ones, the last used first */
    char *scratch;           /* what is received is read here first */
    unsigned turn;           /* of the source addresses */
};

struct http_conn {
    struct conn conn; /* first: ready() casts */
    struct http_lane *lane;
    struct http_op *op; /* NULL: idle or closed */
    struct http_conn *next, *prev;
    struct http1 parser;
    char *rest; /* an unfinished head or line, to be presented again */
    uint32_t rest_len, rest_cap;
};

struct http_op {
    struct op *op;
    struct http_conn *conn; /* NULL: no operation */
    const struct request *request;
    const char *bytes;
    size_t len, sent;
    char *rendered;     /* memory for a message that differs every time */
    struct timer timer; /* may fire early: `deadline` decides */
    uint64_t timer_at, deadline;
    uint64_t send_ns, sent_ns, first_ns, last_ns;
    uint64_t received;
    char *kept; /* the answer, if it is looked into */
    size_t kept_head, kept_len, kept_cap;
    uint32_t turn;
    bool fresh, retried, cut;
};

/* http_lane.c */
bool http_start(struct lane *lane, struct err *e);
void http_fire(struct lane *lane, struct op *op);
void http_stop(struct lane *lane);
struct http_conn *http_take(struct http_lane *l, bool *open); /* a kept one if there is one */
struct http_conn *http_take_closed(struct http_lane *l);
void http_keep(struct http_conn *c);
void http_drop(struct http_conn *c);

/* http_exchange.c */
void http_begin(struct http_op *h);
void http_ready(struct conn *c); /* of a connection with an operation */
void http_expire(struct timer *t, uint64_t now);

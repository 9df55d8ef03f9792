/*
 * fetch.h - what drivers share that have libcurl make their requests: how a target becomes a
 * request, handles that wait for the next one, and what is measured of each.
 */
#pragma once

#include "driver/driver.h"
#include "net/attempt.h"

struct target;
struct transfer;
struct transfer_answer;
struct transfers;

enum fetch_metric {
    FETCH_REQS,
    FETCH_FAILED,
    FETCH_DURATION,
    FETCH_BLOCKED,
    FETCH_CONNECTING,
    FETCH_TLS,
    FETCH_WAITING,
    FETCH_RECEIVING,
    FETCH_OPENED,
    FETCH_METRICS,
};

/* Their rows in a driver's table, the first one at index `at`. */
#define FETCH_ROWS(at) \
    [(at) + \
        FETCH_REQS] = {"http_reqs", METRIC_COUNTER, UNIT_NONE, "requests", true}, \
        [(at) + \
            FETCH_FAILED] = {"http_req_failed", METRIC_RATE, UNIT_RATIO, \
                             "requests without an answer, or whose answer made their part fail", \
                             false}, \
        [(at) + FETCH_DURATION] = {"http_req_duration", METRIC_TREND, UNIT_TIME, \
                                   "sending, waiting and receiving together, without connecting", \
                                   false}, \
        [(at) + FETCH_BLOCKED] = {"http_req_blocked", METRIC_TREND, UNIT_TIME, \
                                  "from the request's turn to its connection's first action", \
                                  false}, \
        [(at) + FETCH_CONNECTING] = {"http_req_connecting", METRIC_TREND, UNIT_TIME, \
                                     "TCP connects; a reused connection gives no sample", false}, \
        [(at) + FETCH_TLS] = {"http_req_tls_handshaking", METRIC_TREND, UNIT_TIME, \
                              "TLS handshakes; a reused connection gives no sample", false}, \
        [(at) + FETCH_WAITING] = {"http_req_waiting", METRIC_TREND, UNIT_TIME, \
                                  "from the connection ready to the first byte of the answer", \
                                  false}, \
        [(at) + FETCH_RECEIVING] = {"http_req_receiving", METRIC_TREND, UNIT_TIME, \
                                    "from the first byte of the answer to its last", false}, \
        [(at) + FETCH_OPENED] = {"connections_opened", METRIC_COUNTER, UNIT_NONE, \
                                 "connections established for requests", false}

/* Of one request, on the part that the operation is at; `failed`: it made that part fail. */
void fetch_report(struct op *op, int at, const struct transfer_answer *t, bool failed);

/* A request to the target, as far as the target says what it is like. */
struct attempt_request fetch_request(const struct target *t);

struct fetch_pool { /* handles for one method that nothing uses now; {0} is empty */
    struct transfer **v;
    int n, cap;
};
struct transfer *fetch_take(struct fetch_pool *p, struct transfers *ts); /* NULL: no memory */
void fetch_give(struct fetch_pool *p, struct transfer *t);
void fetch_pool_free(struct fetch_pool *p);

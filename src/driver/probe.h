/* probe.h - a probe while it runs; for probe.c, which knows the lane, and probe_try.c, its threads.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "driver/driver.h"
#include "driver/request.h"
#include "net/attempt.h"

struct event;

struct probe_opts {
    struct request_opts request; /* first: REQUEST_ROWS counts on it */
    int64_t within, every;
};

struct probe_job {
    const struct request *request; /* NULL: connect alone */
    const char *host;              /* to connect to */
    uint16_t port;
    char **captured; /* of a single operation; NULL: more */
};

struct probe_lane {
    struct event *event;
    pthread_mutex_t lock;
    struct probe_op *finished; /* under the lock */
    int done_fd, cancel_fd;    /* the latter is readable once the lane stops */
    volatile int cancelled;
    bool open;
};

struct probe_op {
    struct op *op;
    struct probe_op *next; /* in the finished list */
    pthread_t thread;
    bool busy;

    struct buf url, headers, body; /* of the request; constant while the thread runs */
    const char **header_lines;
    uint64_t start_ns;

    struct buf head, content; /* what the thread found */
    long status;
    bool answered;
    int tries;
    enum outcome outcome;
    char why[WHY_MAX];
};

void *probe_run(void *op); /* the thread of a struct probe_op */

/* The answer as expectations see it; to be released. */
struct answer probe_answer_of(const struct probe_op *x);

/* How an operation ends whose one try failed like this; for every driver on net/attempt.h. */
enum outcome probe_outcome(enum attempt_failure f);

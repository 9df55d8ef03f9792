/*
 * flow.h - the inside of the flow driver: flow.c has the options and what is done once,
 * flow_parts.c reads the parts, flow_run.c goes through them, flow_request.c makes one try of a
 * part that is a request and flow_check.c of one that is a check of a served certificate.
 */
#pragma once

#include "base/buf.h"
#include "base/timers.h"
#include "driver/driver.h"
#include "driver/fetch.h"
#include "driver/request.h"
#include "net/conn.h"
#include "net/tls_facts.h"

struct tls_expect;
struct transfer;
struct transfers;

extern const struct driver driver_flow;

enum flow_metric {
    FLOW_PART_DURATION,
    FLOW_PART_FAILED,
    FLOW_PART_TRIES,
    FLOW_HTTP,
    FLOW_TCP_CONNECTING = FLOW_HTTP + FETCH_METRICS,
    FLOW_TLS_HANDSHAKING,
    FLOW_METRICS,
};

#define CAPTURE_ROOM 1025 /* what a request has room for, and NUL */

struct flow_opts {
    const struct node *parts;
    const struct bind *bind;
};

struct flow_check { /* of a certificate that is served now */
    const struct target *target;
    const struct template *server_name; /* NULL: the target's */
    const struct template *fingerprint; /* that differs every time; NULL: none */
    struct tls_expect *expect;
    struct conn_route route;
    uint64_t timeout;
};

struct flow_part {
    const char *name;
    const struct request_opts *request_opts; /* NULL: a check */
    struct request *request;
    bool fresh;
    size_t max_body;
    int first_capture; /* of the flow's: the part's own follow one another */
    struct flow_check check;
    uint64_t every, within; /* within 0: one try */
    uint64_t think;
};

struct flow_parts {
    struct flow_part *v;
    int n;
    const char **names;    /* of the parts */
    const char **captures; /* names, NULL-terminated */
    int capture_count;
};

/*
 * Reads and compiles the parts; false with mistakes in `d`.  `declared` gives metrics their indexes
 * and has bodies read from their files; NULL while only checking.
 */
bool flow_read(struct flow_parts *out, const struct flow_opts *o, const char *path,
               const struct declared *declared, struct arena *arena, struct diags *d);

struct flow_job {
    struct flow_parts parts;
    char **kept; /* captures of a single operation, CAPTURE_ROOM each; NULL: more */
};

struct flow_lane {
    struct lane *lane;
    struct flow_job *job;
    struct transfers *transfers;
    struct fetch_pool *pools; /* by part */
    struct tls_facts facts;
    unsigned turn; /* of the source addresses */
};

enum flow_wait { WAIT_NOTHING, WAIT_THINK, WAIT_PAUSE, WAIT_CHECK };

struct flow_op {
    struct conn conn;             /* first: ready() casts */
    struct timer timer;           /* of `wait` */
    struct op *op;                /* NULL: none is under way */
    const struct flow_part *part; /* the one it is at */
    enum flow_wait wait;
    uint64_t part_ns; /* when the part was begun */
    int tries;
    char *captured;      /* CAPTURE_ROOM each */
    const char **values; /* NULL: not captured yet */
    struct transfer *transfer;
    struct buf url, headers, body;
    const char **header_lines;
    struct conn_route route;
    unsigned turn;
    char server_name[256], fingerprint[128];
};

static inline struct flow_lane *flow_lane_of(const struct flow_op *f)
{
    return (struct flow_lane *)f->op->lane->priv;
}

static inline int flow_index(const struct flow_op *f)
{
    return (int)(f->part - flow_lane_of(f)->job->parts.v);
}

struct template_values flow_values(const struct flow_op *f);

/* How long the part may still try; UINT64_MAX: there is no limit but that of one try. */
uint64_t flow_left(const struct flow_op *f, uint64_t now);

/* Will a try that ended so be followed by another? */
bool flow_again(const struct flow_op *f, enum outcome outcome);

/* The try has ended and has been reported; `again` as flow_again() says. */
void flow_tried(struct flow_op *f, enum outcome outcome, bool again, const char *why);

void flow_request_try(struct flow_op *f);
void flow_check_try(struct flow_op *f);
void flow_check_ready(struct conn *c);
void flow_check_expire(struct flow_op *f);

/*
 * program.h - what a request shall meet: its latency, its answer, its fault.
 *
 * The start options make the default.  A request changes its own by the path of some pages, by its
 * query (`?latency=5ms&status=503`) and by fields (`X-Target-Latency: 5ms`), in this order; all of
 * them set the same knobs by the same names:
 *
 *     latency=DIST      the last byte leaves this long after the request's head arrived
 *     first_byte=DIST   the head leaves this long after it; the body later, at the latency
 *     status=NNN        200..599
 *     size=SIZE         a body of so many bytes
 *     errors=RATIO NNN  this share is answered with that status (503) in place of its own
 *     reset=RATIO       this share meets a TCP reset in place of an answer (HTTP/2: RST_STREAM)
 *     truncate=BOOL     the connection closes in the middle of the body
 *     close=BOOL        the connection closes after the answer
 *     chunked=BOOL      the body goes in chunks
 *     early=1NN         an interim answer with this status goes out when the head has arrived
 *     stamps=BOOL       the answer says when the request arrived and how long it took
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "target/dist.h"

struct err;
struct request;
struct route;
struct stall;

struct program {
    struct dist latency, first_byte;
    double errors, reset; /* shares */
    int error_status;
    int status; /* 0: the page's own */
    int early;  /* 0: none */
    bool sized; /* `size` was given */
    int64_t size;
    bool truncate, close, chunked, stamps;
};

#define PROGRAM_SIZE_MAX (INT64_C(1) << 40)

bool program_set(struct program *p, const char *knob, const char *text, struct err *e);

/*
 * The program of one request: `defaults` if it changes nothing, else `own`, filled in.  NULL if a
 * value is wrong.
 */
const struct program *program_for(const struct program *defaults, const struct route *route,
                                  const struct request *rq, struct program *own, struct err *e);

struct plan {          /* of one request, on the monotonic clock */
    uint64_t first_ns; /* when the head may leave; 0: with the body */
    uint64_t due_ns;   /* when the last byte may leave */
    bool error, reset;
};

/*
 * `number` counts the requests, for the shares.  What arrives in a stall is begun at its end, and
 * nothing leaves in one.
 */
struct plan program_plan(const struct program *p, const struct stall *stall, uint64_t seed,
                         uint64_t number, uint64_t arrival_ns);

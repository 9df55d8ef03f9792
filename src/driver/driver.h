/*
 * driver.h - the only interface between the engine and a protocol.
 *
 * The engine owns the clock, the schedule, the counting and the verdict; a driver owns one kind of
 * operation: a request, a handshake, a command.  It is told when to begin one, and says once how
 * that one ended.
 *
 *     check()      main thread  do these options make sense together?  No I/O.
 *     declare()    main thread  names its parts and the metrics its options ask for.
 *     prepare()    main thread  once: load files, resolve names, build requests; may block.
 *       start()    lane thread  once a lane: set up on lane->base.
 *       begin()    lane thread  optional: the load begins at start_ns, which has come.
 *         fire()   lane thread  an operation is due: begin it, never block.
 *         ...                   op_done() exactly once a fire(), from inside it or later.
 *         flush()  lane thread  optional: what was at hand has been dealt with and fired; send what
 *                               was gathered meanwhile, the lane is about to wait.
 *       stop()     lane thread  no more fire(); close everything, also what is in flight.
 *     collect()    main thread  once: publish outputs, release what prepare() holds.
 *
 * A driver does not count operations and does not time them: latency runs from the moment at which
 * the schedule wanted the operation, so that a stalled target cannot hide its stall by slowing us
 * down.  It does time what only it can see (connect, handshake, first byte) and reports that with
 * op_value().
 *
 * A failed operation is an outcome, not an error.  The `struct err` of prepare() and start() means
 * that the step cannot run at all.
 *
 * Memory: job_size, lane_size and op_size bytes arrive zeroed in job->priv, lane->priv, op->priv.
 * More comes from job->arena, on the main thread only.  What start() opened, stop() closes, and
 * collect() what prepare() did, also when the opener failed half way.  lane->ops holds every
 * operation the lane can have in flight, so start() can make what each one needs and stop() free
 * it.  Nothing is allocated per operation.  After stop(), op_done() is not called any more.
 *
 * Adding a driver: one file with one `const struct driver`, one line in driver.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/timers.h"
#include "stats/metric.h"

struct arena;
struct declared;
struct diags;
struct err;
struct event_base;
struct node;
struct op;
struct opt;

struct fact { /* something found out that is no measurement: a certificate's issuer */
    struct fact *next;
    const char *key, *value;
};

struct fleet_shape {        /* of agent-fleet, and of stepping of agents */
    uint32_t agents;        /* 0: another load; the most there will be */
    int64_t interval, ramp; /* ns */
    bool grows;             /* stepping: an agent is there from its first operation on */
};

struct job { /* one step being run */
    const char *name;
    const char *run_id;
    const void *opts; /* bound by the driver's table */
    void *priv;
    struct arena *arena; /* main thread only; lives as long as the step */
    void *engine;        /* the engine's own; see job_publish() */
    const struct declared *declared;
    struct fact *facts; /* see job_fact() */
    bool verify;        /* there is no load: the operation runs once and must succeed */
    int lane_count;
    int max_ops; /* over all lanes */
    struct fleet_shape fleet;
    const volatile int *interrupted; /* not 0: prepare() had better give up; or NULL */
};

struct lane { /* one thread's share of a step */
    struct job *job;
    struct event_base *base;
    struct timers *timers; /* of this lane; for time-outs and delays */
    void *priv;
    struct op *ops; /* op_count of them */
    int op_count;
    int index;    /* 0..job->lane_count-1 */
    uint64_t rng; /* seeded by run and lane; see base/rng.h */
};

struct op { /* one operation in flight */
    struct lane *lane;
    void *priv;
    uint64_t due_ns, begun_ns; /* monotonic */
    uint64_t iteration;        /* from 0, unique over lanes */
    uint32_t vu, agent;        /* from 1, unique over lanes; agent 0: not a fleet */
    uint32_t second;           /* of the step, by due time */
    uint16_t part;             /* see op_part() */
};

/* How an operation ended.  The table in driver.c gives each its name and its fault class. */
enum outcome {
    OP_OK,
    OP_UNEXPECTED, /* an answer, but not the one expected */
    OP_TIMEOUT,
    OP_REFUSED,     /* connection refused */
    OP_RESET,       /* closed or reset before the answer was complete */
    OP_TLS,         /* handshake or certificate */
    OP_PROTOCOL,    /* the peer broke its protocol, or a bound on what it may send */
    OP_UNREACHABLE, /* no route, network down, name not found */
    OP_LOCAL,       /* this machine: descriptors, ports, memory */
    OP_ABORTED,     /* the engine's: in flight when the grace was over */
    OP_OUTCOMES,
};

enum fault { FAULT_NONE, FAULT_CLIENT, FAULT_PATH, FAULT_TARGET };

struct outcome_info {
    const char *name; /* "timeout" */
    enum fault fault;
    bool slow; /* its age belongs into op_duration, as a lower bound */
};
extern const struct outcome_info outcomes[OP_OUTCOMES];
extern const char *const fault_names[]; /* "none", "client", "path", "target" */

/* Ends the operation.  `why` is copied, at most 200 bytes; NULL for the outcome's own name. */
void op_done(struct op *op, enum outcome outcome, const char *why);

/*
 * Ends it at a time that the driver knows better than the engine: `end_ns` (monotonic) may lie in
 * the past, such as the kernel's receive stamp of the last byte.
 */
void op_done_at(struct op *op, enum outcome outcome, const char *why, uint64_t end_ns);

/* What follows belongs to part `part` (1.. in the order of declare(); 0: the operation). */
void op_part(struct op *op, int part);

/*
 * That part has ended, before the operation has: what was reported of it is tagged with `outcome`,
 * and what follows belongs to the operation again.  For parts that follow one another; where an
 * operation is one of several, op_done() does all that.
 */
void op_part_done(struct op *op, enum outcome outcome);

/* Adds to a metric of the driver: `metric` is its index in the driver's table, declared ones after.
 */
void op_value(struct op *op, int metric, double value); /* trend (ns, bytes) or gauge */
void op_count(struct op *op, int metric, double n);     /* counter */
void op_count_now(struct op *op, int metric, double n); /* in the second in which it is called */
void op_rate(struct op *op, int metric, bool hit);      /* rate */
void op_check(struct op *op, bool met);                 /* one expectation looked at */
void op_bytes(struct op *op, uint64_t sent, uint64_t received);

/* An answer with this HTTP status has come, on the part that the operation is at. */
void op_status(struct op *op, int code);

/* The operation is now held open (hold-connections); it counts as held until it is done. */
void op_held(struct op *op);

/* It has in truth not been since then (monotonic, ns), which is now known; op_done() is due. */
void op_lost(struct op *op, uint64_t since_ns);

/* The same for what belongs to no operation. */
void lane_count(struct lane *lane, int metric, double n);
void lane_gauge(struct lane *lane, int metric, double value);
void lane_value(struct lane *lane, int metric, bool ok, double value); /* trend */
void lane_count_part(struct lane *lane, int metric, int part, double n);
void lane_bytes(struct lane *lane, uint64_t sent, uint64_t received);

/* Something went wrong that no operation was waiting for: it is told among the step's errors. */
void lane_fault(struct lane *lane, enum outcome outcome, const char *why);

/* Makes ${phase.NAME.output} and ${phase.NAME.output.key} of later phases; main thread. */
void job_publish(struct job *job, const char *key, const char *value);

/*
 * What an earlier attempt of this phase has published: `shakedown cleanup` runs a phase again that
 * did not do all it had to.  NULL: nothing of that name.
 */
const char *job_earlier(const struct job *job, const char *key);

/*
 * Puts a fact into the step's results, in the order told; main thread, from prepare() or
 * collect().  The value is copied.
 */
void job_fact(struct job *job, const char *key, const char *value);

struct declared {             /* what a step's options add to its driver's tables */
    const char *const *parts; /* names of parts 1..part_count */
    int part_count;
    const struct metric *const *metrics;
    int metric_count;
};

struct driver_needs {     /* of a step, before anything is sent */
    uint64_t connections; /* at once */
    uint64_t memory;      /* bytes */
    const char *notes;    /* lines for a dry run, each with its newline; or NULL */
    const char *sum;      /* how these come about; or NULL */
    int64_t until_ns;     /* the load has to last longer for all that is asked for; 0: no matter */
};

enum {
    DRIVER_HOLDS = 1 << 0,      /* operations can be held open: hold-connections may drive it */
    DRIVER_ONCE = 1 << 1,       /* never under load */
    DRIVER_ONLY_HELD = 1 << 3,  /* under no other load than hold-connections */
    DRIVER_ONLY_FLEET = 1 << 4, /* under no other load than agent-fleet, or once */
    DRIVER_BLOCKS = 1 << 2,     /* any failure "could not", never a breach (probe, exec, sql) */
};

struct driver {
    const char *name;  /* the step's key, `http:` */
    const char *brief; /* one line, for help */
    const char
        *scalar; /* the option that a bare scalar or list in place of the map sets; or NULL */
    const struct opt *opts;
    const struct metric *metrics; /* ends with name NULL; NULL: none of its own */
    size_t opts_size, job_size, lane_size, op_size;
    unsigned flags;

    bool (*check)(const void *opts, const struct node *at, const char *path, struct diags *d);
    void (*declare)(const void *opts, struct arena *arena, struct declared *out);
    /* Optional: what a fleet of `agents` needs; otherwise each operation in flight is a connection.
     */
    void (*needs)(const void *opts, uint32_t agents, struct arena *arena, struct driver_needs *out);
    bool (*prepare)(struct job *job, struct err *e);
    bool (*start)(struct lane *lane, struct err *e);
    void (*begin)(struct lane *lane, uint64_t start_ns);
    void (*fire)(struct lane *lane, struct op *op);
    void (*flush)(struct lane *lane);
    void (*last_look)(struct op *op,
                      uint64_t now); /* at one held when the load is over; may end it */
    void (*stop)(struct lane *lane);
    void (*collect)(struct job *job);
};

extern const struct driver *const drivers[]; /* NULL-terminated, in the order that help has */
const struct driver *driver_find(const char *name);

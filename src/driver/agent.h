/* agent.h - the inside of the agent driver: N agents on ceil(N / fan_out) connections. */

/* clang-format off */
/*
 *     agent.c            options, metrics, the driver itself
 *     agent_lane.c       a lane's fleet: joining, beats that fall due, time-outs, flushing
 *     agent_link.c       one connection, its loss and its return
 *     agent_link_io.c    reading and sending on all that are due
 *     agent_streams.c    what a connection carries
 *     agent_rpc.c        calls that end: unary, and such with several messages
 *     agent_register.c   keys, requests, Register; agents on their way to their stream
 *     agent_stream.c     an agent's Heartbeat stream: sending, pairing, losing and finding it again
 *     agent_beat.c       beats on their way
 *     agent_encode.c     their bytes
 *     agent_push.c       what a server says
 *     agent_duty.c       checks, queries and tasks
 *     agent_errand.c     inventory, terminal, new certificates
 *     agent_preflight.c, agent_storm.c
 *
 * All of a lane's state belongs to its thread.  There may be a million agents, so what each of them
 * has is counted in bytes: what only some need hangs on a pointer.
 */
/* clang-format on */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "driver/agent_link.h"
#include "driver/driver.h"
#include "net/ed25519.h"
#include "net/grpc.h"
#include "net/identity.h"
#include "spec/opt.h"

struct agent;
struct buf;
struct rpc;
struct duty;
struct fleet;
struct target;

#define AGENT_WHY      200
#define AGENT_NAME_MAX 256
#define SERVICE        "/agent.v1.IngestService/"

enum agent_metric {
    AM_BEAT_RTT,
    AM_BEATS_DUE,
    AM_BEATS_SENT,
    AM_BEATS_ANSWERED,
    AM_BEATS_LATE,
    AM_BEATS_EXTRA,
    AM_STALENESS,
    AM_STREAMS_UP,
    AM_RECONNECTS,
    AM_RPCS,
    AM_REGISTRATIONS,
    AM_ACTIVE,
    AM_PENDING,
    AM_REVOKED,
    AM_REGISTER_FAILED,
    AM_REGISTER_DURATION,
    AM_UNARY_DURATION,
    AM_CHECKS,
    AM_QUERIES,
    AM_TASKS,
    AM_CANCELLED,
    AM_INVENTORIES,
    AM_TERMINALS,
    AM_RENEWALS,
    AM_CERTS_PUSHED,
    AM_CERTS_REJECTED,
    AM_RECOVERY,
    AM_METRICS,
};

enum { /* bits of `answer:` */
       ANSWER_CHECKS = 1 << 0,
       ANSWER_TASKS = 1 << 1,
       ANSWER_QUERIES = 1 << 2,
       ANSWER_INVENTORY = 1 << 3,
       ANSWER_TERMINAL = 1 << 4,
};

enum certificate_use { CERT_AUTO, CERT_NONE, CERT_CONNECTION, CERT_AGENT };

struct agent_opts {
    const struct target *target;
    const char *token, *hostname_prefix, *version;
    int64_t fan_out, registration_concurrency;
    struct texts answer;
    bool csr, preflight;
    int client_certificate; /* enum certificate_use */
    int keep_tokens;        /* choices auto, always, never */
    double check_failure_rate, metrics_jitter;
    int64_t timeout, register_timeout, poll, renew, drop_all, late, keepalive, keepalive_timeout;
};

struct agent_job { /* constant while lanes run, but for the counters at its end */
    const struct agent_opts *opts;
    const char *stem; /* PREFIX-RUN: what hostnames begin with, and keys are derived from */
    struct conn_route route;
    struct link_config link;
    unsigned answer;
    uint32_t agents;
    int fan_out;
    bool keep_tokens;
    const char *authority;
    _Atomic uint32_t hosts;      /* that Register has made at the server, the preflight's too */
    _Atomic uint32_t doubts;     /* agents whose Register has had no answer: there may be more */
    _Atomic uint32_t storm_left; /* agents that have not beaten since the storm */
    _Atomic uint64_t storm_ns;   /* when the connections were dropped; 0: not yet */
    _Atomic int64_t *up;         /* by lane: streams that answer */
};

enum agent_state {
    AGENT_NEW,         /* has not joined yet */
    AGENT_REGISTERING, /* waits for its turn, or for the answer */
    AGENT_RESTING,     /* until a timer: after a failure, or pending */
    AGENT_READY,       /* registered: waits for its connection */
    AGENT_OPENING,     /* its stream is open, and nothing has come on it */
    AGENT_UP,
};

struct beat { /* a message on its way, in the order of its stream */
    struct beat *next;
    struct beat *older, *newer; /* of the lane's scheduled ones, in the order they fell due */
    struct op *op;              /* NULL: out of turn, or given up */
    struct agent *agent;
    uint64_t sent_ns; /* 0: not yet */
    uint64_t fired_ns;
};

#define ID_INLINE 15

struct agent_id { /* as the server gave it: most are a UUID, and then in binary */
    union {
        uint8_t uuid[16];
        char *text;
    };
};

struct agent {
    struct stream stream; /* first: the heartbeat stream leads back here */
    uint8_t state;        /* enum agent_state */
    uint8_t tries;        /* failures in a row: the backoff's exponent */
    bool id_is_uuid, registered, opened, ready_to_send, fresh_stream;
    bool known, doubted; /* the server has a host of it; may have one: see `doubts` */
    bool stormed;        /* has not beaten since the storm */
    bool loose;          /* what paired last may have been a push, and the reply still come */
    uint16_t cpu, memory, disk; /* hundredths of a percent */
    uint32_t steps;             /* of the walk that these take */
    struct beat *first, *last;
    char *token; /* NULL: not kept */
    struct agent_id id;
    struct duty *duty; /* NULL: the server has asked for nothing yet */
    uint64_t answered_ns;
};

struct rest {           /* an agent that waits for a time */
    struct timer timer; /* first */
    struct agent *agent;
    struct fleet *fleet;
    struct rest *next, *all; /* next: while it is free */
};

#define FLEET_DUE 64

struct fleet {          /* of one lane */
    struct links links; /* first: a connection leads back here */
    struct lane *lane;  /* NULL: preflight */
    const struct agent_job *job;
    struct agent *agents;
    uint32_t agent_count, index, lanes;
    struct link *link; /* those that carry beats */
    uint32_t link_count;
    struct link *desks; /* those that carry registrations */
    uint32_t desk_count, next_desk;

    uint32_t *queue; /* ring of those that wait for Register */
    uint32_t queue_first, queue_count;
    uint32_t registering, register_limit;
    uint32_t joined;
    uint64_t start_ns;
    struct timer join, expiry, second, storm;

    struct op *due[FLEET_DUE]; /* beats that have fallen due since the last flush */
    uint32_t due_count;
    struct beat *oldest, *newest, *free_beats;
    struct rest *free_rests, *rests;
    struct rpc *free_calls, *calls; /* calls: all, by `listed` */
    struct beat_slab *slabs;
    uint64_t rng;
    int64_t up;
    bool ending;   /* stop() */
    char *scratch; /* SCRATCH_BYTES, for a message being made */
    struct objects *bump;
    char pin[IDENTITY_FINGERPRINT_MAX]; /* of the server certificate that was pushed */
    char profile[256];                  /* of a beat: what is the same for all agents, encoded */
    uint32_t profile_len;
};

#define SCRATCH_BYTES (256 << 10)

/* agent_lane.c */
struct fleet *fleet_of(struct link *l);
uint32_t fleet_agent_number(const struct fleet *f,
                            const struct agent *a); /* from 0, over all lanes */
struct link *fleet_link(struct fleet *f, const struct agent *a);
void fleet_hostname(const struct fleet *f, uint32_t number, char out[AGENT_NAME_MAX]);
void fleet_count(struct fleet *f, enum agent_metric m, double n);
void fleet_fault(struct fleet *f, enum outcome outcome, const char *why);
void fleet_trend(struct fleet *f, enum agent_metric m, bool ok, uint64_t ns);
void fleet_rpc(struct fleet *f, const char *method, const struct stream_end *end);
void fleet_rest(struct fleet *f, struct agent *a, uint64_t ns); /* then agent_woken() */
uint64_t fleet_backoff(struct fleet *f, uint8_t *tries);        /* ns; one more failure */

/* agent_beat.c */
void beats_init(struct fleet *f);
void beats_free(struct fleet *f);
struct beat *beat_new(struct fleet *f, struct agent *a, struct op *op);
void beat_free(struct fleet *f, struct beat *b);

/* agent_register.c */
typedef void (*errand_fn)(struct fleet *f, struct agent *a, const char *id);
void register_enqueue(struct fleet *f, struct agent *a);
void register_pump(struct fleet *f);
void register_woken(struct fleet *f, struct agent *a);
/* Fetches a token and begins the errand with it; false: there is no connection for that now. */
bool register_for_token(struct fleet *f, struct agent *a, errand_fn errand, const char *id);
size_t register_request(struct fleet *f, uint32_t number, const char *hostname, struct buf *out);

/* agent_stream.c */
void agent_ready(struct fleet *f, struct agent *a); /* registered: opens its stream when it can */
void agent_open(struct fleet *f, struct agent *a);  /* its link is open */
void agent_lost(struct fleet *f, struct agent *a, const struct stream_end *end);
void agent_fail_beats(struct fleet *f, struct agent *a, enum outcome outcome, const char *why);
void agent_extra(struct fleet *f, struct agent *a); /* sends a message out of turn */
void agent_send(struct fleet *f, struct agent *a);
void agent_forget(struct agent *a); /* frees what it has */
/*
 * Puts "#" for each word with a digit in it, and for each of eight or more hexadecimal digits: ids,
 * host names and numbers of a server's message, which otherwise is the same for all agents.
 */
void stream_mask(char *words);
void stream_explain(const char *method, const struct stream_end *end, char out[AGENT_WHY]);

/* agent_encode.c */
void beat_profile(struct fleet *f);
/* The message, with its prefix; at most BEAT_MAX bytes and `extra`. */
#define BEAT_MAX 4096
size_t beat_encode(struct fleet *f, struct agent *a, const char *id, size_t id_len, char *out);
void beat_walk(struct fleet *f, struct agent *a);
void agent_id_set(struct agent *a, const char *text);
size_t agent_id_text(const struct agent *a, char out[AGENT_NAME_MAX]);

/* agent_push.c, agent_duty.c */
struct objects *objects_new(void);
void objects_free(struct objects *b);
/* PUSH_EITHER: a reply if a beat waits for one. */
enum push { PUSH_REPLY, PUSH_REFUSED_REPLY, PUSH_EITHER, PUSH_ONLY, PUSH_MALFORMED };
enum push push_take(struct fleet *f, struct agent *a, struct grpc_span message);
void duty_before_beat(struct fleet *f, struct agent *a); /* results that are due go with it */
bool duty_has_extra(const struct agent *a);
size_t duty_take_extra(struct agent *a, char *out, size_t size);
bool duty_has_spill(const struct agent *a); /* a message that went out in part */
void duty_spill(struct agent *a, const char *data, size_t len);
size_t duty_take_spill(struct agent *a, char *out, size_t size, bool *last);
void duty_drop_spill(struct agent *a);
void duty_task_failed(struct fleet *f, struct agent *a, const char *id, const char *why);
/* The certificate as DER, to be freed; NULL if it is not one of the agent's key, which is told. */
unsigned char *duty_own_certificate(struct fleet *f, struct agent *a, const char *pem, size_t *len);
void duty_certificate(struct fleet *f, struct agent *a, const char *pem, enum agent_metric counted);
void duty_free(struct fleet *f, struct agent *a);

/* agent_errand.c */
void inventory_begin(struct fleet *f, struct agent *a, const char *scan_id);
/* Of one that is on its way, or whose token is; false: there is none. */
bool inventory_cancel(struct fleet *f, struct agent *a, const char *scan_id);
void terminal_begin(struct fleet *f, struct agent *a, const char *session_id);
void renew_begin(struct fleet *f, struct agent *a);

/* agent_preflight.c */
bool preflight(struct agent_job *j, struct job *job, struct err *e);

/* agent_storm.c */
void storm_arm(struct fleet *f);
void storm_answered(struct fleet *f, struct agent *a, uint64_t now);
void storm_end(struct fleet *f);

/* ingest_state.h - the inside of the ingest service; for ingest*.c alone. */
#pragma once

#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/timers.h"
#include "net/authority.h"
#include "net/grpc.h"
#include "net/jwt.h"
#include "target/errand.h"
#include "target/ingest.h"
#include "target/ingest_bump.h"
#include "target/ingest_call.h"
#include "target/ingest_script.h"
#include "target/ingest_table.h"

struct ingest_sql;

#define INGEST_ORG     "org-loadtest"
#define INGEST_SERVICE "agent.v1.IngestService"
#define INGEST_REPLIES 4 /* with an update notice, with the server's certificate, or both */
#define REPLY_UPDATE   1
#define REPLY_CERT     2

enum ingest_count {
    INGEST_NEW, /* agents */
    INGEST_KNOWN,
    INGEST_REGISTERED_ACTIVE, /* answers by status */
    INGEST_REGISTERED_PENDING,
    INGEST_REGISTERED_REVOKED,
    INGEST_CERTIFICATES,
    INGEST_BEATS,
    INGEST_STREAMS, /* heartbeats opened, closed */
    INGEST_STREAMS_ENDED,
    INGEST_CHECKS, /* results */
    INGEST_QUERIES,
    INGEST_PROGRESS,
    INGEST_TASKS,
    INGEST_TASKS_FAILED,
    INGEST_INVENTORIES,
    INGEST_PACKAGES,
    INGEST_TERMINALS,
    INGEST_RENEWALS,
    INGEST_TOO_MANY_PINGS,
    INGEST_BYTES, /* of messages received */
    INGEST_COUNTS,
};

struct ingest_stamp {
    uint64_t ns;
    uint32_t agent; /* its number */
};

/* What one worker keeps to itself; others read the counters. */
struct ingest_worker {
    alignas(64) _Atomic uint64_t count[INGEST_COUNTS];
    _Atomic uint64_t ended[METHODS][GRPC_CODES], pushed[PUSH_KINDS];
    struct bump bump;
    struct buf pack, text;
    struct ingest_stamp *log; /* a ring */
    _Atomic uint64_t logged;
    uint64_t log_size;
};

struct ingest {
    struct ingest_opts opts;
    struct script script;
    struct arena arena;
    struct authority *authority;
    struct jwt_key *jwt;
    struct buf reply[INGEST_REPLIES]; /* with their prefix */
    struct buf server_cert;
    char fingerprint[65]; /* of the server's certificate; "": none is sent */
    char *admin_key, *token;
    struct ingest_worker *workers;
    struct ingest_sql *sql; /* NULL: all is in memory alone */
    int threads;
    bool mutual;                               /* client certificates are asked for */
    _Atomic uint64_t faulted[SCRIPT_LIST_MAX]; /* calls that each fault has seen */

    pthread_mutex_t lock; /* of all that follows */
    struct ingest_table table;
    uint64_t token_used, deleted_hosts, started_ns;
};

enum call_phase {
    CALL_OPEN,
    CALL_WAITING, /* for a task of its own; what the client sends meanwhile is kept */
    CALL_FINISHED,
};

struct method {
    const char *name;
    void (*message)(struct call *c, struct grpc_span m, uint64_t now);
    void (*end)(struct call *c, uint64_t now); /* the client has sent all */
    void (*closed)(struct call *c);            /* or NULL */
};

struct call {
    enum strand strand; /* first: STRAND_CALL */
    int32_t id;
    struct calls *calls;
    struct call *next, *prev;
    const struct method *method;
    struct ingest_agent *agent; /* of a heartbeat after its first message; or NULL */
    struct grpc_reader in;
    struct call_more *more;         /* what a resting heartbeat does not need; or NULL */
    uint32_t owed;                  /* replies of `variant`, to go out behind more->out */
    uint32_t held;                  /* bytes of a message that has begun, and of the token */
    uint8_t variant, phase, number; /* number: of the method */
    bool headed;                    /* the answer's head is out */
    bool sending;                   /* the session has been told of bytes */
    bool half_closed;               /* the client has sent all */
    bool trailed;                   /* the trailers are under way */
};

struct call_more {
    struct call *call;
    struct buf out;
    size_t out_at;
    enum grpc_code code;
    char message[256];
    bool unsupported;    /* the request is no gRPC */
    char *authorization; /* the field's value; NULL: none */
    char *session;       /* of Terminal: its id */
    struct timer timer;  /* of Terminal: waiting for the other side */
    struct late *late;   /* replies held back, in their order */
    struct call_task *task;
    uint8_t looked;     /* see ingest_look.c */
    struct buf waiting; /* what has come since the task was begun */
    struct ingest_scan {
        char *id; /* NULL: no chunk yet */
        char agent[AGENT_ID_TEXT];
        uint32_t received;
    } scan;
};

struct calls {
    struct ingest *ingest;
    struct ingest_worker *own;
    struct peer *peer;
    struct worker *worker;
    struct h2 *h2;
    const struct ssl_st *ssl;
    struct call *first;
    struct timer tick;
    uint64_t ticked_ns, checked_ns; /* when the streams were looked at */
    uint64_t pinged_ns;
    uint64_t held;                /* bytes of messages that have begun */
    uint8_t strikes, identity;    /* identity: 1 + enum authority_peer; 0: not looked at */
    bool again;                   /* some call has bytes of which the session does not know yet */
    bool spoke;                   /* we have sent something since the last ping */
    struct call *current;         /* whose bytes are being read */
    char agent[AUTHORITY_ID_MAX]; /* of the client's certificate */
};

static inline void ingest_add(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

static inline void ingest_tally(const struct call *c, enum ingest_count what, uint64_t n)
{
    ingest_add(&c->calls->own->count[what], n);
}

/* ingest_call.c */
struct call_more *call_more(struct call *c);
void call_send(struct call *c, const void *message, size_t len);
void call_reply(struct call *c, uint8_t variant); /* one of the replies that are always alike */
void call_finish(struct call *c, enum grpc_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void call_reset(struct call *c); /* RST_STREAM; the call is gone */
void call_malformed(struct call *c);
bool call_admitted(struct call *c); /* by its client certificate; else it has been finished */

/* ingest_task.c: what takes a while and is done off the loop, where no call may be touched. */
struct call_task {      /* the owner embeds it */
    struct chore chore; /* first */
    struct call *call;  /* NULL: it has ended meanwhile */
    size_t held;        /* bytes that the task keeps for the client */
    void (*work)(struct call_task *t);
    void (*done)(struct call_task *t,
                 uint64_t now); /* the call is open again; or it is not called */
    void (*free)(struct call_task *t);
};

/* The call waits for it, and then goes on with what has come meanwhile. */
void call_wait(struct call *c, struct call_task *t);
void call_keep(struct call *c, const char *data, size_t len); /* while it waits */
void call_forget(struct call *c);       /* its task goes on for nobody; without one, nothing */
size_t call_kept(const struct call *c); /* bytes, other than those of a message that has begun */

/*
 * An agent that is not known here may be another server's on the same database.  True: it is looked
 * for, and then the message, if there is one, comes again; otherwise the call is admitted anew.
 */
bool call_look(struct call *c, const char *agent, const struct grpc_span *message);

void call_hold(struct call *c, size_t bytes); /* kept of what the client has sent, in all */

/* ingest_head.c: after call_judge() the call may have been finished. */
enum script_method call_method(const char *path);
void call_judge(struct call *c, const char *method, const char *path, const char *fields);

/* ingest_heartbeat.c: replies that are held back. */
void ingest_late_free(struct call *c);

/* The methods, each in a file of its own. */
extern const struct method ingest_register, ingest_heartbeat, ingest_terminal, ingest_inventory,
    ingest_renew;

/* ingest_token.c: the tokens of organisation and agents. */
struct ingest_token {
    const char *text; /* borrowed */
    bool approves;    /* its agents are active at once */
    bool open;        /* there are no tokens to hold it against */
};
/*
 * With a database it is the one of the table, which is waited for; not under the lock.  GRPC_OK,
 * UNAUTHENTICATED, or INTERNAL: the database could not be asked.
 */
enum grpc_code ingest_token_check(struct ingest *g, struct ingest_token *t);
enum grpc_code ingest_token_use(struct ingest *g); /* without a database: for a new agent */
bool ingest_sign(struct ingest *g, const char *agent, struct buf *out);
enum grpc_code ingest_verify(struct ingest *g, const char *token, size_t len, bool expired_too,
                             struct buf *text, char agent[AGENT_ID_TEXT]);

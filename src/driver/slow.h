/*
 * slow.h - the inside of the slow driver: slow.c has the options and what is done once, slow_conn.c
 * the life of a held connection, slow_end.c the words for how the server ended it; slow_http.c,
 * slow_hello.c and slow_h2.c are the attacks.
 *
 * An attack begins when its connection is established, says something at once, and may say more
 * every now and then; between two follow-ups a connection is a timer in a heap and nothing else.
 */
#pragma once

#include "base/buf.h"
#include "base/timers.h"
#include "driver/driver.h"
#include "driver/target.h"
#include "net/conn.h"

extern const struct driver driver_slow;

enum slow_metric {
    SLOW_ATTEMPTED,
    SLOW_ESTABLISHED,
    SLOW_REFUSED,
    SLOW_REOPENED,
    SLOW_EVICTED,
    SLOW_EVICTED_AFTER,
    SLOW_BY_FIN,
    SLOW_BY_RST,
    SLOW_BY_ALERT,
    SLOW_BY_STATUS,
    SLOW_BY_H2,
    SLOW_LOST,
    SLOW_ACCEPTED,
    SLOW_METRICS,
};

struct slow_opts {
    const struct target *target;
    int attack, by;
    int64_t every, piece, size, window, requests, settle, timeout;
    const char *path;
    bool every_given, by_given, piece_given, size_given, window_given, requests_given, path_given;
};

enum { BY_BYTES, BY_RECORDS };

enum { /* options that not every attack takes */
       TAKES_EVERY = 1 << 0,
       TAKES_BY = 1 << 1,
       TAKES_PIECE = 1 << 2,
       TAKES_SIZE = 1 << 3,
       TAKES_WINDOW = 1 << 4,
       TAKES_REQUESTS = 1 << 5,
       TAKES_PATH = 1 << 6,
};

struct slow_conn;
struct slow_job;

struct slow_attack {
    const char *name, *brief;
    unsigned takes;
    int64_t every, piece, size; /* defaults; 0: none */
    bool raw;                   /* begins on TCP, whatever the target's scheme */
    bool needs_tls;
    bool reads;       /* as it comes; otherwise only follow-ups read */
    const char *alpn; /* that must have been chosen, if there is TLS */
    bool (*prepare)(struct slow_job *j, struct job *job, struct err *e); /* NULL: nothing to */
    void (*begin)(struct slow_conn *s);                                  /* NULL: says nothing */
    void (*follow)(struct slow_conn *s); /* every `every`; NULL: silence; may end it */

    /* What came, if the attack looks at it; may end the connection. */
    void (*received)(struct slow_conn *s, const unsigned char *data, size_t len);
};

extern const struct slow_attack slow_headers, slow_body, slow_read, slow_idle, slow_half_open;
extern const struct slow_attack slow_hello_drip, slow_hello_oversize, slow_hello_fragment,
    slow_no_sni, slow_unknown_sni;
extern const struct slow_attack slow_h2_read, slow_h2_silence;

struct slow_job {
    const struct slow_opts *opts;
    const struct slow_attack *attack;
    struct conn_route route;
    struct ssl_ctx_st *ctx; /* of the route, also where connections begin without it */
    uint64_t every;
    size_t piece, size;
    const char *opening; /* what connections say first, if that is the same for all */
    size_t opening_len;
};

struct slow_lane {
    struct slow_job *job;
    char *scratch; /* what is received is read here, by all connections */
    uint64_t fired;
    unsigned turn; /* of the source addresses */
};

#define SLOW_SCRATCH (16 << 10)
#define SLOW_HEAD    16

struct slow_h2 { /* where in the server's frames a connection is */
    uint32_t skip;
    uint8_t have, frame[17]; /* a frame's head and the first bytes of its payload */
    uint8_t code;            /* of GOAWAY or RST_STREAM, + 1; 0: none */
    uint16_t reset;          /* streams that the server has reset */
};

struct slow_conn {
    struct conn conn; /* first: ready() casts */
    struct timer timer;
    struct op *op; /* NULL: none */
    struct slow_lane *lane;
    struct ssl_st *ssl;  /* goes on with the ClientHello that is being sent */
    bool secure;         /* once all is sent */
    struct buf hello;    /* what is sent in pieces */
    size_t at;           /* so much of it, or of a body, has been */
    struct buf unsent;   /* what the kernel did not take yet */
    uint64_t begun_ns;   /* when the attack began; 0: the connection is being opened */
    uint64_t next_ns;    /* the next follow-up; UINT64_MAX: none */
    uint64_t settled_ns; /* from when on it counts as held; UINT64_MAX: it does */
    uint64_t sent, received;
    char head[SLOW_HEAD]; /* the first bytes that the server sent */
    uint8_t head_len;
    struct slow_h2 h2;
};

/* slow_conn.c */
bool slow_start(struct lane *lane, struct err *e);
void slow_fire(struct lane *lane, struct op *op);
void slow_stop(struct lane *lane);
void slow_last_look(struct op *op, uint64_t now);

/* For attacks: sends, keeping what the kernel does not take.  May end the connection: s->op is NULL
 * then. */
void slow_say(struct slow_conn *s, const void *data, size_t len);
void slow_secure(struct slow_conn *s); /* the ClientHello of s->ssl is complete: go on with it */
void slow_listen(struct slow_conn *s, size_t most); /* reads once, at most so much */

/* The server has ended it: `e` says why, NULL is an orderly end. */
void slow_ended(struct slow_conn *s, const struct conn_error *e);

/* slow_http.c: for Host and :authority */
const char *slow_host(const struct target *t, struct arena *arena);

/* slow_end.c: parts 1.. are the ways in which a connection may be ended. */
const char *const *slow_parts(struct arena *arena, int *count);
int slow_part(const struct slow_conn *s, const struct conn_error *e, enum slow_metric *closed_by);

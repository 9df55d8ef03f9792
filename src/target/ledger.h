/*
 * ledger.h - what the target did, by its own stamps.
 *
 * One for all threads of a server, under one lock: an entry is a few additions, so that the lock
 * costs less than keeping a ledger per thread would cost in understanding.  Times are monotonic
 * nanoseconds. With a log, each answered request is also a line of it:
 *
 *     arrival departure programmed status          (programmed: due - arrival; status 0: reset)
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "stats/hist.h"
#include "target/dispersion.h"

enum count {
    COUNT_ACCEPTED, /* connections */
    COUNT_FULL,     /* TLS handshakes */
    COUNT_RESUMED,
    COUNT_HANDSHAKE_FAILED,
    COUNT_ACCEPT_PAUSED, /* out of descriptors, or at the limit of connections */
    COUNT_REQUESTS,      /* heads read; health and stats pages are not in it */
    COUNT_ANSWERED,
    COUNT_RESET,     /* by programme */
    COUNT_ERROR,     /* injected */
    COUNT_ABANDONED, /* the peer went before its answer was out */
    COUNT_BAD,       /* what was no request, or too large */
    COUNT_TIMED_OUT, /* the peer sent or read nothing for too long */
    COUNT_RECEIVED,  /* bytes, without TLS */
    COUNT_SENT,
    COUNTS,
};

#define STATUS_MAX 600

struct tally {      /* all that a reset zeroes */
    uint64_t since; /* ns */
    uint64_t count[COUNTS], status[STATUS_MAX];
    uint64_t open_max, first, last;        /* connections; stamps of arrivals */
    struct dispersion fine, coarse;        /* windows of 1 ms and 10 ms */
    struct hist programmed, service, late; /* due - arrival, departure - arrival, departure - due */
};

struct ledger {
    pthread_mutex_t lock;
    FILE *log; /* or NULL; borrowed */
    uint64_t open;
    struct tally tally;
};

struct answered {
    uint64_t arrival_ns, due_ns, departure_ns;
    int status;
    bool error, reset;
};

struct ledger *ledger_new(FILE *log, uint64_t now);
void ledger_free(struct ledger *l); /* NULL is fine */

void ledger_count(struct ledger *l, enum count what, uint64_t n);
void ledger_bytes(struct ledger *l, uint64_t received, uint64_t sent);
uint64_t ledger_get(struct ledger *l, enum count what);
uint64_t ledger_open(struct ledger *l); /* connections open now */
void ledger_connected(struct ledger *l);
void ledger_disconnected(struct ledger *l);
uint64_t ledger_arrived(struct ledger *l, uint64_t now); /* the request's number, from 0 */
void ledger_answered(struct ledger *l, const struct answered *a);
void ledger_reset(struct ledger *l); /* connections stay open; requests count from 0 again */
char *ledger_json(struct ledger *l); /* the caller frees it */

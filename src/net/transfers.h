/*
 * transfers.h - HTTP requests by libcurl's multi interface, on somebody's event loop.
 *
 * A `transfers` is one thread's: its pool of kept connections, its sockets in the loop, its timer.
 * A `transfer` is one handle of it that makes one request after another, each with the same method,
 * TLS options and source address, and keeps its memory between them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/attempt.h"

struct err;
struct event_base;
struct timers;
struct transfer;
struct transfers;

struct transfer_answer { /* valid until done() returns */
    enum attempt_failure failure;
    const char *why; /* with a failure */
    int status;
    const char *head, *body; /* the last head, with its empty line; the body as far as kept */
    size_t head_len, body_len;
    bool cut;                                 /* the body was longer than what was kept */
    bool fresh;                               /* on a new connection */
    bool began;                               /* an answer began to arrive */
    uint64_t resolving, connecting, securing; /* ns; of a fresh connection, as far as it came */
    uint64_t waiting, receiving, duration;    /* ns; of a complete answer; without connecting */
    uint64_t sent, received;                  /* bytes */
};

struct transfers *transfers_new(struct event_base *base, struct timers *timers); /* or NULL */
void transfers_free(struct transfers *ts); /* after its transfers; NULL is fine */

struct transfer *transfer_new(struct transfers *ts); /* NULL: libcurl has no memory */
void transfer_free(struct transfer *t);              /* abandons what is under way; NULL is fine */

/*
 * Begins a request; done() is called once, from the event loop, and may begin the next.  `fresh`:
 * on a connection of its own, which is closed afterwards.  What `r` points at stays until done().
 * r->interrupted is not looked at.  False with the reason if it cannot begin.
 */
struct transfer_options {
    bool fresh;
    size_t max_body;
    void (*done)(void *arg, const struct transfer_answer *a);
    void *arg;
};
bool transfer_begin(struct transfer *t, const struct attempt_request *r,
                    const struct transfer_options *o, struct err *e);

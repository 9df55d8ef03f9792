/*
 * worker.h - one thread of the target: its event base, its clockwork and its connections.
 *
 * Two heaps of timers: `dues` holds departures and is waited for precisely, with a short spin at
 * the end; `deadlines` holds time-outs, for which a late wake-up is good enough.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/timers.h"

struct err;
struct errands;
struct event;
struct event_base;
struct h2_pool;
struct links;
struct listener;
struct peer;
struct server;

#define WORKER_READ 16384 /* bytes that one read takes at most */

struct worker {
    struct server *server;
    int number; /* of the server's workers, from 0 */
    struct event_base *base;
    struct event *tick, *stop;
    int tick_fd;    /* a timerfd */
    uint64_t armed; /* when it is set for; 0: not set */
    uint64_t lead;  /* how late the tick usually wakes, ns */
    struct timers dues, deadlines;
    struct listener *listeners; /* one for each address */
    struct timer resume;        /* takes up accepting again */
    bool paused;                /* not accepting */
    bool draining;              /* asked to stop */
    struct timer grace;
    bool over;               /* the grace is over */
    struct peer *peers;      /* all connections, in no order */
    struct links *links;     /* to a hub; NULL: none */
    struct h2_pool *pool;    /* of its HTTP/2 sessions */
    struct errands *errands; /* pages asked off the loop; NULL: none waits */
    char in[WORKER_READ];    /* what was just read */
    struct buf out;          /* what is about to be written */
    char date[32];
    uint64_t date_until; /* when `date` has to be made anew */
    pthread_t thread;
};

/* Accepts on the listening sockets `fds`, one for each address; takes them, also when it fails. */
struct worker *worker_new(struct server *s, int number, const int *fds, struct err *e);
void worker_run(struct worker *w); /* until the server is stopped and the work is done */
void worker_free(struct worker *w);

/* A connection has closed: there is room for another. */
void worker_room(struct worker *w);

/* The date field's value (RFC 9110 5.6.7), made every second. */
const char *worker_date(struct worker *w, uint64_t now);

/*
 * offload.h - work that blocks, done off the event loop.
 *
 * A lane, or a worker of the target, has a few threads for libraries that can only wait (libcurl's
 * single tries, SQLite, a file of SQL).  A task is queued on the loop's thread, worked on by one of
 * the others, and done on the loop's again.  Each thread has a slot in which the work keeps what
 * outlives one task, such as a connection.
 *
 * The owner embeds the task; it is the owner's again when done() is called.  {0} is a closed pool.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct err;
struct event;
struct event_base;

struct offload_task {
    struct offload_task *next;
    void (*work)(struct offload_task *t, void **slot); /* on a thread of the pool */
    void (*done)(struct offload_task *t);              /* on the loop's thread */
};

struct offload_queue {
    struct offload_task *first, *last;
};

struct offload {
    void (*close)(void **slot); /* set by the owner: when a thread ends, on that thread; or NULL */
    volatile int cancelled;     /* the work looks at it, and then ends soon */
    bool open, ending;
    struct event *event;
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct offload_queue waiting, finished; /* under the lock */
    int idle;                               /* threads that wait; under the lock */
    pthread_t *threads;
    int thread_count, thread_max;
    int done_fd;
};

bool offload_start(struct offload *o, struct event_base *base, int thread_max, struct err *e);
bool offload_submit(struct offload *o, struct offload_task *t, struct err *e); /* never blocks */

/* Cancels, waits for the work that is running and ends the threads; done() is not called again. */
void offload_stop(struct offload *o);

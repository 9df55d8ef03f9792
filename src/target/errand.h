/*
 * errand.h - a page that may block is asked off the loop.
 *
 * Pages that wait for a database would hold up every other connection of their worker.  An errand
 * takes the request to one of the worker's threads, where the page answers it, and brings the reply
 * back to the loop.  The exchange may be gone by then: the errand keeps all that the page needs.
 *
 * Whatever else waits, or keeps a processor busy for longer than others like to wait, is a chore
 * of the same threads.
 */
#pragma once

#include <stdbool.h>

#include "driver/offload.h"

struct errand;
struct err;
struct exchange;
struct worker;

/* Threads of the worker, at most `threads`; 0: its pages never wait. */
bool errands_start(struct worker *w, int threads, struct err *e);
void errands_stop(struct worker *w); /* waits for what runs; the rest is dropped */

/* Takes what is to be asked out of `x`; `back` is called when it is ready, unless it is forgotten.
 */
void errand_send(struct worker *w, struct exchange *x, void (*back)(void *owner), void *owner);
void errand_forget(struct errand *r); /* NULL is fine */

struct chore { /* the owner embeds it, and has it again when done() or drop() is called */
    struct offload_task task;
    struct chore *next, *prev;
    struct worker *worker;
    void (*work)(struct chore *c); /* on another thread */
    void (*done)(struct chore *c); /* on the worker's */
    void (*drop)(struct chore *c); /* instead of it: the worker ends */
};

/* With work(), done() and drop() set.  False, and it is the owner's still: there is no thread. */
bool chore_send(struct worker *w, struct chore *c);

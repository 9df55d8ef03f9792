/*
 * supervisor.h - running the suite's services: up in order, watched, down in reverse.
 *
 * Each service runs in its own process group with PR_SET_PDEATHSIG (so the main thread has to live
 * as long as they do), its output in DIR/services/NAME.log (redacted).  The supervisor has a thread
 * of its own, which notices a death at once; everything else is called on the main thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct arena;
struct err;
struct journal;
struct observer;
struct service_result;
struct suite;
struct supervisor;

struct supervisor_opts {
    struct suite *suite;
    const char *results_dir;         /* logs go to its services/ */
    const struct observer *observer; /* told of what becomes ready; or NULL */
    struct journal *journal;         /* each is written there before it is started; or NULL */
    const volatile int *interrupted; /* non-zero: give up waiting */
    bool no_cleanup;                 /* the services are to outlive this process */
};

struct supervisor *supervisor_new(const struct supervisor_opts *o);

/*
 * Starts the services of `mask` in file order, those they need before them, each proven ready
 * before the next one starts.  False at the first that does not get there; results[i] (one for
 * each service of the suite) and `e` say why, with the last lines of its output.
 */
bool supervisor_up(struct supervisor *s, uint64_t mask, struct service_result *results,
                   struct arena *arena, struct err *e);

/* False if a service has died since; fills its result and `e`. */
bool supervisor_healthy(struct supervisor *s, struct service_result *results, struct arena *arena,
                        struct err *e);

/* TERM, grace, KILL, reap, in reverse order.  Later calls do nothing. */
void supervisor_down(struct supervisor *s);

/* With --no-cleanup: leaves them running, and says in `out` how to stop each. */
struct buf;
void supervisor_leave(struct supervisor *s, struct buf *out);
void supervisor_free(struct supervisor *s);

/*
 * child.h - a command in its own process group.
 *
 * No shell is involved.  The child gets default signal dispositions and an empty signal mask, and
 * inherits no descriptors but its three.  It dies with the thread that spawned it
 * (PR_SET_PDEATHSIG), so that thread has to live as long as the child should.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct buf;
struct err;

struct child_opts {
    const char *const *argv; /* NULL-terminated; argv[0] is looked up in PATH */
    const char *const *env;  /* NULL-terminated "NAME=value", added to ours; NULL: none */
    const char *dir;         /* working directory; NULL: ours */
    const char *user;        /* to become, when we are root; NULL: stay */
    int in, out, err;        /* descriptors; -1: /dev/null */
    bool outlive;            /* do not die with this process */
};

/* The pid, which is also its process group; -1 with the reason (such as "not found") in `e`. */
pid_t child_spawn(const struct child_opts *o, struct err *e);

/* Is there a file that child_spawn() would try?  True too for a path that is relative to `dir`. */
bool child_found(const struct child_opts *o);

/* A descriptor that is readable once the child has ended; -1 with errno. */
int child_pidfd(pid_t pid);

/* Its wait status if it has ended, leaving it to be reaped, so that its pid stays its own. */
bool child_ended(pid_t pid, int *wait_status);

/*
 * Signals the whole group; after `grace_ns` kills what is left of it; reaps the child.  On return
 * no process of the group runs any more.  The child's wait status.
 */
int child_stop(pid_t pid, int signal, uint64_t grace_ns);

/* The same for a group that nobody has to wait for: killed at once, the child reaped. */
int child_kill(pid_t pid);

/*
 * Kills every group that is running and was not started with `outlive`.  Safe in a signal handler,
 * for a process about to end at once: the death signal reaches the leaders alone.
 */
void child_kill_all(void);

/*
 * From begin to end a guardian process does the same if this one is killed, whatever the signal.
 * Begin before the first child and before the first thread; end after the last child was reaped.
 */
bool child_guard_begin(struct err *e);
void child_guard_end(void);

/*
 * Runs a command to its end or the deadline, then the group is killed.  Output (both streams, the
 * last `max` bytes kept) goes to `output`, whatever `out` and `err` say.  True if it exited 0; if
 * not, `e` has the reason.  `exit_code` (may be NULL) is -1 if it did not exit by itself.
 * `interrupted` (may be NULL) ends it early.
 */
bool child_run(const struct child_opts *o, uint64_t timeout_ns, size_t max, struct buf *output,
               int *exit_code, const volatile int *interrupted, struct err *e);

/*
 * Appends what a non-blocking descriptor holds, keeping the last `max` bytes of `output`.  False
 * at its end (or on an error).
 */
bool child_read(int fd, size_t max, struct buf *output);

/* The last `lines` lines of a text, without the final line end; points into it. */
const char *child_last_lines(const struct buf *text, int lines, size_t *len);

/* "exited with 3", "was killed by signal 9 (Killed)". */
const char *child_describe(int wait_status, char *buf, size_t size);

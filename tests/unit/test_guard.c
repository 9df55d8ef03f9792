/* A runner that is killed leaves no child, and no child of a child, behind. */
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/child.h"
#include "base/err.h"

#include "unit.h"

/* The runner: a guarded process whose child has a child; both hold the writing end of `out`. */
_Noreturn static void runner(int out)
{
    static const char *const argv[] = {"sh", "-c", "sleep 1000 & echo up; wait", NULL};
    struct child_opts o = {.argv = argv, .in = -1, .out = out, .err = -1};
    struct err e;

    if (!child_guard_begin(&e) || child_spawn(&o, &e) < 0)
        _exit(1);
    close(out);
    for (;;)
        pause();
}

/* True once every writer of the pipe is gone: the child and the grandchild. */
static bool ends(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    char byte;

    return poll(&p, 1, 30000) == 1 && read(fd, &byte, 1) == 0;
}

static void nothing_outlives_a_killed_runner(void **state)
{
    char line[3];
    int fds[2], status;
    pid_t pid;

    (void)state;
    assert_int_equal(pipe(fds), 0);
    pid = fork();
    if (pid == 0) {
        close(fds[0]);
        runner(fds[1]);
    }
    close(fds[1]);
    assert_int_equal(read(fds[0], line, 3), 3); /* "up\n": both are running */
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(ends(fds[0]));
    close(fds[0]);
}

static void an_ended_guard_harms_nobody(void **state)
{
    static const char *const argv[] = {"true", NULL};
    struct child_opts o = {.argv = argv, .in = -1, .out = -1, .err = -1};
    struct err e;
    pid_t pid;

    (void)state;
    assert_true(child_guard_begin(&e));
    child_guard_end();
    pid = child_spawn(&o, &e);
    assert_true(pid > 0);
    child_stop(pid, SIGTERM, UINT64_C(1000000000));
}

/* Else a service would find the port taken that was kept for it until now. */
static void the_guardian_holds_nothing_of_its_runner(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        struct pollfd p = {.events = POLLIN};
        struct err e;
        int fds[2];

        assert_int_equal(pipe(fds), 0);
        assert_true(child_guard_begin(&e));
        close(fds[1]);
        p.fd = fds[0];
        assert_int_equal(poll(&p, 1, 0), 1);
        assert_int_equal(p.revents, POLLHUP);
        close(fds[0]);
        child_guard_end();
    }
}

UNIT_GROUP(guard, cmocka_unit_test(nothing_outlives_a_killed_runner),
           cmocka_unit_test(an_ended_guard_harms_nobody),
           cmocka_unit_test(the_guardian_holds_nothing_of_its_runner));

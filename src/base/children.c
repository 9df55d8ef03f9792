/*
 * children.c - a table that a signal handler may read at any moment, so it has neither locks nor
 * memory that moves.  What does not fit is not in it, and is left to the death signal.
 *
 * The death signal reaches the leader of a group alone.  So that a killed runner leaves no
 * grandchildren either, a guardian process shares the table and holds the reading end of a pipe:
 * when the pipe ends, however this process did, it kills what is still in the table.
 */
#include "base/children.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/child.h"
#include "base/err.h"

#define MAX_CHILDREN 16384

struct table {
    _Atomic unsigned high; /* places that have ever been used */
    _Atomic pid_t pids[MAX_CHILDREN];
};

static struct table own;
static struct table *table = &own;
static pid_t guardian;
static int guardian_pipe = -1;

void children_add(pid_t pid)
{
    for (unsigned i = 0; i < MAX_CHILDREN; i++) {
        unsigned used = table->high;
        pid_t none = 0;

        if (!atomic_compare_exchange_strong(&table->pids[i], &none, pid))
            continue;
        while (used <= i && !atomic_compare_exchange_weak(&table->high, &used, i + 1))
            ;
        return;
    }
}

void children_remove(pid_t pid)
{
    for (unsigned i = 0; i < table->high; i++) {
        pid_t expected = pid;

        if (atomic_compare_exchange_strong(&table->pids[i], &expected, 0))
            return;
    }
}

void child_kill_all(void)
{
    for (unsigned i = 0; i < table->high; i++) {
        pid_t group = table->pids[i];

        if (group > 0)
            kill(-group, SIGKILL);
    }
}

_Noreturn static void guard(int pipe_fd)
{
    char byte;

    setsid();
    prctl(PR_SET_NAME, "shakedown-guard");
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    if (dup2(pipe_fd, STDIN_FILENO) < 0)
        _exit(1);
    close_range(STDIN_FILENO + 1, ~0U, 0);
    while (read(STDIN_FILENO, &byte, 1) < 0 && errno == EINTR)
        ;
    child_kill_all();
    _exit(0);
}

/* `fds[1]` ends with the guardian's last copy of it: then it holds no port and no file any more. */
static void await_closed(int fds[2])
{
    char byte;

    close(fds[1]);
    while (read(fds[0], &byte, 1) < 0 && errno == EINTR)
        ;
    close(fds[0]);
}

bool child_guard_begin(struct err *e)
{
    struct table *shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int fds[2], held[2];

    if (shared == MAP_FAILED || pipe2(fds, O_CLOEXEC) != 0 || pipe2(held, O_CLOEXEC) != 0)
        return err_errno(e, "cannot set up the guardian of child processes");
    table = shared;
    guardian = fork();
    if (guardian == 0)
        guard(fds[0]);
    await_closed(held);
    close(fds[0]);
    guardian_pipe = fds[1];
    return guardian > 0 || err_errno(e, "cannot start the guardian of child processes");
}

void child_guard_end(void)
{
    if (guardian_pipe >= 0)
        close(guardian_pipe);
    if (guardian > 0)
        waitpid(guardian, NULL, 0);
    if (table != &own)
        munmap(table, sizeof(*table));
    guardian_pipe = -1;
    guardian = 0;
    table = &own;
}

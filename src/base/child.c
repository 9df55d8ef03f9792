#include "base/child.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/children.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/units.h"

#define LOOK_MS  50             /* how often a wait looks at what no descriptor tells */
#define KILL_NS  (5 * NS_PER_S) /* a killed process is gone by then, unless the kernel holds it */
#define READ_MAX (1 << 20) /* bytes taken from a pipe at once, so that a flood cannot hold us */

int child_pidfd(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

static int status_of(const siginfo_t *info)
{
    if (info->si_code == CLD_EXITED)
        return W_EXITCODE(info->si_status & 0xff, 0);
    return W_EXITCODE(0, info->si_status);
}

bool child_ended(pid_t pid, int *wait_status)
{
    siginfo_t info = {0};

    if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0)
        return false;
    *wait_status = status_of(&info);
    return true;
}

static int reap(pid_t pid)
{
    int status = 0;

    children_remove(pid);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return 0;
    return status;
}

/* State and group of a process; the name in the line may hold blanks and brackets (proc(5)). */
static bool read_stat(const char *pid, char *state, pid_t *group)
{
    char path[64], line[512];
    const char *after;
    ssize_t len;
    int fd, parent;

    snprintf(path, sizeof(path), "/proc/%.20s/stat", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    len = read(fd, line, sizeof(line) - 1);
    close(fd);
    if (len <= 0)
        return false;
    line[len] = '\0';
    after = strrchr(line, ')');
    return after && sscanf(after + 1, " %c %d %d", state, &parent, group) == 3;
}

/* A dead leader leaves its group's other members behind, which only /proc can tell. */
static bool group_runs(pid_t group)
{
    struct dirent *entry;
    DIR *proc = opendir("/proc");
    bool runs = false;

    if (!proc)
        return false;
    while (!runs && (entry = readdir(proc)) != NULL) {
        char state;
        pid_t of;

        if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
            continue;
        runs = read_stat(entry->d_name, &state, &of) && of == group && state != 'Z' && state != 'X';
    }
    closedir(proc);
    return runs;
}

static int left_ms(uint64_t deadline_ns)
{
    uint64_t now = now_ns();

    if (now >= deadline_ns)
        return 0;
    if (deadline_ns - now > INT32_MAX * NS_PER_MS)
        return INT32_MAX;
    return (int)((deadline_ns - now + NS_PER_MS - 1) / NS_PER_MS);
}

static int least(int a, int b)
{
    return a < b ? a : b;
}

static void wait_leader(pid_t pid, uint64_t deadline_ns)
{
    struct pollfd fd = {.fd = child_pidfd(pid), .events = POLLIN};
    int status, left;

    while (!child_ended(pid, &status) && (left = left_ms(deadline_ns)) > 0)
        poll(&fd, fd.fd >= 0, fd.fd >= 0 ? left : least(left, LOOK_MS));
    if (fd.fd >= 0)
        close(fd.fd);
}

static void wait_group(pid_t group, uint64_t deadline_ns)
{
    int left;

    while ((left = left_ms(deadline_ns)) > 0 && group_runs(group))
        poll(NULL, 0, least(left, 5));
}

/*
 * The leader is reaped last: as long as it is a zombie, its number cannot become that of another
 * process or group, and signalling the group is safe.
 */
int child_stop(pid_t pid, int signal, uint64_t grace_ns)
{
    uint64_t deadline = now_ns() + grace_ns;

    kill(-pid, signal);
    kill(-pid, SIGCONT); /* one that is stopped could not obey */
    wait_leader(pid, deadline);
    wait_group(pid, deadline);
    kill(-pid, SIGKILL);
    wait_leader(pid, now_ns() + KILL_NS);
    wait_group(pid, now_ns() + KILL_NS);
    return reap(pid);
}

int child_kill(pid_t pid)
{
    kill(-pid, SIGKILL);
    return reap(pid);
}

static void keep_tail(struct buf *b, size_t max)
{
    size_t over = b->len > max ? b->len - max : 0;

    if (over == 0)
        return;
    memmove(b->data, b->data + over, b->len - over);
    b->len -= over;
    b->data[b->len] = '\0';
}

bool child_read(int fd, size_t max, struct buf *output)
{
    char chunk[16384];
    size_t taken = 0;
    bool open = true;

    while (open && taken < READ_MAX) {
        ssize_t got = read(fd, chunk, sizeof(chunk));

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            break;
        open = got > 0;
        if (!open)
            break;
        taken += (size_t)got;
        buf_add(output, chunk, (size_t)got);
        if (output->len > max + READ_MAX / 4)
            keep_tail(output, max);
    }
    keep_tail(output, max);
    return open;
}

static bool is_set(const volatile int *flag)
{
    return flag && __atomic_load_n(flag, __ATOMIC_RELAXED) != 0;
}

enum ending { ENDED, TIMED_OUT, INTERRUPTED };

/* Reads along until the child ends; what a grandchild goes on to write is not waited for. */
static enum ending follow(pid_t pid, int out, uint64_t deadline, size_t max, struct buf *output,
                          const volatile int *interrupted)
{
    struct pollfd fds[2] = {{.fd = out, .events = POLLIN},
                            {.fd = child_pidfd(pid), .events = POLLIN}};
    enum ending ending = ENDED;
    int status;

    while (!child_ended(pid, &status)) {
        int left = left_ms(deadline);

        ending = is_set(interrupted) ? INTERRUPTED : left == 0 ? TIMED_OUT : ENDED;
        if (ending != ENDED)
            break;
        if (poll(fds, 2, least(left, LOOK_MS)) > 0 && fds[0].revents &&
            !child_read(out, max, output))
            fds[0].fd = -1;
    }
    if (fds[1].fd >= 0)
        close(fds[1].fd);
    return ending;
}

static bool explain(enum ending ending, int status, uint64_t timeout_ns, struct err *e)
{
    char text[UNITS_MAX > 96 ? UNITS_MAX : 96];

    if (ending == INTERRUPTED)
        return err_set(e, "interrupted");
    if (ending == TIMED_OUT)
        return err_set(e, "did not end within %s", units_print_duration((double)timeout_ns, text));
    if (status != 0)
        return err_set(e, "%s", child_describe(status, text, sizeof(text)));
    return true;
}

bool child_run(const struct child_opts *o, uint64_t timeout_ns, size_t max, struct buf *output,
               int *exit_code, const volatile int *interrupted, struct err *e)
{
    struct child_opts piped = *o;
    uint64_t start = now_ns();
    enum ending ending;
    int fds[2], status;
    pid_t pid;

    if (exit_code)
        *exit_code = -1;
    if (pipe2(fds, O_CLOEXEC) != 0)
        return err_errno(e, "could not make a pipe");
    fcntl(fds[0], F_SETFL, O_NONBLOCK); /* our end alone: the child's blocks, as commands expect */
    piped.out = piped.err = fds[1];
    pid = child_spawn(&piped, e);
    close(fds[1]);
    if (pid < 0) {
        close(fds[0]);
        return false;
    }
    ending = follow(pid, fds[0], timeout_ns > UINT64_MAX - start ? UINT64_MAX : start + timeout_ns,
                    max, output, interrupted);
    status = child_kill(pid);
    child_read(fds[0], max, output);
    close(fds[0]);
    if (exit_code && ending == ENDED && WIFEXITED(status))
        *exit_code = WEXITSTATUS(status);
    return explain(ending, status, timeout_ns, e);
}

const char *child_last_lines(const struct buf *text, int lines, size_t *len)
{
    const char *start = buf_text(text), *end = start + text->len, *at;

    while (end > start && (end[-1] == '\n' || end[-1] == '\r'))
        end--;
    for (at = end; at > start; at--)
        if (at[-1] == '\n' && --lines == 0)
            break;
    *len = (size_t)(end - at);
    return at;
}

const char *child_describe(int wait_status, char *buf, size_t size)
{
    if (WIFSIGNALED(wait_status)) {
        const char *name = sigdescr_np(WTERMSIG(wait_status));

        snprintf(buf, size, "was killed by signal %d (%s)", WTERMSIG(wait_status),
                 name ? name : "unknown");
    } else {
        snprintf(buf, size, "exited with %d", WEXITSTATUS(wait_status));
    }
    return buf;
}

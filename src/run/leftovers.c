#include "run/leftovers.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/child.h"
#include "base/mem.h"
#include "base/proc.h"
#include "run/journal.h"

#define ROUNDS 8 /* what forks while it is looked at is found in the next one */

struct search {
    const struct past *p;
    bool spare, same_boot;
    struct found {
        pid_t pid;
        int fd;
        bool refused;
    } * list;
    int n, room;
};

static bool is_same_boot(const struct past *p)
{
    char boot[PROC_BOOT_MAX];

    proc_boot(boot);
    return p->boot && *boot && strcmp(p->boot, boot) == 0;
}

bool leftovers_is_running(const struct past *p, const struct past_service *v)
{
    return !v->stopped && v->pid > 0 && v->started > 0 && is_same_boot(p) &&
           proc_started(v->pid) == v->started;
}

/* The service that a process is, or whose group it belongs to; NULL: neither. */
static const struct past_service *service_of(const struct search *s, pid_t pid)
{
    pid_t group = getpgid(pid);

    for (int i = 0; s->same_boot && i < s->p->service_count; i++) {
        const struct past_service *v = &s->p->services[i];

        if ((v->pid == pid || (v->pid > 0 && v->pid == group)) && leftovers_is_running(s->p, v))
            return v;
    }
    return NULL;
}

static bool is_ours(const struct search *s, pid_t pid)
{
    const struct past_service *v = service_of(s, pid);

    if (v && s->spare)
        return false;
    return (v && v->pid == pid) || proc_has_mark(pid, JOURNAL_MARK, s->p->run_id);
}

/* Looked at again once the descriptor has it: from then on the number is the same process. */
static void on_process(pid_t pid, void *ctx)
{
    struct search *s = ctx;
    int fd;

    if (!is_ours(s, pid))
        return;
    fd = child_pidfd(pid);
    if (fd < 0)
        return;
    if (!is_ours(s, pid) || proc_started(pid) == 0) {
        close(fd);
        return;
    }
    if (s->n == s->room) {
        s->room = s->room ? 2 * s->room : 16;
        s->list = xrealloc(s->list, (size_t)s->room * sizeof(*s->list));
    }
    s->list[s->n++] = (struct found){pid, fd, false};
}

static void signal_all(struct search *s, int sig)
{
    for (int i = 0; i < s->n; i++)
        if (syscall(SYS_pidfd_send_signal, s->list[i].fd, sig, NULL, 0) != 0 && errno != ESRCH)
            s->list[i].refused = true;
}

static bool has_ended(const struct found *f, int timeout_ms)
{
    struct pollfd pfd = {.fd = f->fd, .events = POLLIN};

    return poll(&pfd, 1, timeout_ms) > 0;
}

static void await(const struct search *s, int grace_ms)
{
    for (int waited = 0; waited < grace_ms; waited += 10) {
        int running = 0;

        for (int i = 0; i < s->n; i++)
            running += !s->list[i].refused && !has_ended(&s->list[i], 0);
        if (!running)
            return;
        usleep(10 * 1000);
    }
}

static void end_found(struct search *s, int grace_ms, struct leftovers *out)
{
    signal_all(s, SIGTERM);
    await(s, grace_ms);
    signal_all(s, SIGKILL);
    await(s, 2000);
    out->left = 0;
    for (int i = 0; i < s->n; i++) {
        bool ended = has_ended(&s->list[i], 0);

        out->ended += ended;
        out->left += !ended;
        close(s->list[i].fd);
    }
}

struct leftovers leftovers_end(const struct past *p, bool spare, int grace_ms)
{
    struct search s = {.p = p, .spare = spare, .same_boot = is_same_boot(p)};
    struct leftovers out = {0};

    for (int round = 0; round < ROUNDS; round++) {
        s.n = 0;
        proc_each(on_process, &s);
        if (s.n == 0)
            break;
        end_found(&s, grace_ms, &out);
        if (out.left)
            break;
    }
    free(s.list);
    return out;
}

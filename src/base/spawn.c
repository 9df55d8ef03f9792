/*
 * spawn.c - child_spawn(): from a command to a running process.
 *
 * The child is made by vfork(): fork() would copy the page tables of a process that may hold
 * gigabytes of histograms, and stall every lane while doing so.  Until it has become the command,
 * the child shares our memory, so everything it needs is made before, and it makes system calls
 * alone; setuid() and its kin go around glibc, whose versions would signal our other threads.  What
 * fails in the child comes back through a pipe that a successful exec closes.
 */
#include "base/child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/children.h"
#include "base/err.h"

enum stage { AT_START, AT_USER, AT_DIR, AT_EXEC };

struct failure { /* what the pipe carries */
    enum stage stage;
    int error;
};

struct identity {
    bool change;
    uid_t uid;
    gid_t gid;
    gid_t *groups;
    int group_count;
};

struct plan { /* all that the child needs */
    const struct child_opts *opts;
    const char **paths; /* to try, NULL-terminated */
    const char **env;
    struct identity who;
    int fds[3];
    int report; /* write end of the pipe */
    pid_t parent;
};

static const char *find_env(const char *const *env, const char *name)
{
    size_t len = strlen(name);

    for (; env && *env; env++)
        if (strncmp(*env, name, len) == 0 && (*env)[len] == '=')
            return *env + len + 1;
    return NULL;
}

static int count(const char *const *list)
{
    int n = 0;

    while (list && list[n])
        n++;
    return n;
}

static bool is_overridden(const char *var, const char *const *env)
{
    size_t len = strcspn(var, "=");

    for (; env && *env; env++)
        if (strncmp(*env, var, len + 1) == 0)
            return true;
    return false;
}

static void plan_env(struct plan *p, const char *const *extra, struct arena *a)
{
    const char *const *ours = (const char *const *)environ;
    int n = 0;

    p->env = arena_array(a, const char *, count(ours) + count(extra) + 1);
    for (; *ours; ours++)
        if (!is_overridden(*ours, extra))
            p->env[n++] = *ours;
    for (; extra && *extra; extra++)
        p->env[n++] = *extra;
}

/* The files that execvp() would try, in its order. */
static void plan_paths(struct plan *p, struct arena *a)
{
    const char *name = p->opts->argv[0], *path = find_env(p->env, "PATH");
    int n = 1;

    if (strchr(name, '/')) {
        p->paths = arena_array(a, const char *, 2);
        p->paths[0] = name;
        return;
    }
    path = path ? path : "/usr/local/bin:/usr/bin:/bin";
    for (const char *s = path; *s; s++)
        n += *s == ':';
    p->paths = arena_array(a, const char *, n + 1);
    for (int i = 0; i < n; i++) {
        int len = (int)strcspn(path, ":");

        p->paths[i] = arena_printf(a, "%.*s/%s", len ? len : 1, len ? path : ".", name);
        path += len + (path[len] == ':');
    }
}

bool child_found(const struct child_opts *o)
{
    struct arena a = {0};
    struct plan p = {.opts = o};
    bool found = false;

    plan_env(&p, o->env, &a);
    plan_paths(&p, &a);
    for (const char **path = p.paths; *path && !found; path++)
        found = access(*path, F_OK) == 0 || (strchr(o->argv[0], '/') && **path != '/');
    arena_free(&a);
    return found;
}

static const struct passwd *find_user(const char *name, struct arena *a)
{
    struct passwd *entry = arena_new(a, struct passwd), *found = NULL;

    for (size_t size = 1024; size <= 1 << 20; size *= 2)
        if (getpwnam_r(name, entry, arena_alloc(a, size), size, &found) != ERANGE)
            break;
    return found;
}

/* What a login would set; the command's own settings come after, and so win. */
static void plan_home(struct plan *p, const struct passwd *user, struct arena *a)
{
    const char *const *given = p->opts->env;
    const char **env = arena_array(a, const char *, count(given) + 4);
    const char *home[] = {arena_printf(a, "HOME=%s", user->pw_dir),
                          arena_printf(a, "USER=%s", user->pw_name),
                          arena_printf(a, "LOGNAME=%s", user->pw_name)};
    int n = 0;

    for (int i = 0; i < 3; i++)
        if (!is_overridden(home[i], given))
            env[n++] = home[i];
    for (; given && *given; given++)
        env[n++] = *given;
    plan_env(p, env, a);
}

static bool plan_user(struct plan *p, const char *name, struct arena *a, struct err *e)
{
    const struct passwd *user = find_user(name, a);

    if (!user)
        return err_set(e, "user \"%s\" does not exist", name);
    if (user->pw_uid == geteuid())
        return true;
    if (geteuid() != 0)
        return err_set(e, "cannot become user \"%s\": only root can", name);
    p->who = (struct identity){true, user->pw_uid, user->pw_gid, NULL, 64};
    p->who.groups = arena_array(a, gid_t, p->who.group_count);
    while (getgrouplist(name, user->pw_gid, p->who.groups, &p->who.group_count) < 0) {
        if (p->who.group_count > 65536)
            return err_set(e, "user \"%s\" is in too many groups", name);
        p->who.groups = arena_array(a, gid_t, p->who.group_count);
    }
    plan_home(p, user, a);
    return true;
}

_Noreturn static void fail(const struct plan *p, enum stage stage)
{
    struct failure f = {stage, errno};
    ssize_t ignored = write(p->report, &f, sizeof(f));

    (void)ignored;
    _exit(127);
}

/*
 * glibc keeps two signals to itself, which sigaction() refuses; yet its posix_spawn(), with which
 * make starts commands, hands them on as ignored.
 */
static void default_signals(void)
{
    static const unsigned long action[8]; /* the kernel's: SIG_DFL, no flags, an empty mask */
    sigset_t none;

    for (int i = 1; i < NSIG; i++)
        syscall(SYS_rt_sigaction, i, action, NULL, (NSIG - 1) / 8);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Above the three first, so that none of them is overwritten before it has been used. */
static void place_descriptors(struct plan *p)
{
    int high[4] = {p->report, p->fds[0], p->fds[1], p->fds[2]};

    for (int i = 0; i < 4; i++) {
        high[i] = fcntl(high[i], F_DUPFD_CLOEXEC, 3);
        if (high[i] < 0)
            fail(p, AT_START);
        if (i == 0)
            p->report = high[0];
    }
    for (int i = 0; i < 3; i++)
        if (dup2(high[i + 1], i) < 0)
            fail(p, AT_START);
    if (syscall(SYS_close_range, 3U, ~0U, 4U /* CLOSE_RANGE_CLOEXEC */) != 0)
        for (int fd = 3, end = (int)sysconf(_SC_OPEN_MAX); fd < end; fd++)
            fcntl(fd, F_SETFD, FD_CLOEXEC);
}

static void become_user(const struct plan *p)
{
    const struct identity *w = &p->who;

    if (!w->change)
        return;
    if (syscall(SYS_setgroups, (size_t)w->group_count, w->groups) != 0 ||
        syscall(SYS_setresgid, w->gid, w->gid, w->gid) != 0 ||
        syscall(SYS_setresuid, w->uid, w->uid, w->uid) != 0)
        fail(p, AT_USER);
}

/* A change of user clears the death signal, so this comes after it. */
static void die_with_parent(const struct plan *p)
{
    if (p->opts->outlive)
        return;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        fail(p, AT_START);
    if (getppid() != p->parent) /* it died before the signal was asked for */
        _exit(127);
}

_Noreturn static void become_command(struct plan *p)
{
    int error = ENOENT;

    setpgid(0, 0);
    if (!p->opts->outlive) /* here, so that no moment is left in which we could die unnoticed */
        children_add(getpid());
    place_descriptors(p);
    become_user(p);
    die_with_parent(p);
    if (p->opts->dir && chdir(p->opts->dir) != 0)
        fail(p, AT_DIR);
    default_signals();
    for (const char **path = p->paths; *path; path++) {
        execve(*path, (char *const *)p->opts->argv, (char *const *)p->env);
        if (errno != ENOENT && errno != ENOTDIR)
            error = errno;
        if (errno != ENOENT && errno != ENOTDIR && errno != EACCES)
            break;
    }
    errno = error;
    fail(p, AT_EXEC);
}

/* Signals stay blocked across it: a handler of ours must not run in the child. */
__attribute__((noinline)) static pid_t make_child(struct plan *p)
{
    sigset_t all, before;
    pid_t pid;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid = vfork();
    if (pid == 0)
        become_command(p);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return pid;
}

static bool explain(const struct plan *p, const struct failure *f, struct err *e)
{
    const char *name = p->opts->argv[0];

    errno = f->error;
    switch (f->stage) {
    case AT_USER:
        return err_errno(e, "could not become user \"%s\"", p->opts->user);
    case AT_DIR:
        return err_errno(e, "could not enter the directory \"%s\"", p->opts->dir);
    case AT_EXEC:
        if (f->error == ENOENT && strchr(name, '/') && access(name, F_OK) == 0)
            return err_set(e,
                           "could not run \"%s\": the interpreter that its first line names "
                           "was not found",
                           name);
        if (f->error == ENOENT)
            return err_set(e, "command \"%s\": not found%s", name,
                           strchr(name, '/') ? "" : " in PATH");
        break;
    case AT_START:
        break;
    }
    return err_errno(e, "could not run \"%s\"", name);
}

/* Waits for the exec, or for word of what went wrong before it. */
static pid_t await(const struct plan *p, pid_t pid, int pipe_end, struct err *e)
{
    struct failure f = {0};
    ssize_t got;

    setpgid(pid, pid); /* both sides do: whoever is first, the group exists when we return */
    do
        got = read(pipe_end, &f, sizeof(f));
    while (got < 0 && errno == EINTR);
    if (got != (ssize_t)sizeof(f))
        return pid;
    explain(p, &f, e);
    children_remove(pid);
    waitpid(pid, NULL, 0);
    return -1;
}

static pid_t spawn(struct plan *p, struct err *e)
{
    int report[2];
    pid_t pid;

    if (pipe2(report, O_CLOEXEC) != 0) {
        err_errno(e, "could not make a pipe");
        return -1;
    }
    p->report = report[1];
    p->parent = getpid();
    pid = make_child(p);
    if (pid < 0)
        err_errno(e, "could not start \"%s\"", p->opts->argv[0]);
    close(report[1]);
    if (pid > 0)
        pid = await(p, pid, report[0], e);
    close(report[0]);
    return pid;
}

pid_t child_spawn(const struct child_opts *o, struct err *e)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC), given[3] = {o->in, o->out, o->err};
    struct plan p = {.opts = o};
    struct arena a = {0};
    pid_t pid = -1;

    if (null < 0) {
        err_errno(e, "could not open \"/dev/null\"");
        return -1;
    }
    for (int i = 0; i < 3; i++)
        p.fds[i] = given[i] >= 0 ? given[i] : null;
    plan_env(&p, o->env, &a);
    if (!o->user || plan_user(&p, o->user, &a, e)) {
        plan_paths(&p, &a);
        pid = spawn(&p, e);
    }
    close(null);
    arena_free(&a);
    return pid;
}

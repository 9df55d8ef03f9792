#include "run/supervisor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/child.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/redact.h"
#include "base/units.h"
#include "net/pattern.h"
#include "run/journal.h"
#include "run/observer.h"
#include "run/provision.h"
#include "run/ready.h"
#include "run/result.h"
#include "run/supervised.h"
#include "run/watch.h"
#include "suite/service.h"
#include "suite/suite.h"

#define PREPARE_NS  (60 * NS_PER_S)
#define PREPARE_MAX (256 << 10) /* bytes of output kept */
#define LAST_LINES  20
#define FIRST_NAP   (50 * NS_PER_MS)
#define LONGEST_NAP (250 * NS_PER_MS)

struct supervisor {
    struct supervisor_opts opts;
    struct supervised *list; /* one for each service of the suite */
    int count;
    int *order; /* as they were started */
    int started;
    struct watch *watch; /* NULL once down */
    struct arena arena;
};

static const int stop_numbers[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP}; /* as in stop_signals */

struct supervisor *supervisor_new(const struct supervisor_opts *o)
{
    struct supervisor *s = xcalloc(1, sizeof(*s));

    s->opts = *o;
    s->count = o->suite->service_count;
    s->list = arena_array(&s->arena, struct supervised, s->count);
    s->order = arena_array(&s->arena, int, s->count);
    for (int i = 0; i < s->count; i++)
        s->list[i] = (struct supervised){.service = &o->suite->services[i],
                                         .pidfd = -1,
                                         .out = -1,
                                         .log = -1,
                                         .polled = o->no_cleanup};
    s->watch = watch_new(s->list, s->count);
    return s;
}

static bool is_interrupted(const struct supervisor *s)
{
    return s->opts.interrupted && *s->opts.interrupted;
}

static bool open_log(struct supervisor *s, struct supervised *v, struct err *e)
{
    const char *dir = arena_printf(&s->arena, "%s/services", s->opts.results_dir);
    const char *path = arena_printf(&s->arena, "%s/%s.log", dir, v->service->name);

    if (!fs_mkdirs(dir, 0755, e))
        return false;
    v->log = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    return v->log >= 0 || err_errno(e, "could not write \"%s\"", path);
}

static bool compile_pattern(struct supervisor *s, struct supervised *v, struct err *e)
{
    const char *text = v->service->ready.given ? v->service->ready.log : NULL;

    v->pattern = text ? pattern_compile(text, &s->arena, e) : NULL;
    return !text || v->pattern || err_wrap(e, "ready.log");
}

static bool prepare(struct supervisor *s, struct supervised *v, struct err *e)
{
    const struct service *sv = v->service;

    for (int i = 0; i < sv->prepare_count; i++) {
        struct child_opts o = provision_command(sv, &sv->prepare[i], &s->arena);
        struct buf output = {0};
        bool ok = child_run(&o, PREPARE_NS, PREPARE_MAX, &output, NULL, s->opts.interrupted, e);

        watch_log(s->watch, v, buf_text(&output), output.len);
        buf_free(&output);
        if (!ok)
            return err_wrap(e, "prepare: \"%s\"", sv->prepare[i].v[0]);
    }
    return true;
}

static void release_ports(const struct service *v)
{
    for (int i = 0; i < v->port_count; i++) {
        if (v->ports[i].fd >= 0)
            close(v->ports[i].fd);
        v->ports[i].fd = -1;
    }
}

/*
 * Where it writes, and where the watch reads.  A service that is to outlive us must not write into
 * a pipe of ours: it gets a file in its private folder, and the watch copies what appears there.
 */
static bool open_output(const struct supervisor *s, const struct supervised *v, int ends[2],
                        struct err *e)
{
    char path[4096];

    if (!s->opts.no_cleanup) {
        if (pipe2(ends, O_CLOEXEC) != 0)
            return err_errno(e, "could not make a pipe");
        fcntl(ends[0], F_SETFL, O_NONBLOCK);
        return true;
    }
    snprintf(path, sizeof(path), "%s/output.log", v->service->dir);
    ends[1] = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    ends[0] = ends[1] < 0 ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (ends[0] >= 0)
        return true;
    err_errno(e, "could not write \"%s\"", path);
    if (ends[1] >= 0)
        close(ends[1]);
    return false;
}

static bool spawn(struct supervisor *s, struct supervised *v, struct err *e)
{
    struct child_opts o = provision_command(v->service, &v->service->command, &s->arena);
    int ends[2];
    pid_t pid;

    if (!open_output(s, v, ends, e))
        return false;
    o.out = o.err = ends[1];
    o.outlive = s->opts.no_cleanup;
    release_ports(v->service);
    pid = child_spawn(&o, e);
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return false;
    }
    s->order[s->started++] = v->service->index;
    journal_started(s->opts.journal, v->service, pid);
    watch_attach(s->watch, v, pid, ends[0], child_pidfd(pid));
    return true;
}

static bool is_port_busy(uint16_t port)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    bool busy;

    if (fd < 0)
        return false;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    busy = bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 && errno == EADDRINUSE;
    close(fd);
    return busy;
}

/* Why a service ends at once is nearly always the same: somebody else has its port. */
static void add_port_hint(struct supervisor *s, struct supervised *v, struct err *e)
{
    const char *lines = watch_last_lines(s->watch, v, LAST_LINES, &s->arena);
    const struct service *sv = v->service;
    struct err cause = *e;

    for (int i = 0; i < sv->port_count; i++) {
        if (is_port_busy(sv->ports[i].port)) {
            err_set(e, "%.900s; port %u (%s) is taken by another process", cause.text,
                    (unsigned)sv->ports[i].port, sv->ports[i].name);
            return;
        }
    }
    if (strcasestr(lines, "address already in use") || strcasestr(lines, "EADDRINUSE"))
        err_set(e, "%.900s; a port that it wants is taken by another process", cause.text);
}

static bool died(struct supervisor *s, struct supervised *v, const char *when, struct err *e)
{
    char text[96];
    int status;

    if (!watch_is_dead(s->watch, v, &status))
        return false;
    err_set(e, "%s %s", child_describe(status, text, sizeof(text)), when);
    return true;
}

static bool died_early(struct supervisor *s, struct supervised *v, struct err *e)
{
    if (!died(s, v, "before it was ready", e))
        return false;
    add_port_hint(s, v, e);
    return true;
}

static bool look(struct supervisor *s, struct supervised *v, uint64_t left, struct err *why)
{
    if (!v->service->ready.log)
        return ready_look(v->service, left, s->opts.interrupted, why);
    return watch_has_matched(s->watch, v) ||
           err_set(why, "no line of its output matched /%s/", v->service->ready.log);
}

/* The process must be there after the answer, too: else somebody else has given it. */
static bool answers_and_lives(struct supervisor *s, struct supervised *v, uint64_t left,
                              struct err *why)
{
    int status;

    return look(s, v, left, why) && !child_ended(v->pid, &status);
}

static bool await_ready(struct supervisor *s, struct supervised *v, struct err *e)
{
    const struct ready_opts *r = &v->service->ready;
    uint64_t deadline = now_ns() + (uint64_t)r->within, nap = FIRST_NAP, now;
    struct err why = {"it was never looked at"};
    char text[UNITS_MAX];

    if (!r->given) {
        watch_wait(s->watch, v, FIRST_NAP);
        return !died_early(s, v, e);
    }
    while ((now = now_ns()) < deadline) {
        if (answers_and_lives(s, v, deadline - now, &why))
            return true;
        if (is_interrupted(s))
            return err_set(e, "interrupted before it was ready");
        now = now_ns();
        if (now < deadline)
            watch_wait(s->watch, v, nap < deadline - now ? nap : deadline - now);
        if (died_early(s, v, e))
            return false;
        nap = nap * 3 / 2 < LONGEST_NAP ? nap * 3 / 2 : LONGEST_NAP;
    }
    return err_set(e, "not ready within %s: %s", units_print_duration((double)r->within, text),
                   why.text);
}

static bool start(struct supervisor *s, struct supervised *v, struct service_result *r,
                  struct err *e)
{
    if (!journal_service(s->opts.journal, v->service, e) || !watch_start(s->watch, e) ||
        !open_log(s, v, e) || !compile_pattern(s, v, e) ||
        !provision_files(v->service, &s->arena, e) || !prepare(s, v, e))
        return false;
    if (ready_is_taken(v->service, s->opts.interrupted, e))
        return false;
    if (!spawn(s, v, e))
        return false;
    r->started = true;
    return await_ready(s, v, e);
}

static const char *clean(const char *text, struct arena *arena)
{
    struct buf out = {0};
    const char *copy;

    redact(text, strlen(text), &out);
    copy = arena_strdup(arena, buf_text(&out));
    buf_free(&out);
    return copy;
}

/* `e` has the last line of its output beside the reason; the result has more of them. */
static void fail(struct supervisor *s, struct supervised *v, struct service_result *r,
                 struct arena *arena, struct err *e)
{
    const char *last = watch_last_lines(s->watch, v, 1, &s->arena);

    r->failure = clean(e->text, arena);
    r->last_lines = watch_last_lines(s->watch, v, LAST_LINES, arena);
    err_set(e, "service \"%s\": %.700s%s%.200s", v->service->name, r->failure,
            *last ? "; its last output: " : "", last);
}

static void note(const struct supervisor *s, const struct service *v, uint64_t ns)
{
    const struct observer *o = s->opts.observer;
    char line[256], text[UNITS_MAX];

    if (!o || !o->note)
        return;
    snprintf(line, sizeof(line), "service %s: ready in %s", v->name,
             units_print_duration((double)ns, text));
    o->note(o->ctx, line);
}

static bool bring_up(struct supervisor *s, struct supervised *v, struct service_result *r,
                     struct arena *arena, struct err *e)
{
    uint64_t begin = now_ns();

    if (!start(s, v, r, e)) {
        fail(s, v, r, arena, e);
        return false;
    }
    r->ready = true;
    r->ready_ns = now_ns() - begin;
    note(s, v->service, r->ready_ns);
    return true;
}

/* `*begun` also ends a circle of needs. */
static bool bring_up_with_needs(struct supervisor *s, int index, uint64_t *begun,
                                struct service_result *results, struct arena *arena, struct err *e)
{
    struct supervised *v = &s->list[index];

    if (*begun & UINT64_C(1) << index || v->pid > 0)
        return true;
    *begun |= UINT64_C(1) << index;
    for (int i = 0; i < s->count; i++)
        if (v->service->needs & UINT64_C(1) << i &&
            !bring_up_with_needs(s, i, begun, results, arena, e))
            return false;
    if (is_interrupted(s))
        return err_set(e, "service \"%s\": interrupted before it was started", v->service->name);
    return bring_up(s, v, &results[index], arena, e);
}

bool supervisor_up(struct supervisor *s, uint64_t mask, struct service_result *results,
                   struct arena *arena, struct err *e)
{
    uint64_t begun = 0;

    for (int i = 0; i < s->count; i++)
        if (mask & UINT64_C(1) << i && !bring_up_with_needs(s, i, &begun, results, arena, e))
            return false;
    return true;
}

bool supervisor_healthy(struct supervisor *s, struct service_result *results, struct arena *arena,
                        struct err *e)
{
    if (!s->watch)
        return true;
    for (int i = 0; i < s->started; i++) {
        struct supervised *v = &s->list[s->order[i]];

        if (results[s->order[i]].failure)
            return err_set(e, "service \"%s\": %s", v->service->name, results[s->order[i]].failure);
        if (!died(s, v, "while it was needed", e))
            continue;
        fail(s, v, &results[s->order[i]], arena, e);
        return false;
    }
    return true;
}

static void end_watch(struct supervisor *s)
{
    watch_free(s->watch);
    s->watch = NULL;
    s->started = 0;
    for (int i = 0; i < s->count; i++)
        release_ports(s->list[i].service);
}

void supervisor_down(struct supervisor *s)
{
    if (!s->watch)
        return;
    for (int i = s->started; i-- > 0;) {
        struct supervised *v = &s->list[s->order[i]];
        const struct stop_opts *stop = &v->service->stop;

        watch_expect_end(s->watch, v);
        child_stop(v->pid, stop_numbers[stop->signal], (uint64_t)stop->grace);
        journal_stopped(s->opts.journal, v->service->name);
    }
    end_watch(s);
}

void supervisor_leave(struct supervisor *s, struct buf *out)
{
    if (!s->watch)
        return;
    for (int i = 0; i < s->started; i++) {
        const struct supervised *v = &s->list[s->order[i]];

        buf_printf(out, "service %s is left running; to stop it: kill -%s -%d\n", v->service->name,
                   stop_signals[v->service->stop.signal], (int)v->pid);
    }
    end_watch(s);
}

void supervisor_free(struct supervisor *s)
{
    supervisor_down(s);
    arena_free(&s->arena);
    free(s);
}

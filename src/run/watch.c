/*
 * watch.c - output and deaths, in a thread of its own so that a service never blocks on a full pipe
 * and a death is noticed whatever the main thread is waiting for.
 *
 * A line is redacted whole, for a secret in two halves would not be recognised; so a line has a
 * bound, and what is behind it is dropped, not started anew.
 */
#include "run/watch.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/child.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/redact.h"
#include "base/thread.h"
#include "net/pattern.h"
#include "suite/service.h"

#define LINE_MAX_BYTES   16384
#define RECENT_MAX_BYTES 500 /* of one line */
#define RECENT_LINES     20
#define LOG_MAX_BYTES    (64 << 20)
#define CHUNK            65536
#define TICK_MS          50 /* how often files are looked at */

struct watch {
    struct supervised *list;
    int count;
    struct pollfd *fds; /* two for each: output and process */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    bool running, quit;
    int wake;
};

struct watch *watch_new(struct supervised *list, int count)
{
    struct watch *w = xcalloc(1, sizeof(*w));
    pthread_condattr_t attr;

    w->list = list;
    w->count = count;
    w->wake = -1;
    w->fds = xcalloc((size_t)count * 2 + 1, sizeof(*w->fds));
    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&w->changed, &attr);
    pthread_condattr_destroy(&attr);
    return w;
}

static void write_log(struct supervised *s, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t put = write(s->log, text, len);

        if (put < 0 && errno != EINTR)
            return;
        if (put > 0) {
            text += put;
            len -= (size_t)put;
            s->logged += (size_t)put;
        }
    }
}

static void log_line(struct supervised *s, struct buf *line)
{
    static const char full[] = "the log is full; what follows is not kept\n";

    if (s->log < 0 || s->logged > LOG_MAX_BYTES)
        return;
    buf_addc(line, '\n');
    write_log(s, line->data, line->len);
    if (s->logged > LOG_MAX_BYTES)
        write_log(s, full, sizeof(full) - 1);
}

static void remember_line(struct supervised *s, const struct buf *line)
{
    const char *tail;
    size_t len;

    buf_add(&s->recent, line->data, line->len < RECENT_MAX_BYTES ? line->len : RECENT_MAX_BYTES);
    if (s->recent.len == 0 || s->recent.data[s->recent.len - 1] != '\n')
        buf_addc(&s->recent, '\n');
    if (s->recent.len < 2 * RECENT_LINES * RECENT_MAX_BYTES)
        return;
    tail = child_last_lines(&s->recent, RECENT_LINES, &len);
    memmove(s->recent.data, tail, len);
    s->recent.len = len;
    buf_addc(&s->recent, '\n');
}

static void end_line(struct watch *w, struct supervised *s)
{
    struct buf clean = {0};

    if (s->pattern && !s->matched && pattern_search(s->pattern, buf_text(&s->line), s->line.len)) {
        s->matched = true;
        pthread_cond_broadcast(&w->changed);
    }
    redact(buf_text(&s->line), s->line.len, &clean);
    if (s->cut)
        buf_adds(&clean, " (cut)");
    log_line(s, &clean);
    remember_line(s, &clean);
    buf_free(&clean);
    buf_clear(&s->line);
    s->cut = false;
}

static void add_text(struct watch *w, struct supervised *s, const char *text, size_t len)
{
    while (len > 0) {
        const char *end = memchr(text, '\n', len);
        size_t part = end ? (size_t)(end - text) : len, room = LINE_MAX_BYTES - s->line.len;

        buf_add(&s->line, text, part < room ? part : room);
        s->cut = s->cut || part > room;
        if (end)
            end_line(w, s);
        text += part + (end != NULL);
        len -= part + (end != NULL);
    }
}

static void end_output(struct supervised *s)
{
    if (s->out >= 0)
        close(s->out);
    s->out = -1;
}

static void read_output(struct watch *w, struct supervised *s)
{
    char chunk[CHUNK];
    ssize_t got;

    if (s->out < 0)
        return;
    do
        got = read(s->out, chunk, sizeof(chunk));
    while (got < 0 && errno == EINTR);
    if (got > 0)
        add_text(w, s, chunk, (size_t)got);
    else if (!s->polled && (got == 0 || errno != EAGAIN))
        end_output(s);
}

/* What it wrote last says why it died, so that is read first. */
static void notice_death(struct watch *w, struct supervised *s)
{
    if (s->stopping || !child_ended(s->pid, &s->wait_status))
        return;
    for (int i = 0; i < 16; i++)
        read_output(w, s);
    if (s->line.len > 0)
        end_line(w, s);
    s->dead = true;
    pthread_cond_broadcast(&w->changed);
}

/* Where to wait, and how long. */
static int list_fds(struct watch *w)
{
    int timeout = -1;

    for (int i = 0; i < w->count; i++) {
        const struct supervised *s = &w->list[i];
        bool alive = s->pid > 0 && !s->dead && !s->stopping;

        w->fds[2 * i] = (struct pollfd){.fd = s->polled ? -1 : s->out, .events = POLLIN};
        w->fds[2 * i + 1] = (struct pollfd){.fd = alive ? s->pidfd : -1, .events = POLLIN};
        if ((s->out >= 0 && s->polled) || (alive && s->pidfd < 0))
            timeout = TICK_MS;
    }
    w->fds[2 * w->count] = (struct pollfd){.fd = w->wake, .events = POLLIN};
    return timeout;
}

static void look(struct watch *w)
{
    for (int i = 0; i < w->count; i++) {
        struct supervised *s = &w->list[i];

        if (s->polled || w->fds[2 * i].revents)
            read_output(w, s);
        if (s->pid > 0 && !s->dead)
            notice_death(w, s);
    }
}

static void *run_watch(void *arg)
{
    struct watch *w = arg;
    uint64_t ignored;

    pthread_mutex_lock(&w->lock);
    while (!w->quit) {
        int timeout = list_fds(w);

        pthread_mutex_unlock(&w->lock);
        poll(w->fds, (nfds_t)w->count * 2 + 1, timeout);
        pthread_mutex_lock(&w->lock);
        if (w->fds[2 * w->count].revents && read(w->wake, &ignored, sizeof(ignored)) < 0)
            continue;
        look(w);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

bool watch_start(struct watch *w, struct err *e)
{
    if (w->running)
        return true;
    w->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (w->wake < 0)
        return err_errno(e, "could not make an event descriptor");
    errno = thread_start(&w->thread, 0, run_watch, w);
    w->running = errno == 0;
    return w->running || err_errno(e, "could not start a thread");
}

static void rouse(struct watch *w)
{
    uint64_t one = 1;
    ssize_t ignored = write(w->wake, &one, sizeof(one));

    (void)ignored;
}

void watch_attach(struct watch *w, struct supervised *s, pid_t pid, int out, int pidfd)
{
    pthread_mutex_lock(&w->lock);
    s->pid = pid;
    s->out = out;
    s->pidfd = pidfd;
    pthread_mutex_unlock(&w->lock);
    rouse(w);
}

void watch_wait(struct watch *w, struct supervised *s, uint64_t ns)
{
    uint64_t until = now_ns() + ns;
    struct timespec ts = {(time_t)(until / NS_PER_S), (long)(until % NS_PER_S)};
    int rc = 0;

    pthread_mutex_lock(&w->lock);
    while (!s->dead && !s->matched && rc == 0)
        rc = pthread_cond_timedwait(&w->changed, &w->lock, &ts);
    pthread_mutex_unlock(&w->lock);
}

bool watch_is_dead(struct watch *w, struct supervised *s, int *wait_status)
{
    bool dead;

    pthread_mutex_lock(&w->lock);
    if (s->pid > 0 && !s->dead) /* the thread may not have looked yet */
        notice_death(w, s);
    dead = s->dead;
    *wait_status = s->wait_status;
    pthread_mutex_unlock(&w->lock);
    return dead;
}

bool watch_has_matched(struct watch *w, struct supervised *s)
{
    bool matched;

    pthread_mutex_lock(&w->lock);
    matched = s->matched;
    pthread_mutex_unlock(&w->lock);
    return matched;
}

void watch_expect_end(struct watch *w, struct supervised *s)
{
    pthread_mutex_lock(&w->lock);
    s->stopping = true;
    pthread_mutex_unlock(&w->lock);
    rouse(w);
}

void watch_log(struct watch *w, struct supervised *s, const char *text, size_t len)
{
    pthread_mutex_lock(&w->lock);
    add_text(w, s, text, len);
    if (s->line.len > 0)
        end_line(w, s);
    pthread_mutex_unlock(&w->lock);
}

const char *watch_last_lines(struct watch *w, struct supervised *s, int lines, struct arena *arena)
{
    const char *text;
    size_t len;

    pthread_mutex_lock(&w->lock);
    text = child_last_lines(&s->recent, lines, &len);
    text = arena_strndup(arena, text, len);
    pthread_mutex_unlock(&w->lock);
    return text;
}

static void release(struct watch *w, struct supervised *s)
{
    for (int i = 0; i < 64; i++) /* a pipe holds 64 KiB; a stray writer must not hold us */
        read_output(w, s);
    if (s->line.len > 0)
        end_line(w, s);
    end_output(s);
    if (s->pidfd >= 0)
        close(s->pidfd);
    if (s->log >= 0)
        close(s->log);
    s->pidfd = s->log = -1;
    buf_free(&s->line);
    buf_free(&s->recent);
}

void watch_free(struct watch *w)
{
    if (w->running) {
        pthread_mutex_lock(&w->lock);
        w->quit = true;
        pthread_mutex_unlock(&w->lock);
        rouse(w);
        pthread_join(w->thread, NULL);
    }
    for (int i = 0; i < w->count; i++)
        release(w, &w->list[i]);
    if (w->wake >= 0)
        close(w->wake);
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
    free(w->fds);
    free(w);
}

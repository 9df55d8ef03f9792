#include "run/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/redact.h"
#include "net/digest.h"
#include "suite/suite.h"

#define NAME      "journal.jsonl"
#define WAIT_MS   3000 /* for the guardian of a killed run */
#define OLD_LIMIT 1000

struct journal {
    int fd;
    char *path;
};

/* One write, so that a line is whole or cut short and never mixed with another. */
static bool put(struct journal *j, const char *text, size_t len, struct err *e)
{
    ssize_t n;

    do
        n = write(j->fd, text, len);
    while (n < 0 && errno == EINTR);
    if (n >= 0 && (size_t)n != len)
        errno = ENOSPC;
    if (n != (ssize_t)len || fdatasync(j->fd) != 0)
        return err_errno(e, "could not write \"%s\"", j->path);
    return true;
}

/* Takes `entry`. */
static bool add(struct journal *j, json_t *entry, struct err *e)
{
    char *text;
    struct buf line = {0};
    bool ok;

    if (!j) {
        json_decref(entry);
        return true;
    }
    json_object_set_new(entry, "time_ms", json_integer((json_int_t)(wall_ns() / NS_PER_MS)));
    text = json_dumps(entry, JSON_COMPACT);
    json_decref(entry);
    if (!text)
        return err_set(e, "could not write \"%s\": text that is not UTF-8", j->path);
    redact(text, strlen(text), &line);
    buf_add(&line, "\n", 1);
    ok = put(j, line.data, line.len, e);
    free(text);
    buf_free(&line);
    return ok;
}

static void tell(struct journal *j, json_t *entry)
{
    struct err unheard;

    add(j, entry, &unheard);
}

static bool is_changed_by_redaction(const char *text)
{
    struct buf out = {0};
    bool changed;

    redact(text, strlen(text), &out);
    changed = strcmp(buf_text(&out), text) != 0;
    buf_free(&out);
    return changed;
}

/* Values that follow from ports of services are not kept: they follow again. */
static void add_values(json_t *entry, const struct vars *vars)
{
    json_t *values = json_object(), *withheld = json_array();

    for (int i = 0; i < vars->n; i++) {
        const struct var *v = &vars->v[i];

        if (!v->value || v->services || (v->secret && v->origin <= ORIGIN_PRESET))
            continue;
        if (v->secret || is_changed_by_redaction(v->value))
            json_array_append_new(withheld, json_string(v->name));
        else
            json_object_set_new(values, v->name, json_string(v->value));
    }
    json_object_set_new(entry, "values", values);
    json_object_set_new(entry, "withheld", withheld);
}

static json_t *always_phases(const struct suite *s)
{
    json_t *list = json_array();

    for (int i = 0; i < s->phase_count; i++)
        if (s->phases[i].when == WHEN_ALWAYS)
            json_array_append_new(list, json_string(s->phases[i].name));
    return list;
}

static json_t *run_entry(const struct suite *s, const char *dir)
{
    const struct suite_source *src = s->source;
    char boot[PROC_BOOT_MAX], digest[DIGEST_TEXT], cwd[4096];
    json_t *entry;

    proc_boot(boot);
    digest_sha256(src->text, src->len, digest);
    if (!getcwd(cwd, sizeof(cwd)))
        strcpy(cwd, ".");
    entry = json_pack("{ss si ss ss ss ss ss si ss so}", "event", "run", "version", 1, "run_id",
                      src->run_id, "suite", src->file, "sha256", digest, "cwd", cwd, "dir", dir,
                      "pid", (int)getpid(), "boot", boot, "always", always_phases(s));
    if (!entry)
        return json_object();
    if (s->preset)
        json_object_set_new(entry, "preset", json_string(s->preset));
    add_values(entry, s->vars);
    return entry;
}

static bool lock(struct journal *j, struct err *e)
{
    for (int waited = 0; flock(j->fd, LOCK_EX | LOCK_NB) != 0; waited += 50) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return err_errno(e, "could not lock \"%s\"", j->path);
        if (waited >= WAIT_MS)
            return err_set(e, "\"%s\" is in use: the run, or a cleanup of it, is still going on",
                           j->path);
        usleep(50 * 1000);
    }
    return true;
}

static struct journal *opened(char *path, int flags, struct err *e)
{
    struct journal *j = xcalloc(1, sizeof(*j));

    j->path = path;
    j->fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | flags, 0644);
    if (j->fd < 0)
        err_errno(e, "could not write \"%s\"", path);
    if (j->fd >= 0 && lock(j, e))
        return j;
    journal_close(j);
    return NULL;
}

/* What an earlier run of the same directory has left is not forgotten. */
static void keep_old(const char *dir, const char *path)
{
    char old[4096];
    struct stat st;

    for (int i = 1; i < OLD_LIMIT && stat(path, &st) == 0; i++) {
        snprintf(old, sizeof(old), "%s/journal-%d.jsonl", dir, i);
        if (stat(old, &st) != 0 && errno == ENOENT)
            rename(path, old);
    }
}

/* The name of a new file is on the disk only once its folder is. */
static void sync_folder(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
}

struct journal *journal_create(const char *dir, const struct suite *s, struct err *e)
{
    size_t size = strlen(dir) + sizeof("/" NAME);
    char *path = xcalloc(1, size);
    struct journal *j;

    snprintf(path, size, "%s/" NAME, dir);
    keep_old(dir, path);
    j = opened(path, O_CREAT, e);
    if (!j)
        return NULL;
    if (add(j, run_entry(s, dir), e)) {
        sync_folder(dir);
        return j;
    }
    journal_close(j);
    return NULL;
}

/* A line that was cut short must not swallow the next one. */
static bool end_last_line(struct journal *j, struct err *e)
{
    char last = '\n';
    int fd = open(j->path, O_RDONLY | O_CLOEXEC);
    off_t size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);

    if (size > 0 && pread(fd, &last, 1, size - 1) != 1)
        last = '\n';
    if (fd >= 0)
        close(fd);
    return last == '\n' || put(j, "\n", 1, e);
}

struct journal *journal_open(const char *path, struct err *e)
{
    size_t size = strlen(path) + 1;
    struct journal *j = opened(memcpy(xcalloc(1, size), path, size), 0, e);

    if (!j || end_last_line(j, e))
        return j;
    journal_close(j);
    return NULL;
}

void journal_close(struct journal *j)
{
    if (!j)
        return;
    if (j->fd >= 0)
        close(j->fd);
    free(j->path);
    free(j);
}

bool journal_tmp(struct journal *j, const char *path, struct err *e)
{
    return add(j, json_pack("{ss ss}", "event", "tmp", "path", path), e);
}

bool journal_service(struct journal *j, const struct service *v, struct err *e)
{
    json_t *ports = json_array();

    for (int i = 0; i < v->port_count; i++)
        json_array_append_new(ports, json_integer(v->ports[i].port));
    return add(j, json_pack("{ss ss so}", "event", "service", "name", v->name, "ports", ports), e);
}

bool journal_phase(struct journal *j, const char *name, struct err *e)
{
    return add(j, json_pack("{ss ss}", "event", "phase", "name", name), e);
}

bool journal_cleanup(struct journal *j, struct err *e)
{
    return add(j, json_pack("{ss si}", "event", "cleanup", "pid", (int)getpid()), e);
}

void journal_started(struct journal *j, const struct service *v, pid_t pid)
{
    tell(j, json_pack("{ss ss si sI}", "event", "started", "name", v->name, "pid", (int)pid,
                      "started", (json_int_t)proc_started(pid)));
}

void journal_stopped(struct journal *j, const char *service)
{
    tell(j, json_pack("{ss ss}", "event", "stopped", "name", service));
}

void journal_ended(struct journal *j, const char *phase, const char *state)
{
    tell(j, json_pack("{ss ss ss}", "event", "ended", "name", phase, "state", state));
}

void journal_output(struct journal *j, const char *phase, const char *key, const char *value)
{
    json_t *entry =
        json_pack("{ss ss ss ss}", "event", "output", "phase", phase, "key", key, "value", value);

    if (entry) /* not UTF-8: a later phase of this run has it all the same */
        tell(j, entry);
}

void journal_gone(struct journal *j, const char *path)
{
    tell(j, json_pack("{ss ss}", "event", "gone", "path", path));
}

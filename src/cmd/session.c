#include "cmd/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fs.h"
#include "base/redact.h"

#define SUITE_MAX ((size_t)4 * 1024 * 1024)

extern char **environ;

static uint32_t chance(void)
{
    uint32_t bits = 0;

    return getrandom(&bits, sizeof(bits), 0) == sizeof(bits) ? bits : (uint32_t)getpid();
}

/* Letters, digits and dashes alone: safe in file names, host names and SQL's LIKE. */
static const char *make_run_id(struct arena *arena)
{
    char stamp[32];
    time_t now = time(NULL);
    struct tm utc;

    gmtime_r(&now, &utc);
    strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", &utc);
    return arena_printf(arena, "%s-%08x", stamp, chance());
}

static bool is_run_id(const char *id)
{
    return strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") ==
               strlen(id) &&
           strlen(id) >= 1 && strlen(id) <= 64;
}

/* The path that services are to use for `shakedown`. */
static const char *own_path(struct arena *arena)
{
    char path[4096];
    ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);

    return len > 0 ? arena_strndup(arena, path, (size_t)len) : "shakedown";
}

static const char *absolute(const char *path, struct arena *arena)
{
    char cwd[4096];

    if (path[0] == '/' || !getcwd(cwd, sizeof(cwd)))
        return path;
    return arena_printf(arena, "%s/%s", cwd, path);
}

/* A message may quote a value that holds a secret. */
void session_print(const struct diags *d)
{
    struct buf out = {0};
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);

    diags_print(d, f);
    fclose(f);
    redact(text, len, &out);
    fputs(buf_text(&out), stderr);
    buf_free(&out);
    free(text);
}

bool session_open(struct session *s, const struct session_opts *o)
{
    const char *file = o->args->file, *tmp = getenv("TMPDIR"), *id = o->run_id;
    struct err e;

    *s = (struct session){0};
    if (id && !is_run_id(id)) {
        fprintf(stderr,
                "shakedown: --run-id: \"%s\" may have only letters, digits and dashes, 1 to 64\n",
                id);
        return false;
    }
    if (!fs_read(file, SUITE_MAX, &s->text, &e)) {
        fprintf(stderr, "shakedown: %s\n", e.text);
        return false;
    }
    id = id ? id : make_run_id(&s->arena);
    s->source = (struct suite_source){
        .file = strcmp(file, "-") == 0 ? "<stdin>" : file,
        .text = buf_text(&s->text),
        .len = s->text.len,
        .preset = o->args->preset,
        .sets = o->args->set.v,
        .set_count = o->args->set.n,
        .environ = (const char *const *)environ,
        .run_id = id,
        .run_dir = absolute(o->out ? o->out : arena_printf(&s->arena, "results/%s", id), &s->arena),
        .run_tmp = o->run_tmp ? o->run_tmp
                              : arena_printf(&s->arena, "%s/shakedown-%s-%08x",
                                             tmp && *tmp ? tmp : "/tmp", id, chance()),
        .self = own_path(&s->arena),
        .reserve_ports = o->reserve_ports,
        .names_only = o->names_only,
        .cleanup = o->cleanup,
        .fixed = o->fixed,
        .fixed_count = o->fixed_count,
    };
    diags_init(&s->diags, s->source.file, &s->arena);
    s->suite = suite_load(&s->source, &s->arena, &s->diags);
    session_print(&s->diags);
    return s->suite != NULL;
}

void session_close(struct session *s)
{
    for (int i = 0; s->suite && i < s->suite->service_count; i++)
        for (int k = 0; k < s->suite->services[i].port_count; k++)
            if (s->suite->services[i].ports[k].fd >= 0)
                close(s->suite->services[i].ports[k].fd);
    buf_free(&s->text);
    arena_free(&s->arena);
    redact_reset();
}

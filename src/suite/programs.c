#include "suite/programs.h"

#include <glob.h>
#include <string.h>

#include "base/arena.h"
#include "base/child.h"
#include "spec/diag.h"
#include "suite/service.h"

const char *programs_newest(const char *name, struct arena *scratch)
{
    const char *found = name;
    glob_t g = {0};

    if (name[0] != '/' || !strchr(name, '*'))
        return name;
    if (glob(name, 0, NULL, &g) == 0)
        for (size_t i = 0; i < g.gl_pathc; i++)
            if (i == 0 || strverscmp(g.gl_pathv[i], found) > 0)
                found = g.gl_pathv[i];
    found = arena_strdup(scratch, found);
    globfree(&g);
    return found;
}

static bool is_below(const char *path, const char *dir)
{
    size_t len = strlen(dir);

    return strncmp(path, dir, len) == 0 && path[len] == '/';
}

/* The machine's own programs do not appear while a service is prepared. */
static bool is_made_later(const struct service *v, const char *name)
{
    static const char *const own[] = {"/usr", "/bin", "/sbin"};

    if (name[0] != '/')
        return strchr(name, '/') != NULL;
    for (int i = 0; i < 3; i++)
        if (is_below(name, own[i]))
            return false;
    return v->prepare_count > 0 || (v->dir && is_below(name, v->dir));
}

static void program_fits(const struct service *v, const struct texts *command, const char *key,
                         struct diags *d)
{
    const char **env = arena_array(d->arena, const char *, v->env_count + 1);
    const char *argv[] = {NULL, NULL};

    if (command->n == 0 || is_made_later(v, command->v[0]))
        return;
    argv[0] = programs_newest(command->v[0], d->arena);
    for (int i = 0; i < v->env_count; i++)
        env[i] = arena_printf(d->arena, "%s=%s", v->env[i].name, v->env[i].value);
    if (!child_found(&(struct child_opts){.argv = argv, .env = env}))
        diag_add(d, v->at,
                 "services.%s.%s: there is no program \"%s\"%s: install it, or name it where it is",
                 v->name, key, argv[0], strchr(argv[0], '/') ? "" : " in PATH");
}

void programs_fit(const struct service *v, struct diags *d)
{
    for (int i = 0; i < v->prepare_count; i++)
        program_fits(v, &v->prepare[i], "prepare", d);
    program_fits(v, &v->command, "command", d);
    program_fits(v, &v->ready.exec, "ready.exec", d);
}

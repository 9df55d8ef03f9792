#include "run/provision.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fs.h"
#include "net/cert.h"
#include "suite/programs.h"
#include "suite/service.h"

static bool parent_dirs(const char *path, struct arena *scratch, struct err *e)
{
    const char *slash = strrchr(path, '/');

    return !slash || slash == path ||
           fs_mkdirs(arena_strndup(scratch, path, (size_t)(slash - path)), 0700, e);
}

static bool write_files(const struct service *v, struct arena *scratch, struct err *e)
{
    for (int i = 0; i < v->file_count; i++) {
        const char *path = arena_printf(scratch, "%s/%s", v->dir, v->files[i].dest);

        if (!parent_dirs(path, scratch, e) ||
            !fs_write(path, v->file_texts[i], strlen(v->file_texts[i]), 0600, e))
            return false;
    }
    return true;
}

static bool make_certificate(const struct service *v, struct arena *scratch, struct err *e)
{
    struct cert_files to = {v->cert, v->key_file, v->ca};

    if (!v->certificate.given)
        return true;
    return parent_dirs(v->cert, scratch, e) && parent_dirs(v->key_file, scratch, e) &&
           parent_dirs(v->ca, scratch, e) &&
           cert_make(v->certificate.names.v, v->certificate.names.n,
                     v->certificate.key == KEY_RSA2048, &to, e);
}

static bool give_tree(int parent, const char *name, const struct passwd *user)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct dirent *entry;
    bool ok;
    DIR *dir;

    if (fd < 0)
        return (errno == ENOTDIR || errno == ELOOP) &&
               fchownat(parent, name, user->pw_uid, user->pw_gid, AT_SYMLINK_NOFOLLOW) == 0;
    ok = fchown(fd, user->pw_uid, user->pw_gid) == 0;
    dir = ok ? fdopendir(fd) : NULL;
    if (!dir) {
        close(fd);
        return false;
    }
    while (ok && (entry = readdir(dir)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            ok = give_tree(fd, entry->d_name, user);
    closedir(dir);
    return ok;
}

/* The folder of the run is closed to others; its user must be able to pass through it. */
static bool open_way(const char *dir, struct arena *scratch)
{
    const char *slash = strrchr(dir, '/');
    const char *parent =
        slash && slash > dir ? arena_strndup(scratch, dir, (size_t)(slash - dir)) : NULL;
    struct stat st;

    if (!parent || stat(parent, &st) != 0 || (st.st_mode & S_IXOTH))
        return true;
    return chmod(parent, (st.st_mode & 07777) | S_IXGRP | S_IXOTH) == 0;
}

/* Who is not root runs everything as itself, so that one suite serves both. */
static const char *user_of(const struct service *v)
{
    return geteuid() == 0 ? v->user : NULL;
}

static bool give_to_user(const struct service *v, struct arena *scratch, struct err *e)
{
    struct passwd entry, *user = NULL;
    size_t size = 65536;

    if (!user_of(v))
        return true;
    getpwnam_r(v->user, &entry, arena_alloc(scratch, size), size, &user);
    if (!user)
        return err_set(e, "user \"%s\" does not exist", v->user);
    if (user->pw_uid == geteuid())
        return true;
    if (!give_tree(AT_FDCWD, v->dir, user) || !open_way(v->dir, scratch))
        return err_errno(e, "could not give \"%s\" to user \"%s\"", v->dir, v->user);
    return true;
}

bool provision_files(const struct service *v, struct arena *scratch, struct err *e)
{
    return fs_mkdirs(v->dir, 0700, e) && write_files(v, scratch, e) &&
           make_certificate(v, scratch, e) && give_to_user(v, scratch, e);
}

struct child_opts provision_command(const struct service *v, const struct texts *command,
                                    struct arena *scratch)
{
    const char **argv = arena_array(scratch, const char *, command->n + 1);
    const char **env = arena_array(scratch, const char *, v->env_count + 1);

    for (int i = 0; i < command->n; i++)
        argv[i] = i > 0 ? command->v[i] : programs_newest(command->v[0], scratch);
    for (int i = 0; i < v->env_count; i++)
        env[i] = arena_printf(scratch, "%s=%s", v->env[i].name, v->env[i].value);
    return (struct child_opts){.argv = argv,
                               .env = env,
                               .dir = v->dir,
                               .user = user_of(v),
                               .in = -1,
                               .out = -1,
                               .err = -1};
}

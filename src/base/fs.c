#include "base/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"

static bool read_all(int fd, const char *path, size_t max, struct buf *out, struct err *e)
{
    size_t room = max + 1; /* one more than allowed tells "full" from "too long" */

    while (room > 0) {
        size_t want = room < 65536 ? room : 65536;
        ssize_t got;

        buf_reserve(out, want);
        got = read(fd, out->data + out->len, want);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_errno(e, "could not read \"%s\"", path);
        out->len += (size_t)got;
        out->data[out->len] = '\0';
        if (got == 0)
            return true;
        room -= (size_t)got;
    }
    return err_set(e, "could not read \"%s\": it is larger than %zu bytes", path, max);
}

bool fs_read(const char *path, size_t max, struct buf *out, struct err *e)
{
    bool ok;
    int fd;

    if (strcmp(path, "-") == 0)
        return read_all(STDIN_FILENO, "standard input", max, out, e);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(e, "could not read \"%s\"", path);
    ok = read_all(fd, path, max, out, e);
    close(fd);
    return ok;
}

static bool write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t put = write(fd, data, len);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return false;
        data += put;
        len -= (size_t)put;
    }
    return true;
}

/* Fills the temporary file and gives it its name; false with errno. */
static bool replace(int fd, const char *temp, const char *path, const void *data, size_t len,
                    int mode)
{
    bool ok = fchmod(fd, (mode_t)mode) == 0 && write_all(fd, data, len);
    int saved = errno;

    if (close(fd) != 0 && ok) {
        ok = false;
        saved = errno;
    }
    errno = saved;
    return ok && rename(temp, path) == 0;
}

bool fs_write(const char *path, const void *data, size_t len, int mode, struct err *e)
{
    size_t size = strlen(path) + sizeof(".XXXXXX");
    char *temp = xcalloc(1, size);
    bool ok;
    int fd;

    snprintf(temp, size, "%s.XXXXXX", path);
    fd = mkostemp(temp, O_CLOEXEC);
    ok = fd >= 0 && replace(fd, temp, path, data, len, mode);
    if (!ok) {
        err_errno(e, "could not write \"%s\"", path);
        if (fd >= 0)
            unlink(temp);
    }
    free(temp);
    return ok;
}

static bool make_dir(const char *path, int mode)
{
    struct stat st;

    if (mkdir(path, (mode_t)mode) == 0)
        return true;
    if (errno != EEXIST || stat(path, &st) != 0)
        return false;
    if (S_ISDIR(st.st_mode))
        return true;
    errno = ENOTDIR;
    return false;
}

bool fs_mkdirs(const char *path, int mode, struct err *e)
{
    size_t len = strlen(path);
    char *part = xcalloc(1, len + 1);
    bool ok = true;

    memcpy(part, path, len);
    for (size_t i = 1; ok && i <= len; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        part[i] = '\0';
        ok = make_dir(part, mode);
        if (!ok)
            err_errno(e, "could not make the directory \"%s\"", part);
        part[i] = path[i];
    }
    free(part);
    return ok;
}

static void remove_at(int parent, const char *name)
{
    struct dirent *entry;
    DIR *dir;
    int fd;

    if (unlinkat(parent, name, 0) == 0 || (errno != EISDIR && errno != EPERM))
        return;
    fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return;
    fchmod(fd, 0700); /* one without write permission could not be emptied */
    dir = fdopendir(fd);
    if (!dir) {
        close(fd);
        return;
    }
    while ((entry = readdir(dir)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            remove_at(fd, entry->d_name);
    closedir(dir);
    unlinkat(parent, name, AT_REMOVEDIR);
}

bool fs_remove_tree(const char *path)
{
    struct stat st;

    remove_at(AT_FDCWD, path);
    return lstat(path, &st) != 0 && errno == ENOENT;
}

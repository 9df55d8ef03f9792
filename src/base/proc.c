#include "base/proc.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/fs.h"

#define FILE_MAX ((size_t)4 << 20)

static bool read_of(pid_t pid, const char *name, struct buf *out)
{
    char path[64];
    struct err e;

    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    return fs_read(path, FILE_MAX, out, &e);
}

/* Field 22; the second is a name in parentheses, which may hold anything. */
uint64_t proc_started(pid_t pid)
{
    struct buf b = {0};
    uint64_t ticks = 0;
    const char *p;
    char state;

    if (read_of(pid, "stat", &b) && (p = strrchr(buf_text(&b), ')')) != NULL) {
        state = p[1] ? p[2] : 'Z';
        for (int field = 2; field < 22 && p; field++)
            p = strchr(p + 1, ' ');
        if (p && state != 'Z' && state != 'X')
            ticks = strtoull(p, NULL, 10);
    }
    buf_free(&b);
    return ticks;
}

void proc_boot(char out[PROC_BOOT_MAX])
{
    struct buf b = {0};
    struct err e;

    out[0] = '\0';
    if (fs_read("/proc/sys/kernel/random/boot_id", PROC_BOOT_MAX - 1, &b, &e))
        snprintf(out, PROC_BOOT_MAX, "%.*s", (int)strcspn(buf_text(&b), "\n"), buf_text(&b));
    buf_free(&b);
}

static bool has_word(const char *list, const char *word)
{
    size_t len = strlen(word);

    while (*list) {
        size_t n = strcspn(list, " ");

        if (n == len && memcmp(list, word, n) == 0)
            return true;
        list += n + (list[n] == ' ');
    }
    return false;
}

bool proc_has_mark(pid_t pid, const char *name, const char *word)
{
    size_t len = strlen(name);
    struct buf b = {0};
    bool found = false;

    if (read_of(pid, "environ", &b) && b.len)
        for (const char *p = b.data, *end = b.data + b.len; p < end && !found; p += strlen(p) + 1)
            found = strncmp(p, name, len) == 0 && p[len] == '=' && has_word(p + len + 1, word);
    buf_free(&b);
    return found;
}

void proc_each(void (*seen)(pid_t pid, void *ctx), void *ctx)
{
    DIR *dir = opendir("/proc");
    const struct dirent *entry;

    while (dir && (entry = readdir(dir)) != NULL) {
        pid_t pid = isdigit((unsigned char)entry->d_name[0]) ? (pid_t)atoi(entry->d_name) : 0;

        if (pid > 0 && pid != getpid())
            seen(pid, ctx);
    }
    if (dir)
        closedir(dir);
}

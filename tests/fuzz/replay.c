/*
 * replay.c - feeds committed inputs to a fuzz target, without the fuzzer: every file in the
 * directory named on the command line, or the files named there.
 *
 * Each input has a child of its own with an alarm, so that one that crashes or hangs is one failure
 * with a name, and the others are still read.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define INPUT_SECONDS 60

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The bytes are in a block of exactly their size, so that reading past the end is noticed. */
_Noreturn static void feed(const char *path)
{
    struct stat st;
    FILE *f = fopen(path, "rb");
    uint8_t *data;

    if (!f || fstat(fileno(f), &st) < 0) {
        perror(path);
        exit(1);
    }
    data = malloc(st.st_size ? (size_t)st.st_size : 1);
    if (!data || fread(data, 1, (size_t)st.st_size, f) != (size_t)st.st_size) {
        perror(path);
        exit(1);
    }
    fclose(f);
    alarm(INPUT_SECONDS);
    LLVMFuzzerTestOneInput(data, (size_t)st.st_size);
    free(data);
    exit(0);
}

/* 1 if the input was survived, else 0. */
static int replay_file(const char *path)
{
    int status;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0)
        feed(path);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 1;
    if (WIFSIGNALED(status))
        printf("not ok - %s: killed by signal %d (%s)\n", path, WTERMSIG(status),
               strsignal(WTERMSIG(status)));
    else
        printf("not ok - %s: exit code %d\n", path, WEXITSTATUS(status));
    return 0;
}

int main(int argc, char **argv)
{
    const char *name = strrchr(argv[0], '/');
    int total = 0, passed = 0;
    struct stat st;

    for (int i = 1; i < argc; i++) {
        DIR *dir = stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode) ? opendir(argv[i]) : NULL;

        if (!dir) {
            total++;
            passed += replay_file(argv[i]);
            continue;
        }
        for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
            char path[PATH_MAX];

            snprintf(path, sizeof(path), "%s/%s", argv[i], entry->d_name);
            if (entry->d_name[0] == '.' || stat(path, &st) < 0 || !S_ISREG(st.st_mode))
                continue;
            total++;
            passed += replay_file(path);
        }
        closedir(dir);
    }
    printf("%s: %d passed, %d failed\n", name ? name + 1 : argv[0], passed, total - passed);
    return passed < total || total == 0;
}

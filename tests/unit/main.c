/*
 * main.c - runs the registered groups: all, or those named on the command line; `-l` lists them.
 *
 * Each group runs in a child of its own with an alarm, so that a crash, a sanitizer's abort or a
 * hang is the failure of one group and the others go on.  What a group prints is shown only if it
 * failed, or with `-v`.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

/* Generous: the slowest group under ThreadSanitizer on a busy machine takes a tenth of this. */
#define GROUP_SECONDS 300

#define MAX_EXIT      250

static struct unit_group *groups;

void unit_register(struct unit_group *g)
{
    struct unit_group **at = &groups;

    while (*at && strcmp((*at)->name, g->name) < 0)
        at = &(*at)->next;
    g->next = *at;
    *at = g;
}

static bool is_wanted(const char *name, int count, char **names)
{
    for (int i = 0; i < count; i++)
        if (!strcmp(names[i], name))
            return true;
    return count == 0;
}

_Noreturn static void run_child(const struct unit_group *g, FILE *output)
{
    int failed;

    if (dup2(fileno(output), STDOUT_FILENO) < 0 || dup2(fileno(output), STDERR_FILENO) < 0)
        _exit(MAX_EXIT);
    setvbuf(stdout, NULL, _IOLBF, 0);
    alarm(GROUP_SECONDS);
    failed = _cmocka_run_group_tests(g->name, g->tests, g->count, NULL, NULL);
    exit(failed > MAX_EXIT ? MAX_EXIT : failed);
}

static void show(FILE *output)
{
    char line[4096];

    rewind(output);
    while (fgets(line, sizeof(line), output))
        fputs(line, stdout);
}

/* How many tests of the group failed; one that did not end by itself has failed as a whole. */
static size_t run_group(const struct unit_group *g, bool verbose)
{
    FILE *output = tmpfile();
    size_t failed = g->count;
    int status;
    pid_t pid;

    if (!output) {
        perror("temporary file");
        exit(1);
    }
    fflush(stdout);
    pid = fork();
    if (pid == 0)
        run_child(g, output);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status) && (size_t)WEXITSTATUS(status) <= g->count)
        failed = (size_t)WEXITSTATUS(status);
    if (failed || verbose)
        show(output);
    if (WIFSIGNALED(status))
        printf("%s: killed by signal %d (%s)\n", g->name, WTERMSIG(status),
               strsignal(WTERMSIG(status)));
    else if (failed)
        printf("%s: %zu of %zu failed (exit code %d)\n", g->name, failed, g->count,
               WEXITSTATUS(status));
    fclose(output);
    return failed;
}

int main(int argc, char **argv)
{
    bool verbose = argc > 1 && !strcmp(argv[1], "-v");
    int first = verbose ? 2 : 1;
    size_t total = 0, failed = 0;

    for (const struct unit_group *g = groups; g; g = g->next) {
        if (argc > 1 && !strcmp(argv[1], "-l")) {
            puts(g->name);
        } else if (is_wanted(g->name, argc - first, argv + first)) {
            total += g->count;
            failed += run_group(g, verbose);
        }
    }
    if (argc > 1 && !strcmp(argv[1], "-l"))
        return 0;
    printf("unit: %zu passed, %zu failed\n", total - failed, failed);
    return failed > 0 || total == 0;
}

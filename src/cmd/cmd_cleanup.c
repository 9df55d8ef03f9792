/*
 * cmd_cleanup.c - `shakedown cleanup`: what a run has left, found in its journal and done away
 * with.
 *
 * First the processes that still run, for they might go on making what is cleaned; then the `when:
 * always` phases that have not done all they had to, with the values, outputs and id of the run;
 * then its private folder.  What each step does is written to the same journal, so a cleanup that
 * is cut short is continued by the next one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fs.h"
#include "cmd/cleaning.h"
#include "cmd/command.h"
#include "run/journal.h"
#include "run/leftovers.h"

#define GRACE_MS 2000 /* for a process, between TERM and KILL */

#define OPT_OF   struct cleanup_args
static const struct opt cleanup_opts[] = {
    OPT_TEXT(run, NULL, "results directory of the run, its journal, or its id below results/",
             .flags = OPT_REQUIRED | OPT_POSITIONAL),
    OPT_BOOL(dry_run, "false", "tell what is left and touch nothing"),
    OPT_TEXT(suite, NULL, "the suite's file, if it has moved or changed since"),
    OPT_TEXTS(set, "value of a variable, above those of the run; may be repeated",
              .example = "name=value"),
    OPT_TEXT(junit, NULL, "write junit.xml of the cleanup here as well"),
    {0},
};
#undef OPT_OF

static bool is_file(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static const char *find_journal(const char *run, struct arena *arena)
{
    const char *tried[] = {run, arena_printf(arena, "%s/journal.jsonl", run),
                           arena_printf(arena, "results/%s/journal.jsonl", run)};

    for (int i = 0; i < 3; i++)
        if (is_file(tried[i]))
            return tried[i];
    return NULL;
}

static int count_pending(const struct past *p)
{
    int n = 0;

    for (int i = 0; i < p->phase_count; i++)
        n += cleaning_is_pending(p, p->phases[i].name);
    return n;
}

static void tell_processes(struct cleaning *c, bool spare)
{
    struct leftovers l = leftovers_end(&c->past, spare, GRACE_MS);

    if (l.ended)
        printf("ended %d process%s of the run\n", l.ended, l.ended == 1 ? "" : "es");
    if (l.left)
        printf("could not end %d process%s of the run: are they another user's?\n", l.left,
               l.left == 1 ? "" : "es");
    c->could_not |= l.left > 0;
}

/* The journal is a file that anybody with the right may have written to: only a folder that is
 * named as the runner names them is removed. */
static void remove_tmp(struct cleaning *c)
{
    const char *tmp = c->past.tmp, *name = tmp ? strrchr(tmp, '/') : NULL;
    const char *expected = arena_printf(&c->arena, "/shakedown-%s-", c->past.run_id);

    if (!tmp)
        return;
    if (!name || strncmp(name, expected, strlen(expected)) != 0) {
        printf("left \"%s\" alone: that is no name of a run's private folder\n", tmp);
        c->could_not = true;
    } else if (fs_remove_tree(tmp)) {
        journal_gone(c->journal, tmp);
        printf("removed %s\n", tmp);
    } else {
        printf("could not remove %s\n", tmp);
        c->could_not = true;
    }
}

static int clean(struct cleaning *c)
{
    struct err e;

    if (!journal_cleanup(c->journal, &e)) {
        fprintf(stderr, "shakedown cleanup: %s\n", e.text);
        return EXIT_COULD_NOT;
    }
    tell_processes(c, count_pending(&c->past) > 0);
    if (count_pending(&c->past) > 0 && !cleaning_do_phases(c))
        return EXIT_USAGE;
    tell_processes(c, false);
    for (int i = 0; i < c->past.service_count; i++)
        if (!c->past.services[i].stopped)
            journal_stopped(c->journal, c->past.services[i].name);
    if (!c->refused && !c->could_not)
        remove_tmp(c);
    return c->could_not ? EXIT_COULD_NOT : c->refused ? EXIT_BREACH : EXIT_PASS;
}

static bool is_clean(const struct past *p)
{
    for (int i = 0; i < p->service_count; i++)
        if (!p->services[i].stopped)
            return false;
    return !p->tmp && count_pending(p) == 0;
}

static int tell(const struct past *p)
{
    for (int i = 0; i < p->phase_count; i++)
        if (cleaning_is_pending(p, p->phases[i].name))
            printf("phase %s has not done all it had to\n", p->phases[i].name);
    for (int i = 0; i < p->service_count; i++)
        if (leftovers_is_running(p, &p->services[i]))
            printf("service %s runs still, as process %d\n", p->services[i].name,
                   (int)p->services[i].pid);
    if (p->tmp)
        printf("%s has not been removed\n", p->tmp);
    return EXIT_PASS;
}

static int begin(struct cleaning *c)
{
    const char *path;
    struct err e;
    int code;

    path = find_journal(c->args->run, &c->arena);
    if (!path) {
        fprintf(stderr,
                "shakedown cleanup: no journal \"%s\", \"%s/journal.jsonl\" or "
                "\"results/%s/journal.jsonl\"\n",
                c->args->run, c->args->run, c->args->run);
        return EXIT_USAGE;
    }
    if (!journal_read(path, &c->past, &c->arena, &e)) {
        fprintf(stderr, "shakedown cleanup: %s\n", e.text);
        return EXIT_USAGE;
    }
    if (c->args->dry_run)
        return is_clean(&c->past) ? printf("nothing is left\n"), EXIT_PASS : tell(&c->past);
    c->journal = journal_open(path, &e);
    if (!c->journal) {
        fprintf(stderr, "shakedown cleanup: %s\n", e.text);
        return EXIT_COULD_NOT;
    }
    /* Again, now that nobody writes to it. */
    code = journal_read(path, &c->past, &c->arena, &e) ? clean(c) : EXIT_COULD_NOT;
    printf("run %s: %s\n", c->past.run_id,
           code == EXIT_PASS ? "nothing is left"
                             : "something is left; the next try continues here");
    return code;
}

static int run_cleanup(const void *opts)
{
    struct cleaning c = {.args = opts};
    int code = begin(&c);

    journal_close(c.journal);
    arena_free(&c.arena);
    return code;
}

const struct command command_cleanup = {
    .name = "cleanup",
    .usage = "RUN [options]",
    .brief = "finishes the cleanup of a run that was cut short",
    .details = "RUN is a results directory, or a run's id below results/.  From its journal come "
               "the suite, the\n"
               "values and the id of the run: processes that it has left are ended, the `when: "
               "always` phases\n"
               "that have not done all they had to are run (secrets are read again), its private "
               "folder is\n"
               "removed.  Reports of the phases go to RUN/cleanup.  It may be repeated.\n\n"
               "Exit codes: 0 nothing is left, 1 a server refused, 2 the command line or the suite "
               "is wrong,\n"
               "3 could not.",
    .opts = cleanup_opts,
    .opts_size = sizeof(struct cleanup_args),
    .run = run_cleanup,
};

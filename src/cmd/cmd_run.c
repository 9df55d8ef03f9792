/* cmd_run.c - `shakedown run`: from the command line to an exit code. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/fs.h"
#include "cmd/cleaning.h"
#include "cmd/command.h"
#include "cmd/plan_text.h"
#include "cmd/session.h"
#include "report/console.h"
#include "report/files.h"
#include "run/journal.h"
#include "run/observer.h"
#include "run/result.h"
#include "run/run.h"
#include "suite/plan.h"

struct run_args {
    struct suite_args args;
    const char *out, *run_id, *junit;
    struct texts only, skip;
    bool dry_run, show_origin, no_cleanup, fail_fast, quiet;
    int junit_dialect, color;
};

static const char *const colors[] = {"auto", "always", "never", NULL};

#define OPT_OF struct run_args
static const struct opt run_opts[] = {
    SUITE_ARGS_ROWS,
    OPT_BOOL(dry_run, "false", "show the plan and start nothing"),
    OPT_BOOL(show_origin, "false", "with --dry-run: where each variable's value comes from"),
    OPT_TEXT(out, NULL, "results directory (results/RUN-ID if not given)", .short_name = 'o'),
    OPT_TEXT(run_id, NULL, "name of this run, instead of one made from the time"),
    OPT_TEXTS(only, "run this phase alone; may be repeated"),
    OPT_TEXTS(skip, "leave this phase out; may be repeated"),
    OPT_BOOL(no_cleanup, "false", "leave services running and skip `when: always` phases"),
    OPT_BOOL(fail_fast, "false", "the first breach ends the run"),
    OPT_TEXT(junit, NULL, "write junit.xml here as well"),
    OPT_CHOICE(junit_dialect, "ci", "ci has files and lines; strict validates against both schemas",
               .choices = junit_dialects),
    OPT_BOOL(quiet, "false", "print the summary alone", .short_name = 'q'),
    OPT_CHOICE(color, "auto", "colours on the terminal", .choices = colors),
    {0},
};
#undef OPT_OF

static const char *const *name_list(const struct texts *t, struct arena *arena)
{
    const char **list = arena_array(arena, const char *, t->n + 1);

    for (int i = 0; i < t->n; i++)
        list[i] = t->v[i];
    return list;
}

static bool known_phases(const struct suite *s, const struct texts *names, const char *flag)
{
    const char **phases = xcalloc((size_t)s->phase_count + 1, sizeof(*phases));
    char hint[OPT_HINT_MAX];
    bool all = true;

    for (int k = 0; k < s->phase_count; k++)
        phases[k] = s->phases[k].name;
    for (int i = 0; i < names->n; i++) {
        bool found = false;

        for (int k = 0; k < s->phase_count; k++)
            found |= strcmp(phases[k], names->v[i]) == 0;
        if (!found)
            fprintf(stderr, "shakedown run: %s: the suite has no phase \"%s\"%s\n", flag,
                    names->v[i], opt_hint(names->v[i], phases, "", hint));
        all &= found;
    }
    free(phases);
    return all;
}

static bool make_folders(const struct session *s, struct journal **journal, struct err *e)
{
    if (!fs_mkdirs(s->source.run_dir, 0755, e))
        return false;
    *journal = journal_create(s->source.run_dir, s->suite, e);
    if (!*journal || !journal_tmp(*journal, s->source.run_tmp, e))
        return false;
    /* Made anew and by nobody else: keys lie in it, and it is removed at the end. */
    if (mkdir(s->source.run_tmp, 0700) != 0)
        return err_errno(e, "cannot make the folder \"%s\"", s->source.run_tmp);
    return true;
}

/* Told now, not after the load. */
static bool can_write(const char *junit, struct err *e)
{
    FILE *f = junit ? fopen(junit, "ae") : NULL;

    if (junit && !f)
        return err_errno(e, "--junit: cannot write \"%s\"", junit);
    if (f)
        fclose(f);
    return true;
}

static void choose_output(const struct run_args *a, struct console_opts *c)
{
    console_defaults(c);
    c->quiet = a->quiet;
    if (a->color == 1)
        c->color = true;
    else if (a->color == 2)
        c->color = false;
}

static int execute(const struct run_args *a, struct session *s, struct journal *journal)
{
    struct files_opts files = {s->source.run_dir, a->junit_dialect, a->junit};
    struct console_opts console;
    const struct observer *observers[3] = {0};
    struct run_opts o = {
        .suite = s->suite,
        .run_id = s->source.run_id,
        .dir = s->source.run_dir,
        .observers = observers,
        .no_cleanup = a->no_cleanup,
        .fail_fast = a->fail_fast,
        .only = a->only.n ? name_list(&a->only, &s->arena) : NULL,
        .skip = name_list(&a->skip, &s->arena),
        .journal = journal,
    };
    struct run_result *r;

    choose_output(a, &console);
    observers[0] = console_observer(&console, &s->arena);
    observers[1] = files_observer(&files, &s->arena);
    r = run_suite(&o, &s->arena);
    if (!a->no_cleanup && fs_remove_tree(s->source.run_tmp))
        journal_gone(journal, s->source.run_tmp);
    for (int i = 0; i < r->phase_count; i++)
        for (int k = 0; r->phases[i].steps && k < r->phases[i].phase->step_count; k++)
            meter_free(&r->phases[i].steps[k].meter);
    if (files_failed(observers[1]) && r->exit_code == EXIT_PASS)
        return EXIT_COULD_NOT;
    return r->exit_code;
}

static bool has_cleanup(const struct suite *s)
{
    for (int i = 0; i < s->phase_count; i++)
        for (int k = 0; k < s->phases[i].step_count; k++)
            if (strcmp(s->phases[i].steps[k].driver->name, "cleanup") == 0)
                return true;
    return false;
}

/* A fleet server deletes by the beginning of a name: the hosts of run A-B are found by run A's. */
static bool is_confused(const struct session *s)
{
    char *found;

    if (!has_cleanup(s->suite))
        return false;
    found = cleaning_neighbour(s->source.run_dir, s->source.run_id);
    if (found)
        fprintf(stderr,
                "shakedown: --run-id: \"%s\" and \"%s\" begin alike, and %s is not cleaned up: "
                "one's cleanup would delete the other's hosts; choose another id, or first: "
                "shakedown cleanup %s\n",
                s->source.run_id, strrchr(found, '/') + 1, found, found);
    free(found);
    return found != NULL;
}

static int start(const struct run_args *a, struct session *s)
{
    struct journal *journal = NULL;
    struct diags unfit;
    struct plan plan;
    struct err e;
    int code;

    if (!known_phases(s->suite, &a->only, "--only") || !known_phases(s->suite, &a->skip, "--skip"))
        return EXIT_USAGE;
    plan_make(&plan, s->suite, &s->arena);
    if (a->dry_run) {
        plan_print(&plan, s->suite, a->show_origin, stdout);
        return EXIT_PASS;
    }
    diags_init(&unfit, s->source.file, &s->arena);
    if (!plan_fits(&plan, &unfit)) {
        session_print(&unfit);
        return EXIT_USAGE;
    }
    if (is_confused(s))
        return EXIT_USAGE;
    if (!can_write(a->junit, &e) || !make_folders(s, &journal, &e)) {
        fprintf(stderr, "shakedown run: %s\n", e.text);
        journal_close(journal);
        return EXIT_USAGE;
    }
    code = execute(a, s, journal);
    journal_close(journal);
    return code;
}

static int run_run(const void *opts)
{
    const struct run_args *a = opts;
    struct session_opts so = {&a->args, a->run_id, a->out, !a->dry_run};
    struct session s;
    int code;

    code = session_open(&s, &so) ? start(a, &s) : EXIT_USAGE;
    session_close(&s);
    return code;
}

const struct command command_run = {
    .name = "run",
    .usage = "SUITE [options]",
    .brief = "runs a suite and exits with its verdict",
    .details = "Exit codes: 0 every threshold passed, 1 at least one conclusive breach, 2 the "
               "command line\n"
               "or the suite is wrong and nothing was sent, 3 could not tell.  The results "
               "directory holds\n"
               "result.json, junit.xml, summary.txt, summary.md and the services' logs.",
    .opts = run_opts,
    .opts_size = sizeof(struct run_args),
    .run = run_run,
};

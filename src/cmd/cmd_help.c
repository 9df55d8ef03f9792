/*
 * cmd_help.c - what the tables know, for people.
 *
 * A topic is a row here, a driver or a command.  Nothing about an option is written in this file.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/command.h"
#include "cmd/reference.h"
#include "driver/driver.h"
#include "driver/target.h"
#include "suite/suite.h"

struct topic {
    const char *name;
    const char *brief;
    const char *intro;        /* before the tables; or NULL */
    const struct opt *table;  /* or NULL */
    void (*print)(FILE *out); /* or NULL */
};

static void print_drivers(FILE *out)
{
    for (int i = 0; drivers[i]; i++)
        fprintf(out, "  %-8s  %s\n", drivers[i]->name, drivers[i]->brief);
    fputs("\n\"shakedown help http\" has the options and metrics of the http driver.\n", out);
}

static void print_metrics(const struct metric *m, FILE *out)
{
    for (; m && m->name; m++)
        fprintf(out, "  %-24s  %-7s  %s\n", m->name, metric_type_names[m->type], m->help);
}

static void print_all_metrics(FILE *out)
{
    fputs("Every step:\n\n", out);
    print_metrics(engine_metrics, out);
    for (int i = 0; drivers[i]; i++) {
        if (!drivers[i]->metrics || !drivers[i]->metrics->name)
            continue;
        fprintf(out, "\n%s:\n\n", drivers[i]->name);
        print_metrics(drivers[i]->metrics, out);
    }
}

static void print_executors(FILE *out)
{
    for (int i = EX_CONSTANT_VUS; i < EX_COUNT; i++)
        fprintf(out, "  %-22s  %s\n", executor_names[i], executor_briefs[i]);
    fputs("\nOptions of load:\n\n", out);
    opt_print_help(load_table, out);
}

static void print_outcomes(FILE *out)
{
    for (int i = 0; i < OP_OUTCOMES; i++)
        fprintf(out, "  %-18s  %s\n", outcomes[i].name, fault_names[outcomes[i].fault]);
}

static const struct topic topics[] = {
    {"suite", "the keys of a suite file",
     "A suite is one YAML file.  ${...} is replaced once, before anything is read; %{...} changes "
     "with\n"
     "every operation.  Quote a value that has ${ or %{ inside {} or [].\n",
     suite_table, NULL},
    {"phase", "the keys of an entry of phases", NULL, phase_table, NULL},
    {"step", "the keys of a step, besides its driver", NULL, step_table, NULL},
    {"target", "addresses the suite may contact",
     "Under targets:, by name; nothing else is contacted.\n", target_opts_table, NULL},
    {"service", "processes the suite starts", "Under services:, by name.\n", service_table, NULL},
    {"drivers", "kinds of operations", "A step's driver is its one key that names a driver.\n",
     NULL, print_drivers},
    {"executors", "when operations are due", "Under load:\n", NULL, print_executors},
    {"metrics", "what thresholds can be about", NULL, NULL, print_all_metrics},
    {"outcomes", "how an operation can end, and whose fault that is", NULL, NULL, print_outcomes},
    {"exit-codes", "what the process says to a pipeline",
     "  0  every threshold passed\n"
     "  1  at least one conclusive breach\n"
     "  2  the command line or the suite is wrong; nothing was sent\n"
     "  3  could not tell: a target or service failed, no data, inconclusive, interrupted\n\n"
     "1 outranks 3.\n",
     NULL, NULL},
    {0},
};

static void print_topic(const struct topic *t, FILE *out)
{
    if (t->intro)
        fprintf(out, "%s", t->intro);
    if (t->intro && (t->table || t->print))
        fputc('\n', out);
    if (t->table)
        opt_print_help(t->table, out);
    if (t->print)
        t->print(out);
}

static void print_driver(const struct driver *d, FILE *out)
{
    fprintf(out, "%s: %s\n\n", d->name, d->brief);
    if (d->scalar)
        fprintf(out, "A value in place of the map sets \"%s\".\n\n", d->scalar);
    opt_print_help(d->opts, out);
    if (!d->metrics || !d->metrics->name)
        return;
    fputs("\nMetrics, besides those of every step:\n\n", out);
    print_metrics(d->metrics, out);
}

static void print_list(FILE *out)
{
    fputs("usage: shakedown help TOPIC\n\n", out);
    for (const struct topic *t = topics; t->name; t++)
        fprintf(out, "  %-11s  %s\n", t->name, t->brief);
    fputs("\nA driver or a command is a topic too:", out);
    for (int i = 0; drivers[i]; i++)
        fprintf(out, " %s", drivers[i]->name);
    for (int i = 0; commands[i]; i++)
        fprintf(out, " %s", commands[i]->name);
    fputc('\n', out);
}

static const char *nearest_topic(const char *name)
{
    size_t n = sizeof(topics) / sizeof(topics[0]);
    const char **names, *near;

    for (int i = 0; drivers[i]; i++)
        n++;
    for (int i = 0; commands[i]; i++)
        n++;
    names = xcalloc(n + 1, sizeof(*names));
    n = 0;
    for (const struct topic *t = topics; t->name; t++)
        names[n++] = t->name;
    for (int i = 0; drivers[i]; i++)
        names[n++] = drivers[i]->name;
    for (int i = 0; commands[i]; i++)
        names[n++] = commands[i]->name;
    near = opt_nearest(name, names);
    free(names);
    return near;
}

struct help_opts {
    const char *topic;
    bool markdown;
};

#define OPT_OF struct help_opts
static const struct opt help_table[] = {
    OPT_TEXT(topic, NULL, "a topic, a driver or a command", .flags = OPT_POSITIONAL),
    OPT_BOOL(markdown, "false", "print the whole reference as Markdown instead"),
    {0},
};
#undef OPT_OF

/* Topics first: `target` is the word for addresses far more often than for the command. */
static bool print_named(const char *name, FILE *out)
{
    const struct driver *driver = driver_find(name);
    const struct command *command = command_find(name);

    for (const struct topic *t = topics; t->name; t++) {
        if (strcmp(t->name, name) != 0)
            continue;
        print_topic(t, out);
        if (command)
            fprintf(out, "\nThere is a command of this name too: 'shakedown %s --help'.\n", name);
        return true;
    }
    if (driver)
        print_driver(driver, out);
    else if (command)
        command_print_help(command, out);
    return driver || command;
}

static int run(const void *opts)
{
    const struct help_opts *o = opts;
    const char *name = o->topic, *near;

    if (o->markdown) {
        reference_print(stdout);
        return EXIT_PASS;
    }
    if (!name) {
        print_list(stdout);
        return EXIT_PASS;
    }
    if (print_named(name, stdout))
        return EXIT_PASS;
    near = nearest_topic(name);
    fprintf(stderr, "shakedown help: no topic \"%s\"", name);
    if (near)
        fprintf(stderr, " (did you mean \"%s\"?)", near);
    fputs("; 'shakedown help' lists them\n", stderr);
    return EXIT_USAGE;
}

const struct command command_help = {
    .name = "help",
    .usage = "[TOPIC] [options]",
    .brief = "explains a topic, a driver or a command",
    .opts = help_table,
    .opts_size = sizeof(struct help_opts),
    .run = run,
};

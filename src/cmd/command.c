#include "cmd/command.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/mem.h"
#include "cmd/args.h"

const struct command *const commands[] = {
    &command_run,        &command_validate, &command_judge,  &command_report,
    &command_cleanup,    &command_list,     &command_schema, &command_target,
    &command_completion, &command_version,  &command_help,   NULL,
};

const struct command *command_find(const char *name)
{
    for (int i = 0; commands[i]; i++) {
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    }
    return NULL;
}

static void print_usage(const struct command *c, FILE *out)
{
    fprintf(out, "usage: shakedown %s%s%s\n", c->name, *c->usage ? " " : "", c->usage);
}

void command_print_help(const struct command *c, FILE *out)
{
    print_usage(c, out);
    fprintf(out, "\n%s\n\n", c->brief);
    args_print_help(c->opts, out);
    if (c->details)
        fprintf(out, "\n%s\n", c->details);
}

static void commands_print_help(FILE *out)
{
    fputs("usage: shakedown COMMAND [options]\n\n", out);
    for (int i = 0; commands[i]; i++)
        fprintf(out, "  %-11s %s\n", commands[i]->name, commands[i]->brief);
    fputs("\n\"shakedown COMMAND --help\" has a command's options, "
          "\"shakedown help\" the list of topics.\n",
          out);
}

static int refuse_command(const char *name)
{
    const char *names[32] = {0}, *near;

    for (size_t i = 0; commands[i] && i + 1 < sizeof(names) / sizeof(names[0]); i++)
        names[i] = commands[i]->name;
    near = opt_nearest(name, names);
    fprintf(stderr, "shakedown: no command \"%s\"", name);
    if (near)
        fprintf(stderr, " (did you mean \"%s\"?)", near);
    fputs("; try 'shakedown --help'\n", stderr);
    return EXIT_USAGE;
}

static int run_command(const struct command *c, int argc, char **argv)
{
    struct arena arena = {0};
    struct diags diags;
    struct bind b = {.arena = &arena, .diags = &diags};
    void *opts = xcalloc(1, c->opts_size);
    int code = EXIT_USAGE;

    diags_init(&diags, arena_printf(&arena, "shakedown %s", c->name), &arena);
    switch (args_bind(c->opts, argc, argv, opts, &b)) {
    case ARGS_OK:
        code = c->run(opts);
        break;
    case ARGS_HELP:
        command_print_help(c, stdout);
        code = EXIT_PASS;
        break;
    case ARGS_WRONG:
        diags_print(&diags, stderr);
        print_usage(c, stderr);
        fprintf(stderr, "try 'shakedown %s --help'\n", c->name);
        break;
    }
    free(opts);
    arena_free(&arena);
    return code;
}

static int dispatch(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : NULL;
    const struct command *c;

    if (!name) {
        commands_print_help(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        commands_print_help(stdout);
        return EXIT_PASS;
    }
    if (strcmp(name, "--version") == 0)
        name = "version";
    c = command_find(name);
    return c ? run_command(c, argc - 2, argv + 2) : refuse_command(name);
}

/* A result that did not reach its reader is not a result. */
int command_main(int argc, char **argv)
{
    int code = dispatch(argc, argv);

    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "shakedown: write to standard output: %s\n", strerror(errno));
        if (code == EXIT_PASS)
            code = EXIT_COULD_NOT;
    }
    return code;
}

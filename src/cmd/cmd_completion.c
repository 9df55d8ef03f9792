/*
 * cmd_completion.c - `shakedown completion`: shell completions from the command tables.
 *
 * The scripts complete commands, their options and the choices of an option; anything else is left
 * to the shell's own file names.
 */
#include <stdio.h>
#include <string.h>

#include "cmd/command.h"

enum { BASH, ZSH, FISH };
static const char *const shells[] = {"bash", "zsh", "fish", NULL};

struct completion_args {
    int shell;
};

#define OPT_OF struct completion_args
static const struct opt completion_opts[] = {
    OPT_CHOICE(shell, NULL, "which shell's syntax", .choices = shells,
               .flags = OPT_REQUIRED | OPT_POSITIONAL),
    {0},
};
#undef OPT_OF

/* Of a command without options, none. */
static const struct opt *rows_of(const struct command *c)
{
    static const struct opt none[] = {{0}};

    return c->opts ? c->opts : none;
}

static void print_flag(const char *name)
{
    for (; *name; name++)
        putchar(*name == '_' ? '-' : *name);
}

static void print_choices(const struct opt *o)
{
    for (int i = 0; o->choices[i]; i++)
        printf("%s%s", i ? " " : "", o->choices[i]);
}

/* What may follow the command: its options, and the choices of its arguments. */
static void print_words(const struct command *c)
{
    for (const struct opt *o = rows_of(c); o->name; o++) {
        if (!(o->flags & OPT_POSITIONAL)) {
            fputs("--", stdout);
            print_flag(o->name);
            putchar(' ');
        } else if (o->choices) {
            print_choices(o);
            putchar(' ');
        }
    }
    fputs("--help", stdout);
}

static void print_names(void)
{
    for (int i = 0; commands[i]; i++)
        printf("%s%s", i ? " " : "", commands[i]->name);
}

static void print_bash_choices(const struct command *c)
{
    for (const struct opt *o = rows_of(c); o->name; o++) {
        if (!o->choices || (o->flags & OPT_POSITIONAL))
            continue;
        printf("        %s:--", c->name);
        print_flag(o->name);
        if (o->short_name)
            printf("|%s:-%c", c->name, o->short_name);
        fputs(") words=\"", stdout);
        print_choices(o);
        fputs("\" ;;\n", stdout);
    }
}

/* zsh runs the same function through its emulation of bash's completion. */
static void print_bash(void)
{
    fputs("_shakedown() {\n    local words=\"\" cur=\"${COMP_WORDS[COMP_CWORD]}\"\n"
          "    COMPREPLY=()\n    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        words=\"",
          stdout);
    print_names();
    fputs("\"\n    else\n        case \"${COMP_WORDS[1]}:${COMP_WORDS[COMP_CWORD-1]}\" in\n",
          stdout);
    for (int i = 0; commands[i]; i++)
        print_bash_choices(commands[i]);
    for (int i = 0; commands[i]; i++) {
        printf("        %s:*) words=\"", commands[i]->name);
        print_words(commands[i]);
        fputs("\" ;;\n", stdout);
    }
    fputs("        esac\n    fi\n"
          "    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
          "}\ncomplete -o default -F _shakedown shakedown\n",
          stdout);
}

/* Inside single quotes fish knows two escapes. */
static void print_quoted(const char *s)
{
    putchar('\'');
    for (; *s; s++)
        printf(*s == '\'' || *s == '\\' ? "\\%c" : "%c", *s);
    putchar('\'');
}

static void print_fish_row(const struct command *c, const struct opt *o)
{
    bool positional = o->flags & OPT_POSITIONAL;

    if (positional && !o->choices)
        return;
    printf("complete -c shakedown -n '__fish_seen_subcommand_from %s'", c->name);
    if (!positional) {
        fputs(" -l ", stdout);
        print_flag(o->name);
        if (o->short_name)
            printf(" -s %c", o->short_name);
    }
    if (o->choices) {
        fputs(" -xa '", stdout);
        print_choices(o);
        putchar('\'');
    }
    fputs(" -d ", stdout);
    print_quoted(o->help);
    putchar('\n');
}

static void print_fish(void)
{
    for (int i = 0; commands[i]; i++) {
        const struct command *c = commands[i];

        printf("complete -c shakedown -n __fish_use_subcommand -a %s -d ", c->name);
        print_quoted(c->brief);
        putchar('\n');
        for (const struct opt *o = rows_of(c); o->name; o++)
            print_fish_row(c, o);
    }
}

static int run_completion(const void *opts)
{
    const struct completion_args *a = opts;

    if (a->shell == ZSH)
        fputs("autoload -U +X bashcompinit && bashcompinit\n", stdout);
    if (a->shell == FISH)
        print_fish();
    else
        print_bash();
    return EXIT_PASS;
}

const struct command command_completion = {
    .name = "completion",
    .usage = "bash | zsh | fish",
    .brief = "prints a script of completions for a shell",
    .details = "For bash: source <(shakedown completion bash)",
    .opts = completion_opts,
    .opts_size = sizeof(struct completion_args),
    .run = run_completion,
};

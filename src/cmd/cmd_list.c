/* cmd_list.c - `shakedown list`: suites of a folder, or presets and phases of one suite. */
#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "cmd/command.h"
#include "cmd/session.h"

struct list_args {
    struct suite_args args;
    int format;
};

static const char *const formats[] = {"text", "json", NULL};

#define OPT_OF struct list_args
static const struct opt list_opts[] = {
    {.name = "suite",
     .type = OPT_T_TEXT,
     .offset = OPT_AT(args.file, const char *),
     .def = "suites",
     .help = "a suite, or a folder of suites",
     .flags = OPT_POSITIONAL},
    OPT_CHOICE(format, "text", "json suits a CI job's matrix", .choices = formats),
    {0},
};
#undef OPT_OF

static int is_suite(const struct dirent *d)
{
    size_t len = strlen(d->d_name);

    return len > 5 && strcmp(d->d_name + len - 5, ".yaml") == 0;
}

static json_t *names_json(const char *const *names, int n)
{
    json_t *list = json_array();

    for (int i = 0; i < n; i++)
        json_array_append_new(list, json_string(names[i]));
    return list;
}

static json_t *suite_json(const struct suite *s)
{
    json_t *phases = json_array();

    for (int i = 0; i < s->phase_count; i++) {
        json_t *steps = json_array();

        for (int k = 0; k < s->phases[i].step_count; k++) {
            const struct step *step = &s->phases[i].steps[k];

            json_array_append_new(steps, json_pack("{s:s,s:s,s:s}", "name", step->name, "driver",
                                                   step->driver->name, "executor",
                                                   executor_names[step->load.executor]));
        }
        json_array_append_new(phases,
                              json_pack("{s:s,s:o}", "name", s->phases[i].name, "steps", steps));
    }
    return json_pack("{s:s,s:s,s:s?,s:o,s:o}", "file", s->file, "suite", s->name, "description",
                     s->description, "presets", names_json(s->vars->presets, s->vars->preset_count),
                     "phases", phases);
}

static void print_suite(const struct suite *s)
{
    printf("%s: %s\n", s->file, s->name);
    if (s->description)
        printf("  %s\n", s->description);
    for (int i = 0; i < s->vars->preset_count; i++)
        printf("%s%s%s", i ? ", " : "  presets: ", s->vars->presets[i],
               i == s->vars->preset_count - 1 ? "\n" : "");
    for (int i = 0; i < s->phase_count; i++) {
        printf("  phase %s:", s->phases[i].name);
        for (int k = 0; k < s->phases[i].step_count; k++) {
            const struct step *step = &s->phases[i].steps[k];

            printf("%s %s%s%s (%s)", k ? "," : "", s->phases[i].parallel ? step->name : "",
                   s->phases[i].parallel ? " " : "", step->driver->name,
                   executor_names[step->load.executor]);
        }
        putchar('\n');
    }
}

static void print_json(json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT);

    puts(text);
    free(text);
    json_decref(value);
}

/* Appends to `all`, or prints as text where that is NULL. */
static int list_one(const char *file, json_t *all)
{
    struct suite_args args = {.file = file};
    struct session_opts so = {.args = &args, .run_id = "list", .names_only = true};
    struct session s;
    int code = EXIT_USAGE;

    if (session_open(&s, &so)) {
        if (all)
            json_array_append_new(all, suite_json(s.suite));
        else
            print_suite(s.suite);
        code = EXIT_PASS;
    }
    session_close(&s);
    return code;
}

static int list_folder(const char *folder, json_t *all)
{
    struct dirent **found;
    int n = scandir(folder, &found, is_suite, alphasort), code = EXIT_PASS;

    for (int i = 0; i < n; i++) {
        struct buf path = {0};

        buf_printf(&path, "%s/%s", folder, found[i]->d_name);
        if (list_one(buf_text(&path), all) != EXIT_PASS)
            code = EXIT_USAGE;
        buf_free(&path);
        free(found[i]);
    }
    free(found);
    return code;
}

static int run_list(const void *opts)
{
    const struct list_args *a = opts;
    json_t *all = a->format == 1 ? json_array() : NULL;
    DIR *folder = opendir(a->args.file);
    int code;

    if (folder)
        closedir(folder);
    code = folder ? list_folder(a->args.file, all) : list_one(a->args.file, all);
    if (all && !folder && code == EXIT_PASS)
        print_json(json_incref(json_array_get(all, 0)));
    else if (all && folder)
        print_json(json_incref(all));
    json_decref(all);
    return code;
}

const struct command command_list = {
    .name = "list",
    .usage = "[SUITE | FOLDER] [options]",
    .brief = "lists suites, or the presets and phases of one",
    .opts = list_opts,
    .opts_size = sizeof(struct list_args),
    .run = run_list,
};

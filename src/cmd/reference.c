#include "cmd/reference.h"

#include "cmd/args.h"
#include "cmd/command.h"
#include "driver/driver.h"
#include "driver/target.h"
#include "suite/suite.h"

static void print_table(const char *title, const struct opt *table, FILE *out)
{
    fprintf(out, "\n%s\n\n", title);
    opt_print_markdown(table, out);
}

static void print_metrics(const struct metric *m, FILE *out)
{
    fputs("\n| Metric | Type | |\n|---|---|---|\n", out);
    for (; m && m->name; m++)
        fprintf(out, "| `%s` | %s | %s |\n", m->name, metric_type_names[m->type], m->help);
}

static void print_driver(const struct driver *d, FILE *out)
{
    fprintf(out, "\n### %s\n\n%s.\n", d->name, d->brief);
    if (d->scalar)
        fprintf(out, "\nA list or text in place of the map sets `%s`.\n", d->scalar);
    fputc('\n', out);
    opt_print_markdown(d->opts, out);
    if (d->metrics && d->metrics->name)
        print_metrics(d->metrics, out);
}

static void print_executors(FILE *out)
{
    fputs("\n### load\n\n| Executor | |\n|---|---|\n", out);
    for (int i = EX_CONSTANT_VUS; i < EX_COUNT; i++)
        fprintf(out, "| `%s` | %s |\n", executor_names[i], executor_briefs[i]);
    fputc('\n', out);
    opt_print_markdown(load_table, out);
}

static void print_outcomes(FILE *out)
{
    fputs("\n## Outcomes\n\nHow an operation can end, and whose fault that is.\n\n"
          "| Outcome | Fault |\n|---|---|\n",
          out);
    for (int i = 0; i < OP_OUTCOMES; i++)
        fprintf(out, "| %s | %s |\n", outcomes[i].name, fault_names[outcomes[i].fault]);
}

static void print_commands(FILE *out)
{
    fputs("\n## Commands\n", out);
    for (int i = 0; commands[i]; i++) {
        fprintf(out, "\n### shakedown %s\n\n```\n", commands[i]->name);
        command_print_help(commands[i], out);
        fputs("```\n", out);
    }
}

void reference_print(FILE *out)
{
    fputs("# Reference\n\nMade by `make docs` from the tables that the program itself reads.\n"
          "\n## Suite\n\n",
          out);
    opt_print_markdown(suite_table, out);
    print_table("### vars", var_table, out);
    print_table("### secrets", secret_table, out);
    print_table("### targets", target_opts_table, out);
    print_table("### services", service_table, out);
    print_table("### phases", phase_table, out);
    print_table("### steps", step_table, out);
    print_table("### thresholds", threshold_table, out);
    print_executors(out);
    fputs("\n## Drivers\n", out);
    for (int i = 0; drivers[i]; i++)
        print_driver(drivers[i], out);
    fputs("\n## Metrics of every step\n", out);
    print_metrics(engine_metrics, out);
    print_outcomes(out);
    print_commands(out);
}

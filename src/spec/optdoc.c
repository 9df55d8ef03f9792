#include "spec/opt.h"

#include <string.h>

#include "base/buf.h"
#include "spec/opttype.h"

/* Parts in brackets are separated by semicolons; the first one opens the bracket. */
static const char *separator(int *parts)
{
    return (*parts)++ ? "; " : " (";
}

static void describe_choices(const struct opt *o, struct buf *out, int *parts)
{
    int n = 0;

    buf_printf(out, "%sone of ", separator(parts));
    for (int i = 0; o->choices[i]; i++) {
        if (o->choices[i][0])
            buf_printf(out, "%s%s", n++ ? ", " : "", o->choices[i]);
    }
}

void opt_describe(const struct opt *o, struct buf *out)
{
    char text[3 * UNITS_MAX];
    int parts = 0;

    buf_adds(out, o->help);
    if (o->type == OPT_T_CHOICE)
        describe_choices(o, out, &parts);
    if (opt_range(o, text, sizeof(text)))
        buf_printf(out, "%s%s", separator(&parts), text);
    if (o->example)
        buf_printf(out, "%ssuch as %s", separator(&parts), o->example);
    if (o->flags & OPT_REQUIRED)
        buf_printf(out, "%srequired", separator(&parts));
    if (o->def && *o->def && strcmp(o->def, "false") != 0)
        buf_printf(out, "%sdefault %s", separator(&parts), o->def);
    if (parts)
        buf_addc(out, ')');
}

static size_t name_width(const struct opt *table, size_t indent)
{
    size_t width = 0;

    for (const struct opt *o = table; o->name; o++) {
        size_t w = indent + strlen(o->name);

        if (o->type == OPT_T_SUB && name_width(o->sub, indent + 2) > w)
            w = name_width(o->sub, indent + 2);
        if (w > width)
            width = w;
    }
    return width;
}

static void print_rows(const struct opt *table, int indent, int width, FILE *out)
{
    struct buf text = {0};

    for (const struct opt *o = table; o->name; o++) {
        buf_clear(&text);
        opt_describe(o, &text);
        fprintf(out, "  %*s%-*s  %-8s  %s\n", indent, "", width - indent, o->name, opt_type_name(o),
                buf_text(&text));
        if (o->type == OPT_T_SUB)
            print_rows(o->sub, indent + 2, width, out);
    }
    buf_free(&text);
}

void opt_print_help(const struct opt *table, FILE *out)
{
    print_rows(table, 0, (int)name_width(table, 0), out);
}

static void print_cell(const char *text, FILE *out)
{
    for (; *text; text++) {
        if (*text == '|')
            fputc('\\', out);
        fputc(*text, out);
    }
}

static void print_markdown_rows(const struct opt *table, const char *prefix, FILE *out)
{
    struct buf text = {0};

    for (const struct opt *o = table; o->name; o++) {
        buf_clear(&text);
        opt_describe(o, &text);
        fprintf(out, "| `%s%s` | %s | ", prefix, o->name, opt_type_name(o));
        print_cell(buf_text(&text), out);
        fputs(" |\n", out);
        if (o->type != OPT_T_SUB)
            continue;
        buf_clear(&text);
        buf_printf(&text, "%s%s.", prefix, o->name);
        print_markdown_rows(o->sub, buf_text(&text), out);
    }
    buf_free(&text);
}

void opt_print_markdown(const struct opt *table, FILE *out)
{
    fputs("| option | type | what it is |\n|---|---|---|\n", out);
    print_markdown_rows(table, "", out);
}

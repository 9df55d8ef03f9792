#include "cmd/args.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"

struct line { /* the command line, while it is read */
    const struct opt *table;
    int argc, at;
    char **argv;
    char *out;
    const struct bind *b;
    const struct opt **given; /* rows that were, given_count of them */
    int given_count;
    bool help;
};

static const struct pos nowhere;

static bool is_given(const struct line *l, const struct opt *o)
{
    for (int i = 0; i < l->given_count; i++) {
        if (l->given[i] == o)
            return true;
    }
    return false;
}

static void mark_given(struct line *l, const struct opt *o)
{
    if (!is_given(l, o))
        l->given[l->given_count++] = o;
    if (o->given)
        *(bool *)(l->out + o->given - 1) = true;
}

/* "max-rows" of `max_rows`. */
static const char *flag_of(const struct opt *o, struct arena *arena)
{
    char *flag = arena_strdup(arena, o->name);

    for (char *p = flag; *p; p++) {
        if (*p == '_')
            *p = '-';
    }
    return flag;
}

/* "MAX_ROWS" of `max_rows`. */
static const char *placeholder(const struct opt *o, struct arena *arena)
{
    char *name = arena_strdup(arena, o->name);

    for (char *p = name; *p; p++)
        *p = (char)toupper((unsigned char)*p);
    return name;
}

static bool is_option(const struct opt *o)
{
    return !(o->flags & OPT_POSITIONAL);
}

static const struct opt *find_flag(const struct line *l, const char *flag, size_t len)
{
    for (const struct opt *o = l->table; o && o->name; o++) {
        const char *name = flag_of(o, l->b->arena);

        if (is_option(o) && strncmp(name, flag, len) == 0 && !name[len])
            return o;
    }
    return NULL;
}

static const struct opt *find_short(const struct line *l, char c)
{
    for (const struct opt *o = l->table; o && o->name; o++) {
        if (is_option(o) && o->short_name == c)
            return o;
    }
    return NULL;
}

static void bind_value(struct line *l, const struct opt *o, const char *shown, const char *value)
{
    struct node n = {.type = NODE_SCALAR, .raw = value, .text = value, .quoted = true};
    void *field = l->out + o->offset;
    struct texts one = {0}, *list = field;
    const char **v;

    mark_given(l, o);
    if (o->type != OPT_T_TEXTS) {
        opt_bind_value(o, &n, shown, field, l->b);
        return;
    }
    opt_bind_value(o, &n, shown, &one, l->b);
    v = arena_array(l->b->arena, const char *, list->n + 1);
    if (list->n)
        memcpy(v, list->v, (size_t)list->n * sizeof(*v));
    v[list->n] = one.v[0];
    *list = (struct texts){v, list->n + 1};
}

static void bind_flag(struct line *l, const struct opt *o, bool value)
{
    *(bool *)(l->out + o->offset) = value;
    mark_given(l, o);
}

/* The option's value is the next argument. */
static void take_value(struct line *l, const struct opt *o, const char *shown)
{
    if (l->at < l->argc)
        bind_value(l, o, shown, l->argv[l->at++]);
    else
        diag_add(l->b->diags, nowhere, "%s: needs a value (%s)", shown, o->help);
}

static void refuse_flag(struct line *l, const char *flag, size_t len)
{
    struct arena *arena = l->b->arena;
    const char *word = arena_strndup(arena, flag, len), **names, *near;
    int n = 0;

    for (const struct opt *o = l->table; o && o->name; o++)
        n++;
    names = arena_array(arena, const char *, n + 2);
    n = 0;
    for (const struct opt *o = l->table; o && o->name; o++) {
        if (is_option(o))
            names[n++] = flag_of(o, arena);
    }
    names[n] = "help";
    near = opt_nearest(word, names);
    if (near)
        diag_add(l->b->diags, nowhere, "no option --%s (did you mean --%s?)", word, near);
    else
        diag_add(l->b->diags, nowhere, "no option --%s", word);
}

static void read_long(struct line *l, const char *flag)
{
    const char *equals = strchr(flag, '=');
    size_t len = equals ? (size_t)(equals - flag) : strlen(flag);
    const struct opt *o = find_flag(l, flag, len);
    const char *shown = arena_printf(l->b->arena, "--%.*s", (int)len, flag);
    const struct opt *negated;

    if (o && equals) {
        bind_value(l, o, shown, equals + 1);
    } else if (o && o->type == OPT_T_BOOL) {
        bind_flag(l, o, true);
    } else if (o) {
        take_value(l, o, shown);
    } else if (strcmp(flag, "help") == 0) {
        l->help = true;
    } else {
        negated = len > 3 && strncmp(flag, "no-", 3) == 0 ? find_flag(l, flag + 3, len - 3) : NULL;
        if (!negated || negated->type != OPT_T_BOOL)
            refuse_flag(l, flag, len);
        else if (equals)
            diag_add(l->b->diags, nowhere, "%s: takes no value", shown);
        else
            bind_flag(l, negated, false);
    }
}

/* "-qo dir": flags may share a dash; the first one that needs a value takes the rest. */
static void read_short(struct line *l, const char *letters)
{
    for (; *letters; letters++) {
        const struct opt *o = find_short(l, *letters);
        const char *shown = arena_printf(l->b->arena, "-%c", *letters);

        if (!o && *letters == 'h') {
            l->help = true;
        } else if (!o) {
            diag_add(l->b->diags, nowhere, "no option %s", shown);
            return;
        } else if (o->type == OPT_T_BOOL) {
            bind_flag(l, o, true);
        } else if (letters[1]) {
            bind_value(l, o, shown, letters + 1);
            return;
        } else {
            take_value(l, o, shown);
        }
    }
}

static void read_positional(struct line *l, const char *word)
{
    for (const struct opt *o = l->table; o && o->name; o++) {
        if (is_option(o) || (is_given(l, o) && o->type != OPT_T_TEXTS))
            continue;
        bind_value(l, o, placeholder(o, l->b->arena), word);
        return;
    }
    diag_add(l->b->diags, nowhere, "unexpected argument \"%s\"", word);
}

static void read_line(struct line *l)
{
    bool options = true;

    while (l->at < l->argc) {
        const char *word = l->argv[l->at++];

        if (options && strcmp(word, "--") == 0)
            options = false;
        else if (options && strncmp(word, "--", 2) == 0)
            read_long(l, word + 2);
        else if (options && word[0] == '-' && word[1])
            read_short(l, word + 1);
        else
            read_positional(l, word);
    }
}

static void check_required(struct line *l)
{
    for (const struct opt *o = l->table; o && o->name; o++) {
        if (!(o->flags & OPT_REQUIRED) || is_given(l, o))
            continue;
        if (is_option(o))
            diag_add(l->b->diags, nowhere, "--%s is missing (%s)", flag_of(o, l->b->arena),
                     o->help);
        else
            diag_add(l->b->diags, nowhere, "%s is missing (%s)", placeholder(o, l->b->arena),
                     o->help);
    }
}

/* The table's defaults; what it requires is looked at after the line has been read. */
static void set_defaults(const struct opt *table, void *out, const struct bind *b)
{
    struct diags ignored;
    struct bind quiet = *b;

    if (!table)
        return;
    diags_init(&ignored, "", b->arena);
    quiet.diags = &ignored;
    opt_bind(table, NULL, &node_nothing, "", out, &quiet);
}

enum args_result args_bind(const struct opt *table, int argc, char **argv, void *out,
                           const struct bind *b)
{
    struct line l = {.table = table, .argc = argc, .argv = argv, .out = out, .b = b};
    int errors = b->diags->errors, rows = 0;

    for (const struct opt *o = table; o && o->name; o++)
        rows++;
    l.given = xcalloc((size_t)rows, sizeof(struct opt *));
    set_defaults(table, out, b);
    read_line(&l);
    if (!l.help)
        check_required(&l);
    free(l.given);
    if (l.help)
        return ARGS_HELP;
    return b->diags->errors > errors ? ARGS_WRONG : ARGS_OK;
}

/* "-o, --out DIR" */
static void print_form(const struct opt *o, struct arena *arena, struct buf *out)
{
    bool on = o->type == OPT_T_BOOL && o->def && strcmp(o->def, "true") == 0;

    if (!is_option(o)) {
        buf_adds(out, placeholder(o, arena));
        return;
    }
    if (o->short_name)
        buf_printf(out, "-%c, ", o->short_name);
    else
        buf_adds(out, "    ");
    buf_printf(out, "--%s%s", on ? "[no-]" : "", flag_of(o, arena));
    if (o->type == OPT_T_TEXT || o->type == OPT_T_TEXTS)
        buf_printf(out, " %s", o->flags & OPT_PATH ? "PATH" : "TEXT");
    else if (o->type != OPT_T_BOOL)
        buf_printf(out, " %s", opt_type_name(o));
}

static void print_rows(const struct opt *table, bool positional, int width, FILE *out)
{
    struct arena arena = {0};
    struct buf form = {0}, text = {0};

    for (const struct opt *o = table; o && o->name; o++) {
        if (is_option(o) == positional)
            continue;
        buf_clear(&form);
        buf_clear(&text);
        print_form(o, &arena, &form);
        opt_describe(o, &text);
        fprintf(out, "  %-*s  %s\n", width, buf_text(&form), buf_text(&text));
    }
    buf_free(&form);
    buf_free(&text);
    arena_free(&arena);
}

void args_print_help(const struct opt *table, FILE *out)
{
    struct arena arena = {0};
    struct buf form = {0};
    size_t width = strlen("-h, --help");

    for (const struct opt *o = table; o && o->name; o++) {
        buf_clear(&form);
        print_form(o, &arena, &form);
        if (form.len > width)
            width = form.len;
    }
    print_rows(table, true, (int)width, out);
    print_rows(table, false, (int)width, out);
    fprintf(out, "  %-*s  print this\n", (int)width, "-h, --help");
    buf_free(&form);
    arena_free(&arena);
}

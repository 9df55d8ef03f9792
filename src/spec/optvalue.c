#include "spec/opttype.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "spec/template.h"

#define SHOWN_MAX 60

struct opt_type_words {
    const char *name;    /* "duration", for help */
    const char *article; /* "a duration", for messages */
    const char *try;     /* "30s or 1m30s" */
};

static const struct opt_type_words opt_types[] = {
    [OPT_T_BOOL] = {"bool", "true or false", "true or false"},
    [OPT_T_INT] = {"number", "a whole number", "10"},
    [OPT_T_DURATION] = {"duration", "a duration", "30s or 1m30s"},
    [OPT_T_SIZE] = {"size", "a size", "64KiB or 1MB"},
    [OPT_T_RATE] = {"rate", "a rate", "200/s or 12k/m"},
    [OPT_T_RATIO] = {"ratio", "a ratio", "1% or 0.01"},
    [OPT_T_TEXT] = {"text", "text", "\"text\""},
    [OPT_T_CHOICE] = {"choice", "a choice", NULL},
    [OPT_T_TEXTS] = {"list", "a list of text", NULL},
    [OPT_T_TEMPLATE] = {"template", "text", NULL},
    [OPT_T_TEMPLATES] = {"map", "a map from names to text", NULL},
    [OPT_T_TARGET] = {"target", "the name of a target", NULL},
    [OPT_T_SUB] = {"map", "a map of options", NULL},
    [OPT_T_NODE] = {"any", "a value", NULL},
};

const char *opt_type_name(const struct opt *o)
{
    return opt_types[o->type].name;
}

/* The coarsest unit that divides it, so that the bound can be copied from the message. */
static void print_exact_duration(int64_t ns, char buf[UNITS_MAX])
{
    static const struct {
        int64_t size;
        const char *name;
    } units[] = {{INT64_C(3600000000000), "h"},
                 {INT64_C(60000000000), "m"},
                 {1000000000, "s"},
                 {1000000, "ms"},
                 {1000, "us"},
                 {1, "ns"}};
    size_t i = 0;

    while (ns % units[i].size)
        i++;
    snprintf(buf, UNITS_MAX, "%" PRId64 "%s", ns / units[i].size, ns ? units[i].name : "");
}

static void print_exact_size(int64_t bytes, char buf[UNITS_MAX])
{
    static const char *const names[] = {"", "KiB", "MiB", "GiB", "TiB"};
    int i = 0;

    for (; bytes && bytes % 1024 == 0 && i < 4; i++)
        bytes /= 1024;
    snprintf(buf, UNITS_MAX, "%" PRId64 "%s", bytes, names[i]);
}

/* A bound or value of INT, DURATION or SIZE as a user would write it, exactly. */
static const char *opt_amount(const struct opt *o, int64_t value, char buf[UNITS_MAX])
{
    if (o->type == OPT_T_DURATION)
        print_exact_duration(value, buf);
    else if (o->type == OPT_T_SIZE)
        print_exact_size(value, buf);
    else
        snprintf(buf, UNITS_MAX, "%" PRId64, value);
    return buf;
}

const char *opt_range(const struct opt *o, char *buf, size_t size)
{
    char min[UNITS_MAX], max[UNITS_MAX];

    if (o->min >= o->max)
        return NULL;
    opt_amount(o, o->min, min);
    opt_amount(o, o->max, max);
    if (o->max == INT64_MAX)
        snprintf(buf, size, "at least %s", min);
    else if (o->min == INT64_MIN)
        snprintf(buf, size, "at most %s", max);
    else
        snprintf(buf, size, "%s to %s", min, max);
    return buf;
}

/* The text in quotes, shortened; never a secret. */
static void show(const struct opt *o, const struct node *n, struct buf *out)
{
    size_t len = strlen(n->text), keep = len;

    if (n->secret || (o->flags & OPT_SECRET)) {
        buf_adds(out, "the value");
        return;
    }
    if (len > SHOWN_MAX) {
        for (keep = SHOWN_MAX - 3; ((unsigned char)n->text[keep] & 0xc0) == 0x80 && keep > 0;)
            keep--;
    }
    buf_addc(out, '"');
    buf_add(out, n->text, keep);
    buf_adds(out, keep < len ? "...\"" : "\"");
}

/* "path: VALUE what-is-wrong" */
__attribute__((format(printf, 5, 6))) static bool refuse(const struct opt *o, const struct node *n,
                                                         const char *path, const struct bind *b,
                                                         const char *fmt, ...)
{
    struct buf value = {0};
    va_list ap;

    show(o, n, &value);
    va_start(ap, fmt);
    diag_add(b->diags, n->at, "%s: %s %s", path, buf_text(&value),
             arena_vprintf(b->arena, fmt, ap));
    va_end(ap);
    buf_free(&value);
    return false;
}

static bool refuse_type(const struct opt *o, const struct node *n, const char *path,
                        const struct bind *b)
{
    const struct opt_type_words *w = &opt_types[o->type];
    double number;

    if (o->type == OPT_T_BOOL)
        return refuse(o, n, path, b, "is neither true nor false");
    if (o->type == OPT_T_DURATION && units_number(n->text, &number)) {
        if (n->secret || (o->flags & OPT_SECRET))
            return refuse(o, n, path, b, "needs a unit (such as s or ms)");
        return refuse(o, n, path, b, "needs a unit (did you mean %ss or %sms?)", n->text, n->text);
    }
    return refuse(o, n, path, b, "is not %s (try %s)", w->article,
                  o->example ? o->example : w->try);
}

static bool bind_integer(const struct opt *o, const struct node *n, const char *path,
                         int64_t *field, const struct bind *b)
{
    char range[3 * UNITS_MAX];
    int64_t v;
    bool ok = o->type == OPT_T_INT        ? units_int(n->text, &v)
              : o->type == OPT_T_DURATION ? units_duration(n->text, &v)
                                          : units_size(n->text, &v);

    if (!ok)
        return refuse_type(o, n, path, b);
    if (o->min < o->max && (v < o->min || v > o->max))
        return refuse(o, n, path, b, "is out of range (%s)", opt_range(o, range, sizeof(range)));
    *field = v;
    return true;
}

static bool bind_bool(const struct opt *o, const struct node *n, const char *path, bool *field,
                      const struct bind *b)
{
    bool yes = strcmp(n->text, "true") == 0;

    if (!yes && strcmp(n->text, "false") != 0)
        return refuse_type(o, n, path, b);
    *field = yes;
    return true;
}

static bool bind_choice(const struct opt *o, const struct node *n, const char *path, int *field,
                        const struct bind *b)
{
    char hint[OPT_HINT_MAX];
    struct buf list = {0};

    for (int i = 0; o->choices[i]; i++) {
        if (strcmp(o->choices[i], n->text) == 0) {
            buf_free(&list);
            *field = i;
            return true;
        }
        if (o->choices[i][0])
            buf_printf(&list, "%s%s", list.len ? ", " : "", o->choices[i]);
    }
    refuse(o, n, path, b, "is not one of %s%s", buf_text(&list),
           opt_hint(n->text, o->choices, "", hint));
    buf_free(&list);
    return false;
}

static bool bind_template(const struct opt *o, const struct node *n, const char *path,
                          const struct template **field, const struct bind *b)
{
    static const struct template_scope nothing;
    struct err e;
    const struct template *t =
        template_compile(n->text, b->scope ? b->scope : &nothing, b->arena, &e);

    if (!t && (n->secret || (o->flags & OPT_SECRET)))
        return refuse(o, n, path, b, "has a %%{...} that cannot be resolved");
    if (!t)
        return diag_add(b->diags, n->at, "%s: %s", path, e.text);
    *field = t;
    return true;
}

static bool bind_target(const struct opt *o, const struct node *n, const char *path,
                        const struct target **field, const struct bind *b)
{
    const char *near = NULL;
    const struct target *t = b->target ? b->target(b->ctx, n->text, &near) : NULL;

    if (!t && near)
        return refuse(o, n, path, b, "is not declared under targets (did you mean \"%s\"?)", near);
    if (!t)
        return refuse(o, n, path, b, "is not declared under targets");
    *field = t;
    return true;
}

static const char *bind_text(const struct opt *o, const struct node *n, const struct bind *b)
{
    const char *text = n->text;

    if (!(o->flags & OPT_PATH) || !b->dir || text[0] == '/' || text[0] == '\0' || n->deferred)
        return arena_strdup(b->arena, text);
    return arena_printf(b->arena, "%s/%s", b->dir, text);
}

static bool bind_texts(const struct opt *o, const struct node *n, struct texts *field,
                       const struct bind *b)
{
    field->v = arena_array(b->arena, const char *, 1);
    field->v[0] = bind_text(o, n, b);
    field->n = 1;
    return true;
}

bool opt_bind_value(const struct opt *o, const struct node *node, const char *path, void *field,
                    const struct bind *b)
{
    if (node->type != NODE_SCALAR)
        return diag_add(b->diags, node->at, "%s: expected %s, not a %s", path,
                        opt_types[o->type].article, node->type == NODE_MAP ? "map" : "list");
    if (!node->quoted && !node->raw[0])
        return diag_add(b->diags, node->at, "%s: has no value (write \"\" for empty text)", path);
    switch (o->type) {
    case OPT_T_BOOL:
        return bind_bool(o, node, path, field, b);
    case OPT_T_INT:
    case OPT_T_DURATION:
    case OPT_T_SIZE:
        return bind_integer(o, node, path, field, b);
    case OPT_T_RATE:
        return units_rate(node->text, field) || refuse_type(o, node, path, b);
    case OPT_T_RATIO:
        return units_ratio(node->text, field) || refuse_type(o, node, path, b);
    case OPT_T_TEXT:
        *(const char **)field = bind_text(o, node, b);
        return true;
    case OPT_T_CHOICE:
        return bind_choice(o, node, path, field, b);
    case OPT_T_TEXTS:
        return bind_texts(o, node, field, b);
    case OPT_T_TEMPLATE:
        return bind_template(o, node, path, field, b);
    case OPT_T_TARGET:
        return bind_target(o, node, path, field, b);
    case OPT_T_TEMPLATES:
    case OPT_T_SUB:
        return diag_add(b->diags, node->at, "%s: expected %s", path, opt_types[o->type].article);
    case OPT_T_NODE:
        *(const struct node **)field = node;
        return true;
    }
    bug("option \"%s\" has type %d", o->name, (int)o->type);
}

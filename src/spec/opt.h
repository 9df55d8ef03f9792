/*
 * opt.h - options, declared once.
 *
 * A struct that users fill in has one table beside it, and that table is the only place where an
 * option is described.  Parsing, defaults, ranges, required keys, messages with positions, help,
 * the reference, the JSON Schema and the command line's flags all come from it:
 *
 *     struct pause_opts {
 *         int64_t latency;
 *     };
 *
 *     #define OPT_OF struct pause_opts
 *     static const struct opt pause_opts[] = {
 *         OPT_DURATION(latency, "0", "how long one operation takes", .max = INT64_C(3600) * S),
 *         {0},
 *     };
 *     #undef OPT_OF
 *
 * The key is the field's name (dots and dashes do not occur; `start_time`).  A default is written
 * as a user would write it and goes through the same parser.  A row whose field has another C type
 * than its option type stores does not compile.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "spec/yaml.h"

struct bind;
struct buf;
struct json_t;
struct target;
struct template;
struct template_scope;

enum opt_type {
    OPT_T_BOOL,      /* bool */
    OPT_T_INT,       /* int64_t */
    OPT_T_DURATION,  /* int64_t, nanoseconds */
    OPT_T_SIZE,      /* int64_t, bytes */
    OPT_T_RATE,      /* double, per second */
    OPT_T_RATIO,     /* double, 1% is 0.01 */
    OPT_T_TEXT,      /* const char *, lives as long as the binding's arena */
    OPT_T_CHOICE,    /* int, an index into .choices */
    OPT_T_TEXTS,     /* struct texts: a list, or one element written alone */
    OPT_T_TEMPLATE,  /* const struct template *: text that may hold %{...} */
    OPT_T_TEMPLATES, /* struct named_templates: a map from names to templates */
    OPT_T_TARGET,    /* const struct target *: a name declared under `targets:` */
    OPT_T_SUB,       /* an embedded struct with a table of its own */
    OPT_T_NODE,      /* const struct node *: any shape, read by the owner of the option */
};

enum {
    OPT_REQUIRED = 1 << 0,
    OPT_SECRET = 1 << 1,     /* the value is never echoed, not even in a message about it */
    OPT_PATH = 1 << 2,       /* text that names a file: made relative to the suite's folder */
    OPT_POSITIONAL = 1 << 3, /* command line: bound in order, without a flag */
};

struct texts {
    const char **v;
    int n;
};

struct named_templates {
    const char **names;
    const struct template **values;
    int n;
};

struct opt {
    const char *name;
    enum opt_type type;
    size_t offset;
    const char *def;     /* as a user would write it; NULL leaves the field zero */
    const char *help;    /* one line, lower case, no full stop */
    const char *example; /* for help and schema; NULL: the type's own */
    int64_t min, max;    /* INT, DURATION, SIZE: checked if min < max */
    const char *const *choices;
    const struct opt *sub;  /* SUB: the table of the embedded struct */
    const char *schema;     /* a fragment in place of the type's own; NODE, NULL: anything */
    const char *schema_ref; /* NODE: the name of a shared definition instead */
    size_t binding;         /* NODE: offset + 1 of a const struct bind * that gets a copy of the
                               binding, so that its owner can bind what is inside; or 0 */
    size_t given;           /* offset + 1 of a bool that says whether the key was written; or 0 */
    unsigned flags;
    char short_name; /* command line: -x; or 0 */
};

#define OPT_AT(field, ctype) \
    (offsetof(OPT_OF, field) + 0 * sizeof(char[_Generic(&((OPT_OF *)0)->field, ctype * : 1)]))

#define OPT_ROW(field, ctype, opt_type, default_, help_, ...) \
    { \
        .name = #field, .type = opt_type, .offset = OPT_AT(field, ctype), .def = default_, \
        .help = help_, __VA_ARGS__ \
    }

#define OPT_BOOL(f, d, ...)     OPT_ROW(f, bool, OPT_T_BOOL, d, __VA_ARGS__)
#define OPT_INT(f, d, ...)      OPT_ROW(f, int64_t, OPT_T_INT, d, __VA_ARGS__)
#define OPT_DURATION(f, d, ...) OPT_ROW(f, int64_t, OPT_T_DURATION, d, __VA_ARGS__)
#define OPT_SIZE(f, d, ...)     OPT_ROW(f, int64_t, OPT_T_SIZE, d, __VA_ARGS__)
#define OPT_RATE(f, d, ...)     OPT_ROW(f, double, OPT_T_RATE, d, __VA_ARGS__)
#define OPT_RATIO(f, d, ...)    OPT_ROW(f, double, OPT_T_RATIO, d, __VA_ARGS__)
#define OPT_TEXT(f, d, ...)     OPT_ROW(f, const char *, OPT_T_TEXT, d, __VA_ARGS__)
#define OPT_CHOICE(f, d, ...)   OPT_ROW(f, int, OPT_T_CHOICE, d, __VA_ARGS__)
#define OPT_TEXTS(f, ...)       OPT_ROW(f, struct texts, OPT_T_TEXTS, NULL, __VA_ARGS__)
#define OPT_TEMPLATE(f, d, ...) OPT_ROW(f, const struct template *, OPT_T_TEMPLATE, d, __VA_ARGS__)
#define OPT_TEMPLATES(f, ...)   OPT_ROW(f, struct named_templates, OPT_T_TEMPLATES, NULL, __VA_ARGS__)
#define OPT_TARGET(f, ...)      OPT_ROW(f, const struct target *, OPT_T_TARGET, NULL, __VA_ARGS__)
#define OPT_NODE(f, ...)        OPT_ROW(f, const struct node *, OPT_T_NODE, NULL, __VA_ARGS__)

/* An embedded struct of type `ctype`, described by `table`. */
#define OPT_SUB(f, ctype, table, ...) OPT_ROW(f, ctype, OPT_T_SUB, NULL, __VA_ARGS__, .sub = table)

/* Marks in bool field `g` whether the user wrote the key. */
#define OPT_GIVEN(g) .given = OPT_AT(g, bool) + 1

/* Gives the owner of a NODE the binding in field `b`, for opt_bind() of what is inside. */
#define OPT_BINDING(b) .binding = OPT_AT(b, const struct bind *) + 1

struct bind {            /* what binding needs to know besides the table and the map */
    struct arena *arena; /* everything bound lives here */
    struct diags *diags;
    bool any_file;   /* files need not be there: a stored run is read again elsewhere */
    const char *dir; /* of the suite, for OPT_PATH; NULL: as written */
    const struct template_scope *scope; /* what %{...} may name; NULL: nothing */

    /* Finds a declared target; NULL if there is none, with the nearest name in *nearest if any. */
    const struct target *(*target)(const void *ctx, const char *name, const char **nearest);
    const void *ctx;
};

/*
 * Fills the struct at `out` from `map`: every default first, then what the map says.  One
 * diagnostic per mistake, and on it goes; true if there was none.  `path` names the map in
 * messages.  Keys listed in `others` (NULL-terminated, may be NULL) are somebody else's.  A scalar
 * that is `deferred` is accepted unseen and leaves the default.
 */
bool opt_bind(const struct opt *table, const char *const *others, const struct node *map,
              const char *path, void *out, const struct bind *b);

/* One scalar, by the row's type; `node` gives text and position. */
bool opt_bind_value(const struct opt *o, const struct node *node, const char *path, void *field,
                    const struct bind *b);

const struct opt *opt_find(const struct opt *table, const char *name);
const char *opt_type_name(const struct opt *o);

/* The name nearest to `word`: within two edits, or else the only one that begins with it; NULL if
 * none is. */
const char *opt_nearest(const char *word, const char *const *names);

/* The end of a message about `word`: the nearest name as a question, or `otherwise` if none is
 * near. */
#define OPT_HINT_MAX 128
const char *opt_hint(const char *word, const char *const *names, const char *otherwise,
                     char buf[OPT_HINT_MAX]);

/* The same table for people and for editors (optdoc.c, optschema.c). */
void opt_describe(const struct opt *o, struct buf *out); /* help, range, choices, default */
void opt_print_help(const struct opt *table, FILE *out);
void opt_print_markdown(const struct opt *table, FILE *out);

/* A JSON object schema of the table, as a jansson value that the caller owns. */
struct json_t *opt_schema(const struct opt *table);

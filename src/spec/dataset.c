#include "spec/dataset.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <jansson.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"

enum {
    FILE_MAX = 256 << 20,
    COLUMNS_MAX = 1000,
    ROWS_MAX = 10000000,
};

struct cells { /* growing, row by row */
    const char **v;
    size_t n, cap;
};

struct csv {
    const char *p, *end;
    int line, began; /* now; where the record began */
    struct arena *arena;
    struct buf field;
    struct err *e;
};

static void add_cell(struct cells *c, const char *text)
{
    if (c->n == c->cap) {
        c->cap = c->cap ? c->cap * 2 : 256;
        c->v = xrealloc(c->v, c->cap * sizeof(*c->v));
    }
    c->v[c->n++] = text;
}

/* RFC 8259, section 6. */
static bool is_json_number(const char *s)
{
    size_t digits;

    s += *s == '-';
    digits = strspn(s, "0123456789");
    if (digits == 0 || (digits > 1 && *s == '0'))
        return false;
    s += digits;
    if (*s == '.') {
        digits = strspn(++s, "0123456789");
        s += digits;
        if (digits == 0)
            return false;
    }
    if (*s == 'e' || *s == 'E') {
        s += 1 + (s[1] == '+' || s[1] == '-');
        digits = strspn(s, "0123456789");
        s += digits;
        if (digits == 0)
            return false;
    }
    return *s == '\0';
}

/* Past the end of a line, if one is here. */
static bool take_newline(struct csv *c)
{
    if (c->p < c->end && *c->p == '\r' && c->end - c->p > 1 && c->p[1] == '\n')
        c->p++;
    if (c->p == c->end || *c->p != '\n')
        return false;
    c->p++;
    c->line++;
    return true;
}

static bool is_field_end(const struct csv *c)
{
    return c->p == c->end || *c->p == ',' || *c->p == '\n' ||
           (*c->p == '\r' && c->end - c->p > 1 && c->p[1] == '\n');
}

/* RFC 4180, section 2: a quote inside is doubled, and line breaks are text. */
static bool take_quoted(struct csv *c)
{
    int began = c->line;
    bool closed = false;

    for (c->p++; c->p < c->end; c->p++) {
        if (*c->p == '"') {
            closed = ++c->p == c->end || *c->p != '"';
            if (closed)
                break;
        } else if (*c->p == '\n') {
            c->line++;
        }
        buf_addc(&c->field, *c->p);
    }
    if (!closed)
        return err_set(c->e, "line %d: this quote is never closed", began);
    if (!is_field_end(c))
        return err_set(c->e, "line %d: text after a closing quote", c->line);
    return true;
}

static const char *take_field(struct csv *c)
{
    buf_clear(&c->field);
    if (c->p < c->end && *c->p == '"') {
        if (!take_quoted(c))
            return NULL;
    } else {
        for (; !is_field_end(c); c->p++) {
            if (*c->p == '"') {
                err_set(c->e, "line %d: a quote inside an unquoted field", c->line);
                return NULL;
            }
            buf_addc(&c->field, *c->p);
        }
    }
    return arena_strndup(c->arena, buf_text(&c->field), c->field.len);
}

/* One line's fields; how many, 0 at the end, -1 for a mistake.  Blank lines are passed over. */
static int take_record(struct csv *c, struct cells *out)
{
    int n = 0;

    while (take_newline(c))
        ;
    c->began = c->line;
    if (c->p == c->end)
        return 0;
    for (;;) {
        const char *field = take_field(c);

        if (!field)
            return -1;
        if (++n > COLUMNS_MAX) {
            err_set(c->e, "line %d: more than %d columns", c->line, COLUMNS_MAX);
            return -1;
        }
        add_cell(out, field);
        if (c->p == c->end || *c->p != ',')
            break;
        c->p++;
    }
    take_newline(c);
    return n;
}

static bool check_columns(const struct cells *columns, struct err *e)
{
    if (columns->n > COLUMNS_MAX)
        return err_set(e, "more than %d columns", COLUMNS_MAX);
    for (size_t i = 0; i < columns->n; i++) {
        if (!columns->v[i][0])
            return err_set(e, "column %zu has no name", i + 1);
        for (size_t j = 0; j < i; j++) {
            if (strcmp(columns->v[i], columns->v[j]) == 0)
                return err_set(e, "two columns are called \"%s\"", columns->v[i]);
        }
    }
    return true;
}

static bool parse_csv(const char *text, size_t len, struct arena *arena, struct cells *columns,
                      struct cells *cells, struct err *e)
{
    struct csv c = {.p = text, .end = text + len, .line = 1, .arena = arena, .e = e};
    int width = take_record(&c, columns), n = 0;
    bool ok = width >= 0;

    if (width == 0)
        ok = err_set(e, "the file is empty; its first line names the columns");
    while (ok) {
        n = take_record(&c, cells);
        if (n <= 0)
            break;
        if (n != width)
            ok = err_set(e, "line %d: %d fields, but the header has %d", c.began, n, width);
        else if (cells->n / (size_t)width > ROWS_MAX)
            ok = err_set(e, "more than %d rows", ROWS_MAX);
    }
    buf_free(&c.field);
    return ok && n == 0;
}

/* As the file's writer would have put it: the shortest form that reads back the same. */
static const char *json_text(const json_t *v, struct arena *arena)
{
    const char *text;

    switch (json_typeof(v)) {
    case JSON_STRING:
        return arena_strdup(arena, json_string_value(v));
    case JSON_INTEGER:
        return arena_printf(arena, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
    case JSON_REAL:
        text = arena_printf(arena, "%.15g", json_real_value(v));
        return strtod(text, NULL) < json_real_value(v) || strtod(text, NULL) > json_real_value(v)
                   ? arena_printf(arena, "%.17g", json_real_value(v))
                   : text;
    case JSON_TRUE:
        return "true";
    case JSON_FALSE:
        return "false";
    case JSON_NULL:
        return "";
    default:
        return NULL;
    }
}

static bool add_object(const json_t *row, size_t index, const struct cells *columns, bool *numeric,
                       struct arena *arena, struct cells *cells, struct err *e)
{
    if (!json_is_object(row))
        return err_set(e, "element %zu is not an object", index);
    for (size_t i = 0; i < columns->n; i++) {
        const json_t *v = json_object_get(row, columns->v[i]);
        const char *text = v ? json_text(v, arena) : NULL;

        if (!v)
            return err_set(e, "element %zu has no \"%s\"", index, columns->v[i]);
        if (!text)
            return err_set(e, "element %zu: \"%s\" is not a plain value", index, columns->v[i]);
        numeric[i] &= json_is_number(v);
        add_cell(cells, text);
    }
    if (json_object_size(row) != columns->n)
        return err_set(e, "element %zu has keys that the first one has not", index);
    return true;
}

static bool parse_json(const char *text, size_t len, struct arena *arena, struct cells *columns,
                       bool **numeric, struct cells *cells, struct err *e)
{
    json_error_t where;
    json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &where), *row;
    const char *key;
    const json_t *value;
    size_t i;
    bool ok = true;

    if (!root)
        return err_set(e, "line %d: not valid JSON: %s", where.line, where.text);
    if (!json_is_array(root) || !json_is_object(json_array_get(root, 0))) {
        json_decref(root);
        return err_set(e, "expected an array of objects");
    }
    json_object_foreach(json_array_get(root, 0), key, value)
        add_cell(columns, arena_strdup(arena, key));
    *numeric = arena_array(arena, bool, columns->n);
    memset(*numeric, true, columns->n * sizeof(bool));
    json_array_foreach(root, i, row)
    {
        ok = ok && add_object(row, i, columns, *numeric, arena, cells, e);
    }
    json_decref(root);
    return ok;
}

static bool *numeric_columns(const struct cells *columns, const struct cells *cells,
                             struct arena *arena)
{
    bool *numeric = arena_array(arena, bool, columns->n);

    memset(numeric, true, columns->n * sizeof(bool));
    for (size_t i = 0; i < cells->n; i++)
        numeric[i % columns->n] &= is_json_number(cells->v[i]);
    return numeric;
}

static const char **keep(const struct cells *c, struct arena *arena)
{
    const char **v = arena_array(arena, const char *, c->n);

    memcpy(v, c->v, c->n * sizeof(*v));
    return v;
}

static const struct dataset *build(const char *text, size_t len, bool is_json, struct arena *arena,
                                   struct err *e)
{
    struct cells columns = {0}, cells = {0};
    struct dataset *d = NULL;
    bool *numeric = NULL, ok;

    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        text += 3;
        len -= 3;
    }
    if (memchr(text, '\0', len))
        ok = err_set(e, "holds a NUL byte: this is not text in UTF-8");
    else if (is_json)
        ok = parse_json(text, len, arena, &columns, &numeric, &cells, e);
    else
        ok = parse_csv(text, len, arena, &columns, &cells, e);
    ok = ok && check_columns(&columns, e);
    if (ok && cells.n == 0)
        ok = err_set(e, "has no rows");
    if (ok) {
        d = arena_new(arena, struct dataset);
        d->columns = keep(&columns, arena);
        d->column_count = (int)columns.n;
        d->cells = keep(&cells, arena);
        d->row_count = (int)(cells.n / columns.n);
        d->numeric = is_json ? numeric : numeric_columns(&columns, &cells, arena);
    }
    free(columns.v);
    free(cells.v);
    return d;
}

const struct dataset *dataset_load(const char *path, struct arena *arena, struct err *e)
{
    const char *dot = strrchr(path, '.');
    const struct dataset *d = NULL;
    struct buf text = {0};

    if (fs_read(path, FILE_MAX, &text, e)) {
        d = build(buf_text(&text), text.len, dot && strcasecmp(dot, ".json") == 0, arena, e);
        if (!d)
            err_wrap(e, "%s", path);
    }
    buf_free(&text);
    return d;
}

int dataset_column(const struct dataset *d, const char *name)
{
    for (int i = 0; i < d->column_count; i++) {
        if (strcmp(d->columns[i], name) == 0)
            return i;
    }
    return -1;
}

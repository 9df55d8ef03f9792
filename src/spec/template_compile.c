#include "spec/piece.h"

#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/units.h"
#include "spec/dataset.h"
#include "spec/opt.h"

static const char *const builtins[] = {
    [PIECE_ITERATION] = "iteration", [PIECE_VU] = "vu",           [PIECE_AGENT] = "agent",
    [PIECE_UUID] = "uuid",           [PIECE_UNIX_MS] = "unix_ms", [PIECE_RANDOM] = "random",
    [PIECE_CYCLE] = "cycle",
};

bool template_is_builtin(const char *name)
{
    for (int i = PIECE_ITERATION; i <= PIECE_CYCLE; i++)
        if (strcmp(name, builtins[i]) == 0)
            return true;
    return strncmp(name, "data.", 5) == 0;
}

/* What follows the "%{" at `p`, up to the closing brace, without a format. */
struct reference {
    const char *name; /* NUL-terminated copy */
    char *args;       /* between parentheses; NULL: none */
    int width;
    const char *shown; /* as written, for messages */
};

static bool parse_format(struct reference *ref, char *colon, struct err *e)
{
    int64_t width;
    size_t len = strlen(colon + 1);

    if (len < 3 || colon[1] != '0' || colon[len] != 'd')
        return err_set(e, "\"%s\": the only format is a zero-padded width, such as :05d",
                       ref->shown);
    colon[len] = '\0';
    if (!units_int(colon + 1, &width) || width < 1 || width > WIDTH_MAX)
        return err_set(e, "\"%s\": a width is 1 to %d", ref->shown, WIDTH_MAX);
    ref->width = (int)width;
    *colon = '\0';
    return true;
}

static bool parse_reference(const char *p, size_t len, struct arena *arena, struct reference *ref,
                            struct err *e)
{
    char *body = arena_strndup(arena, p + 2, len - 3), *colon = strrchr(body, ':'), *open, *close;

    *ref = (struct reference){.shown = arena_strndup(arena, p, len), .name = body};
    if (colon && !parse_format(ref, colon, e))
        return false;
    open = strchr(body, '(');
    if (open && strncmp(body, "data.", 5) != 0) {
        close = strchr(open, ')');
        if (!close || close[1])
            return err_set(e, "\"%s\": expected \")\" at the end", ref->shown);
        *open = *close = '\0';
        ref->args = open + 1;
    }
    return *body ? true
                 : err_set(e, "\"%s\" names nothing (write %%%%{ for the text itself)", ref->shown);
}

static bool parse_range(const struct reference *ref, struct piece *piece, struct err *e)
{
    char *comma = ref->args ? strchr(ref->args, ',') : NULL, *second;

    if (comma) {
        *comma = '\0';
        second = comma + 1 + strspn(comma + 1, " ");
        if (units_int(ref->args, &piece->lo) && units_int(second, &piece->hi) &&
            piece->lo <= piece->hi)
            return true;
    }
    return err_set(e, "\"%s\": %s takes two whole numbers, the lower one first, as in %s(1,100)",
                   ref->shown, ref->name, ref->name);
}

static bool find_column(const struct reference *ref, const struct template_scope *scope,
                        struct piece *piece, struct err *e)
{
    const struct dataset *d = scope->data;
    const char *name = ref->name + strlen("data.");
    struct buf list = {0};

    if (!d && scope->any_data) {
        *piece = (struct piece){.type = PIECE_TEXT, .text = ""};
        return true;
    }
    if (!d)
        return err_set(e, "\"%s\": this step has no data: file", ref->shown);
    piece->index = dataset_column(d, name);
    if (piece->index < 0) {
        for (int i = 0; i < d->column_count; i++)
            buf_printf(&list, "%s%s", i ? ", " : "", d->columns[i]);
        err_set(e, "\"%s\": no column \"%s\" in the data (columns: %.300s)", ref->shown, name,
                buf_text(&list));
        buf_free(&list);
        return false;
    }
    for (int row = 0; row < d->row_count; row++) {
        size_t len = strlen(d->cells[(size_t)row * (size_t)d->column_count + (size_t)piece->index]);

        if (len > piece->len)
            piece->len = len;
    }
    return true;
}

static bool refuse_name(const struct reference *ref, const struct template_scope *scope,
                        struct arena *arena, struct err *e)
{
    char hint[OPT_HINT_MAX];
    const char **names;
    int n = 0, captures = 0;

    while (scope->captures && scope->captures[captures])
        captures++;
    names = arena_array(arena, const char *, PIECE_DATA + captures + 1);
    for (int i = PIECE_ITERATION; i <= PIECE_CYCLE; i++)
        names[n++] = builtins[i];
    for (int i = 0; i < captures; i++)
        names[n++] = scope->captures[i];
    return err_set(e, "\"%s\": nothing is called \"%s\" here%s", ref->shown, ref->name,
                   opt_hint(ref->name, names, " (write %%{ for the text itself)", hint));
}

static bool find_name(const struct reference *ref, const struct template_scope *scope,
                      struct arena *arena, struct piece *piece, struct err *e)
{
    for (int i = PIECE_ITERATION; i <= PIECE_CYCLE; i++) {
        if (strcmp(ref->name, builtins[i]) != 0)
            continue;
        piece->type = (enum piece_type)i;
        piece->len = i == PIECE_UUID ? UUID_LEN : NUMBER_MAX;
        if (i == PIECE_AGENT && !scope->agents)
            return err_set(e, "\"%s\": only an agent-fleet has agents", ref->shown);
        if (i == PIECE_RANDOM || i == PIECE_CYCLE)
            return parse_range(ref, piece, e);
        return ref->args ? err_set(e, "\"%s\": %s takes no arguments", ref->shown, ref->name)
                         : true;
    }
    for (int i = 0; scope->captures && scope->captures[i]; i++) {
        if (strcmp(ref->name, scope->captures[i]) != 0 || ref->args)
            continue;
        piece->type = PIECE_CAPTURE;
        piece->index = i;
        return true;
    }
    if (strncmp(ref->name, "data.", 5) == 0) {
        piece->type = PIECE_DATA;
        return find_column(ref, scope, piece, e);
    }
    return refuse_name(ref, scope, arena, e);
}

struct compiler {
    struct template *t;
    struct buf text; /* literal text so far */
    struct arena *arena;
    struct err *e;
};

static void flush_text(struct compiler *c)
{
    if (!c->text.len)
        return;
    c->t->pieces[c->t->count++] = (struct piece){
        .type = PIECE_TEXT,
        .text = arena_strndup(c->arena, c->text.data, c->text.len),
        .len = c->text.len,
    };
    buf_clear(&c->text);
}

/* The reference at `p`; what follows it, or NULL. */
static const char *compile_reference(struct compiler *c, const char *p)
{
    const char *close = strchr(p, '}');
    struct reference ref;
    struct piece piece = {0};

    if (!close) {
        err_set(c->e, "\"%.60s\" has no closing brace (write %%%%{ for the text itself)", p);
        return NULL;
    }
    if (!parse_reference(p, (size_t)(close - p) + 1, c->arena, &ref, c->e) ||
        !find_name(&ref, c->t->scope, c->arena, &piece, c->e))
        return NULL;
    piece.width = ref.width;
    flush_text(c);
    c->t->pieces[c->t->count++] = piece;
    return close + 1;
}

static bool compile_text(struct compiler *c, const char *p)
{
    while (*p) {
        size_t len = strcspn(p, "%");

        buf_add(&c->text, p, len);
        p += len;
        if (strncmp(p, "%%{", 3) == 0) {
            buf_adds(&c->text, "%{");
            p += 3;
        } else if (p[0] == '%' && p[1] == '{') {
            if (!(p = compile_reference(c, p)))
                return false;
        } else if (*p) {
            buf_addc(&c->text, *p++);
        }
    }
    return true;
}

const struct template *template_compile(const char *text, const struct template_scope *scope,
                                        struct arena *arena, struct err *e)
{
    struct compiler c = {.arena = arena, .e = e};
    int pieces = 1;
    bool ok;

    for (const char *p = text; (p = strstr(p, "%{")); p += 2)
        pieces += 2;
    c.t = arena_new(arena, struct template);
    c.t->scope = scope;
    c.t->pieces = arena_array(arena, struct piece, pieces);
    ok = compile_text(&c, text);
    flush_text(&c);
    buf_free(&c.text);
    if (!ok)
        return NULL;
    if (c.t->count == 0)
        c.t->constant = "";
    else if (c.t->count == 1 && c.t->pieces[0].type == PIECE_TEXT)
        c.t->constant = c.t->pieces[0].text;
    return c.t;
}

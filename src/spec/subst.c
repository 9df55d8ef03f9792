#include "spec/subst.h"

#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum {
    DEPTH_MAX = 16,
    TEXT_MAX = 1 << 20,
};

struct expansion {
    subst_lookup_fn *lookup;
    void *ctx;
    struct arena *arena;
    struct buf text;
    struct subst_value *out; /* collects the flags */
    struct err *e;
};

struct reference { /* what stands between the braces */
    const char *name;
    char op;          /* '-', '?', '+'; 0: none */
    bool or_empty;    /* ':' before it: an empty value counts as unset */
    const char *word; /* what follows the operator, up to `end` */
    const char *end;  /* the closing brace */
};

static bool expand(struct expansion *x, const char *text, const char *end, int depth);

static bool is_name_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_name_char(char c)
{
    return is_name_start(c) || (c >= '0' && c <= '9');
}

static bool is_escape(const char *p, const char *end)
{
    return end - p >= 3 && p[0] == '$' && p[1] == '$' && p[2] == '{';
}

/* The brace that closes what began before `p`, or NULL. */
static const char *closing(const char *p, const char *end)
{
    int open = 1;

    for (; p < end; p++) {
        if (is_escape(p, end)) {
            p += 2;
        } else if (end - p >= 2 && p[0] == '$' && p[1] == '{') {
            open++;
            p++;
        } else if (*p == '}' && --open == 0) {
            return p;
        }
    }
    return NULL;
}

/*
 * Names of steps and services may hold dashes, so in a dotted name a dash belongs to the name; not
 * so below `env.`, where Compose's ${NAME-default} is what people expect.
 */
static const char *name_end(const char *p, const char *end)
{
    bool is_env = end - p > 4 && memcmp(p, "env.", 4) == 0, dotted = false;

    for (; p < end; p++) {
        if (*p == '.')
            dotted = true;
        else if (!is_name_char(*p) && !(*p == '-' && dotted && !is_env))
            break;
    }
    return p;
}

/* As much of a reference as a message can show. */
static int shown(const char *from, const char *end)
{
    return end - from > 60 ? 60 : (int)(end - from);
}

/* Reads the reference whose "${" begins at `p`. */
static bool parse_reference(struct expansion *x, const char *p, const char *end,
                            struct reference *ref)
{
    const char *name = p + 2, *stop;

    if (name < end && *name == '{')
        return err_set(x->e,
                       "\"${{\" means nothing here: write ${name}, or $${{ for the text itself");
    ref->end = closing(name, end);
    if (!ref->end)
        return err_set(x->e, "\"%.*s\" has no closing brace (write $${ for the text itself)",
                       shown(p, end), p);
    end = ref->end + 1;
    stop = name_end(name, ref->end);
    if (stop == name || !is_name_start(*name))
        return err_set(x->e, "\"%.*s\": a name must follow \"${\" (write $${ for the text itself)",
                       shown(p, end), p);
    ref->name = arena_strndup(x->arena, name, (size_t)(stop - name));
    ref->or_empty = *stop == ':';
    stop += ref->or_empty;
    ref->op = stop < ref->end ? *stop : 0;
    ref->word = ref->op ? stop + 1 : stop;
    if (ref->op ? !strchr("-?+", ref->op) : ref->or_empty)
        return err_set(x->e, "\"%.*s\": after the name stands one of :- - :? ? :+ +", shown(p, end),
                       p);
    return true;
}

static bool refuse_unset(struct expansion *x, const struct reference *ref, const char *why,
                         int depth)
{
    struct expansion message = *x;
    bool ok = true;

    if (ref->op != '?' && why)
        return err_set(x->e, "%s", why);
    if (ref->op != '?' || ref->word == ref->end)
        return err_set(x->e, "\"%s\" is %s (give a value, or a default with ${%s:-...})", ref->name,
                       ref->or_empty ? "not set or empty" : "not set", ref->name);
    message.text = (struct buf){0};
    message.out = &(struct subst_value){0};
    ok = expand(&message, ref->word, ref->end, depth + 1);
    if (ok && message.out->secret)
        err_set(x->e, "\"%s\" is not set", ref->name);
    else if (ok)
        err_set(x->e, "\"%s\" is not set: %s", ref->name, buf_text(&message.text));
    buf_free(&message.text);
    return false;
}

static bool add(struct expansion *x, const char *text, size_t len)
{
    if (x->text.len + len > TEXT_MAX)
        return err_set(x->e, "expands to more than %d bytes", TEXT_MAX);
    buf_add(&x->text, text, len);
    return true;
}

static bool replace(struct expansion *x, const struct reference *ref, int depth)
{
    struct subst_value v = {0};
    bool is_set;

    if (!x->lookup(x->ctx, ref->name, &v, x->e))
        return false;
    is_set = v.deferred || (v.text && !(ref->or_empty && !*v.text));
    x->out->deferred |= v.deferred;
    if (ref->op == '+' || (ref->op == '-' && !is_set)) {
        if (is_set != (ref->op == '+'))
            return true;
        return expand(x, ref->word, ref->end, depth + 1);
    }
    if (!is_set && v.waived) {
        x->out->deferred = true;
        return true;
    }
    if (!is_set)
        return refuse_unset(x, ref, v.why, depth);
    x->out->services |= v.services;
    x->out->secret |= v.secret;
    return add(x, v.text ? v.text : "", v.text ? strlen(v.text) : 0);
}

static bool expand(struct expansion *x, const char *text, const char *end, int depth)
{
    struct reference ref = {0};

    if (depth > DEPTH_MAX)
        return err_set(x->e, "${...} nested more than %d levels deep", DEPTH_MAX);
    for (const char *p = text; p < end;) {
        const char *dollar = memchr(p, '$', (size_t)(end - p));

        if (!dollar)
            return add(x, p, (size_t)(end - p));
        if (!add(x, p, (size_t)(dollar - p)))
            return false;
        p = dollar;
        if (is_escape(p, end)) {
            if (!add(x, "${", 2))
                return false;
            p += 3;
        } else if (end - p >= 2 && p[1] == '{') {
            if (!parse_reference(x, p, end, &ref) || !replace(x, &ref, depth))
                return false;
            p = ref.end + 1;
        } else {
            if (!add(x, p++, 1))
                return false;
        }
    }
    return true;
}

bool subst_text(const char *text, subst_lookup_fn *lookup, void *ctx, struct arena *arena,
                struct subst_value *out, struct err *e)
{
    struct subst_value v = {.text = text};
    struct expansion x = {.lookup = lookup, .ctx = ctx, .arena = arena, .out = &v, .e = e};
    bool ok = true;

    if (strchr(text, '$')) {
        ok = expand(&x, text, text + strlen(text), 0);
        if (ok)
            v.text = v.deferred ? "" : arena_strdup(arena, buf_text(&x.text));
        buf_free(&x.text);
    }
    if (ok)
        *out = v;
    return ok;
}

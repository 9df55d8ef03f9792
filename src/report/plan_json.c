#include "report/plan_json.h"

#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "report/document.h"
#include "suite/suite.h"

#define SCHEMA "shakedown.plan/1"

static const char *const origins[] = {"default", "preset", "env", "set"};

json_t *plan_vars(const struct vars *vars, bool details)
{
    json_t *list = json_array();

    for (int i = 0; vars && i < vars->n; i++) {
        const struct var *v = &vars->v[i];
        json_t *o = json_object();

        json_object_set_new(o, "name", document_text(v->name));
        json_object_set_new(o, "value", v->secret ? document_word("***") : document_text(v->value));
        json_object_set_new(o, "origin", document_word(origins[v->origin]));
        if (details) {
            json_object_set_new(o, "origin_detail", document_text(v->origin_detail));
            json_object_set_new(o, "unit", document_text(v->unit));
            json_object_set_new(o, "secret", json_boolean(v->secret));
        }
        json_array_append_new(list, o);
    }
    return list;
}

/* The value of the `len` bytes at `name` in the environment of the suite; NULL: unset. */
static const char *env_value(const struct suite_source *src, const char *name, size_t len)
{
    for (int i = 0; src->environ && src->environ[i]; i++)
        if (strncmp(src->environ[i], name, len) == 0 && src->environ[i][len] == '=')
            return src->environ[i] + len + 1;
    return NULL;
}

static json_t *env_json(const struct suite_source *src)
{
    static const char mark[] = "${env.";
    const char *end = src->text ? src->text + src->len : NULL, *p = src->text;
    json_t *o = json_object();

    while (p && (p = memmem(p, (size_t)(end - p), mark, sizeof(mark) - 1))) {
        const char *value;
        size_t len = 0;
        struct buf name = {0};

        p += sizeof(mark) - 1;
        while (p + len < end &&
               (p[len] == '_' || (p[len] >= '0' && p[len] <= '9') ||
                (p[len] >= 'A' && p[len] <= 'Z') || (p[len] >= 'a' && p[len] <= 'z')))
            len++;
        value = len ? env_value(src, p, len) : NULL;
        buf_add(&name, p, len);
        if (value)
            document_set(o, buf_text(&name), document_lines(value));
        buf_free(&name);
    }
    return o;
}

static json_t *outputs_json(const struct suite *s)
{
    json_t *list = json_array();

    for (const struct published *p = s->published; p; p = p->next) {
        json_t *o = json_object();

        json_object_set_new(o, "phase", document_text(p->phase));
        json_object_set_new(o, "key", document_text(p->key));
        json_object_set_new(o, "value", document_lines(p->value));
        json_array_append_new(list, o);
    }
    return list;
}

void plan_json(const struct suite *s, struct buf *out)
{
    const struct suite_source *src = s->source;
    json_t *o = json_object();

    json_object_set_new(o, "schema", document_word(SCHEMA));
    json_object_set_new(o, "suite", document_text(s->name));
    json_object_set_new(o, "file", document_text(src->file));
    json_object_set_new(o, "preset", document_text(s->preset));
    json_object_set_new(o, "run_id", document_text(src->run_id));
    json_object_set_new(o, "run_dir", document_text(src->run_dir));
    json_object_set_new(o, "run_tmp", document_text(src->run_tmp));
    json_object_set_new(o, "vars", plan_vars(s->vars, true));
    json_object_set_new(o, "env", env_json(src));
    json_object_set_new(o, "outputs", outputs_json(s));
    document_write(o, true, out);
}

static int origin_read(struct reading *rd, const json_t *from)
{
    const char *name = read_text(rd, from, "origin");

    for (int i = 0; i <= ORIGIN_SET; i++)
        if (strcmp(name, origins[i]) == 0)
            return i;
    read_fault(rd, "\"%.60s\" is no origin of a value", name);
    return 0;
}

static void vars_read(struct reading *rd, const json_t *list, struct plan *plan)
{
    size_t n = json_array_size(list);

    plan->vars = arena_array(rd->arena, struct plan_var, n + 1);
    for (size_t i = 0; i < n && !rd->failed; i++) {
        const json_t *from = json_array_get(list, i);

        plan->vars[plan->var_count++] = (struct plan_var){
            .name = read_text(rd, from, "name"),
            .value = read_optional(rd, from, "value"),
            .origin = origin_read(rd, from),
            .origin_detail = read_optional(rd, from, "origin_detail"),
            .unit = read_optional(rd, from, "unit"),
            .secret = read_bool(rd, from, "secret"),
        };
    }
}

static void env_read(struct reading *rd, const json_t *env, struct plan *plan)
{
    void *it = json_object_iter((json_t *)env);
    int n = 0;

    plan->env = arena_array(rd->arena, const char *, json_object_size(env) + 1);
    for (; it; it = json_object_iter_next((json_t *)env, it)) {
        const char *value = json_string_value(json_object_iter_value(it));

        if (!value)
            read_fault(rd, "\"env\" holds something that is not text");
        else
            plan->env[n++] = arena_printf(rd->arena, "%s=%s", json_object_iter_key(it), value);
    }
}

static void outputs_read(struct reading *rd, const json_t *list, struct plan *plan)
{
    size_t n = json_array_size(list);

    plan->outputs = arena_array(rd->arena, struct published, n + 1);
    for (size_t i = 0; i < n && !rd->failed; i++) {
        const json_t *from = json_array_get(list, i);

        plan->outputs[plan->output_count++] =
            (struct published){NULL, read_text(rd, from, "phase"), read_text(rd, from, "key"),
                               read_text(rd, from, "value")};
    }
}

bool plan_read(const char *text, size_t len, struct plan *plan, struct arena *arena, struct err *e)
{
    struct reading rd = {.arena = arena, .e = e, .file = "plan.json"};
    json_t *root = document_parse(&rd, text, len, SCHEMA);

    *plan = (struct plan){
        .file = read_text(&rd, root, "file"),
        .preset = read_optional(&rd, root, "preset"),
        .run_id = read_optional(&rd, root, "run_id"),
        .run_dir = read_optional(&rd, root, "run_dir"),
        .run_tmp = read_optional(&rd, root, "run_tmp"),
    };
    vars_read(&rd, read_list(&rd, root, "vars"), plan);
    env_read(&rd, read_object(&rd, root, "env"), plan);
    outputs_read(&rd, read_list(&rd, root, "outputs"), plan);
    json_decref(root);
    return !rd.failed;
}

/*
 * optschema.c - an option table as JSON Schema (draft-07), for editors.
 *
 * The schema describes the file before substitution, so every scalar may also be a string that
 * holds `${`.  And it describes what YAML makes of a plain scalar: `10` arrives as a number even
 * where the option wants text.
 */
#include "spec/opt.h"

#include <string.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/err.h"
#include "spec/opttype.h"

#define DECIMAL "([0-9]+(\\.[0-9]*)?|\\.[0-9]+)"
#define NUMBER  DECIMAL "([eE][+-]?[0-9]+)?"
#define TIMES   "(" DECIMAL "(ns|us|\u00b5s|\u03bcs|ms|s|m|h))"

static json_t *pattern(const char *regex)
{
    return json_pack("{s:s, s:s}", "type", "string", "pattern", regex);
}

/* Takes the values; `c` may be NULL. */
static json_t *any_of(json_t *a, json_t *b, json_t *c)
{
    json_t *list = json_array();

    json_array_append_new(list, a);
    json_array_append_new(list, b);
    if (c)
        json_array_append_new(list, c);
    return json_pack("{s:o}", "anyOf", list);
}

static json_t *or_substituted(json_t *schema)
{
    return any_of(schema, pattern("\\$\\{"), NULL);
}

static json_t *integer_schema(const struct opt *o)
{
    json_t *s = json_pack("{s:s}", "type", "integer");

    if (o->min < o->max && o->min != INT64_MIN)
        json_object_set_new(s, "minimum", json_integer(o->min));
    if (o->min < o->max && o->max != INT64_MAX)
        json_object_set_new(s, "maximum", json_integer(o->max));
    return any_of(s, pattern("^-?[0-9]+$"), pattern("\\$\\{"));
}

static json_t *choice_schema(const struct opt *o)
{
    json_t *list = json_array();
    double number;

    for (int i = 0; o->choices[i]; i++) {
        json_array_append_new(list, json_string(o->choices[i]));
        if (units_number(o->choices[i], &number))
            json_array_append_new(list, json_real(number));
    }
    return or_substituted(json_pack("{s:o}", "enum", list));
}

static json_t *text_schema(void)
{
    return json_pack("{s:[s,s,s]}", "type", "string", "number", "boolean");
}

static json_t *texts_schema(void)
{
    json_t *list = json_pack("{s:s, s:o}", "type", "array", "items", text_schema());

    return any_of(list, text_schema(), NULL);
}

static json_t *node_schema(const struct opt *o)
{
    struct buf ref = {0};
    json_t *s;

    if (!o->schema_ref)
        return json_object();
    buf_printf(&ref, "#/definitions/%s", o->schema_ref);
    s = json_pack("{s:[{s:s}]}", "allOf", "$ref", buf_text(&ref));
    buf_free(&ref);
    return s;
}

static json_t *fragment(const struct opt *o)
{
    json_error_t e;
    json_t *s = json_loads(o->schema, 0, &e);

    if (!json_is_object(s))
        bug("the schema of option \"%s\" is not an object: %s", o->name, e.text);
    return s;
}

static json_t *type_schema(const struct opt *o)
{
    if (o->schema)
        return fragment(o);
    switch (o->type) {
    case OPT_T_BOOL:
        return or_substituted(json_pack("{s:[b,b,s,s]}", "enum", 1, 0, "true", "false"));
    case OPT_T_INT:
        return integer_schema(o);
    case OPT_T_DURATION:
        return any_of(pattern("^(" DECIMAL "d" TIMES "*|" TIMES "+|0)$"),
                      json_pack("{s:i}", "const", 0), pattern("\\$\\{"));
    case OPT_T_SIZE:
        return any_of(json_pack("{s:s, s:i}", "type", "integer", "minimum", 0),
                      pattern("^([0-9]+|" DECIMAL "(B|[KMGT]iB|[kKMGT]B))$"), pattern("\\$\\{"));
    case OPT_T_RATE:
        return or_substituted(pattern("^" NUMBER "[kM]?/[smh]$"));
    case OPT_T_RATIO:
        return any_of(json_pack("{s:s, s:i}", "type", "number", "minimum", 0),
                      pattern("^" NUMBER "%?$"), pattern("\\$\\{"));
    case OPT_T_TEXT:
    case OPT_T_TEMPLATE:
        return text_schema();
    case OPT_T_CHOICE:
        return choice_schema(o);
    case OPT_T_TEXTS:
        return texts_schema();
    case OPT_T_TEMPLATES:
        return json_pack("{s:[s,s], s:o}", "type", "object", "null", "additionalProperties",
                         text_schema());
    case OPT_T_TARGET:
        return json_pack("{s:s}", "type", "string");
    case OPT_T_SUB:
        return opt_schema(o->sub);
    case OPT_T_NODE:
        return node_schema(o);
    }
    bug("option \"%s\" has type %d", o->name, (int)o->type);
}

/* Text as JSON has it: what YAML would read as a number or a truth value is one here too. */
static json_t *value_of(const struct opt *o, const char *text)
{
    int64_t integer;
    double number;

    if (o->type == OPT_T_BOOL)
        return json_boolean(strcmp(text, "true") == 0);
    if ((o->type == OPT_T_INT || o->type == OPT_T_SIZE) && units_int(text, &integer))
        return json_integer(integer);
    if (o->type == OPT_T_RATIO && units_number(text, &number))
        return json_real(number);
    return json_string(text);
}

static json_t *row_schema(const struct opt *o)
{
    json_t *s = type_schema(o);
    struct buf text = {0};

    opt_describe(o, &text);
    json_object_set_new(s, "description", json_string(buf_text(&text)));
    buf_free(&text);
    if (o->def)
        json_object_set_new(s, "default", value_of(o, o->def));
    if (o->example)
        json_object_set_new(s, "examples", json_pack("[o]", value_of(o, o->example)));
    return s;
}

struct json_t *opt_schema(const struct opt *table)
{
    json_t *properties = json_object(), *required = json_array(), *s;

    for (const struct opt *o = table; o->name; o++) {
        json_object_set_new(properties, o->name, row_schema(o));
        if (o->flags & OPT_REQUIRED)
            json_array_append_new(required, json_string(o->name));
    }
    s = json_pack("{s:s, s:o, s:b}", "type", "object", "properties", properties,
                  "additionalProperties", 0);
    if (json_array_size(required))
        json_object_set(s, "required", required);
    json_decref(required);
    return s;
}

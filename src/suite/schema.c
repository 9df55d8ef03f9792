#include "suite/schema.h"

#include <jansson.h>

#include "suite/suite.h"

/* "#/definitions/NAME" */
static json_t *ref(const char *name)
{
    json_t *path = json_sprintf("#/definitions/%s", name);

    return json_pack("{s:o}", "$ref", path);
}

static json_t *map_of(json_t *schema)
{
    return json_pack("{s:s, s:o}", "type", "object", "additionalProperties", schema);
}

static json_t *either(json_t *a, json_t *b)
{
    return json_pack("{s:[o,o]}", "anyOf", a, b);
}

static json_t *list_of(json_t *schema)
{
    return json_pack("{s:s, s:o}", "type", "array", "items", schema);
}

static json_t *scalar(void)
{
    return json_pack("{s:[s,s,s]}", "type", "string", "number", "boolean");
}

static json_t *texts(void)
{
    return either(list_of(scalar()), scalar());
}

static json_t *thresholds(void)
{
    json_t *one = either(scalar(), ref("threshold"));

    return map_of(either(one, list_of(json_deep_copy(one))));
}

/* The driver keys of a step; a driver may take a list or text in place of its map. */
static void add_drivers(json_t *properties)
{
    for (int i = 0; drivers[i]; i++) {
        const struct driver *d = drivers[i];
        json_t *s = opt_schema(d->opts);

        if (d->scalar)
            s = either(s, texts());
        json_object_set_new(s, "description", json_string(d->brief));
        json_object_set_new(properties, d->name, s);
    }
}

static void add_way(json_t *ways, const char *key)
{
    json_array_append_new(ways, json_pack("{s:[s]}", "required", key));
}

/* Exactly one of the drivers; of a phase, or `parallel`. */
static json_t *one_way(bool parallel)
{
    json_t *ways = json_array();

    for (int i = 0; drivers[i]; i++)
        add_way(ways, drivers[i]->name);
    if (parallel)
        add_way(ways, "parallel");
    return ways;
}

static json_t *step(void)
{
    json_t *s = opt_schema(step_table);

    add_drivers(json_object_get(s, "properties"));
    json_object_set_new(s, "oneOf", one_way(false));
    return s;
}

static json_t *phase(void)
{
    json_t *s = opt_schema(phase_table), *inner = step();

    json_object_update_missing(json_object_get(s, "properties"),
                               json_object_get(inner, "properties"));
    json_object_set_new(s, "oneOf", one_way(true));
    json_decref(inner);
    return s;
}

static json_t *definitions(void)
{
    json_t *d = json_object();

    json_object_set_new(d, "scalar", scalar());
    json_object_set_new(d, "duration", scalar());
    json_object_set_new(d, "texts_by_name", map_of(scalar()));
    json_object_set_new(d, "commands", either(texts(), list_of(list_of(scalar()))));
    json_object_set_new(d, "load", opt_schema(load_table));
    json_object_set_new(d, "during", opt_schema(during_table));
    json_object_set_new(d, "threshold", opt_schema(threshold_table));
    json_object_set_new(d, "thresholds", thresholds());
    json_object_set_new(d, "vars", map_of(either(scalar(), opt_schema(var_table))));
    json_object_set_new(d, "presets",
                        map_of(either(map_of(scalar()), json_pack("{s:s}", "type", "null"))));
    json_object_set_new(d, "secrets", map_of(opt_schema(secret_table)));
    json_object_set_new(d, "targets", map_of(either(scalar(), opt_schema(target_opts_table))));
    json_object_set_new(d, "services", map_of(opt_schema(service_table)));
    json_object_set_new(d, "step", step());
    json_object_set_new(d, "steps", map_of(ref("step")));
    json_object_set_new(d, "phase", phase());
    json_object_set_new(d, "phases", list_of(ref("phase")));
    return d;
}

struct json_t *suite_schema(void)
{
    json_t *s = opt_schema(suite_table);

    json_object_set_new(s, "$schema", json_string("http://json-schema.org/draft-07/schema#"));
    json_object_set_new(s, "title", json_string("shakedown suite"));
    json_object_set_new(s, "patternProperties", json_pack("{s:{}}", "^x-"));
    json_object_set_new(s, "definitions", definitions());
    return s;
}

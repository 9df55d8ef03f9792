/*
 * vars.h - the suite's variables: where each value comes from, and which origin wins.
 *
 * Low to high: default, preset, environment (the variable's own `env:`, then SHAKEDOWN_VAR_name),
 * --set.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "spec/opt.h"
#include "spec/yaml.h"

enum origin { ORIGIN_DEFAULT, ORIGIN_PRESET, ORIGIN_ENV, ORIGIN_SET };

struct var {
    const char *name;
    const char *value; /* resolved; NULL: unset */
    enum origin origin;
    const char *origin_detail; /* "preset laptop", "env TARGET_URL", "--set", "default" */
    struct texts env;          /* names of environment variables */
    const char *help, *unit;
    bool secret;
    bool deferred; /* of a listing: its value names something that is unset */
    uint64_t services;
    struct pos at;
};

struct vars {
    struct var *v;
    int n;
    const char **presets; /* names, in file order */
    int preset_count;
};

const struct var *vars_find(const struct vars *vars, const char *name); /* NULL: none */

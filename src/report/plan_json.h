/*
 * plan_json.h - plan.json: which suite with which values.  With the copy of the suite beside it,
 * everything that `judge` needs to read the suite again, on another machine too; no secret is in
 * it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct arena;
struct buf;
struct err;
struct suite;
struct vars;

struct plan_var {
    const char *name, *value, *origin_detail, *unit; /* value NULL: unset */
    int origin;                                      /* enum origin */
    bool secret;
};

struct plan {
    const char *file, *preset, *run_id, *run_dir, *run_tmp;
    struct plan_var *vars;
    int var_count;
    const char **env;          /* NULL-terminated "NAME=value" */
    struct published *outputs; /* what the phases published, the latest first */
    int output_count;
};

/* `text` is the suite's: of the environment, what it names by ${env.NAME} is kept. */
void plan_json(const struct suite *s, struct buf *out);

/* The suite's values with their origins, secret ones as ***; `details` adds what plan_read() needs.
 */
struct json_t *plan_vars(const struct vars *vars, bool details);
bool plan_read(const char *text, size_t len, struct plan *plan, struct arena *arena, struct err *e);

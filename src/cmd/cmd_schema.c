/* cmd_schema.c - `shakedown schema`: the suite language for editors and validators. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "cmd/command.h"
#include "suite/schema.h"

static const struct opt schema_opts[] = {{0}};

static int run_schema(const void *opts)
{
    json_t *schema = suite_schema();
    char *text = json_dumps(schema, JSON_INDENT(2) | JSON_SORT_KEYS | JSON_REAL_PRECISION(15));

    (void)opts;
    puts(text);
    free(text);
    json_decref(schema);
    return EXIT_PASS;
}

const struct command command_schema = {
    .name = "schema",
    .usage = "",
    .brief = "prints the JSON Schema (draft-07) of the suite language",
    .opts = schema_opts,
    .opts_size = 1,
    .run = run_schema,
};

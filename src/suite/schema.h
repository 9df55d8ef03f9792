/* schema.h - the whole suite language as one JSON Schema (draft-07), from the option tables. */
#pragma once

struct json_t;

struct json_t *suite_schema(void); /* the caller owns it */

/*
 * template.h - %{...}: text that changes with every operation.
 *
 *     %{iteration} %{vu} %{agent} %{uuid} %{unix_ms} %{random(1,100)} %{cycle(1,5000)}
 *     %{data.column} %{name of a capture}          each also as %{agent:05d}
 *
 * Compiled once, rendered without allocation.  `%%{` is a literal `%{`.  `cycle` and `data` go by
 * iteration, so they too are the same however the work is spread over lanes.  `%{name:05d}` pads
 * numbers with zeros to the width; text is left as it is.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct err;
struct dataset;
struct template;

struct template_scope {          /* what a template may name, fixed when it is compiled */
    const struct dataset *data;  /* columns of %{data.x}; NULL: none */
    const char *const *captures; /* NULL-terminated; NULL: none */
    bool agents;                 /* %{agent} has a meaning here */
    bool any_data;               /* data is not at hand: every %{data.x} is taken, and is empty */
};

struct template_values {         /* of one operation */
    uint64_t iteration;          /* from 0 */
    uint64_t vu, agent;          /* from 1 */
    uint64_t *rng;               /* the lane's, for random and uuid */
    const char *const *captures; /* values, in the scope's order; NULL entries render as "" */
};

/* NULL and a reason in `e` if the text names something that is not in the scope.  Keeps `scope`. */
const struct template *template_compile(const char *text, const struct template_scope *scope,
                                        struct arena *arena, struct err *e);

/* Has the name a meaning of its own, so that no capture can have it? */
bool template_is_builtin(const char *name);

/* The text, if it is the same for every operation; NULL if not. */
const char *template_constant(const struct template *t);

/*
 * Writes at most `room` bytes and returns the full length, which may be more (then the output is
 * truncated).  No NUL is added.
 */
size_t template_render(const struct template *t, const struct template_values *v, char *out,
                       size_t room);

/* An upper bound of the rendered length, with captures counted at `capture_max` bytes each. */
size_t template_bound(const struct template *t, size_t capture_max);

/* True if the whole text is exactly one %{...}: its value then keeps its own type in JSON. */
bool template_is_single(const struct template *t, bool *numeric);

/*
 * subst.h - ${...} inside scalars, resolved once, before anything gets a type.
 *
 *     ${name}  ${name:-default}  ${name-default}  ${name:?message}  ${name?message}
 *     ${name:+replacement}  ${name+replacement}  $${literal
 *
 * The grammar is Compose's, except that a lone `$` is literal and an unset name without a default
 * is a mistake.  Defaults and replacements may nest ${...}.  What is substituted is text inside one
 * scalar: it can never add structure.  `${{` is refused with a hint.  In a dotted name, such as
 * ${service.my-backend.port}, a dash belongs to the name, except below `env.`.  A text that refers
 * to a deferred value is deferred as a whole, and "" until then.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct arena;
struct err;

struct subst_value {
    const char *text;  /* NULL: known, but unset */
    const char *why;   /* it is unset, for the message; NULL: there is nothing to say */
    uint64_t services; /* services it refers to, as bits */
    bool secret;
    bool deferred; /* has a value only later; `text` is "" */
    bool waived;   /* if it is unset, that is no mistake: it counts as deferred */
};

/* Resolves one name (without braces or operator).  False: not a name at all, and `e` says why. */
typedef bool subst_lookup_fn(void *ctx, const char *name, struct subst_value *out, struct err *e);

/* `text` with everything replaced, in `out`; false with the reason in `e`. */
bool subst_text(const char *text, subst_lookup_fn *lookup, void *ctx, struct arena *arena,
                struct subst_value *out, struct err *e);

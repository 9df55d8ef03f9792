/*
 * scope.h - what ${...} means inside one suite.
 *
 *     name                     a variable          env.NAME          the environment
 *     secrets.NAME             a secret            run.id .dir .tmp  this run
 *     service.NAME.port[.OTHER] .cert .key .ca .dir                  a service
 *     phase.NAME.output[.KEY]  what an earlier phase published
 *
 * Private to suite/.
 */
#pragma once

#include <stdbool.h>

#include "spec/subst.h"
#include "suite/suite.h"

struct var_state {
    const struct node *fallback; /* `default:`; NULL: none */
    const struct node *preset;   /* the chosen preset's value; NULL: none */
    bool resolving, resolved, failed;
};

struct secret {
    const char *name, *file, *env;
    const char *value; /* NULL: not looked up yet */
    struct pos at;
};

struct suite_scope {
    struct suite *suite;
    struct arena *arena;
    struct diags *diags;
    const struct suite_source *src;
    const char *dir; /* of the suite */
    struct vars vars;
    struct var_state *var_states; /* by vars.v */
    struct secret *secrets;
    int secret_count;
    const char *const *phase_names; /* NULL-terminated, in order */
    int phase_limit;                /* phases before this one may be named; -1: none are */
    bool running;                   /* phases have begun: what is not published now never will be */
};

/* ${...} as the scope at `ctx` resolves it. */
bool scope_lookup(void *ctx, const char *name, struct subst_value *out, struct err *e);

/* Names alone are asked for: what has no value counts as deferred. */
static inline bool scope_lists(const struct suite_scope *s)
{
    return s->src->names_only && !s->src->stored;
}

/* Replaces in every scalar below `n`; mistakes are reported with their places. */
void scope_subst(struct suite_scope *s, struct node *n);

/* Reads `vars:` and `presets:` and the origins above them; then resolves every variable. */
void vars_declare(struct suite_scope *s, const struct node *vars, const struct node *presets,
                  const struct node *preset);
void vars_resolve_all(struct suite_scope *s);
bool vars_resolve(struct suite_scope *s, int index);

void secrets_declare(struct suite_scope *s, const struct node *secrets);

/* "NAME=value" of the environment; NULL: unset. */
const char *scope_getenv(const struct suite_scope *s, const char *name);

/* All bits set in the scalars below `n`. */
uint64_t node_services(const struct node *n);
bool node_any_secret(const struct node *n);
bool node_any_deferred(const struct node *n);

/* Services: declared before variables are resolved, because variables name their ports. */
void services_declare(struct suite_scope *s, const struct node *services);
void services_bind(struct suite_scope *s, const struct node *services, const struct bind *b);
bool service_lookup(const struct suite_scope *s, const char *name, struct subst_value *out,
                    struct err *e);

/*
 * Phases and steps.  `others` lists the keys of a step's map that the step's own table does not
 * have; thresholds of a phase name their step, or are about all of its steps together.
 */
void phases_bind(struct suite_scope *s, const struct node *phases, const struct bind *b);
void step_bind(struct suite_scope *s, struct step *step, const struct phase *phase,
               const char *path, const char *const *others, const struct bind *b);

/* `during:` of one step; and, once all steps of a phase are bound, what follows for their loads. */
void during_bind(struct step *step, const struct node *n, const char *path, const struct bind *b);
void during_resolve(struct phase *phase, const struct bind *b);

/* The thresholds that stand in the step itself; after during_resolve(). */
void step_bind_own(struct step *step, const char *path, const struct bind *b);

/*
 * Those of a map that are for this step: all of its own map; of its phase's, those that name it;
 * of the step that stands for the whole phase (phase->whole), those that name none.
 */
enum threshold_home { HOME_STEP, HOME_PHASE, HOME_WHOLE };
void step_bind_thresholds(struct step *step, const struct node *map, const char *path,
                          enum threshold_home home, const struct bind *b);

/* The thresholds of a phase with several steps, once these are bound. */
void phase_bind_thresholds(struct phase *phase, const struct node *map, const char *path,
                           const struct bind *b);

/*
 * suite.h - a suite as the engine sees it: read, checked and ready to run.
 *
 *     suite: api
 *     targets: {api: {url: "https://127.0.0.1:8443/"}}
 *     phases:
 *       - name: steady
 *         http: {target: api}                  # one driver, named by its key
 *         load: {executor: constant-arrival-rate, rate: 200/s, duration: 10s}
 *         thresholds: {op_duration: p(99)<50ms}
 *
 * Everything here lives in the arena given to suite_load() and is immutable once that returns,
 * but for steps with deferred values, which suite_bind_phase() binds again when the phase begins.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "driver/driver.h"
#include "driver/target.h"
#include "spec/opt.h"
#include "stats/meter.h"
#include "stats/threshold.h"
#include "suite/load.h"
#include "suite/service.h"
#include "suite/vars.h"

struct fixed_port {
    const char *service;
    int index; /* among the service's ports */
    uint16_t port;
};

struct suite_source { /* where a suite and its values come from */
    const char *file; /* as the user named it */
    const char *text; /* its contents; `len` bytes */
    size_t len;
    const char *preset;      /* NULL: none */
    const char *const *sets; /* "name=value", from --set; set_count of them */
    int set_count;
    const char *const *environ; /* NULL-terminated "NAME=value" */
    const char *run_id, *run_dir, *run_tmp;
    const char *self;   /* path of this executable */
    bool reserve_ports; /* choose real ports for services (a run), or number them (validate) */
    bool names_only;    /* for a listing: secrets and variables without a value are no mistakes */
    bool cleanup;       /* of an earlier run: the `when: always` phases alone */
    const struct fixed_port *fixed; /* of services that run already; fixed_count of them */
    int fixed_count;
    bool stored; /* read back to be judged: files that it names need not be there any more */
};

enum when { WHEN_READY, WHEN_PASSED, WHEN_ALWAYS };

struct during { /* control traffic: judged only while another step holds its connections */
    const char *step;
    struct step *attack;             /* of the same phase; NULL in a suite with mistakes */
    double held;                     /* share of the connections asked for */
    int64_t before, after, at_least; /* ns, whole seconds */
};

struct step {
    const char *name;
    const struct driver *driver;
    const void *opts;      /* bound by driver->opts */
    struct load load;      /* executor EX_ONCE without `load:` */
    struct during *during; /* NULL: none */
    int64_t delay; /* of load.start_time, for `during:` of this step or of one that names it */
    struct threshold **thresholds;
    int threshold_count;
    bool implied_threshold; /* none was written: op_failed rate==0% stands in */
    double confidence;
    struct tag *tags; /* step, phase, driver, target, and the step's own `tags:` */
    int tag_count;
    const struct dataset *data; /* NULL: none */
    struct declared declared;
    const struct metric *const *metrics; /* engine's, driver's, declared */
    int metric_count;
    bool undeclared;   /* its options had mistakes: what they declare is not known */
    bool cleanup;      /* its phase is `when: always`: a failure is "could not" */
    bool deferred;     /* to be bound again when the phase begins */
    struct node *node; /* its map, substituted */
    uint64_t services; /* services it refers to, directly or through its targets */
    struct pos at;
};

struct phase {
    const char *name;
    enum when when;
    struct step *steps;
    int step_count;
    bool parallel;
    struct step *whole; /* has the thresholds on all steps together; NULL: there are none */
    struct pos at;
};

struct published { /* what a phase has said for the phases after it; the latest first */
    struct published *next;
    const char *phase, *key, *value; /* key "" is ${phase.NAME.output} itself */
};

struct suite {
    const char *name, *description, *file;
    struct vars *vars;
    const char *preset; /* NULL: none */
    struct target *targets;
    int target_count;
    struct service *services;
    int service_count;
    struct phase *phases;
    int phase_count;
    double confidence;
    struct published *published; /* by the phases so far */
    struct arena *arena;
    const struct suite_source *source; /* kept */
    struct suite_scope *scope;         /* how names resolve; private to suite/ */
};

/* The tables of a suite's maps, for help and schema. */
extern const struct opt suite_table[], var_table[], secret_table[], phase_table[], step_table[],
    during_table[], threshold_table[];

/* NULL if it has mistakes; they, and the warnings, are in `d`.  Nothing is contacted or started. */
struct suite *suite_load(const struct suite_source *src, struct arena *arena, struct diags *d);

/* True for a phase's map that the source leaves out. */
bool suite_leaves_out(const struct suite_source *src, const struct node *phase);

/* Services that a phase refers to; and `services` with those that they need or that always start.
 */
uint64_t phase_services(const struct phase *p);
uint64_t suite_needed(const struct suite *s, uint64_t services);

/* Makes ${phase.NAME.output[.key]} known to the phases that follow; copies key and value. */
void suite_publish(struct suite *s, const char *phase, const char *key, const char *value);

/* Binds again the steps of `p` that had deferred values; mistakes go to `d`. */
bool suite_bind_phase(struct suite *s, struct phase *p, struct diags *d);

/* The place of a metric in step->metrics; -1: the step does not have it. */
int step_metric(const struct step *s, const char *name);

/* Of stepping: a threshold on the size that was found, not one by which sizes are judged. */
bool step_is_answer(const struct selector *s);

/* The metrics' shape for the step's meters; `shape` points into the step. */
void step_shape(const struct step *s, struct arena *arena, struct meter_shape *shape);

/* Which of its windows a selector means; WINDOW_NONE: the step has none. */
enum window { WINDOW_BEFORE, WINDOW_DURING, WINDOW_AFTER, WINDOWS, WINDOW_NONE = WINDOWS };
extern const char *const window_names[];
enum window step_window(const struct step *s, const struct selector *selector);

/*
 * The seconds, parts and outcomes of one step that a selector means; false if it means another
 * step.  `sel->metric` is set as well.
 */
bool step_select(const struct step *s, const struct selector *selector, struct selection *sel);

/*
 * ingest_script.h - what the server gives its agents, and when: checks, queries, tasks and faults,
 * from a YAML file (or JSON, which is YAML).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"

struct diags;

#define SCRIPT_MAX      (1 << 20) /* bytes of the file */
#define SCRIPT_LIST_MAX 1000      /* checks, pushes or faults */

struct script_check { /* stands in every reply */
    const char *id, *type, *config;
    int64_t interval; /* ns */
};

enum script_drop { SCRIPT_KEEP, SCRIPT_STREAM, SCRIPT_CONNECTION };
enum script_what {
    PUSH_QUERY,
    PUSH_TASK,
    PUSH_CANCEL,
    PUSH_CERTIFICATE,
    PUSH_TERMINAL,
    PUSH_DELAY,
    PUSH_STATUS,
    PUSH_END,
    PUSH_DROP,
    PUSH_KINDS,
};
extern const char *const script_whats[]; /* ends with NULL */

struct script_push {
    int64_t after_beat, at, every, times; /* after_beat 0: by time */
    const char *query, *task, *config, *message, *input, *username;
    int64_t delay, cols, rows;
    int end, status, drop;
    bool cancel, certificate, terminal, close;
    bool ends, sets; /* end, status are given */
    enum script_what what;
};

struct script_fault {
    int method, code;
    int64_t every, times; /* times 0: for ever */
    const char *message;
};

enum script_method {
    METHOD_REGISTER,
    METHOD_HEARTBEAT,
    METHOD_TERMINAL,
    METHOD_INVENTORY,
    METHOD_RENEW,
    METHOD_OTHER,
    METHODS
};
extern const char *const script_methods[]; /* of METHOD_REGISTER to METHOD_RENEW, then NULL */

struct script {
    int64_t tick, undeletable; /* ns; every so many hosts cannot be deleted, 0: none */
    struct script_check *checks;
    struct script_push *pushes;
    struct script_fault *faults;
    int check_count, push_count, fault_count;
    bool timed, rotates; /* some push goes by time; some is a certificate */
};

/* All of it lives in `arena`; `d` has the mistakes. */
bool script_read(struct script *s, const char *text, size_t len, struct arena *arena,
                 struct diags *d);
void script_nothing(struct script *s); /* what is without a file */

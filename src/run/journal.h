/*
 * journal.h - what a run makes outside itself, written down before it is made.
 *
 * DIR/journal.jsonl has one JSON object on each line, its `event` first; docs/journal.schema.json
 * describes them.  A line is on the disk (fdatasync) before what it announces is begun, so whatever
 * becomes of the process, a reader knows at least what there is:
 *
 *     run       id, suite and its SHA-256, preset, values of the variables, the always phases
 *     tmp       the private folder; `gone` once it is removed
 *     service   a service is about to start; `started` with its pid; `stopped`
 *     phase     a phase is about to run; `ended` with what became of it
 *     output    what a phase has published
 *     cleanup   `shakedown cleanup` has begun; what it does is written like the run's own
 *
 * Nothing secret is in it: every line goes through redact(), and a variable whose value that would
 * change is listed under `withheld` instead.  The file is locked (flock) for as long as the run, or
 * a cleanup, lives.  Main thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct arena;
struct err;
struct service;
struct suite;

/* The mark of everything a run starts: this variable holds its id, among others' if runs nest. */
#define JOURNAL_MARK "SHAKEDOWN_RUN"

struct journal;

/*
 * Makes DIR/journal.jsonl with its first entry; an older one is kept beside it, as journal-N.jsonl.
 */
struct journal *journal_create(const char *dir, const struct suite *s, struct err *e);

/* Continues the one at `path`; NULL also if the run is still going on. */
struct journal *journal_open(const char *path, struct err *e);
void journal_close(struct journal *j); /* NULL is fine, here and below */

/* Before the thing is made; false: it must not be. */
bool journal_tmp(struct journal *j, const char *path, struct err *e);
bool journal_service(struct journal *j, const struct service *v, struct err *e);
bool journal_phase(struct journal *j, const char *name, struct err *e);
bool journal_cleanup(struct journal *j, struct err *e);

/* Afterwards; if it cannot be written, a later cleanup only does more than it had to. */
void journal_started(struct journal *j, const struct service *v, pid_t pid);
void journal_stopped(struct journal *j, const char *service);
void journal_ended(struct journal *j, const char *phase, const char *state);
void journal_output(struct journal *j, const char *phase, const char *key, const char *value);
void journal_gone(struct journal *j, const char *path);

struct past_service {
    const char *name;
    pid_t pid;        /* 0: it never got so far */
    uint64_t started; /* see proc_started() */
    uint16_t ports[16];
    int port_count;
    bool stopped;
};

struct past_phase { /* a `when: always` one */
    const char *name;
    bool begun, done; /* an attempt has no end yet; it did all it had to */
};

struct past_output {
    const char *phase, *key, *value;
};

struct past { /* a journal, read; everything lives in the arena */
    const char *run_id, *suite, *sha256, *cwd, *dir, *preset, *boot;
    const char *tmp; /* NULL: none, or removed */
    const char **sets;
    int set_count;
    const char **withheld; /* variables whose values are not in it */
    int withheld_count;
    pid_t pid;
    bool any_ran; /* a phase that is not `when: always` has begun */
    struct past_service *services;
    struct past_phase *phases;
    struct past_output *outputs;
    int service_count, phase_count, output_count;
};

/* The same of the text itself, `len` bytes; `name` is for the message. */
bool journal_parse(const char *text, size_t len, const char *name, struct past *p,
                   struct arena *arena, struct err *e);

/* A last line that was cut short is passed over: what it announced was not begun. */
bool journal_read(const char *path, struct past *p, struct arena *arena, struct err *e);

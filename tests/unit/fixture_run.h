/*
 * fixture_run.h - a suite from text to result, in a folder of its own below /tmp; for what is best
 * seen from outside: services, and drivers that start processes.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "run/observer.h"
#include "spec/diag.h"
#include "suite/suite.h"

struct fixture_run {
    struct arena arena;
    char root[64];
    struct buf text, notes; /* notes: what an observer was told, line by line */
    struct suite_source source;
    struct diags diags;
    struct suite *suite;
    struct observer observer;
    struct run_result *result; /* of fixture_run() */
};

/* Reads the suite; every "@ROOT@" in it becomes the folder.  Fails the test if it has mistakes. */
void fixture_load(struct fixture_run *f, const char *yaml);
void fixture_run(struct fixture_run *f, const char *yaml, bool no_cleanup); /* the same, and runs */
void fixture_end(struct fixture_run *f);

const char *fixture_path(struct fixture_run *f, const char *name); /* below the folder */
const char *fixture_file(struct fixture_run *f, const char *name); /* its contents; "" if missing */

bool fixture_process_runs(int pid);     /* neither gone nor a zombie */
void fixture_need(const char *command); /* skips the test, by name, where it is missing */

/*
 * failures.h - in which ways operations failed, and how often: a bounded table of outcome and
 * reason.
 */
#pragma once

#include <stdint.h>

#include "driver/driver.h"

struct arena;
struct error_count;

#define FAILURES_MAX   64  /* different reasons kept; later ones count under their outcome's name */
#define FAILURE_LENGTH 200 /* bytes of a reason */

struct failures {
    struct failure {
        uint64_t hash, count;
        enum outcome outcome;
        char why[FAILURE_LENGTH + 1];
    } v[FAILURES_MAX + OP_OUTCOMES];
    int n;
};

void failures_add(struct failures *f, enum outcome o, const char *why, uint64_t count);
void failures_merge(struct failures *into, const struct failures *from);

/* f->n of them, most frequent first, ties by text. */
struct error_count *failures_list(struct failures *f, struct arena *arena);

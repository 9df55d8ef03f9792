/*
 * ingest_keys.h - what the service signs with: tokens and certificates of agents.
 *
 * With a database both keys are kept there, so that servers that share it, at a time or one after
 * the other, take each other's tokens and certificates.
 */
#pragma once

#include <stdbool.h>

struct err;
struct ingest;
struct state;

/* Makes or reads g->jwt and, where client certificates are asked for, g->authority. */
bool ingest_keys_open(struct ingest *g, struct state *s, struct err *e); /* s: or NULL */

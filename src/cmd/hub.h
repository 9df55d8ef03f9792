/* hub.h - the part of `shakedown target` that makes it a backend of a hub. */
#pragma once

#include <stdbool.h>

struct arena;
struct err;
struct nexus;
struct nexus_opts;

/*
 * Takes the secret from the file, or else from HMAC_SECRET of the environment, and makes `n` ready;
 * what it has to tell goes to standard output.
 */
bool hub_init(struct nexus *n, struct nexus_opts *o, const char *secret_file, struct arena *arena,
              struct err *e);

/*
 * ingest_skim.h - a beat without unpacking it: what the server needs at once of a HeartbeatRequest.
 *
 * The whole message is walked and held against its definition, nested messages and the UTF-8 of
 * strings included, so that what is malformed for protobuf is malformed here; nothing is allocated.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct skim_span {
    const char *data;
    size_t len;
};

struct skim {
    struct skim_span agent_id, version, pinned; /* within the message; the last of each counts */
    uint32_t checks, queries, progress, tasks;  /* results in it */
};

bool ingest_skim(const void *message, size_t len, struct skim *out); /* false: malformed */

#define SKIM_NAME_MAX 4096

/*
 * Is a RegisterRequest's every text UTF-8, without NULs and of at most SKIM_NAME_MAX bytes?  Also
 * false where the message is malformed.
 */
bool ingest_skim_registration(const void *message, size_t len);

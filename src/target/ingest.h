/*
 * ingest.h - the target as the ingest server of a fleet of agents: agent.v1.IngestService over
 * gRPC, with its tokens, its CA and the admin page that deletes hosts.
 *
 * What it knows of agents is in memory and bounded by their number; with a database behind it
 * everything is written there as well, and what was there at the start is known.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "spec/opt.h"

struct err;
struct ingest;
struct ssl_ctx_st;
struct state;

#define INGEST_GRACE (30 * UINT64_C(1000000000)) /* ns, from GOAWAY to the end of the streams */

/* What a server of that time does; see docs/target.md. */
enum ingest_generation { INGEST_TLS, INGEST_MTLS_TERMINAL, INGEST_MTLS, INGEST_HEAD };
enum ingest_jwt { INGEST_RS256, INGEST_HS256 };
enum ingest_state { INGEST_MEMORY, INGEST_SQL };

extern const char *const ingest_generations[], *const ingest_jwts[], *const ingest_states[];

#define INGEST_FIELDS \
    bool ingest, ingest_auto_approve, ingest_server_cert, ingest_like_bug; \
    int ingest_generation, ingest_jwt, ingest_state; \
    const char *ingest_token_file, *ingest_version, *ingest_pushes, *ingest_admin_key_file; \
    int64_t ingest_token_uses, ingest_token_expires, ingest_approve_after, ingest_recheck; \
    int64_t ingest_ping_min, ingest_beat_log

struct ingest_opts {
    INGEST_FIELDS;
};

/* Rows of a command line's table, under an OPT_OF of a struct that has INGEST_FIELDS. */
#define INGEST_ROWS \
    OPT_BOOL(ingest, "false", "serve agent.v1.IngestService over gRPC, too"), \
        OPT_CHOICE(ingest_generation, "mtls", \
                   "tls: no client certificates; mtls-terminal: client certificates, and the " \
                   "Terminal method; mtls: without it; head: and bulk-delete redirects", \
                   .choices = ingest_generations), \
        OPT_CHOICE(ingest_state, "memory", \
                   "where agents are kept: memory alone, or the database of --db, too", \
                   .choices = ingest_states), \
        OPT_TEXT(ingest_token_file, NULL, \
                 "file with the organisation's enrolment token; without it any token will do"), \
        OPT_BOOL(ingest_auto_approve, "true", "agents are active at once; otherwise pending"), \
        OPT_DURATION(ingest_approve_after, "0", \
                     "pending agents become active after so long; 0: never", .min = 0, \
                     .max = INT64_C(86400000000000)), \
        OPT_INT(ingest_token_uses, "0", "agents that the token enrols at most; 0: any number", \
                .min = 0, .max = INT64_C(1000000000)), \
        OPT_DURATION(ingest_token_expires, "0", "the token is good for so long; 0: for ever", \
                     .min = 0, .max = INT64_C(31536000000000000)), \
        OPT_CHOICE(ingest_jwt, "RS256", "how the agents' tokens are signed", \
                   .choices = ingest_jwts), \
        OPT_TEXT(ingest_version, "v1.0.0", \
                 "newest version of the agent; others than it and dev are told to update"), \
        OPT_BOOL(ingest_server_cert, "true", \
                 "send the server's certificate to agents that have not pinned it"), \
        OPT_TEXT(ingest_pushes, NULL, \
                 "file that says which checks, queries, tasks and failures agents get and when"), \
        OPT_DURATION(ingest_recheck, "30s", "how often a stream's agent is looked for", \
                     .min = INT64_C(1000000), .max = INT64_C(86400000000000)), \
        OPT_DURATION(ingest_ping_min, "10s", \
                     "clients that ping more often are disconnected; 0: none is", .min = 0, \
                     .max = INT64_C(86400000000000)), \
        OPT_INT(ingest_beat_log, "0", "keep the stamps of this many beats for /ingest/beats", \
                .min = 0, .max = 10000000), \
        OPT_TEXT(ingest_admin_key_file, NULL, \
                 "file with the key of /api/admin/hosts/bulk-delete; without it, 503"), \
        OPT_BOOL(ingest_like_bug, "false", \
                 "bulk-delete takes '_' and '%' of its prefix for wildcards")

/* Are the options sensible, and is the script?  Mistakes of the script are told on stderr. */
bool ingest_check(const struct ingest_opts *o, struct err *e);

/*
 * `tls` is the listener's context, NULL without TLS; it is made to ask for client certificates
 * where the generation does; `state`: the database, or NULL.  NULL on failure.
 */
struct ingest *ingest_new(const struct ingest_opts *o, struct ssl_ctx_st *tls, struct state *state,
                          int threads, struct err *e);
int ingest_threads(int workers);    /* of each worker, so that registrations use all processors */
void ingest_free(struct ingest *g); /* NULL is fine; no connection is open */

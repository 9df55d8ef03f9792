/*
 * ingest_table.h - agents by id, by public key and by the names that only one of them may have.
 *
 * The caller has the lock, except for an agent's beats, which belong to the worker of its stream:
 * they are plain atomics because another worker may show them, or a second stream may be open.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AGENT_ID_TEXT 37 /* a UUID (RFC 9562 4) and its NUL */
#define AGENT_KEY     16 /* of a public key's digest */

enum agent_status { INGEST_PENDING, INGEST_ACTIVE, INGEST_OFFLINE, INGEST_REVOKED, INGEST_DELETED };
extern const char *const ingest_statuses[]; /* ends with NULL */

enum ingest_task_status {
    TASK_RUNNING,
    TASK_SUCCESS,
    TASK_FAILED,
    TASK_CANCELLING,
    TASK_CANCELLED
};

struct ingest_task {
    struct ingest_task *next;
    uint32_t push, round, packages;
    enum ingest_task_status status;
};

struct ingest_agent {
    struct ingest_agent *id_next, *key_next;
    struct ingest_name *names; /* that are its own */
    struct ingest_task *tasks; /* newest first */
    unsigned char *cert_key;   /* a length of two bytes and DER; NULL: not known */
    unsigned char id[16], key[AGENT_KEY];
    _Atomic uint64_t first_ns, last_ns; /* beats; 0: none */
    uint64_t created_ns;
    uint32_t number; /* from 0, in the order of registration */
    _Atomic uint32_t beats, gap_min_us, gap_max_us;
    uint32_t streams; /* heartbeats that are open */
    _Atomic uint8_t status;
    bool queued;  /* its request for a certificate waits for an approval */
    bool foreign; /* another server's, on the same database: its status is the one there */
};

struct ingest_name {
    struct ingest_name *next, *sibling;
    struct ingest_agent *agent;
    char text[]; /* a hostname, or '/' and an address */
};

struct ingest_table {
    struct ingest_agent **ids, **keys, **all; /* all: by number; NULL: deleted */
    struct ingest_name **names;
    uint32_t buckets, count, alive, room;
    uint64_t seed;
};

void ingest_table_init(struct ingest_table *t, uint64_t seed);
void ingest_table_fini(struct ingest_table *t);

struct ingest_agent *ingest_table_id(const struct ingest_table *t, const char *id, size_t len);
struct ingest_agent *ingest_table_key(const struct ingest_table *t,
                                      const unsigned char key[AGENT_KEY]);
/* The first that has this name, or the next after `after`; NULL: there is none. */
struct ingest_name *ingest_table_name(const struct ingest_table *t, const char *text, size_t len,
                                      const struct ingest_name *after);

/* A new one, pending, with an id of its own unless `id` (text) gives one.  `host` may be empty. */
struct ingest_agent *ingest_table_add(struct ingest_table *t, const char *id,
                                      const unsigned char key[AGENT_KEY], const char *host,
                                      size_t host_len);
void ingest_table_claim(struct ingest_table *t, struct ingest_agent *a, const char *text,
                        size_t len); /* a name is this agent's */
void ingest_table_rekey(struct ingest_table *t, struct ingest_agent *a,
                        const unsigned char key[AGENT_KEY]);

/* Its names and keys are free again; it lives until its last stream has ended. */
void ingest_table_delete(struct ingest_table *t, struct ingest_agent *a);
void ingest_agent_release(struct ingest_agent *a); /* a stream less; frees a deleted one */

/* The key that certificates are for, DER of less than 64 KiB, which is copied. */
void ingest_agent_keep(struct ingest_agent *a, const void *key, size_t len);
const char *ingest_agent_host(const struct ingest_agent *a); /* "": none; the caller has the lock */
const char *ingest_agent_id(const struct ingest_agent *a, char text[AGENT_ID_TEXT]);

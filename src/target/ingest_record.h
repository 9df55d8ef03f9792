/* ingest_record.h - what happens to agents, as statements; nothing without a database. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct call;
struct grpc_span;
struct ingest;
struct ingest_agent;
struct Agent__V1__RegisterRequest;
struct Agent__V1__SoftwareInventoryChunk;

struct enrolled {
    const char *id, *status;
    bool fresh, rekeyed, queued; /* queued: a request for a certificate waits for the approval */
    const unsigned char *key;    /* that its certificates are for; or `key_len` 0 */
    size_t key_len;
};
/* A fresh one is in `agents` already. */
void ingest_record_enrolled(struct ingest *g, const struct Agent__V1__RegisterRequest *r,
                            const struct enrolled *n);
void ingest_record_status(struct ingest *g, const struct ingest_agent *a, const char *agent,
                          const char *host); /* the new ones */
void ingest_record_beat(struct call *c, struct grpc_span message);
void ingest_record_query(struct ingest *g, const struct ingest_agent *a, const char *id,
                         const char *type);
void ingest_record_task(struct ingest *g, const struct ingest_agent *a, const char *id,
                        const char *type, const char *status);
void ingest_record_packages(struct ingest *g, const char *host, const char *scan,
                            const struct Agent__V1__SoftwareInventoryChunk *chunk);
void ingest_record_scanned(struct ingest *g, const char *host, const char *scan);
void ingest_record_deleted(struct ingest *g, const struct ingest_agent *a);

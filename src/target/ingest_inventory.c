/*
 * ingest_inventory.c - SubmitSoftwareInventory: packages in chunks, for a task that was given.
 */
#include <agent/v1/ingest.pb-c.h>
#include <string.h>

#include "base/mem.h"
#include "target/ingest_push.h"
#include "target/ingest_record.h"
#include "target/ingest_state.h"

#define BEARER "Bearer "

/* The scan is a task of the agent that the token names; an old token will do. */
static enum grpc_code begin(struct call *c, const char *scan, const char **why)
{
    struct ingest *g = c->calls->ingest;
    const char *field = c->more ? c->more->authorization : NULL;
    char id[AGENT_ID_TEXT];
    struct ingest_agent *a;
    enum grpc_code code;

    *why = "missing or invalid authorization metadata";
    if (!field || strncmp(field, BEARER, strlen(BEARER)) != 0)
        return GRPC_UNAUTHENTICATED;
    field += strlen(BEARER);
    code = ingest_verify(g, field, strlen(field), true, &c->calls->own->text, id);
    if (code != GRPC_OK)
        return code;
    *why = "scan_id is required";
    if (!*scan)
        return GRPC_INVALID_ARGUMENT;
    *why = "scan not found";
    a = ingest_table_id(&g->table, id, strlen(id));
    if (!a || !ingest_task_find(a, scan))
        return GRPC_NOT_FOUND;
    ingest_agent_id(a, c->more->scan.agent);
    c->more->scan.id = mem_check(strdup(scan));
    return GRPC_OK;
}

static void finalise(struct call *c)
{
    Agent__V1__SoftwareInventoryAck ack = AGENT__V1__SOFTWARE_INVENTORY_ACK__INIT;
    struct ingest *g = c->calls->ingest;
    struct ingest_scan *scan = &c->more->scan;
    struct ingest_task *t = NULL;
    struct ingest_agent *a;
    uint8_t packed[16];

    pthread_mutex_lock(&g->lock);
    a = ingest_table_id(&g->table, scan->agent, strlen(scan->agent));
    t = a ? ingest_task_find(a, scan->id) : NULL;
    if (t && t->status == TASK_RUNNING)
        t->status = TASK_SUCCESS;
    if (t)
        t->packages = scan->received;
    pthread_mutex_unlock(&g->lock);
    ingest_record_scanned(g, scan->agent, scan->id);
    ingest_tally(c, INGEST_INVENTORIES, 1);
    ack.received = (int32_t)scan->received;
    call_send(c, packed, agent__v1__software_inventory_ack__pack(&ack, packed));
    call_finish(c, GRPC_OK, "%s", "");
}

static void on_message(struct call *c, struct grpc_span m, uint64_t now)
{
    struct ingest *g = c->calls->ingest;
    const Agent__V1__SoftwareInventoryChunk *chunk;
    enum grpc_code code = GRPC_OK;
    const char *why;

    (void)now;
    chunk = agent__v1__software_inventory_chunk__unpack(bump_start(&c->calls->own->bump), m.len,
                                                        (const uint8_t *)m.data);
    if (!chunk) {
        call_malformed(c);
        return;
    }
    if (!c->more || !c->more->scan.id) {
        call_more(c);
        pthread_mutex_lock(&g->lock);
        code = begin(c, chunk->scan_id, &why);
        pthread_mutex_unlock(&g->lock);
    }
    if (code != GRPC_OK) {
        call_finish(c, code, "%s", why);
        return;
    }
    ingest_record_packages(g, c->more->scan.agent, c->more->scan.id, chunk);
    c->more->scan.received += (uint32_t)chunk->n_packages;
    ingest_tally(c, INGEST_PACKAGES, chunk->n_packages);
    if (chunk->is_last)
        finalise(c);
}

static void on_end(struct call *c, uint64_t now)
{
    (void)now;
    if (c->more && c->more->scan.id)
        finalise(c);
    else
        call_finish(c, GRPC_INVALID_ARGUMENT, "no chunk was sent");
}

const struct method ingest_inventory = {"SubmitSoftwareInventory", on_message, on_end, NULL};

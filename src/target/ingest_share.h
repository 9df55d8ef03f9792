/*
 * ingest_share.h - several servers on one database: what one of them has written the others find.
 *
 * An agent is looked for in the database when a call names one that is not known here, when
 * somebody registers, before hosts are deleted, and every now and then.  All of it waits for the
 * database, and is not for under the lock.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "net/grpc.h"

struct enrolment;
struct err;
struct ingest;
struct session;

bool ingest_share_load(struct ingest *g, struct session *se, struct err *e); /* at the start */

/*
 * Agents with a number below `before` have to be there, or they have been deleted; what others have
 * approved or revoked is so here.  For the thread that writes, when nothing waits for it.
 */
void ingest_share_survey(struct ingest *g, uint32_t before);

/* False: the database could not be asked. */
bool ingest_share_find(struct ingest *g, const char *agent);
bool ingest_share_find_hosts(struct ingest *g, const char *prefix);
bool ingest_share_find_holders(struct ingest *g, const char *public_key, const char *host);

/*
 * A new agent is written, and its token used, of several servers' together only as often as it may
 * be.  ALREADY_EXISTS: another server has just enrolled this key.
 */
enum grpc_code ingest_share_enrol(struct ingest *g, const struct enrolment *n);

/*
 * ingest_push.h - what the script has for an agent: messages on its stream that are no reply to a
 * beat, and things that happen to it.
 *
 * Ids say what they were made from: KIND-NUMBER-PUSH-ROUND, the agent's number, the push of the
 * script and how often it has come, so that one which comes back can be told from one that was
 * never given.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct call;
struct ingest;
struct ingest_agent;
struct ingest_task;
struct script_push;

enum push_side {
    PUSH_BEFORE, /* the reply: what replaces it or holds it back */
    PUSH_AFTER,  /* messages of their own */
};

/* Both may end or reset the call.  *delay: the reply is to be held back for so long (ns). */
void ingest_push_beat(struct call *c, uint64_t now, enum push_side side, int64_t *delay);
void ingest_push_tick(struct call *c, uint64_t from, uint64_t now); /* due in (from, now] */

/* The task of this agent with this id, or NULL; under the lock. */
struct ingest_task *ingest_task_find(const struct ingest_agent *a, const char *id);

/* The push that has announced a terminal session with this id, or NULL. */
const struct script_push *ingest_session_find(const struct ingest *g, const char *id);

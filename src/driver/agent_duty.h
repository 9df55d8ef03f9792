/* agent_duty.h - what a server has asked of one agent; for agent_push.c and agent_duty.c. */
#pragma once

#include <agent/v1/heartbeat.pb-c.h>

#include "base/buf.h"
#include "driver/agent.h"

#define DUTY_CHECKS 256 /* of one agent; the contract's hosts have a handful */
#define DUTY_TASKS  16  /* at once */
#define DUTY_DONE   32  /* ids remembered, so that a task announced twice is done once */
#define DUTY_EXTRA  (128 << 10)

struct check {
    char *id;
    uint64_t every_ns, next_ns;
};

struct task {
    struct timer timer; /* first */
    struct fleet *fleet;
    struct agent *agent;
    struct task *next;
    char *id, *type;
    int chunk, chunks;
};

struct duty {
    uint64_t seen; /* hash of the last plain reply: most are the same again */
    struct check *checks;
    uint32_t check_count;
    struct buf extra; /* encoded fields of the next message */
    char *spill;
    size_t spill_len, spill_at;
    struct task *tasks;
    uint32_t task_count, done_at;
    uint64_t done[DUTY_DONE]; /* hashes of ids */
};

struct duty *duty_of(struct agent *a);
bool duty_is_new(struct duty *d, char kind, const char *id); /* and remembers it */

void duty_set_checks(struct fleet *f, struct agent *a, Agent__V1__CheckDefinition **v, size_t n);
void duty_task(struct fleet *f, struct agent *a, const Agent__V1__AgentTask *t);
void duty_cancel(struct fleet *f, struct agent *a, const char *id);
void duty_queries(struct fleet *f, struct agent *a, Agent__V1__AgentQuery **v, size_t n);

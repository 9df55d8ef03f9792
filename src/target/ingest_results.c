#include "target/ingest_results.h"

#include <agent/v1/heartbeat.pb-c.h>
#include <stdlib.h>

#include "target/ingest_push.h"
#include "target/ingest_skim.h"
#include "target/ingest_state.h"

/* A task that was cancelled stays so, whatever its result says. */
static void end_task(struct ingest_task *t, int32_t exit_code)
{
    if (t->status == TASK_CANCELLING)
        t->status = TASK_CANCELLED;
    else if (t->status == TASK_RUNNING)
        t->status = exit_code == 0 ? TASK_SUCCESS : TASK_FAILED;
}

static void take_tasks(struct call *c, const Agent__V1__HeartbeatRequest *r)
{
    struct ingest *g = c->calls->ingest;

    pthread_mutex_lock(&g->lock);
    for (size_t i = 0; i < r->n_task_results; i++) {
        const Agent__V1__AgentTaskResult *result = r->task_results[i];
        struct ingest_task *t = ingest_task_find(c->agent, result->task_id);

        if (t)
            end_task(t, result->exit_code);
        if (result->exit_code != 0)
            ingest_tally(c, INGEST_TASKS_FAILED, 1);
    }
    pthread_mutex_unlock(&g->lock);
}

void ingest_results(struct call *c, struct grpc_span message, const struct skim *m)
{
    const Agent__V1__HeartbeatRequest *r;

    ingest_tally(c, INGEST_CHECKS, m->checks);
    ingest_tally(c, INGEST_QUERIES, m->queries);
    ingest_tally(c, INGEST_PROGRESS, m->progress);
    ingest_tally(c, INGEST_TASKS, m->tasks);
    if (m->tasks == 0)
        return;
    r = agent__v1__heartbeat_request__unpack(bump_start(&c->calls->own->bump), message.len,
                                             (const uint8_t *)message.data);
    if (r)
        take_tasks(c, r);
}

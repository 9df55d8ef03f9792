/*
 * certctl_jobs.c - what takes its time: issuance and renewal, each a job that is due when the
 * programmed delay is over.
 *
 * Whoever tells of jobs, certificates or deployments completes what is due first, so that a delay
 * is exact to those who ask; a scheduler does it for those who do not, such as a suite that looks
 * into the database, and for jobs that somebody else has put there.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"
#include "target/certctl_state.h"

#define DAY_MS  INT64_C(86400000)
#define LOOK_MS 250 /* how often the scheduler looks at what others may have put there */

void certctl_due(struct certctl *c, int64_t ms)
{
    pthread_mutex_lock(&c->lock);
    if (ms < c->next_due) {
        c->next_due = ms;
        pthread_cond_signal(&c->wake);
    }
    pthread_mutex_unlock(&c->lock);
}

static void renew_leaf(void *arg, const char *const *values, int n)
{
    struct certctl *c = arg;

    (void)n;
    if (values[0])
        leaves_renew(c->leaves, values[0]);
}

static void take_number(void *arg, const char *const *values, int n)
{
    (void)n;
    if (values[0])
        *(int64_t *)arg = strtoll(values[0], NULL, 10);
}

/* The new leaf is there before anybody is told that it is. */
static bool complete(struct certctl *c, struct session *se, int64_t now_ms, struct err *e)
{
    char run[RUN_ID_MAX], now[TIME_MAX], expires[TIME_MAX], ms[NUMBER_MAX];
    struct db_sink leaf = {renew_leaf, c};
    uint64_t count = 0;

    certctl_id(c, run);
    certctl_time(now_ms, now);
    certctl_time(now_ms + 90 * DAY_MS, expires);
    return session_begin(se, e) &&
           session_run(se,
                       "update jobs set status = 'Completed', completed_at = $1, run_id = $2"
                       " where status = 'Pending' and due_ms <= $3",
                       STATE_VALUES(now, run, certctl_number(now_ms, ms)), NULL, &count, e) &&
           (count == 0 ||
            (session_run(se,
                         "update managed_certificates set status = 'Active', expires_at = $1,"
                         " updated_at = $2"
                         " where id in (select certificate_id from jobs where run_id = $3)",
                         STATE_VALUES(expires, now, run), NULL, NULL, e) &&
             session_run(se,
                         "insert into deployments (certificate_id, server_name, status,"
                         " deployed_at)"
                         " select c.id, c.common_name, 'deployed', $1 from managed_certificates c"
                         " join jobs j on j.certificate_id = c.id where j.run_id = $2"
                         " on conflict (certificate_id) do update set status = 'deployed',"
                         " fingerprint = null, server_name = excluded.server_name,"
                         " deployed_at = excluded.deployed_at"
                         " returning server_name",
                         STATE_VALUES(now, run), &leaf, NULL, e))) &&
           session_commit(se, e);
}

/* A job that is added meanwhile moves the time forward again. */
static bool look_ahead(struct certctl *c, struct session *se, struct err *e)
{
    int64_t next = INT64_MAX;
    struct db_sink to = {take_number, &next};

    c->next_due = INT64_MAX;
    if (!session_run(se, "select min(due_ms) from jobs where status = 'Pending'", STATE_NONE, &to,
                     NULL, e))
        return false;
    certctl_due(c, next);
    return true;
}

bool certctl_settle(struct certctl *c, struct session *se, int64_t now_ms, struct err *e)
{
    if (c->next_due > now_ms)
        return true;
    return complete(c, se, now_ms, e) && look_ahead(c, se, e);
}

/* True when it has been told to end. */
static bool wait_until_due(struct certctl *c)
{
    bool ending;

    pthread_mutex_lock(&c->lock);
    if (!c->ending) {
        int64_t now = (int64_t)(wall_ns() / NS_PER_MS), left = c->next_due - now;
        uint64_t until = now_ns();
        struct timespec at;

        until += (uint64_t)(left < 1 ? 1 : left < LOOK_MS ? left : LOOK_MS) * NS_PER_MS;
        at = (struct timespec){(time_t)(until / NS_PER_S), (long)(until % NS_PER_S)};
        pthread_cond_clockwait(&c->wake, &c->lock, CLOCK_MONOTONIC, &at);
    }
    ending = c->ending;
    pthread_mutex_unlock(&c->lock);
    return ending;
}

static void *run_scheduler(void *arg)
{
    struct certctl *c = arg;
    bool ending = false;

    while (!ending) {
        struct session *se;
        struct err e;

        ending = wait_until_due(c);
        se = state_take(c->state, &e);
        if (!se || !look_ahead(c, se, &e) ||
            !certctl_settle(c, se, (int64_t)(wall_ns() / NS_PER_MS), &e) ||
            (c->audit && !audit_write(c->audit, se, &e)))
            certctl_complain(c, &e);
        state_give(se);
    }
    return NULL;
}

bool certctl_schedule(struct certctl *c, struct err *e)
{
    c->scheduling = pthread_create(&c->scheduler, NULL, run_scheduler, c) == 0;
    return c->scheduling || err_set(e, "could not start a thread");
}

static void add_job(void *arg, const char *const *v, int n)
{
    static const char *const names[] = {"id", "certificate_id", "type", "status", NULL};
    struct buf *out = arg;

    (void)n;
    json_add_row(out, names, v);
    buf_adds(out, ",\"created_at\":");
    json_add_time(out, v[4]);
    buf_addc(out, '}');
}

#define JOB_COLUMNS "id, certificate_id, type, status, created_at"

void certctl_jobs(struct call *k)
{
    struct page p = certctl_page(k);
    struct buf rows = {0};
    struct db_sink to = {add_job, &rows};
    char status[32] = "";
    int64_t total = 0;
    struct err e;
    bool ok = certctl_settle(k->c, k->se, k->now_ms, &e);

    certctl_parameter(k, "status", status, sizeof(status));
    if (ok && *status)
        ok = certctl_count(k, "select count(*) from jobs where status = $1", STATE_VALUES(status),
                           &total, &e) &&
             session_run(k->se,
                         "select " JOB_COLUMNS " from jobs where status = $1"
                         " order by created_at, id limit $2 offset $3",
                         STATE_VALUES(status, p.limit, p.offset), &to, NULL, &e);
    else if (ok)
        ok = certctl_count(k, "select count(*) from jobs", STATE_NONE, &total, &e) &&
             session_run(k->se,
                         "select " JOB_COLUMNS " from jobs order by created_at, id"
                         " limit $1 offset $2",
                         STATE_VALUES(p.limit, p.offset), &to, NULL, &e);
    if (ok)
        certctl_send_page(k, &p, &rows, total);
    else
        certctl_failed(k, "Failed to list jobs", &e);
    buf_free(&rows);
}

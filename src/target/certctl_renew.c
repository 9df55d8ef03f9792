/*
 * certctl_renew.c - bulk renewal: a job for each certificate that the criteria match and that none
 * is pending for.
 *
 * That a certificate is enqueued once is the database's business (the index jobs_pending): two
 * calls at a time share the certificates between them.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "target/certctl_state.h"

#define IDS_MAX 10000
#define NO_CAP  "9223372036854775807"
#define CRITERIA \
    "($1 = '' or team_id = $1) and ($2 = '' or issuer_id = $2) and ($3 = '' or owner_id = $3)"
#define UNRENEWABLE "('Archived', 'Revoked', 'Expired', 'RenewalInProgress')"

struct renewal {
    struct call *call;
    const char *team, *issuer, *owner, *cap;
    char run[RUN_ID_MAX], due[NUMBER_MAX];
    int64_t matched, enqueued;
    struct buf jobs;
};

static void add_job(void *arg, const char *const *v, int n)
{
    struct renewal *r = arg;

    (void)n;
    buf_adds(&r->jobs, r->enqueued++ ? ",{\"certificate_id\":" : "{\"certificate_id\":");
    json_add_text(&r->jobs, v[0]);
    json_add_member(&r->jobs, "job_id", v[1]);
    buf_addc(&r->jobs, '}');
}

#define ENQUEUE_INTO \
    "insert into jobs (id, certificate_id, type, status, due_ms, run_id, created_at) "
#define ENQUEUE_END " on conflict do nothing returning certificate_id, id"

static bool enqueue_all(struct renewal *r, struct err *e)
{
    static const char count[] =
        "select count(*) from (select 1 from managed_certificates where " CRITERIA
        " limit $4) matched";
    static const char enqueue[] = ENQUEUE_INTO
        "select 'job-' || cast($5 as text) || '-' ||"
        " cast(row_number() over (order by created_at, id) as text),"
        " id, 'Renewal', 'Pending', $6, cast($5 as text), $7"
        " from (select id, created_at, status from managed_certificates where " CRITERIA
        " order by created_at, id limit $4) matched"
        " where status not in " UNRENEWABLE ENQUEUE_END;
    struct call *k = r->call;
    struct db_sink to = {add_job, r};

    return certctl_count(k, count, STATE_VALUES(r->team, r->issuer, r->owner, r->cap), &r->matched,
                         e) &&
           session_run(k->se, enqueue,
                       STATE_VALUES(r->team, r->issuer, r->owner, r->cap, r->run, r->due, k->now),
                       &to, NULL, e);
}

static bool enqueue_one(struct renewal *r, const char *id, struct err *e)
{
    static const char count[] =
        "select count(*) from managed_certificates where id = $4 and " CRITERIA;
    static const char enqueue[] = ENQUEUE_INTO
        "select 'job-' || cast($5 as text) || '-' || cast($8 as text), id, 'Renewal', 'Pending',"
        " $6, cast($5 as text), $7"
        " from managed_certificates where id = $4 and " CRITERIA
        " and status not in " UNRENEWABLE ENQUEUE_END;
    struct call *k = r->call;
    struct db_sink to = {add_job, r};
    char number[NUMBER_MAX];
    int64_t found;

    if (!certctl_count(k, count, STATE_VALUES(r->team, r->issuer, r->owner, id), &found, e))
        return false;
    r->matched += found;
    return !found || session_run(k->se, enqueue,
                                 STATE_VALUES(r->team, r->issuer, r->owner, id, r->run, r->due,
                                              k->now, certctl_number(r->matched, number)),
                                 &to, NULL, e);
}

static bool enqueue(struct renewal *r, const json_t *by, struct err *e)
{
    const json_t *ids = json_object_get(by, "certificate_ids");
    bool ok = true;

    if (json_array_size(ids) == 0)
        return enqueue_all(r, e);
    for (size_t i = 0; ok && i < json_array_size(ids); i++) {
        const char *id = json_string_value(json_array_get(ids, i));

        ok = !id || enqueue_one(r, id, e);
    }
    return ok;
}

static bool renew(struct renewal *r, const json_t *by, struct err *e)
{
    struct call *k = r->call;

    return certctl_settle(k->c, k->se, k->now_ms, e) && session_begin(k->se, e) &&
           enqueue(r, by, e) &&
           session_run(k->se,
                       "update managed_certificates set status = 'RenewalInProgress',"
                       " updated_at = $1"
                       " where id in (select certificate_id from jobs where run_id = $2)",
                       STATE_VALUES(k->now, r->run), NULL, NULL, e) &&
           session_commit(k->se, e);
}

static void send(struct renewal *r)
{
    struct buf out = {0};

    buf_printf(&out,
               "{\"total_matched\":%lld,\"total_enqueued\":%lld,\"total_skipped\":%lld,"
               "\"total_failed\":0,\"enqueued_jobs\":[%s],\"errors\":[]}",
               (long long)r->matched, (long long)r->enqueued, (long long)(r->matched - r->enqueued),
               buf_text(&r->jobs));
    certctl_send(r->call, 200, &out);
}

static bool is_empty(const json_t *by)
{
    static const char *const keys[] = {"profile_id", "owner_id", "agent_id",
                                       "issuer_id",  "team_id",  NULL};

    for (int i = 0; keys[i]; i++)
        if (*certctl_text(by, keys[i]))
            return false;
    return json_array_size(json_object_get(by, "certificate_ids")) == 0;
}

/* No certificate here has a profile or an agent, so that such a criterion matches none. */
static void renew_by(struct call *k, const json_t *by)
{
    int64_t due = k->now_ms + k->c->opts.deploy_after / 1000000;
    char cap[NUMBER_MAX];
    struct renewal r = {.call = k,
                        .team = certctl_text(by, "team_id"),
                        .issuer = certctl_text(by, "issuer_id"),
                        .owner = certctl_text(by, "owner_id"),
                        .cap = NO_CAP};
    struct err e;
    bool ok = true;

    certctl_id(k->c, r.run);
    certctl_number(due, r.due);
    if (k->c->opts.renew_cap)
        r.cap = certctl_number(k->c->opts.renew_cap, cap);
    if (!*certctl_text(by, "profile_id") && !*certctl_text(by, "agent_id"))
        ok = renew(&r, by, &e);
    if (ok)
        send(&r);
    else
        certctl_failed(k, "Failed to enqueue renewals", &e);
    if (ok && r.enqueued)
        certctl_due(k->c, due);
    buf_free(&r.jobs);
}

void certctl_renew(struct call *k)
{
    json_t *body = certctl_body(k);

    if (!body)
        certctl_refuse(k, 400, "Bad Request", "Invalid request body");
    else if (is_empty(body))
        certctl_refuse(k, 400, "Bad Request", "at least one filter criterion is required");
    else if (json_array_size(json_object_get(body, "certificate_ids")) > IDS_MAX)
        certctl_refuse(k, 400, "Bad Request", "at most 10000 certificate_ids");
    else
        renew_by(k, body);
    json_decref(body);
}

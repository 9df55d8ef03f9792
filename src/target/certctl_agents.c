/* certctl_agents.c - what agents ask: to be seen, for work, and to have a request signed. */
#include <jansson.h>
#include <string.h>

#include "base/err.h"
#include "target/certctl_state.h"

enum agent { AGENT_KNOWN, AGENT_RETIRED, AGENT_UNKNOWN, AGENT_ERROR };

static void take_status(void *arg, const char *const *values, int n)
{
    (void)n;
    *(enum agent *)arg =
        values[0] && strcasecmp(values[0], "Retired") == 0 ? AGENT_RETIRED : AGENT_KNOWN;
}

static enum agent find(struct call *k, const char *id, struct err *e)
{
    enum agent found = AGENT_UNKNOWN;
    struct db_sink to = {take_status, &found};

    if (!session_run(k->se, "select status from agents where id = $1", STATE_VALUES(id), &to, NULL,
                     e))
        return AGENT_ERROR;
    return found;
}

/* True if the agent may go on; else it has its answer. */
static bool is_served(struct call *k, const char *id)
{
    struct err e;

    switch (find(k, id, &e)) {
    case AGENT_KNOWN:
        return true;
    case AGENT_RETIRED:
        certctl_refuse(k, 410, "Gone", "Agent is retired");
        break;
    case AGENT_UNKNOWN:
        certctl_refuse(k, 404, "Not Found", "Agent not found");
        break;
    case AGENT_ERROR:
        certctl_failed(k, "Failed to look up the agent", &e);
        break;
    }
    return false;
}

/* What the agent says about itself is optional, and tolerated whatever it is. */
void certctl_heartbeat(struct call *k, const char *id)
{
    static const char update[] =
        "update agents set status = 'Online', last_heartbeat_at = $2,"
        " version = coalesce(nullif(cast($3 as text), ''), version),"
        " hostname = coalesce(nullif(cast($4 as text), ''), hostname),"
        " os = coalesce(nullif(cast($5 as text), ''), os),"
        " architecture = coalesce(nullif(cast($6 as text), ''), architecture),"
        " ip_address = coalesce(nullif(cast($7 as text), ''), ip_address) where id = $1";
    json_t *said;
    struct err e;

    if (!is_served(k, id))
        return;
    said = certctl_body(k);
    if (session_run(k->se, update,
                    STATE_VALUES(id, k->now, certctl_text(said, "version"),
                                 certctl_text(said, "hostname"), certctl_text(said, "os"),
                                 certctl_text(said, "architecture"),
                                 certctl_text(said, "ip_address")),
                    NULL, NULL, &e))
        certctl_say(k, 200, "status", "heartbeat_recorded");
    else
        certctl_failed(k, "Failed to record the heartbeat", &e);
    json_decref(said);
}

static void add_work(void *arg, const char *const *v, int n)
{
    static const char *const names[] = {"id", "type", "certificate_id", "status", NULL};

    (void)n;
    json_add_row(arg, names, v);
    buf_addc(arg, '}');
}

/* Any agent may do any pending job. */
void certctl_work(struct call *k, const char *id)
{
    struct buf rows = {0}, out = {0};
    struct db_sink to = {add_work, &rows};
    uint64_t count = 0;
    struct err e;

    if (!is_served(k, id))
        return;
    if (certctl_settle(k->c, k->se, k->now_ms, &e) &&
        session_run(k->se,
                    "select id, type, certificate_id, status from jobs where status = 'Pending'"
                    " order by due_ms limit 50",
                    STATE_NONE, &to, &count, &e)) {
        buf_printf(&out, "{\"jobs\":[%s],\"count\":%d}", buf_text(&rows), (int)count);
        certctl_send(k, 200, &out);
    } else {
        certctl_failed(k, "Failed to look up work", &e);
    }
    buf_free(&rows);
}

static const char csr_begin[] = "-----BEGIN CERTIFICATE REQUEST-----";

/* The request is taken, and what is pending for its certificate is due at once. */
static void take_csr(struct call *k, const char *certificate)
{
    char now[NUMBER_MAX];
    int64_t found = 0;
    struct err e;

    if (!certctl_count(k, "select count(*) from managed_certificates where id = $1",
                       STATE_VALUES(certificate), &found, &e) ||
        !session_run(k->se,
                     "update jobs set due_ms = $2 where certificate_id = $1 and status = 'Pending'",
                     STATE_VALUES(certificate, certctl_number(k->now_ms, now)), NULL, NULL, &e)) {
        certctl_failed(k, "Failed to take the request", &e);
        return;
    }
    if (!found) {
        certctl_refuse(k, 404, "Not Found", "Certificate not found");
        return;
    }
    certctl_due(k->c, k->now_ms);
    certctl_say(k, 202, "status", "csr_received");
}

void certctl_csr(struct call *k, const char *id)
{
    json_t *body;

    if (!is_served(k, id))
        return;
    body = certctl_body(k);
    if (!body)
        certctl_refuse(k, 400, "Bad Request", "Invalid request body");
    else if (!*certctl_text(body, "certificate_id"))
        certctl_refuse(k, 400, "Bad Request", "certificate_id is required");
    else if (strncmp(certctl_text(body, "csr_pem"), csr_begin, sizeof(csr_begin) - 1) != 0)
        certctl_refuse(k, 400, "Bad Request", "csr_pem is required");
    else
        take_csr(k, certctl_text(body, "certificate_id"));
    json_decref(body);
}

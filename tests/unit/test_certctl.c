/* test_certctl.c - the certctl surface of the target: requests in, replies out, without a socket.
 */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "target/bucket.h"
#include "target/certctl.h"
#include "target/exchange.h"
#include "target/ledger.h"
#include "target/request.h"
#include "target/route.h"
#include "target/server.h"
#include "target/state.h"

#define BODY \
    "{\"name\":\"%s\",\"common_name\":\"%s.example.test\",\"issuer_id\":\"iss-local\"," \
    "\"owner_id\":\"o-alice\",\"team_id\":\"t-platform\",\"renewal_policy_id\":\"rp-standard\"," \
    "\"environment\":\"production\",\"sans\":[\"a.example.test\"]}"

struct surface {
    struct server server;
    struct state *state;
    struct exchange exchange;
    struct buf out;
};

static void open_surface(struct surface *f, const struct certctl_opts *o)
{
    struct state_opts in_memory = {"sqlite::memory:", NULL, 1};
    struct err e;

    *f = (struct surface){0};
    f->state = state_open(&in_memory, &e);
    assert_non_null(f->state);
    f->server.config.max_body = 1 << 20;
    f->server.ledger = ledger_new(NULL, 0);
    f->server.config.certctl = certctl_new(o, f->state, NULL, &e);
    if (!f->server.config.certctl)
        fail_msg("%s", e.text);
    exchange_init(&f->exchange, &f->server);
}

/* Rows as the seeds write them, numbered from 1. */
static void seed(struct surface *f, const char *sql, int count)
{
    struct session *se;
    struct err e;
    char n[16];

    snprintf(n, sizeof(n), "%d", count);
    se = state_take(f->state, &e);
    if (!session_run(se, sql, STATE_VALUES(n), NULL, NULL, &e))
        fail_msg("%s", e.text);
    state_give(se);
}

#define NUMBERS \
    "with recursive n(g) as (select 1 union all select g + 1 from n where g < $1), " \
    "r(g, d) as (select g, substr(cast(100000 + g as text), 2) from n) "

static const char certificates[] = NUMBERS
    "insert into managed_certificates select 'cert-loadtest-bulk-' || d, d, d || '.example.test', "
    "'{}', 'loadtest', 'o-alice', 't-platform', 'iss-local', 'rp-standard', 'Active', "
    "'2027-01-01 00:00:00+00', '{\"a\": 1}', '2026-01-01 00:00:00+00', '2026-01-01 00:00:00+00' "
    "from r";

static const char agents[] = NUMBERS
    "insert into agents select 'ag-loadtest-' || d, d, d, case when g > 4990 then 'Retired' else "
    "'Online' end, '2026-01-01 00:00:00+00', '2026-01-01 00:00:00+00', '', 'linux', 'amd64', '', "
    "'2.1.0' from r";

static void close_surface(struct surface *f)
{
    exchange_clear(&f->exchange);
    certctl_free(f->server.config.certctl);
    state_close(f->state);
    ledger_free(f->server.ledger);
    buf_free(&f->out);
}

/* What errand.c does on another thread. */
static void run_errand(struct exchange *x)
{
    struct reply re = {0};
    struct request rq;

    exchange_request(x->kept.data, x->kept_head, x->kept.len, &x->parser, &rq);
    x->route->answer(&rq, x->server, &re);
    exchange_take(x, &re, now_ns());
    buf_free(&x->kept);
}

static const char *ask(struct surface *f, const char *method, const char *path, const char *fields,
                       const char *body)
{
    struct buf rq = {0};

    exchange_clear(&f->exchange);
    exchange_init(&f->exchange, &f->server);
    buf_clear(&f->out);
    buf_printf(&rq, "%s %s HTTP/1.1\r\nHost: x\r\n%sContent-Length: %zu\r\n\r\n%s", method, path,
               fields, strlen(body), body);
    exchange_read(&f->exchange, rq.data, rq.len, now_ns(), &f->out);
    buf_free(&rq);
    if (f->exchange.state == EXCHANGE_ASKED)
        run_errand(&f->exchange);
    assert_int_equal(f->exchange.state, EXCHANGE_READY);
    exchange_reply_head(&f->exchange, "now", f->exchange.plan.due_ns, &f->out);
    while (!reply_body(&f->exchange.reply, &f->out))
        continue;
    return buf_text(&f->out);
}

static void says(const char *reply, const char *text)
{
    if (!strstr(reply, text))
        fail_msg("\"%s\" does not say \"%s\"", reply, text);
}

static const char *create(struct surface *f, const char *name)
{
    char body[512];

    snprintf(body, sizeof(body), BODY, name, name);
    return ask(f, "POST", "/api/v1/certificates", "", body);
}

static void a_name_is_taken_once(void **state)
{
    struct certctl_opts o = {.deploy_after = INT64_C(3600000000000)};
    struct surface f;
    const char *reply;

    (void)state;
    open_surface(&f, &o);
    reply = create(&f, "one");
    says(reply, "HTTP/1.1 201 ");
    says(reply, "\"id\":\"cert-");
    says(reply, "\"status\":\"Pending\",\"expires_at\":\"0001-01-01T00:00:00Z\",\"tags\":{}");
    says(reply, "\"sans\":[\"a.example.test\"]");
    reply = create(&f, "one");
    says(reply, "HTTP/1.1 500 ");
    says(reply, "{\"error\":\"Internal Server Error\",\"message\":\"");
    says(reply, "\"request_id\":\"");
    says(ask(&f, "POST", "/api/v1/certificates", "", "{\"name\":\"x\"}"),
         "\"message\":\"common_name is required\"");
    says(ask(&f, "POST", "/api/v1/certificates", "", "{"), "HTTP/1.1 400 ");
    says(ask(&f, "DELETE", "/api/v1/certificates", "", ""), "HTTP/1.1 405 ");
    says(ask(&f, "GET", "/api/v1/nothing", "", ""), "HTTP/1.1 404 ");
    close_surface(&f);
}

static void lists_come_in_pages(void **state)
{
    struct certctl_opts o = {0};
    struct surface f;

    (void)state;
    open_surface(&f, &o);
    seed(&f, certificates, 120);
    says(ask(&f, "GET", "/api/v1/certificates", "", ""),
         "\"total\":120,\"page\":1,\"per_page\":50}");
    says(ask(&f, "GET", "/api/v1/certificates?per_page=500", "", ""), "\"per_page\":500}");
    says(ask(&f, "GET", "/api/v1/certificates?per_page=501", "", ""), "\"per_page\":50}");
    says(ask(&f, "GET", "/api/v1/certificates?per_page=0", "", ""), "\"per_page\":50}");
    says(ask(&f, "GET", "/api/v1/certificates?page=3&per_page=50", "", ""),
         "{\"data\":[{\"id\":\"cert-loadtest-bulk-00101\"");
    says(ask(&f, "GET", "/api/v1/certificates?page=9", "", ""), "{\"data\":[],");
    close_surface(&f);
}

static void a_renewal_is_enqueued_once(void **state)
{
    static const char path[] = "/api/v1/certificates/bulk-renew",
                      team[] = "{\"team_id\":\"t-platform\",\"issuer_id\":\"iss-local\"}";
    struct certctl_opts o = {.deploy_after = INT64_C(3600000000000)};
    struct surface f;
    const char *reply;

    (void)state;
    open_surface(&f, &o);
    seed(&f, certificates, 60);
    reply = ask(&f, "POST", path, "", team);
    says(reply,
         "{\"total_matched\":60,\"total_enqueued\":60,\"total_skipped\":0,\"total_failed\":0,"
         "\"enqueued_jobs\":[{\"certificate_id\":\"cert-loadtest-bulk-00001\",\"job_id\":\"job-");
    says(reply, "\"errors\":[]}");
    says(ask(&f, "POST", path, "", team),
         "{\"total_matched\":60,\"total_enqueued\":0,\"total_skipped\":60,\"total_failed\":0,"
         "\"enqueued_jobs\":[],\"errors\":[]}");
    says(ask(&f, "GET", "/api/v1/jobs?status=Pending", "", ""), "\"total\":60,");
    says(ask(&f, "GET", "/api/v1/jobs?status=Completed", "", ""), "\"total\":0,");
    says(ask(&f, "POST", path, "", "{}"), "HTTP/1.1 400 ");
    says(ask(&f, "POST", path, "", "{\"certificate_ids\":[\"cert-loadtest-bulk-00007\"]}"),
         "{\"total_matched\":1,\"total_enqueued\":0,\"total_skipped\":1,");
    close_surface(&f);
    o.renew_cap = 50;
    open_surface(&f, &o);
    seed(&f, certificates, 60);
    says(ask(&f, "POST", path, "", team), "{\"total_matched\":50,\"total_enqueued\":50,");
    says(ask(&f, "POST", path, "", team), "{\"total_matched\":50,\"total_enqueued\":0,");
    close_surface(&f);
}

static const char *path_of(const char *reply, const char *tail, char path[128])
{
    const char *id = strstr(reply, "\"id\":\"");

    assert_non_null(id);
    snprintf(path, 128, "/api/v1/certificates/%.*s%s", (int)strcspn(id + 6, "\""), id + 6, tail);
    return path;
}

static void deployments_and_jobs_fall_due(void **state)
{
    struct certctl_opts o = {.deploy_after = 0, .audit = true};
    char deployments[128], path[128], first[128];
    struct surface f;
    const char *reply;

    (void)state;
    open_surface(&f, &o);
    reply = create(&f, "one");
    path_of(reply, "/deployments", deployments);
    path_of(reply, "", path);
    reply = ask(&f, "GET", deployments, "", "");
    says(reply, "\"status\":\"deployed\",\"server_name\":\"one.example.test\",\"fingerprint\":\"");
    snprintf(first, sizeof(first), "%.80s", strstr(reply, "\"fingerprint\""));
    says(ask(&f, "GET", deployments, "", ""), first);
    says(ask(&f, "GET", path, "", ""), "\"status\":\"Active\"");
    ask(&f, "POST", "/api/v1/certificates/bulk-renew", "", "{\"team_id\":\"t-platform\"}");
    says(ask(&f, "GET", "/api/v1/jobs?status=Pending", "", ""), "\"total\":0,");
    says(ask(&f, "GET", "/api/v1/jobs", "", ""), "\"status\":\"Completed\"");
    assert_null(strstr(ask(&f, "GET", deployments, "", ""), first)); /* renewed: another one */
    says(ask(&f, "GET", "/api/v1/certificates/cert-9/deployments", "", ""), "HTTP/1.1 404 ");
    close_surface(&f);
}

static void agents_are_known_retired_or_unknown(void **state)
{
    struct certctl_opts o = {0};
    struct surface f;

    (void)state;
    open_surface(&f, &o);
    seed(&f, agents, 5000);
    says(ask(&f, "POST", "/api/v1/agents/ag-loadtest-00001/heartbeat", "", "{"),
         "{\"status\":\"heartbeat_recorded\"}");
    says(ask(&f, "POST", "/api/v1/agents/ag-loadtest-04990/heartbeat", "", ""), "HTTP/1.1 200 ");
    says(ask(&f, "POST", "/api/v1/agents/ag-loadtest-04991/heartbeat", "", ""), "HTTP/1.1 410 ");
    says(ask(&f, "POST", "/api/v1/agents/ag-loadtest-05001/heartbeat", "", ""), "HTTP/1.1 404 ");
    says(ask(&f, "POST", "/api/v1/agents/ag-loadtest-00000/heartbeat", "", ""), "HTTP/1.1 404 ");
    says(ask(&f, "POST", "/api/v1/agents/ag-loadtest-1/heartbeat", "", ""), "HTTP/1.1 404 ");
    close_surface(&f);
}

static void tokens_are_asked_for(void **state)
{
    char file[] = "/tmp/shakedown-token-XXXXXX";
    struct certctl_opts o = {.token_file = file};
    struct surface f;
    const char *reply;
    int fd = mkstemp(file);

    (void)state;
    assert_int_equal(write(fd, "load-test-token\n", 16), 16);
    close(fd);
    open_surface(&f, &o);
    reply = ask(&f, "GET", "/api/v1/jobs", "", "");
    says(reply, "HTTP/1.1 401 ");
    says(reply, "Content-Type: text/plain");
    says(reply, "WWW-Authenticate: Bearer realm=\"certctl\"\r\n");
    says(reply, "{\"error\":");
    reply = ask(&f, "GET", "/api/v1/jobs", "Authorization: Bearer load-test-tokem\r\n", "");
    says(reply, "HTTP/1.1 401 ");
    assert_null(strstr(reply, "WWW-Authenticate"));
    says(ask(&f, "GET", "/api/v1/jobs", "Authorization: Bearer load-test-token2\r\n", ""), " 401 ");
    says(ask(&f, "GET", "/api/v1/jobs", "Authorization: Bearer load-test-token\r\n", ""), " 200 ");
    close_surface(&f);
    unlink(file);
}

static void the_limiter_comes_before_the_token(void **state)
{
    struct certctl_opts o = {.limit = 0.001, .burst = 2};
    struct surface f;
    const char *reply;

    (void)state;
    open_surface(&f, &o);
    says(ask(&f, "GET", "/api/v1/jobs", "", ""), " 200 ");
    says(ask(&f, "GET", "/api/v1/jobs", "", ""), " 200 ");
    reply = ask(&f, "GET", "/api/v1/jobs", "", "");
    says(reply, "HTTP/1.1 429 ");
    says(reply, "Retry-After: 1\r\n");
    says(reply, "Content-Type: text/plain");
    says(reply, "{\"error\":\"Rate limit exceeded\"}");
    says(ask(&f, "GET", "/healthz", "", ""), " 200 ");
    close_surface(&f);
}

static void a_bucket_fills_with_time(void **state)
{
    struct bucket b;

    (void)state;
    bucket_init(&b, 50, 100, 0);
    for (int i = 0; i < 100; i++)
        assert_true(bucket_take(&b, 0));
    assert_false(bucket_take(&b, 0));
    assert_true(bucket_take(&b, 20 * NS_PER_MS));
    assert_false(bucket_take(&b, 20 * NS_PER_MS));
    for (int i = 0; i < 100; i++)
        assert_true(bucket_take(&b, 3600 * NS_PER_S));
    assert_false(bucket_take(&b, 3600 * NS_PER_S));
}

UNIT_GROUP(certctl, cmocka_unit_test(a_name_is_taken_once), cmocka_unit_test(lists_come_in_pages),
           cmocka_unit_test(a_renewal_is_enqueued_once),
           cmocka_unit_test(deployments_and_jobs_fall_due),
           cmocka_unit_test(agents_are_known_retired_or_unknown),
           cmocka_unit_test(tokens_are_asked_for),
           cmocka_unit_test(the_limiter_comes_before_the_token),
           cmocka_unit_test(a_bucket_fills_with_time))

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
#include "target/server.h"

#define BODY \
    "{\"name\":\"%s\",\"common_name\":\"%s.example.test\",\"issuer_id\":\"iss-local\"," \
    "\"owner_id\":\"o-alice\",\"team_id\":\"t-platform\",\"renewal_policy_id\":\"rp-standard\"," \
    "\"environment\":\"production\",\"sans\":[\"a.example.test\"]}"

struct surface {
    struct server server;
    struct exchange exchange;
    struct buf out;
};

static void open_surface(struct surface *f, const struct certctl_opts *o)
{
    struct err e;

    *f = (struct surface){0};
    f->server.config.max_body = 1 << 20;
    f->server.ledger = ledger_new(NULL, 0);
    f->server.config.certctl = certctl_new(o, NULL, &e);
    if (!f->server.config.certctl)
        fail_msg("%s", e.text);
    exchange_init(&f->exchange, &f->server);
}

static void close_surface(struct surface *f)
{
    exchange_clear(&f->exchange);
    certctl_free(f->server.config.certctl);
    ledger_free(f->server.ledger);
    buf_free(&f->out);
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
    struct certctl_opts o = {.certificates = 120};
    struct surface f;

    (void)state;
    open_surface(&f, &o);
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
    struct certctl_opts o = {.certificates = 60, .deploy_after = INT64_C(3600000000000)};
    struct surface f;
    const char *reply;

    (void)state;
    open_surface(&f, &o);
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
    says(ask(&f, "POST", path, "", team), "{\"total_matched\":50,\"total_enqueued\":50,");
    says(ask(&f, "POST", path, "", team), "{\"total_matched\":50,\"total_enqueued\":0,");
    close_surface(&f);
}

static void deployments_and_jobs_fall_due(void **state)
{
    struct certctl_opts o = {.certificates = 1, .deploy_after = 0};
    struct surface f;
    const char *reply;

    (void)state;
    open_surface(&f, &o);
    says(create(&f, "one"), "\"id\":\"cert-00000002\"");
    reply = ask(&f, "GET", "/api/v1/certificates/cert-00000002/deployments", "", "");
    says(reply, "\"status\":\"deployed\",\"server_name\":\"one.example.test\",\"fingerprint\":\"");
    says(ask(&f, "GET", "/api/v1/certificates/cert-00000002", "", ""), "\"status\":\"Active\"");
    ask(&f, "POST", "/api/v1/certificates/bulk-renew", "", "{\"team_id\":\"t-platform\"}");
    says(ask(&f, "GET", "/api/v1/jobs?status=Pending", "", ""), "\"total\":0,");
    says(ask(&f, "GET", "/api/v1/jobs", "", ""), "\"status\":\"Completed\"");
    says(ask(&f, "GET", "/api/v1/certificates/cert-9/deployments", "", ""), "HTTP/1.1 404 ");
    close_surface(&f);
}

static void agents_are_known_retired_or_unknown(void **state)
{
    struct certctl_opts o = {.agents = 5000, .retired = 10};
    struct surface f;

    (void)state;
    open_surface(&f, &o);
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

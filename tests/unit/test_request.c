#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "driver/driver.h"
#include "driver/request.h"

struct made {
    struct arena arena;
    struct diags d;
    struct request *r;
};

static const struct target target = {
    .name = "api", .scheme = "https", .host = "api.test", .port = 443, .path = "/base?x=1"};

#define OPT_OF struct request_opts
static const struct opt table[] = {REQUEST_ROWS("30s"), {0}};
#undef OPT_OF

static void make(struct made *m, const struct target *t, const char *yaml)
{
    static const struct template_scope scope = {.agents = true};
    struct request_opts o = {0};
    struct request_compile c = {.opts = &o, .path = "http"};
    struct bind b = {.arena = &m->arena, .diags = &m->d, .scope = &scope};
    struct node *n;

    *m = (struct made){0};
    diags_init(&m->d, "suite.yaml", &m->arena);
    n = yaml_parse(yaml, strlen(yaml), &m->arena, &m->d);
    c.at = n;
    if (n && opt_bind(table, NULL, n, "http", &o, &b)) {
        o.target = t;
        m->r = request_compile(&c, &m->arena, &m->d);
    }
}

static const char *render(struct made *m, char *out, size_t size, char why[WHY_MAX])
{
    uint64_t rng = 1;
    struct template_values v = {.iteration = 6, .vu = 2, .agent = 42, .rng = &rng};
    const char *start;
    size_t len;

    if (m->r->bytes) {
        snprintf(out, size, "%.*s", (int)m->r->len, m->r->bytes);
        return out;
    }
    assert_true(m->r->bound <= size);
    if (!request_render(m->r, &v, out, &start, &len, why))
        return NULL;
    memmove(out, start, len);
    out[len] = '\0';
    return out;
}

struct rendering {
    const char *yaml, *message;
};

#define DEFAULTS "User-Agent: shakedown\r\nAccept: */*\r\n"

static void messages_are_as_asked(void **state)
{
    static const struct rendering cases[] = {
        {"{}", "GET /base?x=1 HTTP/1.1\r\nHost: api.test\r\n" DEFAULTS "\r\n"},
        {"path: /a", "GET /a HTTP/1.1\r\nHost: api.test\r\n" DEFAULTS "\r\n"},
        {"method: HEAD\npath: '/i/%{agent:05d}'",
         "HEAD /i/00042 HTTP/1.1\r\nHost: api.test\r\n" DEFAULTS "\r\n"},
        {"headers: {host: other, user-agent: me, X-N: '%{iteration}'}",
         "GET /base?x=1 HTTP/1.1\r\nAccept: */*\r\nhost: other\r\nuser-agent: me\r\nX-N: "
         "6\r\n\r\n"},
        {"body: hello",
         "POST /base?x=1 HTTP/1.1\r\nHost: api.test\r\n" DEFAULTS "Content-Length: 5\r\n\r\nhello"},
        {"method: PUT",
         "PUT /base?x=1 HTTP/1.1\r\nHost: api.test\r\n" DEFAULTS "Content-Length: 0\r\n\r\n"},
        {"path: /\nbody: 'n=%{iteration}'",
         "POST / HTTP/1.1\r\nHost: api.test\r\n" DEFAULTS "Content-Length: 3\r\n\r\nn=6"},
        {"path: /\nauth: {basic: 'user:pass'}", "GET / HTTP/1.1\r\nHost: api.test\r\n" DEFAULTS
                                                "Authorization: Basic dXNlcjpwYXNz\r\n\r\n"},
        {"path: /\nauth: {basic: 'u%{agent}:p'}",
         "GET / HTTP/1.1\r\nHost: api.test\r\n" DEFAULTS "Authorization: Basic dTQyOnA=\r\n\r\n"},
        {"path: /\nauth: {bearer: abc}",
         "GET / HTTP/1.1\r\nHost: api.test\r\n" DEFAULTS "Authorization: Bearer abc\r\n\r\n"},
        {"path: /\njson: {n: 1, s: '1', t: true, z: null, e: , u: ~, l: [a, {b: \"q\\\"\\n\"}], "
         "v: '%{iteration}', w: '%{agent:05d}', m: 'ag-%{agent}'}",
         "POST / HTTP/1.1\r\nHost: api.test\r\n" DEFAULTS
         "Content-Type: application/json\r\nContent-Length: 108\r\n\r\n"
         "{\"n\":1,\"s\":\"1\",\"t\":true,\"z\":null,\"e\":null,\"u\":\"~\",\"l\":[\"a\",{\"b\":"
         "\"q\\\"\\u000a\"}],\"v\":6,\"w\":\"00042\",\"m\":\"ag-42\"}"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct made m;
        char out[4096], why[WHY_MAX];

        make(&m, &target, cases[i].yaml);
        if (!m.r)
            fail_msg("%s: %s", cases[i].yaml, m.d.first->text);
        if (strcmp(render(&m, out, sizeof(out), why), cases[i].message) != 0)
            fail_msg("%s:\n%s\nexpected\n%s", cases[i].yaml, out, cases[i].message);
        arena_free(&m.arena);
    }
}

static void the_authority_has_its_port_when_it_must(void **state)
{
    static const struct target v6 = {
        .name = "a", .scheme = "http", .host = "::1", .port = 8080, .path = "/"};
    static const struct target odd = {.name = "a",
                                      .scheme = "https",
                                      .host = "h",
                                      .port = 80,
                                      .path = "/",
                                      .userinfo = "me:%{x}"};
    struct buf url = {0}, headers = {0}, body = {0};
    struct template_values v = {0};
    char why[WHY_MAX];
    struct made m;

    (void)state;
    make(&m, &v6, "{}");
    assert_non_null(strstr(m.r->bytes, "\r\nHost: [::1]:8080\r\n"));
    arena_free(&m.arena);
    make(&m, &odd, "body: x\n");
    assert_non_null(strstr(m.r->bytes, "\r\nHost: h:80\r\n"));
    assert_non_null(strstr(m.r->bytes, "Authorization: Basic bWU6JXt4fQ==\r\n"));
    assert_true(request_pieces(m.r, &v, &url, &headers, &body, why));
    assert_string_equal(url.data, "https://h:80/");
    assert_string_equal(headers.data, "User-Agent: shakedown");
    assert_string_equal(headers.data + strlen(headers.data) + 1, "Accept: */*");
    assert_string_equal(body.data, "x");
    buf_free(&url);
    buf_free(&headers);
    buf_free(&body);
    arena_free(&m.arena);
}

static void mistakes_are_reported(void **state)
{
    static const char *const cases[][2] = {
        {"method: get", "http.method: methods are case-sensitive (did you mean \"GET\"?)"},
        {"method: G T", "is not a method"},
        {"path: a", "http.path: \"a\" does not start with \"/\""},
        {"path: /a b", "percent-encode it"},
        {"headers: {X: \"a\\r\\nY: b\"}", "a header value has a line end in it"},
        {"headers: {'X Y': b}", "cannot name a header"},
        {"headers: {content-length: 3}", "follows from the body"},
        {"body: a\njson: {}", "give one of body, body_file and json"},
        {"body_file: /nonexistent/file", "http.body_file: cannot read"},
        {"auth: {basic: 'a:b', bearer: c}", "give one of basic and bearer"},
        {"auth: {bearer: c}\nheaders: {Authorization: x}", "there is an authorization header"},
        {"json: {a: {b: '%{nothing}'}}", "http.json.a.b: "},
        {"record: {x: 'jsn:/a'}", "is none of json:/pointer, header:Name and regex:pattern"},
        {"record: {x: {from: 'json:/a', as: gauge}}", "gauge"},
        {"record: {op_ok: 'json:/a'}", "is a metric that every step has"},
        {"record: {'a-b': 'json:/a'}", "cannot name a metric"},
        {"count: {x: {status: 99}}", "is not a status"},
        {"count: {x: {stats: 99}}", "status"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct made m;

        make(&m, &target, cases[i][0]);
        assert_null(m.r);
        if (!m.d.first || !strstr(m.d.first->text, cases[i][1]))
            fail_msg("%s: %s", cases[i][0], m.d.first ? m.d.first->text : "no mistake");
        assert_true(m.d.first->at.line > 0);
        arena_free(&m.arena);
    }
}

/* JSON pieces are all of what a value may bring: quotes, line ends, controls. */
static void json_is_quoted_at_its_worst(void **state)
{
    char yaml[600] = "json: {a: \"", out[4096], why[WHY_MAX];
    struct made m;

    (void)state;
    for (int i = 0; i < 100; i++)
        strcat(yaml, "\\x01");
    strcat(yaml, "%{vu}\"}");
    make(&m, &target, yaml);
    assert_non_null(m.r);
    assert_non_null(render(&m, out, sizeof(out), why));
    assert_string_equal(strstr(out, "\r\n\r\n") + 4 + 6 + 6 * 99, "\\u00012\"}");
    arena_free(&m.arena);
}

static void declared_metrics_are_those_asked_for(void **state)
{
    struct request_opts o = {0};
    struct declared out = {0};
    struct arena arena = {0};
    struct diags d;
    const char *record = "{a: 'json:/a', b: {from: 'header:X', as: trend}}";
    const char *count = "{limited: {status: 429}, a: {}}";

    (void)state;
    diags_init(&d, "suite.yaml", &arena);
    o.record = yaml_parse(record, strlen(record), &arena, &d);
    o.count = yaml_parse(count, strlen(count), &arena, &d);
    request_declare(&o, &arena, &out);
    request_declare(&o, &arena, &out);
    assert_int_equal(out.metric_count, 3);
    assert_string_equal(out.metrics[0]->name, "a");
    assert_int_equal(out.metrics[0]->type, METRIC_COUNTER);
    assert_string_equal(out.metrics[1]->name, "b");
    assert_int_equal(out.metrics[1]->type, METRIC_TREND);
    assert_string_equal(out.metrics[2]->name, "limited");
    arena_free(&arena);
}

UNIT_GROUP(request, cmocka_unit_test(messages_are_as_asked),
           cmocka_unit_test(the_authority_has_its_port_when_it_must),
           cmocka_unit_test(mistakes_are_reported), cmocka_unit_test(json_is_quoted_at_its_worst),
           cmocka_unit_test(declared_metrics_are_those_asked_for))

#include "unit.h"

#include <string.h>

#include "base/arena.h"
#include "base/redact.h"
#include "driver/target.h"

struct good {
    const char *url, *scheme, *host, *path, *clean, *userinfo;
    int port;
};

static bool init(struct target *t, const struct target_opts *o, struct arena *arena,
                 struct diags *d)
{
    static const struct node at = {.type = NODE_MAP, .at = {3, 5}};

    *t = (struct target){0};
    diags_init(d, "suite.yaml", arena);
    return target_init(t, "edge", o, &at, d);
}

static void urls_are_taken_apart(void **state)
{
    static const struct good cases[] = {
        {"https://Edge.Test/", "https", "edge.test", "/", "https://Edge.Test/", NULL, 443},
        {"http://h", "http", "h", "/", "http://h/", NULL, 80},
        {"http://127.0.0.1:8080/a?b=c", "http", "127.0.0.1", "/a?b=c", NULL, NULL, 8080},
        {"https://[::1]:8443/x", "https", "::1", "/x", NULL, NULL, 8443},
        {"https://me:s%40cret@h/", "https", "h", "/", "https://h/", "me:s@cret", 443},
        {"wss://h/ws", "wss", "h", "/ws", NULL, NULL, 443},
        {"postgres://u:pw1234@db/name", "postgres", "db", "/name", NULL, "u:pw1234", 5432},
        {"sqlite:run/x.db", "sqlite", "", "run/x.db", NULL, NULL, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct good *c = &cases[i];
        struct target_opts o = {.url = c->url};
        struct arena arena = {0};
        struct target t;
        struct diags d;

        if (!init(&t, &o, &arena, &d))
            fail_msg("%s: %s", c->url, d.first->text);
        assert_string_equal(t.scheme, c->scheme);
        assert_string_equal(t.host, c->host);
        assert_string_equal(t.path, c->path);
        assert_int_equal(t.port, c->port);
        if (c->clean)
            assert_string_equal(t.url, c->clean);
        assert_int_equal(!c->userinfo, !t.userinfo);
        if (c->userinfo)
            assert_string_equal(t.userinfo, c->userinfo);
        arena_free(&arena);
    }
    redact_reset();
}

static void mistakes_are_reported(void **state)
{
    static const char *one[] = {"127.0.0.300"};
    const struct {
        struct target_opts o;
        const char *text;
    } cases[] = {
        {{.url = "edge.test/"}, "it has no scheme (try \"https://edge.test/\")"},
        {{.url = "localhost:8080"}, "it has no scheme"},
        {{.url = "http://"}, "there is no valid host in it"},
        {{.url = "http:///x"}, "there is no host in it"},
        {{.url = "http://h:0/"}, "1 to 65535"},
        {{.url = "http://h:65536/"}, "1 to 65535"},
        {{.url = "http://h:x/"}, "1 to 65535"},
        {{.url = "http://a b/"}, "\"http://a b/\": "},
        {{.url = "http://h/#x"}, "a fragment (#...) is never sent"},
        {{.url = "http://me:pw@h:0/"}, "targets.edge.url: \"...\": "},
        {{.url = "http://h/", .connect_to = "h"}, "connect_to: \"h\" is not host:port"},
        {{.url = "http://h/", .connect_to = "::1:80"}, "is not host:port"},
        {{.url = "http://h/", .source = {one, 1}}, "source: \"127.0.0.300\" is not an IP address"},
        {{.url = "https://h/", .tls = {.key = "k"}}, "a key without its cert"},
        {{.url = "https://h/", .tls = {.min_version = 2, .max_version = 1}},
         "min_version is above max_version"},
        {{.url = "https://h/", .tls = {.ciphers = "HIGH:!RC4:-kRSA:@SECLEVEL=1:HIHG"}},
         "tls.ciphers: OpenSSL knows no cipher \"HIHG\""},
        {{.url = "https://h/", .tls = {.ciphers = "TLS_AES_128_GCM_SHA256 TLS_AES_129"}},
         "tls.ciphers: OpenSSL knows no cipher \"TLS_AES_129\""},
        {{.url = "https://h/", .tls = {.groups = "X25519:P-265"}},
         "tls.groups: OpenSSL knows no group \"P-265\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arena arena = {0};
        struct target t;
        struct diags d;

        assert_false(init(&t, &cases[i].o, &arena, &d));
        if (!strstr(d.first->text, cases[i].text))
            fail_msg("%s: %s", cases[i].o.url, d.first->text);
        assert_null(strstr(d.first->text, "pw@"));
        assert_int_equal(d.first->at.line, 3);
        arena_free(&arena);
    }
}

UNIT_GROUP(target, cmocka_unit_test(urls_are_taken_apart), cmocka_unit_test(mistakes_are_reported))

#include "unit.h"

#include <string.h>

#include "base/arena.h"
#include "base/redact.h"
#include "base/err.h"
#include "driver/expect.h"

static const char head[] = "HTTP/1.1 503 Busy\r\nContent-Type: application/json; charset=x\r\n"
                           "X-Left: 12.5\r\n\r\n";
static const char body[] =
    "{\"status\": \"deployed\", \"n\": 3, \"big\": 9007199254740993, \"f\": 0.5,"
    " \"on\": true, \"off\": null, \"list\": [1, {\"a/b\": \"x~y\"}], \"empty\": []}";

static struct answer answer(void)
{
    return (struct answer){.status = 503,
                           .head = head,
                           .head_len = sizeof(head) - 1,
                           .body = body,
                           .body_len = sizeof(body) - 1};
}

static struct node *parse(const char *yaml, struct arena *arena, struct diags *d)
{
    struct node *n;

    diags_init(d, "suite.yaml", arena);
    n = yaml_parse(yaml, strlen(yaml), arena, d);
    if (!n)
        fail_msg("%s", d->first->text);
    return n;
}

static struct expect *compile(const char *yaml, struct arena *arena, struct diags *d)
{
    struct node *n = parse(yaml, arena, d);
    struct expect_opts o = {0};
    struct bind b = {.arena = arena, .diags = d};

    if (!opt_bind(expect_table, NULL, n, "expect", &o, &b))
        return NULL;
    return expect_compile(&o, true, n, "expect", arena, d);
}

struct verdict {
    const char *yaml;
    const char *why; /* NULL: met */
    int met;         /* explicit parts */
};

static void parts_are_judged(void **state)
{
    static const struct verdict cases[] = {
        {"{}", "status 503, expected 200-399", 0},
        {"status: 503", NULL, 1},
        {"status: 5xx", NULL, 1},
        {"status: [200, 500-503]", NULL, 1},
        {"status: [200, 404]", "status 503, expected 200 or 404", 0},
        {"status: 503\nheader: {content-type: application/json}", NULL, 2},
        {"status: 503\nheader: {content-type: ^text}", "expected \"^text\"", 1},
        {"status: 503\nheader: {x-left: ''}", NULL, 2},
        {"status: 503\nheader: {x-none: ''}", "no header x-none", 1},
        {"status: 503\nbody: '\"n\": \\d,'", NULL, 2},
        {"status: 503\nbody: deployed", NULL, 2},
        {"status: 503\nbody: lost", "\"lost\" is not in the body of", 1},
        {"status: 503\njson: {/status: deployed, /n: 3, /f: 5e-1, /on: true, /off: null}", NULL, 6},
        {"status: 503\njson: {/n: '3'}", "json /n is 3, expected \"3\"", 1},
        {"status: 503\njson: {/off: 'null'}", "json /off is null, expected \"null\"", 1},
        {"status: 503\njson: {/status: gone}", "json /status is \"deployed\", expected gone", 1},
        {"status: 503\njson: {/big: 9007199254740992}", "json /big is", 1},
        {"status: 503\njson: {/big: 9007199254740993}", NULL, 2},
        {"status: 503\njson: {/list/0: 1, '/list/1/a~1b': x~y}", NULL, 3},
        {"status: 503\njson: {/list: [1, {a/b: x~y}], /empty: []}", NULL, 3},
        {"status: 503\njson: {/list: [1]}", "which is not as expected", 1},
        {"status: 503\njson: {/list/00: 1}", "no json /list/00", 1},
        {"status: 503\njson: {/absent: 1}", "no json /absent", 1},
        {"status: 503\njson: {/off: false}", "json /off is null, expected false", 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arena arena = {0};
        struct diags d;
        struct expect *x = compile(cases[i].yaml, &arena, &d);
        struct answer a = answer();
        char why[WHY_MAX] = "";
        int met = -1;
        bool ok;

        if (!x)
            fail_msg("%s: %s", cases[i].yaml, d.first->text);
        ok = expect_judge(x, &a, &met, why);
        if (ok != !cases[i].why || met != cases[i].met ||
            (cases[i].why && !strstr(why, cases[i].why)))
            fail_msg("%s: %d \"%s\" %d", cases[i].yaml, ok, why, met);
        answer_release(&a);
        arena_free(&arena);
    }
}

static void mistakes_are_reported(void **state)
{
    static const char *const cases[][2] = {
        {"status: [20, 200]", "expect.status: \"20\" is not a status"},
        {"status: 6xx", "is not a status"},
        {"status: 300-200", "is not a status"},
        {"body: '(a'", "expect.body: \"(a\" is not a pattern"},
        {"header: {x: '['}", "expect.header.x: \"[\" is not a pattern"},
        {"json: {status: 1}", "\"status\" is not a JSON pointer (try \"/status\")"},
        {"json: [1]", "expected a map from JSON pointers"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arena arena = {0};
        struct diags d;

        assert_null(compile(cases[i][0], &arena, &d));
        if (!strstr(d.first->text, cases[i][1]))
            fail_msg("%s: %s", cases[i][0], d.first->text);
        assert_int_equal(d.first->at.line, 1);
        arena_free(&arena);
    }
}

static void a_cut_or_broken_body_is_no_json(void **state)
{
    struct arena arena = {0};
    struct diags d;
    struct expect *x = compile("status: 503\njson: {/n: 3}", &arena, &d);
    struct answer a = answer();
    char why[WHY_MAX];

    (void)state;
    a.cut = true;
    assert_false(expect_judge(x, &a, NULL, why));
    assert_non_null(strstr(why, "longer than max_body"));
    answer_release(&a);
    a = answer();
    a.body_len -= 1;
    assert_false(expect_judge(x, &a, NULL, why));
    assert_string_equal(why, "the body is not JSON");
    answer_release(&a);
    arena_free(&arena);
}

static void a_coded_body_names_its_coding(void **state)
{
    static const char coded[] = "HTTP/1.1 503 Busy\r\ncontent-encoding: gzip\r\n\r\n";
    struct arena arena = {0};
    struct answer a = {.status = 503,
                       .head = coded,
                       .head_len = sizeof(coded) - 1,
                       .body = "\x1f\x8b\x08",
                       .body_len = 3,
                       .quote = true};
    char why[WHY_MAX], missing[80];
    struct source s;
    struct diags d;
    struct err e;
    struct expect *x = compile("status: 503\njson: {/n: 3}", &arena, &d);

    (void)state;
    assert_true(expect_needs_head(x));
    assert_false(expect_judge(x, &a, NULL, why));
    assert_string_equal(why, "the body is not JSON (Content-Encoding: gzip, which is not decoded: "
                             "send Accept-Encoding: identity)");
    assert_true(source_parse(&s, "json:/n", &arena, &e));
    source_missing(&s, &a, 16, missing);
    assert_string_equal(missing, "the body is not JSON (Content-Encoding: gzip)");
    arena_free(&arena);
}

/* A secret that the quotation would cut in two is found before it is. */
static void a_quoted_body_has_no_secrets(void **state)
{
    char text[200] = "", quoted[QUOTED_ROOM];
    struct answer a = {.body = text};

    (void)state;
    redact_add("sesame-and-lilies");
    memset(text, 'y', QUOTED_MAX - 3);
    strcpy(text + QUOTED_MAX - 3, "sesame-and-lilies, and more");
    a.body_len = strlen(text);
    answer_quote(&a, quoted);
    assert_null(strstr(quoted, "yses"));
    assert_string_equal(quoted + QUOTED_MAX - 5, "yy***...");
    redact_reset();
}

static void sources_are_read(void **state)
{
    struct arena arena = {0};
    struct answer a = answer();
    struct source s;
    struct err e;
    char text[16];
    double n;

    (void)state;
    assert_true(source_parse(&s, "json:/n", &arena, &e));
    assert_true(source_number(&s, &a, &n));
    assert_true(n == 3);
    assert_true(source_text(&s, &a, text, sizeof(text)));
    assert_string_equal(text, "3");
    assert_true(source_parse(&s, "json:/status", &arena, &e));
    assert_false(source_number(&s, &a, &n));
    assert_true(source_text(&s, &a, text, sizeof(text)));
    assert_string_equal(text, "deployed");
    assert_false(source_text(&s, &a, text, 8));
    assert_true(source_parse(&s, "header:x-left", &arena, &e));
    assert_true(source_number(&s, &a, &n));
    assert_true(n == 12.5);
    assert_false(source_parse(&s, "jsn:/n", &arena, &e));
    assert_string_equal(e.text,
                        "\"jsn:/n\" is none of json:/pointer, header:Name and regex:pattern");
    answer_release(&a);
    arena_free(&arena);
}

static bool finds(const char *source, const char *expected)
{
    struct arena arena = {0};
    struct answer a = answer();
    struct source s;
    struct err e;
    char text[16];
    bool found;

    assert_true(source_parse(&s, source, &arena, &e));
    found = source_text(&s, &a, text, sizeof(text));
    if (found)
        assert_string_equal(text, expected);
    arena_free(&arena);
    return found;
}

static void a_missing_field_says_how(void **state)
{
    static const char *const cases[][2] = {
        {"header:x-gone", "no header x-gone"},
        {"header:x-none", "header x-none is empty"},
        {"header:x-long", "header x-long has more than 7 bytes"},
    };
    static const char fields[] = "HTTP/1.1 200 OK\r\nX-None:\r\nX-Long: 12345678\r\n\r\n";
    struct answer a = {.head = fields, .head_len = sizeof(fields) - 1};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arena arena = {0};
        char text[8], missing[80];
        struct source s;
        struct err e;

        assert_true(source_parse(&s, cases[i][0], &arena, &e));
        assert_false(source_text(&s, &a, text, sizeof(text)));
        source_missing(&s, &a, sizeof(text), missing);
        assert_string_equal(missing, cases[i][1]);
        arena_free(&arena);
    }
}

static void patterns_find_their_first_group(void **state)
{
    (void)state;
    assert_true(finds("regex:\"status\": *\"(\\w+)\"", "deployed"));
    assert_true(finds("regex:dep[a-z]+", "deployed"));
    assert_true(finds("regex:(d)(e)(p)", "d"));
    assert_true(finds("regex:ployed", "ployed"));
    assert_false(finds("regex:gone(.*)", ""));
}

UNIT_GROUP(expect, cmocka_unit_test(parts_are_judged), cmocka_unit_test(mistakes_are_reported),
           cmocka_unit_test(a_cut_or_broken_body_is_no_json),
           cmocka_unit_test(a_coded_body_names_its_coding),
           cmocka_unit_test(a_quoted_body_has_no_secrets), cmocka_unit_test(sources_are_read),
           cmocka_unit_test(a_missing_field_says_how),
           cmocka_unit_test(patterns_find_their_first_group))

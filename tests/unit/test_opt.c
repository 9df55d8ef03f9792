#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/arena.h"
#include "base/buf.h"
#include "spec/opt.h"
#include "spec/template.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define S        INT64_C(1000000000)

struct target { /* stands in for the real one: opt only passes the pointer on */
    const char *name;
};

struct inner {
    int64_t depth;
    const char *word;
};

struct all {
    bool flag;
    int64_t count, pause, room;
    double rate, share;
    const char *word, *file, *token;
    int mode;
    struct texts list, files;
    const struct template *path;
    struct named_templates headers;
    const struct target *target;
    struct inner inner;
    const struct node *any;
    bool word_given;
};

static const char *const modes[] = {"keep", "new", "resume", NULL};

#define OPT_OF struct inner
static const struct opt inner_table[] = {
    OPT_INT(depth, "3", "how deep", .min = 1, .max = 9),
    OPT_TEXT(word, NULL, "a word", .flags = OPT_REQUIRED),
    {0},
};
#undef OPT_OF

#define OPT_OF struct all
static const struct opt table[] = {
    OPT_BOOL(flag, "true", "a flag"),
    OPT_INT(count, "10", "a count", .min = 0, .max = 100),
    OPT_DURATION(pause, "1m30s", "a pause", .min = S, .max = 3600 * S),
    OPT_SIZE(room, "64KiB", "room", .min = 1, .max = 1 << 20),
    OPT_RATE(rate, "5/s", "a rate"),
    OPT_RATIO(share, "1%", "a share"),
    OPT_TEXT(word, "x", "a word", OPT_GIVEN(word_given)),
    OPT_TEXT(file, NULL, "a file", .flags = OPT_PATH),
    OPT_TEXT(token, NULL, "a token", .flags = OPT_SECRET),
    OPT_CHOICE(mode, "new", "a mode", .choices = modes),
    OPT_TEXTS(list, "a list"),
    OPT_TEXTS(files, "files", .flags = OPT_PATH),
    OPT_TEMPLATE(path, "/", "a path"),
    OPT_TEMPLATES(headers, "headers"),
    OPT_TARGET(target, "a target"),
    OPT_SUB(inner, struct inner, inner_table, "more"),
    OPT_NODE(any, "anything", .schema_ref = "whatever"),
    {0},
};
#undef OPT_OF

static const struct target api = {"api"};
static struct arena arena;
static struct diags diags;
static struct all out;

static const struct target *find_target(const void *ctx, const char *name, const char **nearest)
{
    static const char *const names[] = {"api", NULL};

    (void)ctx;
    if (strcmp(name, api.name) == 0)
        return &api;
    *nearest = opt_nearest(name, names);
    return NULL;
}

static struct bind binding(void)
{
    return (struct bind){.arena = &arena, .diags = &diags, .dir = "suites", .target = find_target};
}

static bool bind_node(const struct node *n)
{
    static const char *const others[] = {"load", "name", NULL};
    struct bind b = binding();

    out = (struct all){0};
    return opt_bind(table, others, n, "p", &out, &b);
}

static bool bind_text(const char *text)
{
    const struct node *n;

    diags_init(&diags, "s.yaml", &arena);
    n = yaml_parse(text, strlen(text), &arena, &diags);
    if (!n)
        fail_msg("no YAML: %s", text);
    return bind_node(n);
}

static const char *mistakes(void)
{
    static char text[8192];
    size_t at = 0;

    text[0] = '\0';
    for (const struct diag *d = diags.first; d; d = d->next)
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%d:%d: %s", at ? "\n" : "",
                               d->at.line, d->at.col, d->text);
    return text;
}

static int end(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static void defaults_go_through_the_parser(void **state)
{
    (void)state;
    assert_true(bind_text("{}"));
    assert_true(out.flag);
    assert_int_equal(out.count, 10);
    assert_int_equal(out.pause, 90 * S);
    assert_int_equal(out.room, 65536);
    assert_true(out.rate >= 5 && out.rate <= 5);
    assert_true(out.share > 0.0099 && out.share < 0.0101);
    assert_string_equal(out.word, "x");
    assert_null(out.file);
    assert_int_equal(out.mode, 1);
    assert_int_equal(out.list.n, 0);
    assert_string_equal(template_constant(out.path), "/");
    assert_null(out.target);
    assert_int_equal(out.inner.depth, 3);
    assert_null(out.any);
    assert_false(out.word_given);
}

static void every_type_binds(void **state)
{
    (void)state;
    if (!bind_text(
            "name: somebody else's\nflag: false\ncount: \"7\"\npause: 2s\nroom: 1KiB\nrate: 60/m\n"
            "share: 0.5\nword: 10\nfile: ../x.csv\ntoken: abc\nmode: resume\nlist: one\n"
            "files: [a.sql, /b.sql]\npath: /v/%{iteration}\nheaders: {A: b, C: \"%{uuid}\"}\n"
            "target: api\ninner: {word: w, depth: 9}\nany: [1, {a: b}]\n"))
        fail_msg("%s", mistakes());
    assert_false(out.flag);
    assert_int_equal(out.count, 7);
    assert_int_equal(out.pause, 2 * S);
    assert_int_equal(out.room, 1024);
    assert_true(out.rate > 0.999 && out.rate < 1.001);
    assert_string_equal(out.word, "10");
    assert_true(out.word_given);
    assert_string_equal(out.file, "suites/../x.csv");
    assert_int_equal(out.mode, 2);
    assert_int_equal(out.list.n, 1);
    assert_string_equal(out.list.v[0], "one");
    assert_int_equal(out.files.n, 2);
    assert_string_equal(out.files.v[0], "suites/a.sql");
    assert_string_equal(out.files.v[1], "/b.sql");
    assert_null(template_constant(out.path));
    assert_int_equal(out.headers.n, 2);
    assert_string_equal(out.headers.names[1], "C");
    assert_string_equal(template_constant(out.headers.values[0]), "b");
    assert_ptr_equal(out.target, &api);
    assert_string_equal(out.inner.word, "w");
    assert_int_equal(out.inner.depth, 9);
    assert_int_equal(out.any->count, 2);
}

static void each_mistake_has_its_message(void **state)
{
    static const struct {
        const char *text, *mistake;
    } t[] = {
        {"flag: yes", "1:7: p.flag: \"yes\" is neither true nor false"},
        {"count: 1.5", "1:8: p.count: \"1.5\" is not a whole number (try 10)"},
        {"count: 101", "1:8: p.count: \"101\" is out of range (0 to 100)"},
        {"count: -1", "1:8: p.count: \"-1\" is out of range (0 to 100)"},
        {"count:", "1:7: p.count: has no value (write \"\" for empty text)"},
        {"count: \"\"", "1:8: p.count: \"\" is not a whole number (try 10)"},
        {"count: [1]", "1:8: p.count: expected a whole number, not a list"},
        {"pause: 30", "1:8: p.pause: \"30\" needs a unit (did you mean 30s or 30ms?)"},
        {"pause: soon", "1:8: p.pause: \"soon\" is not a duration (try 30s or 1m30s)"},
        {"pause: 2h", "1:8: p.pause: \"2h\" is out of range (1s to 1h)"},
        {"room: 1K", "1:7: p.room: \"1K\" is not a size (try 64KiB or 1MB)"},
        {"room: 2MiB", "1:7: p.room: \"2MiB\" is out of range (1 to 1MiB)"},
        {"rate: 10/x", "1:7: p.rate: \"10/x\" is not a rate (try 200/s or 12k/m)"},
        {"share: much", "1:8: p.share: \"much\" is not a ratio (try 1% or 0.01)"},
        {"word: {a: b}", "1:7: p.word: expected text, not a map"},
        {"mode: resum",
         "1:7: p.mode: \"resum\" is not one of keep, new, resume (did you mean \"resume\"?)"},
        {"mode: other", "1:7: p.mode: \"other\" is not one of keep, new, resume"},
        {"list: [a, [b]]", "1:11: p.list[1]: expected text, not a list"},
        {"list: {a: b}", "1:7: p.list: expected a list of text, not a map"},
        {"path: \"%{agnt}\"",
         "1:7: p.path: \"%{agnt}\": nothing is called \"agnt\" here (did you mean \"agent\"?)"},
        {"headers: {A: \"%{x\"}",
         "1:14: p.headers.A: \"%{x\" has no closing brace (write %%{ for the text itself)"},
        {"headers: [a]", "1:10: p.headers: expected a map from names to text"},
        {"target: apo",
         "1:9: p.target: \"apo\" is not declared under targets (did you mean \"api\"?)"},
        {"target: elsewhere", "1:9: p.target: \"elsewhere\" is not declared under targets"},
        {"inner: {word: w, depth: 10}", "1:25: p.inner.depth: \"10\" is out of range (1 to 9)"},
        {"inner: {depth: 1}", "1:8: p.inner: \"word\" is missing"},
        {"inner:", "1:7: p.inner: \"word\" is missing"},
        {"inner: w", "1:8: p.inner: expected a map of options"},
        {"- a", "1:1: p: expected a map of options"},
        {"puase: 1s", "1:1: p: no option \"puase\" (did you mean \"pause\"?)"},
        {"laod: 1s", "1:1: p: no option \"laod\" (did you mean \"load\"?)"},
        {"unrelated: 1s", "1:1: p: no option \"unrelated\""},
        {"word: 0123456789012345678901234567890123456789012345678901234567890123456789\n"
         "count: 01234567890123456789012345678901234567890123456789012345678901234567890",
         "2:8: p.count: \"012345678901234567890123456789012345678901234567890123456...\" is not a "
         "whole "
         "number (try 10)"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(t); i++) {
        if (bind_text(t[i].text))
            fail_msg("accepted: %s", t[i].text);
        assert_string_equal(mistakes(), t[i].mistake);
    }
}

static void all_mistakes_come_at_once(void **state)
{
    (void)state;
    assert_false(bind_text("count: x\nlatancy: 1\ninner: {dpeth: 1}\npause: 3"));
    assert_string_equal(mistakes(), "1:8: p.count: \"x\" is not a whole number (try 10)\n"
                                    "2:1: p: no option \"latancy\"\n"
                                    "3:8: p.inner: \"word\" is missing\n"
                                    "3:9: p.inner: no option \"dpeth\" (did you mean \"depth\"?)\n"
                                    "4:8: p.pause: \"3\" needs a unit (did you mean 3s or 3ms?)");
    assert_int_equal(out.count, 10);
}

/* A text that came from a secret, and an option that holds one, are not echoed. */
static void secrets_stay_out_of_messages(void **state)
{
    struct node *n, *leaf;
    static const char *const texts[] = {"flag",  "count", "pause",  "room", "rate",
                                        "share", "mode",  "target", "path"};

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        char text[64];

        snprintf(text, sizeof(text), "%s: \"%s\"", texts[i], i == 2 ? "31337" : "%{31337}");
        diags_init(&diags, "s.yaml", &arena);
        n = yaml_parse(text, strlen(text), &arena, &diags);
        leaf = n->first;
        leaf->secret = true;
        assert_false(bind_node(n));
        assert_int_equal(diags.errors, 1);
        assert_null(strstr(mistakes(), "31337"));
        assert_non_null(strstr(mistakes(), "the value"));
    }
}

static void deferred_values_are_accepted_unseen(void **state)
{
    static const char text[] = "count: x\nmode: x\npath: x\ntarget: x\ninner: x\nlist: [a, x]\n"
                               "headers: {a: x}\npause: x\n";
    struct node *n;

    (void)state;
    diags_init(&diags, "s.yaml", &arena);
    n = yaml_parse(text, strlen(text), &arena, &diags);
    for (struct node *c = n->first; c; c = c->next) {
        struct node *leaf = c->type == NODE_SCALAR ? c
                            : c->type == NODE_MAP  ? c->first
                                                   : c->first->next;

        leaf->deferred = true;
        leaf->text = "";
    }
    if (!bind_node(n))
        fail_msg("%s", mistakes());
    assert_int_equal(out.count, 10);
    assert_int_equal(out.mode, 1);
    assert_int_equal(out.list.n, 2);
    assert_string_equal(out.list.v[1], "");
    assert_string_equal(template_constant(out.headers.values[0]), "");
}

static void nearest_is_within_two_edits(void **state)
{
    static const char *const names[] = {"latency", "jitter", "vus", "", NULL};

    (void)state;
    assert_string_equal(opt_nearest("latancy", names), "latency");
    assert_string_equal(opt_nearest("ltaenyc", names), "latency");
    assert_null(opt_nearest("ltaenycx", names));
    assert_string_equal(opt_nearest("jiter", names), "jitter");
    assert_string_equal(opt_nearest("uvs", names), "vus");
    assert_null(opt_nearest("vxy", names));
    assert_null(opt_nearest("", names));
    assert_null(opt_nearest("latency", NULL));
}

static void a_beginning_is_near_if_it_is_the_only_one(void **state)
{
    static const char *const names[] = {"constant-vus", "constant-arrival-rate", NULL};
    char hint[OPT_HINT_MAX];

    (void)state;
    assert_string_equal(opt_nearest("constant-arrival", names), "constant-arrival-rate");
    assert_null(opt_nearest("constant", names));
    assert_null(opt_nearest("arrival", names));
    assert_string_equal(opt_hint("constant-vu", names, "", hint),
                        " (did you mean \"constant-vus\"?)");
    assert_string_equal(opt_hint("ramp", names, "; no", hint), "; no");
}

static char *printed(void (*print)(const struct opt *, FILE *))
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    print(table, f);
    fclose(f);
    return text;
}

static void help_shows_types_ranges_and_defaults(void **state)
{
    char *text = printed(opt_print_help);

    (void)state;
    assert_non_null(strstr(text, "  count    number    a count (0 to 100; default 10)\n"));
    assert_non_null(
        strstr(text, "  mode     choice    a mode (one of keep, new, resume; default new)\n"));
    assert_non_null(strstr(text, "  inner    map       more\n    depth  number    how deep"));
    assert_non_null(strstr(text, "    word   text      a word (required)\n"));
    free(text);
    text = printed(opt_print_markdown);
    assert_non_null(strstr(text, "| `inner.depth` | number | how deep (1 to 9; default 3) |\n"));
    free(text);
}

static void schema_describes_the_table(void **state)
{
    json_t *s = opt_schema(table), *p = json_object_get(s, "properties"), *row;
    json_t *count = json_object_get(p, "count"), *first;

    (void)state;
    assert_true(json_is_false(json_object_get(s, "additionalProperties")));
    assert_null(json_object_get(s, "required"));
    assert_int_equal(json_object_size(p), COUNT(table) - 1);
    assert_int_equal(json_integer_value(json_object_get(count, "default")), 10);
    first = json_array_get(json_object_get(count, "anyOf"), 0);
    assert_int_equal(json_integer_value(json_object_get(first, "maximum")), 100);
    row = json_object_get(p, "inner");
    assert_string_equal(json_string_value(json_array_get(json_object_get(row, "required"), 0)),
                        "word");
    row = json_object_get(p, "any");
    first = json_array_get(json_object_get(row, "allOf"), 0);
    assert_string_equal(json_string_value(json_object_get(first, "$ref")),
                        "#/definitions/whatever");
    assert_string_equal(json_string_value(json_object_get(row, "description")), "anything");
    json_decref(s);
}

UNIT_GROUP(opt, cmocka_unit_test_teardown(defaults_go_through_the_parser, end),
           cmocka_unit_test_teardown(every_type_binds, end),
           cmocka_unit_test_teardown(each_mistake_has_its_message, end),
           cmocka_unit_test_teardown(all_mistakes_come_at_once, end),
           cmocka_unit_test_teardown(secrets_stay_out_of_messages, end),
           cmocka_unit_test_teardown(deferred_values_are_accepted_unseen, end),
           cmocka_unit_test(nearest_is_within_two_edits),
           cmocka_unit_test(a_beginning_is_near_if_it_is_the_only_one),
           cmocka_unit_test(help_shows_types_ranges_and_defaults),
           cmocka_unit_test(schema_describes_the_table))

#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "spec/yaml.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct arena arena;
static struct diags diags;

static struct node *parse(const char *text)
{
    diags_init(&diags, "s.yaml", &arena);
    return yaml_parse(text, strlen(text), &arena, &diags);
}

static int end(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

/* All diagnostics as "line:col: text\n...". */
static const char *mistakes(void)
{
    static char text[4096];
    size_t at = 0;

    text[0] = '\0';
    for (const struct diag *d = diags.first; d; d = d->next)
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%d:%d: %s", at ? "\n" : "",
                               d->at.line, d->at.col, d->text);
    return text;
}

static void print(const struct node *n, struct buf *out)
{
    if (n->type == NODE_SCALAR) {
        buf_printf(out, n->quoted ? "'%s'" : "%s", n->raw);
        return;
    }
    buf_adds(out, n->type == NODE_MAP ? "{" : "[");
    for (const struct node *c = n->first; c; c = c->next) {
        if (c != n->first)
            buf_adds(out, ", ");
        if (n->type == NODE_MAP)
            buf_printf(out, "%s: ", c->key);
        print(c, out);
    }
    buf_adds(out, n->type == NODE_MAP ? "}" : "]");
}

static void accepted_documents(void **state)
{
    static const struct {
        const char *text, *tree;
    } t[] = {
        {"a: 1\n", "{a: 1}"},
        {"\xef\xbb\xbf"
         "a: 1\n",
         "{a: 1}"},
        {"---\na: 1\n...\n", "{a: 1}"},
        {"a: no\nb: 1.10\nc:\nd: ~\n", "{a: no, b: 1.10, c: , d: ~}"},
        {"a: \"x\"\nb: 'y'\nc: |\n  z\nd: >\n  w\n", "{a: 'x', b: 'y', c: 'z\n', d: 'w\n'}"},
        {"- a\n- [b, {c: d}]\n", "[a, [b, {c: d}]]"},
        {"a: ${x}\nb: p(99)<=${y}\nc: \"%{id}\"\nd: 50%\n",
         "{a: ${x}, b: p(99)<=${y}, c: '%{id}', d: 50%}"},
        {"a: &x {k: 1}\nb: *x\n", "{a: {k: 1}, b: {k: 1}}"},
        {"a: &x v\n*x : w\n", "{a: v, v: w}"},
        {"a: &x 1\nb: &x 2\nc: *x\n", "{a: 1, b: 2, c: 2}"},
        {"base: &b {k: 1, l: 2}\nm: {<<: *b, k: 9}\n", "{base: {k: 1, l: 2}, m: {k: 9, l: 2}}"},
        {"m:\n  k: 9\n  <<: [{k: 1, l: 2}, {l: 3, n: 4}]\n", "{m: {k: 9, l: 2, n: 4}}"},
        {"m: {\"<<\": 1}\n", "{m: {<<: 1}}"},
        {"m: {<<: {}}\n", "{m: {}}"},
        {"{}\n", "{}"},
        {"\"\"\n", "''"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(t); i++) {
        const struct node *n = parse(t[i].text);
        struct buf out = {0};

        if (!n)
            fail_msg("refused: %s\n%s", t[i].text, mistakes());
        print(n, &out);
        assert_string_equal(buf_text(&out), t[i].tree);
        assert_string_equal(mistakes(), "");
        buf_free(&out);
    }
}

static void refused_documents(void **state)
{
    static const struct {
        const char *text, *mistake;
    } t[] = {
        {"", "1:1: the file is empty"},
        {"# nothing\n", "1:1: the file is empty"},
        {"---\n", "1:1: the file is empty"},
        {"a: 1\n---\nb: 2\n", "2:1: a second document begins here; a file holds one"},
        {"a:\n\tb: 1\n", "2:1: a tab cannot stand here; indent with spaces"},
        {"a: {[1]: 2}\n",
         "1:5: a key must be plain text: quote this value if its {} or [] are text"},
        {"a: {{x}}\n", "1:5: a key must be plain text: quote this value if its {} or [] are text"},
        {"a: \"x\\0y\"\n", "1:4: a value cannot hold a NUL character"},
        {"a: *nope\nb: *nada\n",
         "1:4: no anchor \"&nope\" stands before this alias: quote this value if it is text\n"
         "2:4: no anchor \"&nada\" stands before this alias: quote this value if it is text"},
        {"a: &x [1, *x]\n", "1:11: anchor \"x\" contains itself"},
        {"a: !!str 1\n",
         "1:4: \"!\" begins a tag, and a suite has none: quote this value if it is text"},
        {"a: {<<: 1}\n", "1:9: \"<<\" merges a map or a list of maps"},
        {"a: \"x\n", "1:4: this quote is never closed"},
        {"a: \"\\d+\"\n",
         "1:5: unknown escape: in double quotes write \\\\ for a backslash, or use single quotes"},
        {"a: b: c\n",
         "1:5: a \": \" cannot stand here: quote this value, or check the indentation"},
        {"a: 1\n b: 2\n",
         "2:3: a \": \" cannot stand here: quote this value, or check the indentation"},
        {"a:\n  b: 1\n c: 2\n",
         "3:2: expected a key of the map that began on line 1: check the indentation"},
        {"a: [1, 2\nb: 3\n", "2:2: expected \",\" or the \"]\" of the \"[\" on line 1"},
        {"a: {b: 1\n", "2:1: expected \",\" or the \"}\" of the \"{\" on line 1"},
        {"a: {b:1}\n", "1:5: write a space after the \":\" in \"b:1\", or quote it"},
        {"a: 1\nb\nc: 2\n", "2:1: expected \"key: value\": is a \":\" or a quote missing?"},
        {"a: \xff\n", "1:4: not valid YAML: invalid leading UTF-8 octet"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(t); i++) {
        if (parse(t[i].text))
            fail_msg("accepted: %s", t[i].text);
        assert_string_equal(mistakes(), t[i].mistake);
    }
}

/* Each of these is what somebody writes who thinks of the suite language and not of YAML. */
static void values_that_need_quotes(void **state)
{
    static const struct {
        const char *text, *mistake;
    } t[] = {
        {"a: {url: ${url}}\n",
         "1:10: quote this value: inside {} or [] the brace of \"${\" begins a map"},
        {"a: {x: 1,\n    path: /v/%{id}}\n",
         "2:14: quote this value: inside {} or [] the brace of \"%{\" begins a map"},
        {"a: [x, ${y}]\n",
         "1:8: quote this value: inside {} or [] the brace of \"${\" begins a map"},
        {"a: {${x}: 1}\n",
         "1:5: quote this value: inside {} or [] the brace of \"${\" begins a map"},
        {"a: %{id}\n", "1:4: a value cannot begin with \"%\": quote this value"},
        {"a: [%{id}]\n", "1:5: a value cannot begin with \"%\": quote this value"},
        {"a: @file\n", "1:4: a value cannot begin with \"@\": quote this value"},
        {"a: `x`\n", "1:4: a value cannot begin with \"`\": quote this value"},
        {"a: */x\n", "1:4: \"*\" begins an alias: quote this value if it is text"},
        {"a: [*.sql]\n", "1:5: \"*\" begins an alias: quote this value if it is text"},
        {"a: >=99%\n", "1:4: \">\" begins a block of text: quote this value if it is text"},
        {"a: >5\n", "1:4: \">\" begins a block of text, and this one is empty: quote this value if "
                    "it is text"},
        {"a: {b: >5}\n", "1:8: a value cannot begin with \">\": quote this value"},
        {"a: &/x\n", "1:4: \"&\" begins an anchor: quote this value if it is text"},
        {"%{id}: 1\n", "1:1: \"%\" begins a directive: quote this value if it is text"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(t); i++) {
        if (parse(t[i].text))
            fail_msg("accepted: %s", t[i].text);
        assert_string_equal(mistakes(), t[i].mistake);
    }
}

static void nul_bytes_are_refused(void **state)
{
    static const char text[] = "a: 1\nb: \0 2\n";

    (void)state;
    diags_init(&diags, "s.yaml", &arena);
    assert_null(yaml_parse(text, sizeof(text) - 1, &arena, &diags));
    assert_string_equal(mistakes(), "2:4: a NUL byte: this is not text in UTF-8");
}

static void a_byte_order_mark_is_no_text(void **state)
{
    const struct node *n = parse("\xef\xbb\xbf"
                                 "a: 1\nb: 2\n");

    (void)state;
    assert_non_null(n);
    assert_string_equal(n->first->key, "a");
    assert_int_equal(n->first->key_at.col, 1);
}

static void first_of_repeated_keys_counts(void **state)
{
    const struct node *n = parse("a: 1\nb: 2\na: 3\nc: {d: 4, d: 5}\n");

    (void)state;
    assert_non_null(n);
    assert_int_equal(n->count, 3);
    assert_string_equal(node_find(n, "a")->raw, "1");
    assert_string_equal(mistakes(),
                        "3:1: key \"a\" is repeated; the first one, on line 1, counts\n"
                        "4:11: key \"d\" is repeated; the first one, on line 4, counts");
}

static void nodes_know_their_places(void **state)
{
    const struct node *n = parse("a: &x\n  - {k: \u00e4, l: v}\nb: *x\n"), *l;

    (void)state;
    l = node_find(node_find(n, "a")->first, "l");
    assert_int_equal(l->at.line, 2);
    assert_int_equal(l->at.col, 15);
    assert_int_equal(l->key_at.col, 12);
    l = node_find(node_find(n, "b")->first, "l");
    assert_int_equal(l->at.line, 2);
    assert_int_equal(node_find(n, "b")->key_at.line, 3);
}

static void laughs_are_bounded(void **state)
{
    struct buf text = {0};

    (void)state;
    buf_adds(&text, "a: &a [1, 2, 3, 4, 5, 6, 7, 8, 9]\n");
    for (char c = 'b'; c <= 'i'; c++) {
        char p = (char)(c - 1);

        buf_printf(&text, "%c: &%c [*%c, *%c, *%c, *%c, *%c, *%c, *%c, *%c, *%c]\n", c, c, p, p, p,
                   p, p, p, p, p, p);
    }
    assert_null(parse(buf_text(&text)));
    assert_int_equal(diags.errors, 1);
    assert_string_equal(diags.first->text,
                        "the document has more than 100000 values, counting those of aliases");
    buf_free(&text);
}

static void depth_is_bounded(void **state)
{
    char text[200];

    (void)state;
    memset(text, '[', 100);
    memset(text + 100, ']', 99);
    text[199] = '\0';
    assert_null(parse(text));
    assert_string_equal(mistakes(), "1:66: nested more than 64 levels deep");
    text[64] = text[130] = '\0';
    memset(text + 60, ']', 60);
    text[120] = '\0';
    assert_non_null(parse(text));
}

/* Each alias is one level deeper than the one before: no bracket nests, but the tree would. */
static void depth_of_aliases_is_bounded(void **state)
{
    struct buf text = {0};

    (void)state;
    buf_adds(&text, "a0: &a0 []\n");
    for (int i = 1; i <= 100; i++)
        buf_printf(&text, "a%d: &a%d [*a%d]\n", i, i, i - 1);
    assert_null(parse(buf_text(&text)));
    assert_int_equal(diags.errors, 1);
    assert_string_equal(diags.first->text, "nested more than 64 levels deep");
    buf_free(&text);
}

static void copies_are_deep(void **state)
{
    const struct node *n = parse("a: {b: [1, 2]}\n");
    struct node *copy = node_copy(n, &arena);

    (void)state;
    assert_ptr_not_equal(copy->first->first->first, n->first->first->first);
    assert_string_equal(copy->first->first->first->next->raw, "2");
    assert_int_equal(copy->first->first->count, 2);
    assert_null(node_find(copy->first->first, "a"));
}

static void mistakes_come_in_file_order_once(void **state)
{
    FILE *out;
    char *text = NULL;
    size_t size;

    (void)state;
    diags_init(&diags, "s.yaml", &arena);
    diag_add(&diags, (struct pos){3, 1}, "third");
    diag_add(&diags, (struct pos){1, 9}, "first \x1b[2J");
    diag_warn(&diags, (struct pos){2, 2}, "second");
    diag_add(&diags, (struct pos){3, 1}, "third");
    diag_add(&diags, (struct pos){0}, "nowhere");
    assert_int_equal(diags.errors, 3);
    assert_int_equal(diags.warnings, 1);
    out = open_memstream(&text, &size);
    diags_print(&diags, out);
    fclose(out);
    assert_string_equal(text, "s.yaml: nowhere\n"
                              "s.yaml:1:9: first ?[2J\n"
                              "s.yaml:2:2: warning: second\n"
                              "s.yaml:3:1: third\n");
    free(text);
}

static void floods_of_mistakes_are_counted(void **state)
{
    FILE *out;
    char *text = NULL;
    size_t size;

    (void)state;
    diags_init(&diags, "s.yaml", &arena);
    for (int i = 1; i <= 600; i++)
        diag_add(&diags, (struct pos){i, 1}, "wrong");
    assert_int_equal(diags.errors, 600);
    out = open_memstream(&text, &size);
    diags_print(&diags, out);
    fclose(out);
    assert_string_equal(text + strlen(text) - strlen("s.yaml: and 100 more\n"),
                        "s.yaml: and 100 more\n");
    free(text);
}

UNIT_GROUP(yaml, cmocka_unit_test_teardown(accepted_documents, end),
           cmocka_unit_test_teardown(refused_documents, end),
           cmocka_unit_test_teardown(values_that_need_quotes, end),
           cmocka_unit_test_teardown(nul_bytes_are_refused, end),
           cmocka_unit_test_teardown(a_byte_order_mark_is_no_text, end),
           cmocka_unit_test_teardown(first_of_repeated_keys_counts, end),
           cmocka_unit_test_teardown(nodes_know_their_places, end),
           cmocka_unit_test_teardown(laughs_are_bounded, end),
           cmocka_unit_test_teardown(depth_is_bounded, end),
           cmocka_unit_test_teardown(depth_of_aliases_is_bounded, end),
           cmocka_unit_test_teardown(copies_are_deep, end),
           cmocka_unit_test_teardown(mistakes_come_in_file_order_once, end),
           cmocka_unit_test_teardown(floods_of_mistakes_are_counted, end))

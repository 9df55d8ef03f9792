#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fs.h"
#include "spec/dataset.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct arena arena;
static char root[64];

static int begin(void **state)
{
    (void)state;
    snprintf(root, sizeof(root), "/tmp/shakedown-dataset-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    fs_remove_tree(root);
    arena_free(&arena);
    return 0;
}

static const struct dataset *load(const char *name, const char *text, size_t len, struct err *e)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/%s", root, name);
    assert_true(fs_write(path, text, len, 0600, e));
    return dataset_load(path, &arena, e);
}

/* Columns and rows as "a|b/1|2/3|4". */
static const char *flat(const struct dataset *d)
{
    static char text[512];
    size_t at = 0;

    for (int i = 0; i < d->column_count; i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s", i ? "|" : "", d->columns[i]);
    for (int i = 0; i < d->column_count * d->row_count; i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s",
                               i % d->column_count ? "|" : "/", d->cells[i]);
    return text;
}

static void accepted_files(void **state)
{
    static const struct {
        const char *name, *text, *result;
    } t[] = {
        {"a.csv", "a,b\n1,2\n3,4\n", "a|b/1|2/3|4"},
        {"a.csv", "a,b\r\n1,2\r\n3,4", "a|b/1|2/3|4"},
        {"a.csv",
         "\xef\xbb\xbf"
         "a\n1\n\n",
         "a/1"},
        {"a.csv", "a,b\n,\n", "a|b/|"},
        {"a.csv", "\"a\",b\n\"x, \"\"y\"\"\r\nz\",2\n", "a|b/x, \"y\"\r\nz|2"},
        {"a.csv", "a\n\"\"\n", "a/"},
        {"a.csv", "a,b\n x ,\"y\"", "a|b/ x |y"},
        {"a.json", "[{\"a\": 1, \"b\": \"x\"}, {\"b\": \"\\u00e4\", \"a\": 2.5}]",
         "a|b/1|x/2.5|\u00e4"},
        {"a.JSON", "[{\"a\": true, \"b\": null, \"c\": 0.1}]", "a|b|c/true||0.1"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(t); i++) {
        struct err e;
        const struct dataset *d = load(t[i].name, t[i].text, strlen(t[i].text), &e);

        if (!d)
            fail_msg("%s: %s", t[i].text, e.text);
        assert_string_equal(flat(d), t[i].result);
    }
}

static void refused_files(void **state)
{
    static const struct {
        const char *name, *text, *mistake;
    } t[] = {
        {"a.csv", "", "the file is empty; its first line names the columns"},
        {"a.csv", "a,b\n", "has no rows"},
        {"a.csv", "a,b\n1,2\n\n3\n", "line 4: 1 fields, but the header has 2"},
        {"a.csv", "a,b\n\"x\ny\",2,3\n", "line 2: 3 fields, but the header has 2"},
        {"a.csv", "a,a\n1,2\n", "two columns are called \"a\""},
        {"a.csv", "a,\n1,2\n", "column 2 has no name"},
        {"a.csv", "a\nx\"y\n", "line 2: a quote inside an unquoted field"},
        {"a.csv", "a\n\"x\"y\n", "line 2: text after a closing quote"},
        {"a.csv", "a\n1\n\"x\n\n", "line 3: this quote is never closed"},
        {"a.csv", "a\n\"x\"\"", "line 2: this quote is never closed"},
        {"a.json", "{\"a\": 1}", "expected an array of objects"},
        {"a.json", "[]", "expected an array of objects"},
        {"a.json", "[{}]", "has no rows"},
        {"a.json", "[{\"a\": 1}, 2]", "element 1 is not an object"},
        {"a.json", "[{\"a\": 1}, {\"b\": 2}]", "element 1 has no \"a\""},
        {"a.json", "[{\"a\": 1}, {\"a\": 1, \"b\": 2}]",
         "element 1 has keys that the first one has not"},
        {"a.json", "[{\"a\": [1]}]", "element 0: \"a\" is not a plain value"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(t); i++) {
        char whole[256];
        struct err e;

        if (load(t[i].name, t[i].text, strlen(t[i].text), &e))
            fail_msg("accepted: %s", t[i].text);
        snprintf(whole, sizeof(whole), "%s/%s: %s", root, t[i].name, t[i].mistake);
        assert_string_equal(e.text, whole);
    }
}

static void hostile_bytes_and_missing_files(void **state)
{
    struct err e;

    (void)state;
    assert_null(load("a.csv", "a\n\0\n", 4, &e));
    assert_non_null(strstr(e.text, "NUL"));
    assert_null(load("a.json", "[{\"a\": 1", 8, &e));
    assert_non_null(strstr(e.text, "line 1: not valid JSON: "));
    assert_null(load("a.json", "[{\"a\": 1, \"a\": 2}]", 18, &e));
    assert_null(dataset_load("/nonexistent/a.csv", &arena, &e));
    assert_non_null(strstr(e.text, "/nonexistent/a.csv"));
}

static void columns_know_whether_they_are_numbers(void **state)
{
    static const char csv[] = "a,b,c,d\n1,01,-1.5e3,1\n2,2,0,x\n";
    static const char json[] = "[{\"a\": 1, \"b\": \"1\"}]";
    struct err e;
    const struct dataset *d = load("a.csv", csv, strlen(csv), &e);

    (void)state;
    assert_true(d->numeric[0]);
    assert_false(d->numeric[1]);
    assert_true(d->numeric[2]);
    assert_false(d->numeric[3]);
    assert_int_equal(dataset_column(d, "c"), 2);
    assert_int_equal(dataset_column(d, "e"), -1);
    d = load("a.json", json, strlen(json), &e);
    assert_true(d->numeric[0]);
    assert_false(d->numeric[1]);
}

UNIT_GROUP(dataset, cmocka_unit_test_setup_teardown(accepted_files, begin, end),
           cmocka_unit_test_setup_teardown(refused_files, begin, end),
           cmocka_unit_test_setup_teardown(hostile_bytes_and_missing_files, begin, end),
           cmocka_unit_test_setup_teardown(columns_know_whether_they_are_numbers, begin, end))

#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/fs.h"

static char root[64];

static int make_root(void **state)
{
    (void)state;
    snprintf(root, sizeof(root), "/tmp/shakedown-fs-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
    (void)state;
    fs_remove_tree(root);
    return 0;
}

static const char *in_root(const char *name)
{
    static char path[256];

    snprintf(path, sizeof(path), "%s/%s", root, name);
    return path;
}

static void what_is_written_can_be_read(void **state)
{
    static const char data[] = "one\0two";
    struct buf b = {0};
    struct err e = {0};
    struct stat st;

    (void)state;
    assert_true(fs_write(in_root("f"), data, sizeof(data), 0640, &e));
    assert_true(fs_write(in_root("f"), data, sizeof(data), 0600, &e));
    assert_true(fs_read(in_root("f"), sizeof(data), &b, &e));
    assert_int_equal(b.len, sizeof(data));
    assert_memory_equal(b.data, data, sizeof(data));
    assert_int_equal(stat(in_root("f"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    buf_free(&b);
}

static void a_file_over_the_bound_is_refused(void **state)
{
    struct buf b = {0};
    struct err e = {0};

    (void)state;
    assert_true(fs_write(in_root("f"), "12345", 5, 0600, &e));
    assert_false(fs_read(in_root("f"), 4, &b, &e));
    assert_non_null(strstr(e.text, "larger than 4 bytes"));
    buf_free(&b);
}

static void a_failed_write_leaves_the_old_file_and_no_other(void **state)
{
    struct buf b = {0};
    struct err e = {0};

    (void)state;
    assert_true(fs_mkdirs(in_root("d/sub"), 0700, &e));
    assert_false(fs_write(in_root("d/sub"), "x", 1, 0600, &e));
    assert_non_null(strstr(e.text, "could not write"));
    assert_int_equal(rmdir(in_root("d/sub")), 0);
    assert_int_equal(rmdir(in_root("d")), 0); /* fails if a temporary file was left */
    assert_false(fs_read(in_root("nothing"), 10, &b, &e));
    assert_non_null(strstr(e.text, "No such file"));
    buf_free(&b);
}

static void folders_are_made_on_the_way(void **state)
{
    struct err e = {0};
    struct stat st;

    (void)state;
    assert_true(fs_mkdirs(in_root("a/b/c/"), 0700, &e));
    assert_true(fs_mkdirs(in_root("a/b/c"), 0700, &e));
    assert_int_equal(stat(in_root("a/b/c"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_true(fs_write(in_root("a/file"), "", 0, 0600, &e));
    assert_false(fs_mkdirs(in_root("a/file/x"), 0700, &e));
    assert_non_null(strstr(e.text, "Not a directory"));
}

static void removing_a_tree_does_not_follow_links(void **state)
{
    struct err e = {0};
    char link_to[256];

    (void)state;
    assert_true(fs_mkdirs(in_root("keep"), 0700, &e));
    assert_true(fs_write(in_root("keep/file"), "x", 1, 0600, &e));
    snprintf(link_to, sizeof(link_to), "%s/keep", root);
    assert_true(fs_mkdirs(in_root("tree/deep/er"), 0700, &e));
    assert_int_equal(symlink(link_to, in_root("tree/deep/link")), 0);
    assert_int_equal(chmod(in_root("tree/deep"), 0500), 0);
    fs_remove_tree(in_root("tree"));
    assert_int_equal(access(in_root("tree"), F_OK), -1);
    assert_int_equal(access(in_root("keep/file"), F_OK), 0);
    fs_remove_tree(in_root("tree"));
}

#define fs_test(f) cmocka_unit_test_setup_teardown(f, make_root, remove_root)

UNIT_GROUP(fs, fs_test(what_is_written_can_be_read), fs_test(a_file_over_the_bound_is_refused),
           fs_test(a_failed_write_leaves_the_old_file_and_no_other),
           fs_test(folders_are_made_on_the_way), fs_test(removing_a_tree_does_not_follow_links))

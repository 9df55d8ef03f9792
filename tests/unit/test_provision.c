/* Which program a service's command means. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/child.h"
#include "base/err.h"
#include "base/fs.h"
#include "run/provision.h"
#include "suite/service.h"

static const char *program(const char *root, const char *pattern, struct arena *a)
{
    const char *words[] = {arena_printf(a, "%s/%s", root, pattern), "*"};
    struct texts command = {.v = words, .n = 2};
    struct service v = {0};
    struct child_opts o = provision_command(&v, &command, a);

    assert_string_equal(o.argv[1], "*"); /* only the program */
    return o.argv[0] + strlen(root) + 1;
}

static void a_pattern_means_the_newest(void **state)
{
    static const char *const files[] = {"9/bin/x", "15/bin/x", "14/bin/x", "16/bin/y"};
    char root[] = "/tmp/provision.XXXXXX", path[64];
    struct arena a = {0};
    struct err e;

    (void)state;
    assert_non_null(mkdtemp(root));
    for (size_t i = 0; i < 4; i++) {
        snprintf(path, sizeof(path), "%s/%s", root, files[i]);
        path[strlen(path) - 2] = '\0';
        assert_true(fs_mkdirs(path, 0700, &e));
        path[strlen(path)] = '/';
        assert_true(fs_write(path, "", 0, 0700, &e));
    }
    assert_string_equal(program(root, "*/bin/x", &a), "15/bin/x");
    assert_string_equal(program(root, "9/bin/x", &a), "9/bin/x");
    assert_string_equal(program(root, "*/bin/z", &a), "*/bin/z"); /* told as not found */
    assert_true(fs_remove_tree(root));
    arena_free(&a);
}

UNIT_GROUP(provision, cmocka_unit_test(a_pattern_means_the_newest))

/* Runs in one results folder whose ids begin alike, and what one's cleanup would take of another.
 */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/fs.h"
#include "cmd/cleaning.h"

static char root[64];

static int begin(void **state)
{
    (void)state;
    snprintf(root, sizeof(root), "/tmp/shakedown-cleaning-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    return fs_remove_tree(root) ? 0 : -1;
}

static void add_run(const char *id, bool cleaned)
{
    char path[128];
    struct err e;
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", root, id);
    assert_true(fs_mkdirs(path, 0755, &e));
    snprintf(path, sizeof(path), "%s/%s/journal.jsonl", root, id);
    f = fopen(path, "we");
    assert_non_null(f);
    fprintf(f,
            "{\"event\":\"run\",\"version\":1,\"run_id\":\"%s\",\"suite\":\"/s.yaml\","
            "\"sha256\":\"\",\"cwd\":\"/\",\"dir\":\"/r\",\"pid\":1,\"boot\":\"\","
            "\"always\":[\"forget\"],\"values\":{},\"withheld\":[]}\n"
            "{\"event\":\"phase\",\"name\":\"fleet\"}\n",
            id);
    if (cleaned)
        fprintf(f, "{\"event\":\"phase\",\"name\":\"forget\"}\n"
                   "{\"event\":\"ended\",\"name\":\"forget\",\"state\":\"done\"}\n");
    fclose(f);
}

static void assert_neighbour(const char *id, const char *expected)
{
    char dir[128];
    char *found;

    snprintf(dir, sizeof(dir), "%s/%s", root, id);
    found = cleaning_neighbour(dir, id);
    if (!expected)
        assert_null(found);
    else if (!found || strcmp(strrchr(found, '/') + 1, expected) != 0)
        fail_msg("%s: %s", id, found ? found : "none");
    free(found);
}

static void a_run_that_is_not_cleaned_up_is_found_by_either_id(void **state)
{
    (void)state;
    add_run("night-2", false);
    assert_neighbour("night", "night-2");
    assert_neighbour("night-2-b", "night-2");
    assert_neighbour("night-2", NULL);
    assert_neighbour("night-22", NULL);
    assert_neighbour("nigh", NULL);
}

static void one_that_is_clean_is_no_trouble(void **state)
{
    (void)state;
    add_run("night-2", true);
    assert_neighbour("night", NULL);
}

UNIT_GROUP(cleaning,
           cmocka_unit_test_setup_teardown(a_run_that_is_not_cleaned_up_is_found_by_either_id,
                                           begin, end),
           cmocka_unit_test_setup_teardown(one_that_is_clean_is_no_trouble, begin, end))

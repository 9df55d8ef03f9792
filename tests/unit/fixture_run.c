#include "fixture_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/redact.h"
#include "run/result.h"
#include "run/run.h"
#include "unit.h"

static void note(void *ctx, const char *line)
{
    struct fixture_run *f = ctx;

    buf_adds(&f->notes, line);
    buf_addc(&f->notes, '\n');
}

static void set_text(struct fixture_run *f, const char *yaml)
{
    static const char mark[] = "@ROOT@";
    const char *at;

    for (; (at = strstr(yaml, mark)) != NULL; yaml = at + sizeof(mark) - 1) {
        buf_add(&f->text, yaml, (size_t)(at - yaml));
        buf_adds(&f->text, f->root);
    }
    buf_adds(&f->text, yaml);
}

void fixture_load(struct fixture_run *f, const char *yaml)
{
    struct err e;

    *f = (struct fixture_run){.root = "/tmp/shakedown-unit-XXXXXX"};
    assert_non_null(mkdtemp(f->root));
    assert_int_equal(chmod(f->root, 0711), 0); /* for services of other users */
    set_text(f, yaml);
    f->source = (struct suite_source){.file = "unit.yaml",
                                      .text = f->text.data,
                                      .len = f->text.len,
                                      .environ = (const char *const *)environ,
                                      .run_id = "unit",
                                      .run_dir = fixture_path(f, "out"),
                                      .run_tmp = fixture_path(f, "tmp"),
                                      .self = "/bin/false",
                                      .reserve_ports = true};
    assert_true(fs_mkdirs(f->source.run_dir, 0755, &e));
    assert_true(fs_mkdirs(f->source.run_tmp, 0700, &e));
    diags_init(&f->diags, "unit.yaml", &f->arena);
    f->suite = suite_load(&f->source, &f->arena, &f->diags);
    if (!f->suite)
        diags_print(&f->diags, stderr);
    assert_non_null(f->suite);
    f->observer = (struct observer){.ctx = f, .note = note};
}

void fixture_run(struct fixture_run *f, const char *yaml, bool no_cleanup)
{
    const struct observer *observers[2] = {&f->observer, NULL};
    struct run_opts o = {.run_id = "unit", .observers = observers, .no_cleanup = no_cleanup};

    fixture_load(f, yaml);
    o.suite = f->suite;
    o.dir = f->source.run_dir;
    f->result = run_suite(&o, &f->arena);
}

void fixture_end(struct fixture_run *f)
{
    for (int i = 0; f->result && i < f->result->phase_count; i++)
        for (int k = 0; f->result->phases[i].steps && k < f->result->phases[i].phase->step_count;
             k++)
            meter_free(&f->result->phases[i].steps[k].meter);
    for (int i = 0; i < f->suite->service_count; i++)
        for (int k = 0; k < f->suite->services[i].port_count; k++)
            if (f->suite->services[i].ports[k].fd >= 0)
                close(f->suite->services[i].ports[k].fd);
    fs_remove_tree(f->root);
    buf_free(&f->text);
    buf_free(&f->notes);
    arena_free(&f->arena);
    redact_reset();
}

const char *fixture_path(struct fixture_run *f, const char *name)
{
    return arena_printf(&f->arena, "%s/%s", f->root, name);
}

const char *fixture_file(struct fixture_run *f, const char *name)
{
    struct buf text = {0};
    const char *copy;
    struct err e;

    fs_read(fixture_path(f, name), 1 << 20, &text, &e);
    copy = arena_strdup(&f->arena, buf_text(&text));
    buf_free(&text);
    return copy;
}

bool fixture_process_runs(int pid)
{
    char path[64], line[256] = "";
    bool runs;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    file = fopen(path, "re");
    if (!file)
        return false;
    runs = fgets(line, sizeof(line), file) && !strstr(line, ") Z");
    fclose(file);
    return runs;
}

void fixture_need(const char *command)
{
    const char *argv[] = {command, "--version", NULL};
    struct child_opts o = {.argv = argv, .in = -1, .out = -1, .err = -1};
    struct buf ignored = {0};
    struct err e;
    bool there = child_run(&o, 30 * NS_PER_S, 100, &ignored, NULL, NULL, &e);

    buf_free(&ignored);
    if (there)
        return;
    printf("skipped: %s is not here\n", command);
    skip();
}

/* The journal of a run: what a reader knows of it at any moment, and the processes it leads to. */
#include "unit.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/child.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/proc.h"
#include "base/redact.h"
#include "run/journal.h"
#include "run/leftovers.h"
#include "suite/suite.h"

static char root[64];
static struct arena arena;

static int begin(void **state)
{
    (void)state;
    snprintf(root, sizeof(root), "/tmp/shakedown-journal-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    arena_free(&arena);
    fs_remove_tree(root);
    redact_reset();
    return 0;
}

static const char suite_text[] =
    "suite: t\n"
    "vars: {size: '7', url: 'http://u:hidden@h/', port: '${service.s.port}'}\n"
    "services: {s: {command: [x], ports: [a]}}\n"
    "phases:\n"
    "  - {name: make, noop: {}}\n"
    "  - {name: forget, when: always, noop: {}}\n";

static struct suite *load(void)
{
    static const char *const none[] = {NULL};
    struct suite_source *src = arena_new(&arena, struct suite_source);
    struct suite *s;
    struct diags d;

    *src = (struct suite_source){.file = "t.yaml",
                                 .text = suite_text,
                                 .len = sizeof(suite_text) - 1,
                                 .environ = none,
                                 .run_id = "r-1",
                                 .run_dir = root,
                                 .run_tmp = "/tmp/shakedown-r-1-0",
                                 .self = "x"};
    diags_init(&d, "t.yaml", &arena);
    s = suite_load(src, &arena, &d);
    assert_non_null(s);
    return s;
}

static const char *path(void)
{
    return arena_printf(&arena, "%s/journal.jsonl", root);
}

/* A whole run's worth of entries. */
static void write_all(struct journal *j, const struct suite *s)
{
    struct err e;

    assert_true(journal_tmp(j, "/tmp/shakedown-r-1-0", &e));
    assert_true(journal_service(j, &s->services[0], &e));
    journal_started(j, &s->services[0], getpid());
    assert_true(journal_phase(j, "make", &e));
    journal_output(j, "make", "created", "12");
    journal_ended(j, "make", "done");
    assert_true(journal_phase(j, "forget", &e));
    journal_ended(j, "forget", "done");
    journal_stopped(j, "s");
    journal_gone(j, "/tmp/shakedown-r-1-0");
}

static void what_is_written_is_read(void **state)
{
    const struct suite *s = load();
    struct err e = {0};
    struct journal *j = journal_create(root, s, &e);
    struct past p;

    (void)state;
    assert_non_null(j);
    write_all(j, s);
    journal_close(j);
    assert_true(journal_read(path(), &p, &arena, &e));
    assert_string_equal(p.run_id, "r-1");
    assert_string_equal(p.dir, root);
    assert_int_equal(p.set_count, 1);
    assert_string_equal(p.sets[0], "size=7");
    assert_int_equal(p.withheld_count, 1);
    assert_string_equal(p.withheld[0], "url");
    assert_true(p.any_ran && p.phase_count == 1 && p.phases[0].done && !p.phases[0].begun);
    assert_true(p.service_count == 1 && p.services[0].stopped && p.services[0].port_count == 1);
    assert_true(p.output_count == 1 && strcmp(p.outputs[0].value, "12") == 0);
    assert_null(p.tmp);
}

static void no_secret_is_written(void **state)
{
    const struct suite *s = load();
    struct buf text = {0};
    struct err e = {0};
    struct journal *j;

    (void)state;
    redact_add("verysecret");
    j = journal_create(root, s, &e);
    journal_output(j, "make", "token", "is verysecret");
    journal_close(j);
    assert_true(fs_read(path(), 65536, &text, &e));
    assert_null(strstr(buf_text(&text), "verysecret"));
    assert_null(strstr(buf_text(&text), "hidden"));
    buf_free(&text);
}

/* Wherever the writer was killed, what the reader finds is a state that the run was in. */
static void any_beginning_of_it_can_be_read(void **state)
{
    const struct suite *s = load();
    struct err e = {0};
    struct journal *j = journal_create(root, s, &e);
    struct buf text = {0};
    struct past p;
    bool done = false, made = false;

    (void)state;
    write_all(j, s);
    journal_close(j);
    assert_true(fs_read(path(), 65536, &text, &e));
    for (size_t len = 0; len <= text.len; len++) {
        bool known = journal_parse(buf_text(&text), len, "t", &p, &arena, &e);

        assert_true(known || !made);
        made = known;
        if (!known)
            continue;
        assert_true(p.any_ran || p.output_count == 0);
        assert_true(p.phases[0].done || !done);
        assert_true(!p.phases[0].done || p.any_ran);
        done = p.phases[0].done;
    }
    assert_true(done);
    buf_free(&text);
}

static void a_cut_line_does_not_swallow_the_next(void **state)
{
    const struct suite *s = load();
    struct err e = {0};
    struct journal *j = journal_create(root, s, &e);
    FILE *f;
    struct past p;

    (void)state;
    journal_close(j);
    f = fopen(path(), "a");
    fputs("{\"event\":\"phase\",\"na", f);
    fclose(f);
    j = journal_open(path(), &e);
    assert_non_null(j);
    assert_true(journal_phase(j, "make", &e));
    journal_close(j);
    assert_true(journal_read(path(), &p, &arena, &e));
    assert_true(p.any_ran);
}

static void one_writer_at_a_time(void **state)
{
    struct err e = {0};
    struct journal *j = journal_create(root, load(), &e);

    (void)state;
    assert_null(journal_open(path(), &e));
    assert_non_null(strstr(e.text, "still going on"));
    journal_close(j);
    j = journal_open(path(), &e);
    assert_non_null(j);
    journal_close(j);
}

static void an_older_journal_is_kept(void **state)
{
    struct err e = {0};

    (void)state;
    journal_close(journal_create(root, load(), &e));
    journal_close(journal_create(root, load(), &e));
    assert_int_equal(access(arena_printf(&arena, "%s/journal-1.jsonl", root), F_OK), 0);
    assert_int_equal(access(path(), F_OK), 0);
}

static pid_t start(const char *mark)
{
    const char *argv[] = {"sleep", "1000", NULL};
    const char *env[] = {arena_printf(&arena, JOURNAL_MARK "=%s", mark), NULL};
    struct child_opts o = {.argv = argv, .env = env, .in = -1, .out = -1, .err = -1};
    struct err e = {0};
    pid_t pid = child_spawn(&o, &e);

    assert_true(pid > 0);
    return pid;
}

static bool ended(pid_t pid)
{
    int status;

    return child_ended(pid, &status);
}

static void only_what_is_marked_is_ended(void **state)
{
    struct past p = {.run_id = "r-1"};
    pid_t mine = start("r-1"), nested = start("outer r-1"), other = start("r-10"),
          longer = start("r-1-more");
    struct leftovers l = leftovers_end(&p, false, 2000);

    (void)state;
    assert_int_equal(l.ended, 2);
    assert_int_equal(l.left, 0);
    assert_true(ended(mine) && ended(nested));
    assert_false(ended(other) || ended(longer));
    child_kill(mine);
    child_kill(nested);
    child_kill(other);
    child_kill(longer);
}

/* A pid that was given to somebody else since is not a service of the run. */
static void a_pid_alone_is_not_enough(void **state)
{
    pid_t pid = start("");
    struct past_service v = {.name = "s", .pid = pid, .started = proc_started(pid)};
    char boot[PROC_BOOT_MAX];
    struct past p = {.run_id = "r-1", .boot = boot, .services = &v, .service_count = 1};

    (void)state;
    proc_boot(boot);
    v.started++;
    assert_int_equal(leftovers_end(&p, false, 2000).ended, 0);
    v.started--;
    p.boot = "another";
    assert_int_equal(leftovers_end(&p, false, 2000).ended, 0);
    p.boot = boot;
    assert_int_equal(leftovers_end(&p, true, 2000).ended, 0);
    assert_true(leftovers_is_running(&p, &v));
    assert_int_equal(leftovers_end(&p, false, 2000).ended, 1);
    assert_true(ended(pid));
    child_kill(pid);
}

#define ROWS(test) cmocka_unit_test_setup_teardown(test, begin, end)
UNIT_GROUP(journal, ROWS(what_is_written_is_read), ROWS(no_secret_is_written),
           ROWS(any_beginning_of_it_can_be_read), ROWS(a_cut_line_does_not_swallow_the_next),
           ROWS(one_writer_at_a_time), ROWS(an_older_journal_is_kept),
           ROWS(only_what_is_marked_is_ended), ROWS(a_pid_alone_is_not_enough))

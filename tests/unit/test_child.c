#include "unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/child.h"
#include "base/clock.h"
#include "base/err.h"

#define LONG (30 * NS_PER_S) /* more than any test here needs */

static bool run(const char *script, uint64_t timeout, struct buf *out, int *code, struct err *e)
{
    const char *argv[] = {"sh", "-c", script, NULL};
    struct child_opts o = {.argv = argv, .in = -1, .out = -1, .err = -1};

    return child_run(&o, timeout, 4096, out, code, NULL, e);
}

static void output_and_exit_code_come_back(void **state)
{
    struct buf out = {0};
    struct err e = {0};
    int code;

    (void)state;
    assert_true(run("echo one; echo two >&2", LONG, &out, &code, &e));
    assert_string_equal(out.data, "one\ntwo\n");
    assert_int_equal(code, 0);
    assert_false(run("exit 3", LONG, &out, &code, &e));
    assert_int_equal(code, 3);
    assert_string_equal(e.text, "exited with 3");
    assert_false(run("kill -KILL $$", LONG, &out, &code, &e));
    assert_int_equal(code, -1);
    assert_string_equal(e.text, "was killed by signal 9 (Killed)");
    buf_free(&out);
}

static void what_cannot_be_run_is_told_exactly(void **state)
{
    static const struct {
        const char *command, *dir, *user, *want;
    } cases[] = {
        {"no-such-command-here", NULL, NULL, "command \"no-such-command-here\": not found in PATH"},
        {"/nowhere/at-all", NULL, NULL, "command \"/nowhere/at-all\": not found"},
        {"/etc/passwd", NULL, NULL, "could not run \"/etc/passwd\": Permission denied"},
        {"true", "/no-such-dir", NULL,
         "could not enter the directory \"/no-such-dir\": No such file or directory"},
        {"true", NULL, "nobody-of-that-name", "user \"nobody-of-that-name\" does not exist"},
    };
    struct err e = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *argv[] = {cases[i].command, NULL};
        struct child_opts o = {.argv = argv,
                               .in = -1,
                               .out = -1,
                               .err = -1,
                               .dir = cases[i].dir,
                               .user = cases[i].user};

        assert_int_equal(child_spawn(&o, &e), -1);
        assert_string_equal(e.text, cases[i].want);
    }
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nothing is left to be reaped */
}

static void a_missing_interpreter_is_told(void **state)
{
    char path[] = "/tmp/shakedown-script-XXXXXX";
    const char *argv[] = {path, NULL};
    struct child_opts o = {.argv = argv, .in = -1, .out = -1, .err = -1};
    struct err e = {0};
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "#!/no/such/sh\n", 14), 14);
    fchmod(fd, 0700);
    close(fd);
    assert_int_equal(child_spawn(&o, &e), -1);
    assert_non_null(strstr(e.text, "interpreter"));
    unlink(path);
}

/* As glibc's posix_spawn() leaves the two that glibc uses itself; sigaction() refuses them. */
static void ignore_reserved_signals(void)
{
    const unsigned long action[8] = {(unsigned long)SIG_IGN};

    assert_int_equal(syscall(SYS_rt_sigaction, 32, action, NULL, 8), 0);
    assert_int_equal(syscall(SYS_rt_sigaction, 33, action, NULL, 8), 0);
}

static void the_child_starts_clean(void **state)
{
    struct buf out = {0};
    struct err e = {0};
    sigset_t block, before;
    int leak = open("/dev/null", O_RDONLY); /* without O_CLOEXEC */

    (void)state;
    sigemptyset(&block);
    sigaddset(&block, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &block, &before);
    signal(SIGPIPE, SIG_IGN);
    ignore_reserved_signals();
    assert_true(run("grep -E '^Sig(Blk|Ign)' /proc/self/status; ls /proc/self/fd | wc -l", LONG,
                    &out, NULL, &e));
    signal(SIGPIPE, SIG_DFL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(leak);
    /* 0, 1, 2, and the one with which ls reads the folder */
    assert_string_equal(out.data, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n4\n");
    buf_free(&out);
}

static void environment_folder_and_user_are_set(void **state)
{
    const char *argv[] = {"sh", "-c", "pwd; echo $ONE; echo $HOME; id -u", NULL};
    const char *env[] = {"ONE=1", "HOME=/elsewhere", NULL};
    bool root = geteuid() == 0;
    struct child_opts o = {.argv = argv,
                           .env = env,
                           .dir = "/",
                           .in = -1,
                           .out = -1,
                           .err = -1,
                           .user = root ? "nobody" : NULL};
    struct buf out = {0};
    struct err e = {0};
    char want[64];

    (void)state;
    setenv("ONE", "inherited", 1);
    assert_true(child_run(&o, LONG, 4096, &out, NULL, NULL, &e));
    snprintf(want, sizeof(want), "/\n1\n/elsewhere\n%u\n", root ? 65534 : (unsigned)geteuid());
    assert_string_equal(out.data, want);
    buf_free(&out);
}

static void a_flood_is_bounded_and_its_end_kept(void **state)
{
    struct buf out = {0};
    struct err e = {0};
    const char *last;
    size_t len;

    (void)state;
    assert_true(run("head -c 3000000 /dev/zero | tr '\\0' x; echo; echo a; echo the end", LONG,
                    &out, NULL, &e));
    assert_int_equal(out.len, 4096);
    last = child_last_lines(&out, 2, &len);
    assert_int_equal(len, strlen("a\nthe end"));
    assert_memory_equal(last, "a\nthe end", len);
    buf_free(&out);
}

static void a_deadline_ends_it(void **state)
{
    struct buf out = {0};
    struct err e = {0};
    int code;

    (void)state;
    assert_false(run("trap '' TERM; echo on; while :; do sleep 100; done", 200 * NS_PER_MS, &out,
                     &code, &e));
    assert_string_equal(e.text, "did not end within 200ms");
    assert_int_equal(code, -1);
    assert_string_equal(buf_text(&out), "on\n");
    buf_free(&out);
}

static void an_interruption_ends_it(void **state)
{
    const char *argv[] = {"sleep", "100", NULL};
    struct child_opts o = {.argv = argv, .in = -1, .out = -1, .err = -1};
    volatile int interrupted = 1;
    struct buf out = {0};
    struct err e = {0};

    (void)state;
    assert_false(child_run(&o, LONG, 4096, &out, NULL, &interrupted, &e));
    assert_string_equal(e.text, "interrupted");
    buf_free(&out);
}

/* Killed: no longer there, or a zombie that its new parent has yet to reap. */
static bool is_gone(const char *pid)
{
    char path[64], line[256] = "";
    bool gone;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%d/stat", atoi(pid));
    f = fopen(path, "re");
    if (!f)
        return true;
    gone = !fgets(line, sizeof(line), f) || strstr(line, ") Z") != NULL;
    fclose(f);
    return gone;
}

static void a_background_grandchild_does_not_hold_it(void **state)
{
    struct buf out = {0};
    struct err e = {0};
    uint64_t end = now_ns() + LONG;

    (void)state;
    assert_true(run("sleep 1000 & echo $!", LONG, &out, NULL, &e));
    while (!is_gone(out.data))
        assert_true(now_ns() < end);
    buf_free(&out);
}

static char first_line[16]; /* of what start() has started */

/* A shell that writes a line when it is set up; its group is returned. */
static pid_t start(const char *script)
{
    const char *argv[] = {"sh", "-c", script, NULL};
    struct child_opts o = {.argv = argv, .in = -1, .out = -1, .err = -1};
    struct err e = {0};
    ssize_t len;
    pid_t pid;
    int fds[2];

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    o.out = fds[1];
    pid = child_spawn(&o, &e);
    assert_true(pid > 0);
    close(fds[1]);
    len = read(fds[0], first_line, sizeof(first_line) - 1);
    assert_true(len > 0);
    first_line[len] = '\0';
    close(fds[0]);
    return pid;
}

static void stop_asks_first(void **state)
{
    int status;

    (void)state;
    status =
        child_stop(start("trap 'exit 7' TERM; echo; while :; do sleep 0.01; done"), SIGTERM, LONG);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
}

static void stop_kills_what_does_not_obey(void **state)
{
    int status;

    (void)state;
    status = child_stop(start("trap '' TERM; echo; while :; do sleep 1000; done"), SIGTERM,
                        50 * NS_PER_MS);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
}

static void stop_leaves_no_grandchild(void **state)
{
    pid_t pid;

    (void)state;
    /* The leader obeys at once; its child does not. */
    pid = start("sh -c 'trap \"\" TERM; echo $$; while :; do sleep 1000; done' & wait");
    child_stop(pid, SIGTERM, 50 * NS_PER_MS);
    assert_true(is_gone(first_line));
}

static void stop_takes_one_that_is_stopped_or_dead(void **state)
{
    pid_t pid;
    int status;

    (void)state;
    pid = start("echo; kill -STOP $$; sleep 1000");
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
    status = child_stop(pid, SIGTERM, 2 * NS_PER_S);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGTERM); /* not KILL: it was woken to obey */
    pid = start("echo; exit 5");
    while (!child_ended(pid, &status))
        usleep(1000);
    assert_int_equal(WEXITSTATUS(status), 5);
    assert_int_equal(WEXITSTATUS(child_stop(pid, SIGTERM, LONG)), 5);
}

static void *spawn_and_end(void *arg)
{
    *(pid_t *)arg = start("echo; exec sleep 1000");
    return NULL;
}

static void it_dies_with_the_thread_that_made_it(void **state)
{
    pthread_t thread;
    int status;
    pid_t pid = -1;

    (void)state;
    pthread_create(&thread, NULL, spawn_and_end, &pid);
    pthread_join(thread, NULL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
}

static void last_lines_of_odd_texts(void **state)
{
    static const struct {
        const char *text, *want;
        int lines;
    } cases[] = {{"", "", 2},
                 {"\n\n", "", 2},
                 {"one", "one", 2},
                 {"a\nb\nc\n", "b\nc", 2},
                 {"a\r\nb\r\n", "b", 1},
                 {"a\nb", "a\nb", 5}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf b = {0};
        const char *got;
        size_t len;

        buf_adds(&b, cases[i].text);
        got = child_last_lines(&b, cases[i].lines, &len);
        assert_int_equal(len, strlen(cases[i].want));
        assert_memory_equal(got, cases[i].want, len);
        buf_free(&b);
    }
}

UNIT_GROUP(child, cmocka_unit_test(output_and_exit_code_come_back),
           cmocka_unit_test(what_cannot_be_run_is_told_exactly),
           cmocka_unit_test(a_missing_interpreter_is_told),
           cmocka_unit_test(the_child_starts_clean),
           cmocka_unit_test(environment_folder_and_user_are_set),
           cmocka_unit_test(a_flood_is_bounded_and_its_end_kept),
           cmocka_unit_test(a_deadline_ends_it), cmocka_unit_test(an_interruption_ends_it),
           cmocka_unit_test(a_background_grandchild_does_not_hold_it),
           cmocka_unit_test(stop_asks_first), cmocka_unit_test(stop_kills_what_does_not_obey),
           cmocka_unit_test(stop_leaves_no_grandchild),
           cmocka_unit_test(stop_takes_one_that_is_stopped_or_dead),
           cmocka_unit_test(it_dies_with_the_thread_that_made_it),
           cmocka_unit_test(last_lines_of_odd_texts))

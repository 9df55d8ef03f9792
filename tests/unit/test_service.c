/* Services: real processes, started, proven ready, watched and stopped. */
#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/redact.h"
#include "fixture_run.h"
#include "run/result.h"
#include "run/supervisor.h"

#define PHASES "phases:\n  - name: p\n    noop: {}\n"
#define LONG   (30 * NS_PER_S)

static struct fixture_run f;
static struct supervisor *s;
static struct service_result *results;
static volatile int interrupted;
static struct err e;

static bool up(const char *services, bool no_cleanup)
{
    struct supervisor_opts o = {.interrupted = &interrupted, .no_cleanup = no_cleanup};
    char *yaml = NULL;

    assert_true(asprintf(&yaml, "suite: t\nservices:\n%s" PHASES, services) > 0);
    interrupted = 0;
    e = (struct err){0};
    fixture_load(&f, yaml);
    free(yaml);
    o.suite = f.suite;
    o.results_dir = f.source.run_dir;
    o.observer = &f.observer;
    results = arena_array(&f.arena, struct service_result, f.suite->service_count);
    s = supervisor_new(&o);
    return supervisor_up(s, suite_needed(f.suite, 0), results, &f.arena, &e);
}

static void down(void)
{
    supervisor_down(s);
    supervisor_down(s);
    supervisor_free(s);
    fixture_end(&f);
}

/* A pid that a script has left in a file of its service's folder. */
static int pid_in(const char *file)
{
    return atoi(fixture_file(&f, file));
}

static void a_line_of_output_shows_it_is_ready(void **state)
{
    int leader, child;

    (void)state;
    assert_true(up("  a:\n"
                   "    start: always\n"
                   "    command: [sh, -c, 'echo $$ >leader; echo starting; sleep 1000 & echo $! "
                   ">child; echo now ready; wait']\n"
                   "    ready: {log: '^now r', within: 30s}\n",
                   false));
    assert_true(results[0].started);
    assert_true(results[0].ready);
    assert_null(results[0].failure);
    assert_non_null(strstr(f.notes.data, "service a: ready in "));
    assert_true(supervisor_healthy(s, results, &f.arena, &e));
    leader = pid_in("tmp/a/leader");
    child = pid_in("tmp/a/child");
    assert_true(fixture_process_runs(leader) && fixture_process_runs(child));
    supervisor_down(s);
    assert_false(fixture_process_runs(leader) || fixture_process_runs(child));
    assert_string_equal(fixture_file(&f, "out/services/a.log"), "starting\nnow ready\n");
    down();
}

static void an_accepted_connection_shows_it_is_ready(void **state)
{
    (void)state;
    fixture_need("python3");
    assert_true(up("  a:\n"
                   "    start: always\n"
                   "    ports: [plain]\n"
                   "    command: [python3, -m, http.server, --bind, 127.0.0.1, "
                   "'${service.a.port}']\n"
                   "    ready: {tcp: '127.0.0.1:${service.a.port}', within: 30s}\n",
                   false));
    down();
}

static void a_command_shows_it_is_ready(void **state)
{
    (void)state;
    assert_true(up("  a:\n"
                   "    start: always\n"
                   "    command: [sh, -c, 'sleep 0.1; >up; exec sleep 1000']\n"
                   "    ready: {exec: [test, -e, up], within: 30s}\n",
                   false));
    down();
}

#define TLS_SERVER \
    "import http.server, ssl, sys; " \
    "s = http.server.HTTPServer((\"127.0.0.1\", int(sys.argv[1])), " \
    "http.server.SimpleHTTPRequestHandler); " \
    "c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); c.load_cert_chain(sys.argv[2], sys.argv[3]); " \
    "s.socket = c.wrap_socket(s.socket, server_side=True); s.serve_forever()"

static void a_probe_trusts_its_own_certificate_alone(void **state)
{
    (void)state;
    fixture_need("python3");
    assert_false(up("  a:\n"
                    "    start: always\n"
                    "    ports: [https]\n"
                    "    certificate: {names: [127.0.0.1], key: rsa2048}\n"
                    "    command: [python3, -c, '" TLS_SERVER "', '${service.a.port}', "
                    "'${service.a.cert}', '${service.a.key}']\n"
                    "    ready: {probe: 'https://127.0.0.1:${service.a.port}/', within: 30s}\n"
                    "  b:\n"
                    "    start: always\n"
                    "    certificate: {names: [127.0.0.1]}\n"
                    "    command: [sleep, '1000']\n"
                    "    ready: {probe: 'https://127.0.0.1:${service.a.port}/', within: 500ms}\n",
                    false));
    assert_true(results[0].ready);
    assert_false(results[1].ready);
    assert_non_null(strstr(e.text, "service \"b\": not ready within 500ms"));
    assert_non_null(strstr(e.text, "SSL"));
    down();
}

static void an_early_death_ends_the_wait_and_shows_its_last_lines(void **state)
{
    (void)state;
    assert_false(up("  a:\n"
                    "    start: always\n"
                    "    command: [sh, -c, 'echo first; printf \"boom: no config\" >&2; exit 3']\n"
                    "    ready: {log: never, within: 1h}\n",
                    false));
    assert_true(results[0].started);
    assert_false(results[0].ready);
    assert_string_equal(results[0].failure, "exited with 3 before it was ready");
    assert_string_equal(results[0].last_lines, "first\nboom: no config");
    assert_string_equal(e.text,
                        "service \"a\": exited with 3 before it was ready; its last output: "
                        "boom: no config");
    down();
}

static void one_that_never_gets_ready_is_given_up(void **state)
{
    (void)state;
    assert_false(up("  a:\n"
                    "    start: always\n"
                    "    command: [sh, -c, \"trap '' TERM; echo $$ >pid; while :; do sleep 1000; "
                    "done\"]\n"
                    "    stop: {grace: 50ms}\n"
                    "    ready: {log: never, within: 400ms}\n",
                    false));
    assert_string_equal(results[0].failure,
                        "not ready within 400ms: no line of its output matched /never/");
    supervisor_down(s);
    assert_false(fixture_process_runs(pid_in("tmp/a/pid")));
    down();
}

static int listen_somewhere(uint16_t *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    *port = ntohs(a.sin_port);
    return fd;
}

static void the_answer_of_a_stranger_does_not_count(void **state)
{
    char yaml[256];
    uint16_t port;
    int fd = listen_somewhere(&port);

    (void)state;
    snprintf(yaml, sizeof(yaml),
             "  a:\n    start: always\n    command: [sleep, '1000']\n"
             "    ready: {tcp: '127.0.0.1:%u', within: 30s}\n",
             (unsigned)port);
    assert_false(up(yaml, false));
    assert_non_null(strstr(e.text, "the port is taken by another process"));
    assert_false(results[0].started);
    down();
    close(fd);
}

static void an_answer_after_its_death_does_not_count(void **state)
{
    (void)state;
    assert_false(up("  a:\n"
                    "    start: always\n"
                    "    command: [sh, -c, 'echo $$ >pid']\n"
                    "    ready:\n"
                    "      exec: [sh, -c, 'until grep -q \") Z\" /proc/$(cat pid)/stat; do sleep "
                    "0.01; done']\n"
                    "      within: 30s\n",
                    false));
    assert_string_equal(results[0].failure, "exited with 0 before it was ready");
    down();
}

static void a_taken_port_is_named_when_it_dies_of_it(void **state)
{
    (void)state;
    assert_false(up("  a:\n"
                    "    start: always\n"
                    "    command: [sh, -c, 'echo bind failed: Address already in use; exit 1']\n"
                    "    ready: {log: never, within: 30s}\n",
                    false));
    assert_non_null(strstr(results[0].failure, "exited with 1 before it was ready; a port that it "
                                               "wants is taken by another process"));
    down();
}

static void a_later_death_is_noticed(void **state)
{
    uint64_t end = now_ns() + LONG;

    (void)state;
    assert_true(up("  a:\n"
                   "    start: always\n"
                   "    command: [sh, -c, 'echo up; until [ -e die ]; do sleep 0.01; done; echo "
                   "fatal; exit 4']\n"
                   "    ready: {log: up, within: 30s}\n",
                   false));
    assert_true(supervisor_healthy(s, results, &f.arena, &e));
    assert_true(fs_write(fixture_path(&f, "tmp/a/die"), "", 0, 0600, &e));
    while (supervisor_healthy(s, results, &f.arena, &e))
        assert_true(now_ns() < end);
    assert_string_equal(results[0].failure, "exited with 4 while it was needed");
    assert_string_equal(results[0].last_lines, "up\nfatal");
    assert_false(supervisor_healthy(s, results, &f.arena, &e));
    down();
}

static void needs_come_first_and_go_last(void **state)
{
    const char *order;

    (void)state;
    assert_true(up("  a:\n"
                   "    start: always\n"
                   "    env: {FROM: '${service.b.port}'}\n"
                   "    command: [sh, -c, 'trap \"echo -a >>@ROOT@/order; exit\" TERM; echo +a "
                   ">>@ROOT@/order; echo up; while :; do sleep 0.01; done']\n"
                   "    ready: {log: up}\n"
                   "  b:\n"
                   "    ports: [x]\n"
                   "    command: [sh, -c, 'trap \"echo -b >>@ROOT@/order; exit\" TERM; echo +b "
                   ">>@ROOT@/order; echo up; while :; do sleep 0.01; done']\n"
                   "    ready: {log: up}\n",
                   false));
    supervisor_down(s);
    order = fixture_file(&f, "order");
    assert_string_equal(order, "+b\n+a\n-a\n-b\n");
    down();
}

static void folder_files_and_preparation_are_there_first(void **state)
{
    bool root = geteuid() == 0;
    struct stat st;
    char yaml[1024];

    (void)state;
    snprintf(yaml, sizeof(yaml),
             "  a:\n"
             "    start: always\n"
             "    ports: [x]\n"
             "    certificate: {names: [a.test]}\n"
             "    env: {WORD: w}\n"
             "%s"
             "    prepare: [[sh, -c, 'echo prepared $WORD; cat conf/a.conf >copy'], "
             "[sh, -c, 'cat ${service.a.key} >/dev/null; id -u >>copy']]\n"
             "    files: {conf/a.conf: /etc/hostname}\n"
             "    command: [sh, -c, 'cat copy; echo up; exec sleep 1000']\n"
             "    ready: {log: up}\n",
             root ? "    user: nobody\n" : "");
    if (!up(yaml, false))
        fail_msg("%s", e.text);
    assert_int_equal(stat(fixture_path(&f, "tmp/a"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(stat(fixture_path(&f, "tmp/a/conf/a.conf"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    snprintf(yaml, sizeof(yaml), "\n%u\nup", root ? 65534 : (unsigned)geteuid());
    supervisor_down(s);
    assert_non_null(strstr(fixture_file(&f, "out/services/a.log"), yaml));
    assert_non_null(strstr(fixture_file(&f, "out/services/a.log"), "prepared w\n"));
    down();
}

static void what_fails_before_the_start_is_told(void **state)
{
    (void)state;
    assert_false(up("  a:\n    start: always\n    command: [no-such-server]\n", false));
    assert_string_equal(e.text, "service \"a\": command \"no-such-server\": not found in PATH");
    assert_false(results[0].started);
    down();
    assert_false(up("  a:\n"
                    "    start: always\n"
                    "    prepare: [[sh, -c, 'echo cannot initdb; exit 9']]\n"
                    "    command: [sleep, '1000']\n",
                    false));
    assert_string_equal(e.text, "service \"a\": prepare: \"sh\": exited with 9; its last output: "
                                "cannot initdb");
    assert_string_equal(results[0].last_lines, "cannot initdb");
    down();
}

static void an_interruption_ends_the_wait(void **state)
{
    (void)state;
    assert_true(up("  a:\n    command: [true]\n", false)); /* nothing is wanted, nothing started */
    interrupted = 1;
    assert_false(supervisor_up(s, 1, results, &f.arena, &e));
    assert_non_null(strstr(e.text, "interrupted"));
    assert_false(results[0].started);
    down();
}

static void a_flood_is_read_and_lines_are_bounded(void **state)
{
    const char *log;

    (void)state;
    assert_true(
        up("  a:\n"
           "    start: always\n"
           "    command: [sh, -c, 'head -c 2000000 /dev/zero | tr \"\\0\" x; echo; echo up; "
           "exec sleep 1000']\n"
           "    ready: {log: ^up$, within: 30s}\n",
           false));
    supervisor_down(s);
    log = fixture_file(&f, "out/services/a.log");
    assert_non_null(strstr(log, "xxx (cut)\nup\n"));
    assert_int_equal(strlen(log), 16384 + strlen(" (cut)\nup\n"));
    down();
}

static void secrets_do_not_reach_log_or_messages(void **state)
{
    static const char *const forms[] = {"s3cr/et!word", "czNjci9ldCF3b3Jk", "s3cr%2Fet%21word"};

    (void)state;
    setenv("UNIT_SECRET", "s3cr/et!word", 1);
    redact_add("s3cr/et!word");
    assert_false(up("  a:\n"
                    "    start: always\n"
                    "    env: {S: 's3cr/et!word'}\n"
                    "    command: [sh, -c, 'echo \"$S\"; echo \"x$S\" | base64; printf %s \"$S\" | "
                    "base64; echo s3cr%2Fet%21word; exit 1']\n"
                    "    ready: {log: never, within: 30s}\n",
                    false));
    supervisor_down(s);
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        assert_null(strstr(fixture_file(&f, "out/services/a.log"), forms[i]));
        assert_null(strstr(results[0].last_lines, forms[i]));
        assert_null(strstr(e.text, forms[i]));
    }
    assert_non_null(strstr(results[0].last_lines, "***"));
    down();
}

/* The death signal comes when the thread that has started a process ends. */
static void *start_and_leave(void *out)
{
    bool ok = up("  a:\n"
                 "    start: always\n"
                 "    command: [sh, -c, 'echo $$ >pid; echo up; until [ -e go ]; do sleep 0.01; "
                 "done; echo still here; >alive; exec sleep 1000']\n"
                 "    ready: {log: up, within: 30s}\n",
                 true);

    supervisor_leave(s, out);
    return ok ? out : NULL;
}

static void those_left_behind_keep_running_and_can_be_stopped(void **state)
{
    uint64_t end = now_ns() + LONG;
    struct buf left = {0};
    pthread_t thread;
    char want[96];
    bool runs;
    void *ok;
    int pid;

    (void)state;
    pthread_create(&thread, NULL, start_and_leave, &left);
    pthread_join(thread, &ok);
    assert_non_null(ok);
    pid = pid_in("tmp/a/pid");
    supervisor_down(s);
    fs_write(fixture_path(&f, "tmp/a/go"), "", 0, 0600, &e);
    while (access(fixture_path(&f, "tmp/a/alive"), F_OK) != 0 && now_ns() < end)
        usleep(1000);
    runs = fixture_process_runs(pid);
    kill(-pid, SIGKILL); /* before anything that could end this test */
    assert_true(runs);
    assert_int_equal(access(fixture_path(&f, "tmp/a/alive"), F_OK), 0);
    assert_string_equal(fixture_file(&f, "out/services/a.log"), "up\n");
    snprintf(want, sizeof(want), "service a is left running; to stop it: kill -TERM -%d\n", pid);
    assert_string_equal(left.data, want);
    buf_free(&left);
    down();
}

UNIT_GROUP(service, cmocka_unit_test(a_line_of_output_shows_it_is_ready),
           cmocka_unit_test(an_accepted_connection_shows_it_is_ready),
           cmocka_unit_test(a_command_shows_it_is_ready),
           cmocka_unit_test(a_probe_trusts_its_own_certificate_alone),
           cmocka_unit_test(an_early_death_ends_the_wait_and_shows_its_last_lines),
           cmocka_unit_test(one_that_never_gets_ready_is_given_up),
           cmocka_unit_test(the_answer_of_a_stranger_does_not_count),
           cmocka_unit_test(an_answer_after_its_death_does_not_count),
           cmocka_unit_test(a_taken_port_is_named_when_it_dies_of_it),
           cmocka_unit_test(a_later_death_is_noticed),
           cmocka_unit_test(needs_come_first_and_go_last),
           cmocka_unit_test(folder_files_and_preparation_are_there_first),
           cmocka_unit_test(what_fails_before_the_start_is_told),
           cmocka_unit_test(an_interruption_ends_the_wait),
           cmocka_unit_test(a_flood_is_read_and_lines_are_bounded),
           cmocka_unit_test(secrets_do_not_reach_log_or_messages),
           cmocka_unit_test(those_left_behind_keep_running_and_can_be_stopped))

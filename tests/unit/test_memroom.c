#include "unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memroom.h"

#define ROOM (UINT64_C(64) << 20)

static uint64_t mapped(void)
{
    FILE *f = fopen("/proc/self/statm", "re");
    unsigned long long pages = 0;

    assert_int_equal(fscanf(f, "%llu", &pages), 1);
    fclose(f);
    return pages * 4096;
}

static void there_is_room_and_a_reason(void **state)
{
    const char *of = NULL;

    (void)state;
    assert_true(memroom(&of) > 0);
    assert_non_null(of);
}

/* In a child, because such a limit does not come back. */
static void a_limit_of_the_process_counts(void **state)
{
    int status = -1;
    pid_t pid = fork();

    (void)state;
    if (pid == 0) {
        struct rlimit lim = {0};
        const char *of = NULL;

        lim.rlim_cur = lim.rlim_max = mapped() + ROOM;
        setrlimit(RLIMIT_AS, &lim);
        _exit(memroom(&of) <= ROOM && strcmp(of, "of `ulimit -v`") == 0 ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

UNIT_GROUP(memroom, cmocka_unit_test(there_is_room_and_a_reason),
           cmocka_unit_test(a_limit_of_the_process_counts))

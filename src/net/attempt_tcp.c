#include "net/attempt.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "net/conn_error.h"
#include "net/addr.h"

#define LOOK_MS 50

static bool is_set(const volatile int *flag)
{
    return flag && __atomic_load_n(flag, __ATOMIC_RELAXED) != 0;
}

/*
 * A connection from a port of the ephemeral range to itself succeeds when the kernel happens to
 * choose the very port that is asked for (RFC 9293 section 3.5, simultaneous open).  Nobody
 * listens.
 */
static bool is_own_echo(int fd)
{
    struct sockaddr_storage here = {0}, there = {0};
    socklen_t here_len = sizeof(here), there_len = sizeof(there);

    return getsockname(fd, (struct sockaddr *)&here, &here_len) == 0 &&
           getpeername(fd, (struct sockaddr *)&there, &there_len) == 0 && here_len == there_len &&
           memcmp(&here, &there, here_len) == 0;
}

/* 0, or the errno that the connection ended with. */
static int await(int fd, uint64_t deadline, const volatile int *interrupted)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    int error = 0, ready = 0;
    socklen_t len = sizeof(error);

    while (ready <= 0) {
        uint64_t now = now_ns(), left = deadline > now ? (deadline - now) / NS_PER_MS + 1 : 0;

        if (is_set(interrupted))
            return EINTR;
        if (left == 0)
            return ETIMEDOUT;
        ready = poll(&p, 1, left < LOOK_MS ? (int)left : LOOK_MS);
    }
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
    return error == 0 && is_own_echo(fd) ? ECONNREFUSED : error;
}

static int try_address(const struct addr *a, uint64_t deadline, const volatile int *interrupted)
{
    int fd = socket(a->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), error = 0;

    if (fd < 0)
        return errno;
    if (connect(fd, (const struct sockaddr *)&a->sa, a->len) != 0)
        error = errno;
    if (error == 0 || error == EINPROGRESS)
        error = await(fd, deadline, interrupted);
    close(fd);
    return error;
}

enum attempt_failure attempt_failure_of(int error)
{
    static const enum attempt_failure by_fault[] = {
        [CONN_REFUSED] = ATTEMPT_REFUSED,   [CONN_UNREACHABLE] = ATTEMPT_UNREACHABLE,
        [CONN_TIMED_OUT] = ATTEMPT_TIMEOUT, [CONN_LOCAL] = ATTEMPT_LOCAL,
        [CONN_RESET] = ATTEMPT_UNREACHABLE, /* whatever else: nobody was reached */
    };

    if (error == 0 || error == EINTR)
        return error ? ATTEMPT_INTERRUPTED : ATTEMPT_OK;
    if (error == ECONNRESET || error == EPIPE)
        return ATTEMPT_RESET;
    return by_fault[conn_fault_of(error)];
}

/* Any of the addresses will do; the last one's reason is told. */
static int try_all(const struct addrs *list, uint64_t deadline, const volatile int *interrupted)
{
    int error = ETIMEDOUT;

    for (int i = 0; i < list->n && error != 0 && error != EINTR; i++)
        error = try_address(&list->v[i], deadline, interrupted);
    return error;
}

bool attempt_tcp(const char *host, uint16_t port, uint64_t timeout_ns,
                 const volatile int *interrupted, enum attempt_failure *failure, struct err *e)
{
    uint64_t deadline = now_ns() + timeout_ns;
    enum attempt_failure result = ATTEMPT_UNREACHABLE;
    struct arena arena = {0};
    struct addrs list;
    int error;

    if (addr_resolve(&list, host, port, &arena, e)) {
        error = try_all(&list, deadline, interrupted);
        result = attempt_failure_of(error);
        errno = error;
        if (error == EINTR)
            err_set(e, "interrupted");
        else if (error != 0)
            err_errno(e, "%s:%u", host, (unsigned)port);
    }
    arena_free(&arena);
    if (failure)
        *failure = result;
    return result == ATTEMPT_OK;
}

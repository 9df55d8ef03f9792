#include "suite/free_port.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/rng.h"
#include "suite/ports.h"

#define LOWEST  10000
#define HIGHEST 65535
#define TRIES   64

static bool bind_at(int fd, unsigned port)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    return bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0;
}

static bool bind_between(int fd, unsigned low, unsigned high, uint64_t *state)
{
    for (int i = 0; low <= high && i < TRIES; i++)
        if (bind_at(fd, (unsigned)rng_between(rng_next(state), low, high)))
            return true;
    return false;
}

bool free_port_reserve(uint16_t *port, int *fd, struct err *e)
{
    struct sockaddr_in a = {0};
    socklen_t len = sizeof(a);
    unsigned low, high;
    uint64_t state;

    ports_range(&low, &high);
    *fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (*fd < 0 || getrandom(&state, sizeof(state), 0) != sizeof(state))
        return err_errno(e, "cannot reserve a port");
    if (!bind_between(*fd, LOWEST, low - 1, &state) &&
        !bind_between(*fd, high + 1, HIGHEST, &state) && !bind_at(*fd, 0))
        return err_errno(e, "cannot reserve a port");
    if (getsockname(*fd, (struct sockaddr *)&a, &len) != 0)
        return err_errno(e, "cannot reserve a port");
    *port = ntohs(a.sin_port);
    return true;
}

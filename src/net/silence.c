#include "net/silence.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "base/clock.h"

void silence_limit(int fd, unsigned ms)
{
    int on = 1, idle = (int)(ms / 1000), every = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof(every));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

static bool get_info(int fd, struct tcp_info *i)
{
    socklen_t len = sizeof(*i);

    *i = (struct tcp_info){0};
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, i, &len) == 0;
}

static uint64_t heard(const struct tcp_info *i, uint64_t now_ns)
{
    uint32_t ack = i->tcpi_last_ack_recv, data = i->tcpi_last_data_recv;

    return now_ns - (ack < data ? ack : data) * NS_PER_MS;
}

uint64_t silence_began(int fd, uint64_t now_ns)
{
    struct tcp_info i;

    return get_info(fd, &i) ? heard(&i, now_ns) : now_ns;
}

uint64_t silence_since(int fd, uint64_t now_ns)
{
    struct tcp_info i;

    if (!get_info(fd, &i) || (i.tcpi_probes < 2 && i.tcpi_retransmits < 2))
        return UINT64_MAX;
    return heard(&i, now_ns);
}

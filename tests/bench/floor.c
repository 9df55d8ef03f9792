/*
 * floor.c - what a request costs at least: a client of raw epoll that does nothing but send and
 * receive.
 *
 *     floor ADDRESS PORT CONNECTIONS SECONDS
 *
 * Plain HTTP/1.1 on kept connections, each always with one request under way.  Answers are only
 * counted, by their heads' ends: every answer has to come whole in one segment.  Prints the number
 * of answers.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static char request[128];
static size_t request_len;

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void fail(const char *doing)
{
    perror(doing);
    exit(1);
}

static void open_one(int epoll, const struct sockaddr_in *to)
{
    struct epoll_event e = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;

    if (fd < 0)
        fail("socket");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(fd, (const struct sockaddr *)to, sizeof(*to)) != 0 && errno != EINPROGRESS)
        fail("connect");
    e.events |= EPOLLOUT;
    e.data.fd = fd;
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) != 0)
        fail("epoll_ctl");
}

int main(int argc, char **argv)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    struct epoll_event events[512];
    struct rlimit limit;
    static char answer[64 << 10];
    unsigned long answers = 0;
    int epoll = epoll_create1(0), connections;
    char *begun;
    double end;

    if (argc != 5 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) {
        fprintf(stderr, "usage: floor ADDRESS PORT CONNECTIONS SECONDS\n");
        return 2;
    }
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    to.sin_port = htons((uint16_t)atoi(argv[2]));
    connections = atoi(argv[3]);
    request_len = (size_t)snprintf(request, sizeof(request),
                                   "GET / HTTP/1.1\r\nHost: %s:%s\r\n\r\n", argv[1], argv[2]);
    begun = calloc(1 << 20, 1); /* by descriptor: the first request was sent */
    for (int i = 0; i < connections; i++)
        open_one(epoll, &to);
    end = seconds() + atof(argv[4]);
    while (seconds() < end) {
        int n = epoll_wait(epoll, events, 512, 10);

        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;

            if (!begun[fd]) {
                begun[fd] = 1;
            } else if (!(events[i].events & EPOLLIN) || recv(fd, answer, sizeof(answer), 0) <= 0) {
                continue;
            } else {
                answers++;
            }
            if (send(fd, request, request_len, MSG_NOSIGNAL) < 0)
                fail("send");
        }
    }
    printf("%lu answers\n", answers);
    return 0;
}

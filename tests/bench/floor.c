/*
 * floor.c - what a request costs at least: a client of raw epoll without anything that a load
 * client could do without.
 *
 *     floor ADDRESS PORT CONNECTIONS SECONDS
 *     floor RATE SECONDS
 *
 * Plain HTTP/1.1 on kept connections, each always with one request under way: two system calls a
 * request and a share of epoll_wait().  Of an answer it looks at the status, finds the end of the
 * head and the length of the body, and puts the latency into a table, with one reading of the clock
 * that is also the next request's beginning.  Every answer has to come whole in one segment.
 * Prints the number of answers and their median latency.
 *
 * The second form sends nothing: it is a thread that wants to be awake at each due time of a rate,
 * sleeps until shortly before and then polls the clock, and prints how late it was.  That is what
 * the machine takes from anybody: whoever sends at that rate cannot be more punctual.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define POLL_NS 80000 /* longer than a sleeping thread takes to wake */

static char request[128];
static size_t request_len;

static uint64_t nanoseconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
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

static uint32_t latencies[1 << 16]; /* by microseconds; what is longer counts in the last */

/* The answer is whole, and what was asked for. */
static bool check(const char *answer, size_t len)
{
    const char *end = memmem(answer, len, "\r\n\r\n", 4), *length;

    if (!end || len < 12 || memcmp(answer + 8, " 200", 4) != 0)
        return false;
    length = strcasestr(answer, "\r\ncontent-length:");
    return length && length < end &&
           (size_t)(end - answer) + 4 + strtoul(length + 17, NULL, 10) == len;
}

static void record(uint64_t ns)
{
    uint64_t us = ns / 1000;

    latencies[us < 65535 ? us : 65535]++;
}

static unsigned quantile(uint64_t total, double q)
{
    uint64_t below = 0;
    unsigned us = 0;

    while (us < 65535 && (double)(below += latencies[us]) < q * (double)total)
        us++;
    return us;
}

static void sleep_until(uint64_t when)
{
    struct timespec t = {(time_t)(when / 1000000000), (long)(when % 1000000000)};

    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static void keep_time(double rate, double seconds)
{
    uint64_t poll = 5e8 / rate < POLL_NS ? (uint64_t)(5e8 / rate) : POLL_NS, now = 0;
    uint64_t start = nanoseconds() + POLL_NS, total = (uint64_t)(rate * seconds);

    prctl(PR_SET_TIMERSLACK, 1);
    for (uint64_t k = 0; k < total; k++) {
        uint64_t due = start + (uint64_t)((double)k / rate * 1e9);

        if (due > now + poll)
            sleep_until(due - poll);
        while (now < due)
            now = nanoseconds();
        record(now - due);
    }
    printf("late p50 %u us, p99 %u us, p99.9 %u us\n", quantile(total, .5), quantile(total, .99),
           quantile(total, .999));
}

int main(int argc, char **argv)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    struct epoll_event events[512];
    struct rlimit limit;
    static char answer[64 << 10];
    int epoll = epoll_create1(0), connections;
    unsigned long answers = 0;
    uint64_t *begun, now, end; /* by descriptor: when its request was sent; 0: none yet */

    if (argc == 3) {
        keep_time(atof(argv[1]), atof(argv[2]));
        return 0;
    }
    if (argc != 5 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) {
        fprintf(stderr, "usage: floor ADDRESS PORT CONNECTIONS SECONDS | RATE SECONDS\n");
        return 2;
    }
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    to.sin_port = htons((uint16_t)atoi(argv[2]));
    connections = atoi(argv[3]);
    request_len = (size_t)snprintf(request, sizeof(request),
                                   "GET / HTTP/1.1\r\nHost: %s:%s\r\n\r\n", argv[1], argv[2]);
    begun = calloc(1 << 20, sizeof(*begun));
    for (int i = 0; i < connections; i++)
        open_one(epoll, &to);
    now = nanoseconds();
    end = now + (uint64_t)(atof(argv[4]) * 1e9);
    while (now < end) {
        int n = epoll_wait(epoll, events, 512, 10);

        now = nanoseconds();
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;

            if (begun[fd]) {
                ssize_t len =
                    events[i].events & EPOLLIN ? recv(fd, answer, sizeof(answer) - 1, 0) : 0;

                if (len <= 0)
                    continue;
                answer[len] = '\0';
                if (!check(answer, (size_t)len))
                    fail("answer");
                now = nanoseconds();
                record(now - begun[fd]);
                answers++;
            }
            begun[fd] = now;
            if (send(fd, request, request_len, MSG_NOSIGNAL) < 0)
                fail("send");
        }
    }
    printf("%lu answers, p50 %u us\n", answers, quantile(answers, .5));
    return 0;
}

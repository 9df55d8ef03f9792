/*
 * beat_floor.c - what sending a message and receiving its answer costs at least, on this machine
 * and now, when there are many connections and each is used now and then.
 *
 *     beat_floor CONNECTIONS RATE SECONDS
 *
 * Plain TCP to a child process that answers at once.  Each millisecond those messages are sent that
 * are due, on connections chosen by chance; answers are read as they come.  The sizes are those of
 * a beat and its answer in TLS records.  There is no TLS, no HTTP/2, no schedule for each sender
 * and nothing is recorded.  Prints the CPU time of an exchange, user and system, of the client
 * alone.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BEAT   150
#define ANSWER 70

static void fail(const char *doing)
{
    perror(doing);
    exit(1);
}

static void watch(int epoll, int fd)
{
    struct epoll_event e = {.events = EPOLLIN | EPOLLET, .data.fd = fd};
    int on = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) != 0)
        fail("epoll_ctl");
}

static void serve(int listener, int connections)
{
    int epoll = epoll_create1(0);
    struct epoll_event events[64];
    char data[4096] = {0};

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int i = 0; i < connections; i++)
        watch(epoll, accept(listener, NULL, NULL));
    for (;;) {
        int n = epoll_wait(epoll, events, 64, -1);

        for (int i = 0; i < n; i++)
            if (recv(events[i].data.fd, data, sizeof(data), 0) > 0)
                send(events[i].data.fd, data, ANSWER, MSG_NOSIGNAL);
    }
}

static double cpu_seconds(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static double seconds_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Until the timer says that the next millisecond has begun. */
static void read_answers(int epoll, int timer)
{
    struct epoll_event events[64];
    char data[4096];
    uint64_t ticks;

    for (;;) {
        int n = epoll_wait(epoll, events, 64, -1);

        for (int i = 0; i < n; i++)
            if (events[i].data.fd != timer)
                recv(events[i].data.fd, data, sizeof(data), 0);
        if (read(timer, &ticks, sizeof(ticks)) > 0)
            return;
    }
}

static unsigned long run(const int *fds, int connections, int epoll, double rate, double seconds)
{
    const struct itimerspec each = {{0, 1000000}, {0, 1000000}};
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    double start = seconds_now(), now;
    static char beat[BEAT];
    unsigned long sent = 0;

    timerfd_settime(timer, 0, &each, NULL);
    watch(epoll, timer);
    while ((now = seconds_now()) < start + seconds) {
        for (; (double)sent < (now - start) * rate; sent++)
            if (send(fds[random() % connections], beat, BEAT, MSG_NOSIGNAL) != BEAT)
                fail("send");
        read_answers(epoll, timer);
    }
    return sent;
}

int main(int argc, char **argv)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int connections = argc == 4 ? atoi(argv[1]) : 0, listener, epoll = epoll_create1(0), *fds;
    socklen_t len = sizeof(at);
    unsigned long sent;
    double cpu;
    pid_t child;

    if (connections < 1) {
        fprintf(stderr, "usage: beat_floor CONNECTIONS RATE SECONDS\n");
        return 2;
    }
    listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&at, len) != 0 || listen(listener, 4096) != 0 ||
        getsockname(listener, (struct sockaddr *)&at, &len) != 0)
        fail("listen");
    child = fork();
    if (child == 0)
        serve(listener, connections);
    fds = calloc((size_t)connections, sizeof(*fds));
    for (int i = 0; i < connections; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(fds[i], (struct sockaddr *)&at, len) != 0)
            fail("connect");
        watch(epoll, fds[i]);
    }
    cpu = cpu_seconds();
    sent = run(fds, connections, epoll, atof(argv[2]), atof(argv[3]));
    printf("%.2f us\n", (cpu_seconds() - cpu) / (double)sent * 1e6);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    return 0;
}

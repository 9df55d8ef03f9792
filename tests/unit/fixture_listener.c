#include "unit.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fixture_listener.h"

static void *run(void *arg)
{
    struct listener *l = arg;
    int fd;

    while ((fd = accept(l->fd, NULL, NULL)) >= 0) {
        atomic_fetch_add(&l->accepted, 1);
        l->serve(l->owner, fd);
        close(fd);
    }
    return NULL;
}

void listener_bind(struct listener *l)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(a);

    l->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(l->fd, (struct sockaddr *)&a, sizeof(a)), 0);
    getsockname(l->fd, (struct sockaddr *)&a, &len);
    l->port = ntohs(a.sin_port);
}

void listener_start(struct listener *l, void (*serve)(void *owner, int fd), void *owner)
{
    *l = (struct listener){.serve = serve, .owner = owner};
    listener_bind(l);
    assert_int_equal(listen(l->fd, 16), 0);
    assert_int_equal(pthread_create(&l->thread, NULL, run, l), 0);
}

void listener_stop(struct listener *l)
{
    shutdown(l->fd, SHUT_RDWR);
    pthread_join(l->thread, NULL);
    close(l->fd);
}

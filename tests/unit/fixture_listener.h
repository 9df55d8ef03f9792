/*
 * fixture_listener.h - a server of a test's own on loopback: one thread that accepts, one
 * connection after the other.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

struct listener {
    int fd;
    uint16_t port;
    _Atomic int accepted;
    pthread_t thread;
    void (*serve)(void *owner, int fd); /* one connection, which is closed after it */
    void *owner;
};

void listener_bind(struct listener *l); /* a port where nobody listens */
void listener_start(struct listener *l, void (*serve)(void *owner, int fd), void *owner);
void listener_stop(struct listener *l); /* after it all that the thread has written can be read */

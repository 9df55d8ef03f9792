/*
 * fixture_hub.h - a hub on loopback that does exactly what a script says, letter by letter:
 *
 *     U take up the upgrade   R refuse it with 403    T read a token     P read a ping, answer it
 *     C send a challenge      A challenge again       X close with 1008  E end without a close
 * frame M send a masked frame   J send text that is none of the protocol's V a visitor connects G
 * and asks for a page that takes a minute  D and is gone S answer pings to the client's end   W
 * wait for it and answer nothing
 *
 * Each connection starts the script again.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "net/ws.h"

#define HUB_TRIES 32

struct hub {
    int fd, peer;
    uint16_t port;
    const char *script;
    struct ws ws;
    struct buf in, message;
    pthread_t thread;
    uint64_t tried_ns[HUB_TRIES]; /* when connections came */
    atomic_int tries, pings;
};

void hub_start(struct hub *h, const char *script);
void hub_stop(struct hub *h);

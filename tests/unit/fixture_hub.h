/* clang-format off */
/*
 * fixture_hub.h - a hub on loopback that does exactly what a script says, letter by letter:
 *
 *     U take up the upgrade         R refuse it with 403
 *     H answer it with a head of 1 MiB                    h send a byte of the answer every 10 ms
 *     T read a token                P read a ping, answer it
 *     C send a challenge            A challenge again     J send text that is none of the protocol's
 *     M send a masked frame         O the head of an oversized one        Z a compressed one
 *     8 send text that is no UTF-8  K a fragmented ping   B a close with a code that must not be sent
 *     F send 32,768 pings, and read nothing meanwhile
 *     V a visitor connects          G and asks for a page that takes a minute     D and is gone
 *     Q ask 500,000 times for a sign of a visitor, and read nothing meanwhile
 *     X close with 1008             E end without a close frame
 *     S answer pings to the client's end                  W wait for it and answer nothing
 *
 * Each connection starts the script again.
 */
/* clang-format on */
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

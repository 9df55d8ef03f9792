#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "suite/free_port.h"
#include "suite/ports.h"

#define PORTS 50

static void ports_are_held_and_no_outgoing_connection_gets_them(void **state)
{
    uint16_t ports[PORTS];
    int fds[PORTS];
    unsigned low, high;
    struct err e;

    (void)state;
    ports_range(&low, &high);
    for (int i = 0; i < PORTS; i++) {
        assert_true(free_port_reserve(&ports[i], &fds[i], &e));
        assert_true(ports[i] < low || ports[i] > high || (low <= 10000 && high == 65535));
        for (int k = 0; k < i; k++)
            assert_int_not_equal(ports[i], ports[k]);
    }
    for (int i = 0; i < PORTS; i++) {
        struct sockaddr_in a = {.sin_family = AF_INET,
                                .sin_port = htons(ports[i]),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_int_equal(bind(other, (struct sockaddr *)&a, sizeof(a)), -1);
        close(fds[i]);
        assert_int_equal(bind(other, (struct sockaddr *)&a, sizeof(a)), 0);
        close(other);
    }
}

UNIT_GROUP(free_port, cmocka_unit_test(ports_are_held_and_no_outgoing_connection_gets_them))

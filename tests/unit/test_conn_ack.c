/* When a client's kernel acknowledges. */
#include "unit.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/conn.h"

static int is_quick(int fd)
{
    int quick = -1;
    socklen_t len = sizeof(quick);

    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &quick, &len), 0);
    return quick;
}

static void an_acknowledgement_can_wait(void **state)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct conn c = {.fd = socket(AF_INET, SOCK_STREAM, 0)};
    socklen_t len = sizeof(a);

    (void)state;
    assert_int_equal(bind(listener, (struct sockaddr *)&a, len), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&a, &len), 0);
    assert_int_equal(connect(c.fd, (struct sockaddr *)&a, len), 0);
    assert_int_equal(is_quick(c.fd), 1);
    conn_delay_ack(&c);
    assert_int_equal(is_quick(c.fd), 0);
    close(c.fd);
    close(listener);
}

UNIT_GROUP(conn_ack, cmocka_unit_test(an_acknowledgement_can_wait))

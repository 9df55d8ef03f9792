#include "net/conn_bio.h"

#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>

#include <openssl/bio.h>
#include <openssl/ssl.h>

#include "base/mem.h"
#include "net/conn.h"
#include "net/rxstamp.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static BIO_METHOD *method;

static int bio_read(BIO *b, char *data, int size)
{
    struct conn *c = BIO_get_data(b);
    ssize_t n = -1;

    errno = EAGAIN;
    if (conn_may_read(c)) {
        errno = 0;
        n = rxstamp_recv(c->fd, data, (size_t)size, &c->read_ns, &c->received_ns);
        c->drained = n < size;
        c->taken += n > 0 ? (uint32_t)n : 0;
    }
    BIO_clear_flags(b, BIO_FLAGS_RWS | BIO_FLAGS_SHOULD_RETRY);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        BIO_set_retry_read(b);
    else if (n == 0)
        BIO_set_flags(b, BIO_FLAGS_IN_EOF);
    return (int)n;
}

static int bio_write(BIO *b, const char *data, int len)
{
    struct conn *c = BIO_get_data(b);
    ssize_t n;

    errno = 0;
    n = send(c->fd, data, (size_t)len, MSG_NOSIGNAL);
    BIO_clear_flags(b, BIO_FLAGS_RWS | BIO_FLAGS_SHOULD_RETRY);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        BIO_set_retry_write(b);
    return (int)n;
}

static long bio_ctrl(BIO *b, int cmd, long num, void *ptr)
{
    (void)num, (void)ptr;
    switch (cmd) {
    case BIO_CTRL_EOF:
        return BIO_test_flags(b, BIO_FLAGS_IN_EOF) != 0;
    case BIO_CTRL_FLUSH:
        return 1;
    default:
        return 0;
    }
}

static void make_method(void)
{
    method = mem_check(BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "connection"));
    BIO_meth_set_read(method, bio_read);
    BIO_meth_set_write(method, bio_write);
    BIO_meth_set_ctrl(method, bio_ctrl);
}

void conn_bio_attach(struct conn *c)
{
    BIO *b;

    pthread_once(&once, make_method);
    b = mem_check(BIO_new(method));
    BIO_set_data(b, c);
    BIO_set_init(b, 1);
    SSL_set_bio(c->ssl, b, b);
}

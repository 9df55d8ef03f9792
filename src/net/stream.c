#include "net/stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/rxstamp.h"

#define SHORT_READ 8192 /* half of what a record holds */

void stream_accept(struct stream *s, int fd, struct ssl_ctx_st *ctx)
{
    int on = 1;

    *s = (struct stream){.fd = fd};
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (!ctx)
        return;
    s->ssl = mem_check(SSL_new(ctx));
    SSL_set_mode(s->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                             SSL_MODE_RELEASE_BUFFERS);
    SSL_set_fd(s->ssl, fd);
    SSL_set_accept_state(s->ssl);
}

static enum stream_result tls_result(struct stream *s, int ret)
{
    switch (SSL_get_error(s->ssl, ret)) {
    case SSL_ERROR_NONE:
        return STREAM_OK;
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return STREAM_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return STREAM_EOF;
    default:
        ERR_clear_error(); /* or the next connection of this thread would take it for its own */
        return STREAM_FAILED;
    }
}

enum stream_result stream_handshake(struct stream *s)
{
    enum stream_result r;

    if (!s->ssl)
        return STREAM_OK;
    ERR_clear_error();
    r = tls_result(s, SSL_do_handshake(s->ssl));
    return r == STREAM_EOF ? STREAM_FAILED : r;
}

bool stream_speaks(const struct stream *s, const char *protocol)
{
    const unsigned char *chosen = NULL;
    unsigned len = 0;

    if (s->ssl)
        SSL_get0_alpn_selected(s->ssl, &chosen, &len);
    return len == strlen(protocol) && memcmp(chosen, protocol, len) == 0;
}

bool stream_resumed(const struct stream *s)
{
    return s->ssl && SSL_session_reused(s->ssl);
}

/*
 * Where OpenSSL reads ahead it asks the socket for all that its buffer holds, so that a short
 * record with nothing behind it says that the socket has no more.
 */
static enum stream_result read_tls(struct stream *s, void *data, size_t cap, size_t *n,
                                   bool *drained)
{
    bool empty = !SSL_has_pending(s->ssl);
    enum stream_result r;

    ERR_clear_error();
    r = tls_result(s, SSL_read_ex(s->ssl, data, cap, n));
    *drained = r == STREAM_OK && empty && *n < SHORT_READ && SSL_get_read_ahead(s->ssl) &&
               !SSL_has_pending(s->ssl);
    if (r == STREAM_OK)
        s->read_ns = s->received_ns = now_ns();
    return r;
}

enum stream_result stream_read(struct stream *s, void *data, size_t cap, size_t *n, bool *drained)
{
    ssize_t got;

    *n = 0;
    *drained = false;
    if (s->ssl)
        return read_tls(s, data, cap, n, drained);
    do
        got = rxstamp_recv(s->fd, data, cap, &s->read_ns, &s->received_ns);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return errno == EAGAIN ? STREAM_AGAIN : STREAM_FAILED;
    if (got == 0)
        return STREAM_EOF;
    *n = (size_t)got;
    *drained = *n < cap;
    return STREAM_OK;
}

enum stream_result stream_write(struct stream *s, const void *data, size_t len, size_t *n)
{
    ssize_t put;

    *n = 0;
    if (s->ssl) {
        ERR_clear_error();
        return tls_result(s, SSL_write_ex(s->ssl, data, len, n));
    }
    do
        put = send(s->fd, data, len, MSG_NOSIGNAL);
    while (put < 0 && errno == EINTR);
    if (put < 0)
        return errno == EAGAIN ? STREAM_AGAIN : STREAM_FAILED;
    *n = (size_t)put;
    return STREAM_OK;
}

void stream_finish(struct stream *s)
{
    if (s->ssl && SSL_is_init_finished(s->ssl)) {
        ERR_clear_error();
        SSL_shutdown(s->ssl);
        ERR_clear_error();
    }
    shutdown(s->fd, SHUT_WR);
}

void stream_reset(struct stream *s)
{
    struct linger now = {.l_onoff = 1};

    if (s->fd >= 0)
        setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    stream_close(s);
}

void stream_close(struct stream *s)
{
    SSL_free(s->ssl);
    if (s->fd >= 0)
        close(s->fd);
    *s = (struct stream){.fd = -1};
}

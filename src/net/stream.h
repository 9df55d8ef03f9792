/*
 * stream.h - the accepting side's byte stream: TCP, with TLS over it or without.
 *
 * Non-blocking, and without an event loop: a call that answers STREAM_AGAIN is made again after the
 * descriptor's next edge, whichever direction that is (TLS may need to read in order to write).
 * `{.fd = -1}` is closed.  SIGPIPE has to be ignored by the process: OpenSSL writes with write(2).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ssl_ctx_st;
struct ssl_st;

enum stream_result { STREAM_OK, STREAM_AGAIN, STREAM_EOF, STREAM_FAILED };

struct stream {
    int fd;
    struct ssl_st *ssl;   /* NULL: plain */
    uint64_t read_ns;     /* when the last bytes were read, monotonic */
    uint64_t received_ns; /* when the kernel had them: never later; with TLS, the same */
};

/*
 * Takes the non-blocking descriptor of an accepted connection; `ctx` NULL: plain.  The kernel
 * stamps what comes if its listening socket was asked to (rxstamp_enable()).
 */
void stream_accept(struct stream *s, int fd, struct ssl_ctx_st *ctx);

/* Never STREAM_EOF; a plain stream is ready at once. */
enum stream_result stream_handshake(struct stream *s);
bool stream_speaks(const struct stream *s, const char *protocol); /* it was chosen by ALPN */
bool stream_resumed(const struct stream *s); /* the handshake took up an earlier session */

/* `*drained` says that the next read would find nothing, so that it need not be tried. */
enum stream_result stream_read(struct stream *s, void *data, size_t cap, size_t *n, bool *drained);

/* A part may be taken; after STREAM_AGAIN the next call begins with the same bytes. */
enum stream_result stream_write(struct stream *s, const void *data, size_t len, size_t *n);

void stream_finish(struct stream *s); /* no more will be written: close_notify, FIN */
void stream_reset(struct stream *s);  /* closes with RST */
void stream_close(struct stream *s);

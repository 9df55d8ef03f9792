#include "net/conn_error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "net/tls.h"

enum conn_fault conn_fault_of(int error)
{
    switch (error) {
    case ECONNREFUSED:
        return CONN_REFUSED;
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EHOSTDOWN:
    case ENETDOWN:
        return CONN_UNREACHABLE;
    case ETIMEDOUT:
        return CONN_TIMED_OUT;
    case EMFILE:
    case ENFILE:
    case EADDRNOTAVAIL:
    case EADDRINUSE:
    case ENOBUFS:
    case ENOMEM:
    case EACCES:
    case EPERM:
    case EAFNOSUPPORT:
        return CONN_LOCAL;
    default:
        return CONN_RESET;
    }
}

/* What to do about a fault of this machine; "" where there is nothing to say. */
static const char *cure_of(int error)
{
    switch (error) {
    case EMFILE:
        return "; raise the limit of open files (ulimit -n)";
    case ENFILE:
        return "; raise fs.file-max";
    case EADDRNOTAVAIL:
    case EADDRINUSE:
        return "; all local ports are taken: add addresses to the target's source";
    case ENOBUFS:
    case ENOMEM:
        return "; the kernel is short of memory for sockets";
    case EACCES:
    case EPERM:
        return "; a local rule forbids it";
    default:
        return "";
    }
}

bool conn_fail(struct conn_error *e, int error, const char *doing, const struct addr *a)
{
    char where[ADDR_TEXT_MAX] = "", words[96];
    const char *reason = strerror_r(error, words, sizeof(words));

    if (a)
        addr_print(a, where);
    e->fault = conn_fault_of(error);
    e->error = error;
    snprintf(e->why, sizeof(e->why), "%s%s%s: %c%s%s", doing, a ? " " : "", where, reason[0] | 0x20,
             reason + 1, cure_of(error));
    return false;
}

bool conn_fail_tls(const struct conn *c, int ret, const char *doing, struct conn_error *e)
{
    int kind = SSL_get_error(c->ssl, ret), error = errno;
    unsigned long code = ERR_peek_error();
    char reason[128];

    e->fault = CONN_TLS;
    e->error = kind == SSL_ERROR_SYSCALL ? error : 0;
    if (ERR_GET_LIB(code) == ERR_LIB_SSL &&
        ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
        e->fault = CONN_RESET;
    else if (kind == SSL_ERROR_SYSCALL)
        e->fault = error ? conn_fault_of(error) : CONN_RESET;
    errno = error;
    tls_reason(c->ssl, ret, reason, sizeof(reason));
    if (e->fault == CONN_RESET && kind != SSL_ERROR_SYSCALL)
        snprintf(reason, sizeof(reason), "closed by the peer");
    snprintf(e->why, sizeof(e->why), "%s: %s", doing, reason);
    return false;
}

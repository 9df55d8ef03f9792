#include "run/ready.h"

#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/child.h"
#include "base/clock.h"
#include "base/err.h"
#include "net/attempt.h"
#include "net/url.h"
#include "run/provision.h"
#include "suite/service.h"

#define TRY_NS     (5 * NS_PER_S)
#define TAKEN_NS   (500 * NS_PER_MS)
#define OUTPUT_MAX 4096
#define STATUS_MAX 400 /* from here on an answer tells of an error (RFC 9110 section 15) */

static bool look_probe(const struct service *v, uint64_t timeout_ns,
                       const volatile int *interrupted, struct err *e)
{
    struct attempt_request r = {.url = v->ready.probe,
                                .verify = true,
                                .timeout_ns = timeout_ns,
                                .ca = v->certificate.given ? v->ca : NULL,
                                .interrupted = interrupted};
    struct attempt_answer a = {0};

    if (!attempt_http(&r, &a, e))
        return false;
    return a.status < STATUS_MAX || err_set(e, "%s: status %ld", v->ready.probe, a.status);
}

static bool look_tcp(const struct service *v, uint64_t timeout_ns, const volatile int *interrupted,
                     struct err *e)
{
    struct arena scratch = {0};
    const char *host;
    uint16_t port;
    bool ok = url_host_port(v->ready.tcp, &host, &port, &scratch, e) &&
              attempt_tcp(host, port, timeout_ns, interrupted, NULL, e);

    arena_free(&scratch);
    return ok;
}

static bool look_exec(const struct service *v, uint64_t timeout_ns, const volatile int *interrupted,
                      struct err *e)
{
    struct arena scratch = {0};
    struct child_opts o = provision_command(v, &v->ready.exec, &scratch);
    struct buf output = {0};
    const char *last;
    size_t len;
    bool ok = child_run(&o, timeout_ns, OUTPUT_MAX, &output, NULL, interrupted, e);

    last = child_last_lines(&output, 1, &len);
    if (!ok && len > 0) {
        struct err cause = *e;

        err_set(e, "%.512s: %.*s", cause.text, (int)(len < 256 ? len : 256), last);
    }
    if (!ok)
        err_wrap(e, "\"%s\"", v->ready.exec.v[0]);
    buf_free(&output);
    arena_free(&scratch);
    return ok;
}

bool ready_look(const struct service *v, uint64_t timeout_ns, const volatile int *interrupted,
                struct err *e)
{
    if (timeout_ns > TRY_NS)
        timeout_ns = TRY_NS;
    if (v->ready.probe)
        return look_probe(v, timeout_ns, interrupted, e);
    if (v->ready.tcp)
        return look_tcp(v, timeout_ns, interrupted, e);
    return look_exec(v, timeout_ns, interrupted, e);
}

/*
 * Otherwise the answer of a stranger, such as a service that an earlier run left behind, would pass
 * for ours.
 */
bool ready_is_taken(const struct service *v, const volatile int *interrupted, struct err *e)
{
    const char *at = v->ready.probe ? v->ready.probe : v->ready.tcp;

    if (!at || !ready_look(v, TAKEN_NS, interrupted, e))
        return false;
    err_set(e, "%s answers before it has been started: the port is taken by another process", at);
    return true;
}

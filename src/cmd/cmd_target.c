/*
 * cmd_target.c - `shakedown target`: the embedded target, until a signal ends it.
 */
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/fs.h"
#include "cmd/command.h"
#include "cmd/hub.h"
#include "cmd/target_args.h"
#include "net/tls.h"
#include "target/ca.h"
#include "target/certctl.h"
#include "target/f5.h"
#include "target/identity.h"
#include "target/ingest.h"
#include "target/nexus.h"
#include "target/reporter.h"
#include "target/server.h"
#include "target/state.h"

#define LOG_BUFFER (1 << 20)

static struct server *running;

static void on_signal(int sig)
{
    (void)sig;
    server_stop(running);
}

static bool open_hub(const struct target_args *a, struct server_config *c, struct nexus *n,
                     struct arena *arena, struct err *e)
{
    struct nexus_opts o = {
        .url = a->nexus_url,
        .ca = a->nexus_ca,
        .insecure = a->nexus_insecure,
        .backends = a->nexus_backends,
        .retry = a->nexus_retry,
        .retry_max = a->nexus_retry_max,
        .attest = {.name = a->nexus_name,
                   .issuer = "authorizer",
                   .audience = "nexus",
                   .hostnames = a->nexus_hostname,
                   .weight = a->nexus_weight,
                   .ttl = a->nexus_ttl,
                   .reauth_interval = a->nexus_reauth_interval,
                   .reauth_grace = a->nexus_reauth_grace},
    };

    if (!a->nexus_url)
        return true;
    c->nexus = n;
    return hub_init(n, &o, a->secret_file, arena, e);
}

/* The surfaces that remember something share one database. */
static bool open_surfaces(const struct target_args *a, struct server_config *c,
                          struct state **state, struct err *e)
{
    if (!a->certctl.certctl && !a->f5 && !a->ca.acme &&
        !(a->ingest && a->ingest_state == INGEST_SQL))
        return true;
    *state = state_open(&a->state, e);
    if (!*state)
        return false;
    c->page_threads = state_sessions(*state);
    if (a->certctl.certctl && !(c->certctl = certctl_new(&a->certctl, *state, c->tls, e)))
        return false;
    if (a->f5 && !(c->f5 = f5_new(*state, c->tls, e)))
        return false;
    return !a->ca.acme || (c->ca = ca_new(&a->ca, *state, e));
}

static bool open_ingest(const struct target_args *a, struct server_config *c, struct state *state,
                        struct err *e)
{
    if (a->ingest && c->page_threads < ingest_threads(c->threads))
        c->page_threads = ingest_threads(c->threads);
    if (a->ingest)
        c->ingest = ingest_new(&a->agents, c->tls, a->ingest_state == INGEST_SQL ? state : NULL,
                               c->threads, e);
    return !a->ingest || c->ingest;
}

static struct ssl_ctx_st *load_identity(const struct target_args *a, struct err *e)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "::1"};
    static const char *const alpn[][3] = {
        [SERVER_AUTO] = {"h2", "http/1.1"}, [SERVER_HTTP1] = {"http/1.1"}, [SERVER_H2] = {"h2"}};
    struct identity_opts o = {
        .alpn = alpn[a->protocol],
        .cert = a->cert,
        .key = a->key,
        .names = a->names.n ? a->names.v : names,
        .name_count = a->names.n ? a->names.n : 3,
        .ca_out = a->ca_out,
    };

    return identity_load(&o, e);
}

/* Ready: the sockets listen, so whoever reads this can connect. */
static bool publish(const struct target_args *a, const struct server *s, struct err *e)
{
    struct buf ports = {0};
    bool ok;

    for (int i = 0; i < s->config.listen_count; i++) {
        printf("listening %s\n", s->urls[i]);
        buf_printf(&ports, "%u\n", (unsigned)s->ports[i]);
    }
    fflush(stdout);
    ok = !a->port_file || fs_write(a->port_file, ports.data, ports.len, 0644, e);
    buf_free(&ports);
    return ok;
}

static void set_signals(void (*stop)(int))
{
    struct sigaction act = {.sa_handler = stop};

    sigaction(SIGTERM, &act, NULL);
    sigaction(SIGINT, &act, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static bool serve(const struct target_args *a, const struct server_config *c, struct err *e)
{
    bool ok;

    running = server_open(c, e);
    if (!running)
        return false;
    set_signals(on_signal);
    ok = publish(a, running, e);
    if (ok && a->quiet)
        server_run(running);
    else if (ok)
        reporter_serve(running);
    set_signals(SIG_IGN);
    server_free(running);
    return ok;
}

static bool open_log(const struct target_args *a, struct server_config *c, struct err *e)
{
    if (!a->log)
        return true;
    c->log = fopen(a->log, "we");
    if (!c->log)
        return err_errno(e, "cannot write %s", a->log);
    setvbuf(c->log, NULL, _IOFBF, LOG_BUFFER);
    return true;
}

static bool close_log(const struct target_args *a, struct server_config *c, struct err *e)
{
    bool ok = !c->log || !ferror(c->log);

    if (c->log && fclose(c->log) != 0)
        ok = false;
    return ok || err_set(e, "could not write all of %s", a->log);
}

static int fail(const struct err *e, int code)
{
    fprintf(stderr, "shakedown target: %s\n", e->text);
    return code;
}

static bool run_config(const struct target_args *a, struct server_config *c, struct err *e)
{
    struct arena arena = {0};
    struct nexus hub = {0};
    struct state *state = NULL;
    bool ok;

    c->tls = a->plain ? NULL : load_identity(a, e);
    if (!a->plain && !c->tls)
        return false;
    ok = open_hub(a, c, &hub, &arena, e) && open_surfaces(a, c, &state, e) &&
         open_ingest(a, c, state, e) && open_log(a, c, e) && serve(a, c, e);
    ok = close_log(a, c, e) && ok;
    if (ok && atomic_load(&hub.gave_up))
        ok = err_set(e, "the hub does not accept this backend");
    certctl_free(c->certctl);
    f5_free(c->f5);
    ingest_free(c->ingest);
    ca_free(c->ca);
    state_close(state);
    nexus_fini(&hub);
    arena_free(&arena);
    tls_ctx_free(c->tls);
    return ok;
}

static int run(const void *opts)
{
    const struct target_args *a = opts;
    struct server_config c;
    struct err e;

    if (!target_args_read(a, &c, &e))
        return fail(&e, EXIT_USAGE);
    return run_config(a, &c, &e) ? EXIT_PASS : fail(&e, EXIT_COULD_NOT);
}

static const char details[] =
    "A target that does as it is told and stamps what it did: the yardstick that measurements are\n"
    "held against.  Any path answers 200 \"ok\"; /healthz, /stats, POST /stats/reset, /echo, "
    "/headers,\n"
    "/status/NNN, /bytes/SIZE, /chunked/SIZE, /delay/DIST, /redirect?to=URL and /close do what "
    "they\n"
    "say.  A request changes its own program by query or by field: ?latency=5ms&status=503, or\n"
    "X-Target-Latency: 5ms; knobs: latency, first_byte, status, size, errors, reset, truncate, "
    "close,\n"
    "chunked, early, stamps.\n"
    "\n"
    "Distributions: 5ms, uniform(1ms,5ms), exp(5ms), normal(10ms,2ms), lognormal(5ms,0.5),\n"
    "pareto(1ms,1.5), mix(90% 1ms, 9% 5ms, 1% 50ms).  Shares are dealt by request number: of "
    "every\n"
    "1000 requests exactly the asked number gets its part.\n"
    "\n"
    "With --nexus-url it is a backend of a hub besides: it registers the hostnames with a signed\n"
    "token and answers the visitors that the hub sends, on the same pages.  It tells of each\n"
    "registration; when all backends have theirs, \"registered all N backends\".\n"
    "\n"
    "With --certctl it is certctl's server besides, as far as load tests use it: POST and GET\n"
    "/api/v1/certificates, certificates/ID/deployments, certificates/bulk-renew, jobs and\n"
    "agents/ID/heartbeat, work and csr, with its answers.  What it knows is in the database of "
    "--db,\n"
    "in certctl's tables, so that seeds put it there.  A certificate that it says is deployed is "
    "then\n"
    "shown to whoever asks its TLS listener for the common name.\n"
    "\n"
    "With --f5 it is a BIG-IP besides, as far as a connector deploys certificates to one: login,\n"
    "uploads, installing certificates and keys, transactions and client-ssl profiles of iControl\n"
    "REST.  What the profile that was changed last refers to is what its TLS listener shows.\n"
    "\n"
    "With --ingest it is the ingest server of a fleet of agents besides: agent.v1.IngestService "
    "over\n"
    "gRPC, the page that deletes hosts, and /ingest/metrics, /ingest/timing, /ingest/agents and\n"
    "/ingest/beats, which say what it has seen.\n"
    "\n"
    "With --acme it is an ACME server besides, below /acme/profile/ID/, with the rate limits of\n"
    "certctl's.  Signatures are checked; certificates are issued by a CA of the process.\n"
    "\n"
    "It listens on loopback unless told otherwise.  SIGTERM and SIGINT end it with exit code 0.";

const struct command command_target = {
    .name = "target",
    .usage = "[options]",
    .brief = "serves the embedded target: programmable latency, faults and stamps",
    .details = details,
    .opts = target_table,
    .opts_size = sizeof(struct target_args),
    .run = run,
};

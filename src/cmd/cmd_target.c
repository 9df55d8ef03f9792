/*
 * cmd_target.c - `shakedown target`: the embedded target, until a signal ends it.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "cmd/command.h"
#include "cmd/hub.h"
#include "net/tls.h"
#include "target/ca.h"
#include "target/certctl.h"
#include "target/f5.h"
#include "target/identity.h"
#include "target/ingest.h"
#include "target/ledger.h"
#include "target/nexus.h"
#include "target/reporter.h"
#include "target/server.h"
#include "target/state.h"

#define S          INT64_C(1000000000)
#define LISTEN_MAX 64
#define LOG_BUFFER (1 << 20)

struct target_args {
    struct certctl_opts certctl; /* first, for CERTCTL_ROWS */
    union {                      /* STATE_ROWS knows the members by their own names */
        struct state_opts state;
        struct {
            STATE_FIELDS;
        };
    };
    union { /* INGEST_ROWS knows the members by their own names */
        struct ingest_opts agents;
        struct {
            INGEST_FIELDS;
        };
    };
    union { /* and so does CA_ROWS */
        struct ca_opts ca;
        struct {
            CA_FIELDS;
        };
    };
    struct texts listen, names;
    bool plain, close, chunked, stamps, quiet, f5;
    const char *cert, *key, *ca_out, *port_file, *log;
    const char *latency, *first_byte, *stall, *errors;
    double resets;
    int protocol;
    int64_t size, header_timeout, idle_timeout, grace, max_body, max_connections, threads, seed;
    bool sized, graced;
    const char *nexus_url, *secret_file, *nexus_name, *nexus_ca;
    struct texts nexus_hostname;
    bool nexus_insecure;
    int64_t nexus_weight, nexus_backends, nexus_ttl, nexus_reauth_interval, nexus_reauth_grace;
    int64_t nexus_retry, nexus_retry_max;
};

static const char *const protocols[] = {
    [SERVER_AUTO] = "auto", [SERVER_HTTP1] = "http1", [SERVER_H2] = "h2", NULL};

#define OPT_OF struct target_args
static const struct opt target_args[] = {
    OPT_TEXTS(listen, "ADDRESS:PORT to listen on, repeatable; port 0 takes a free one "
                      "(127.0.0.1:0)"),
    OPT_BOOL(plain, "false", "HTTP without TLS"),
    OPT_CHOICE(protocol, "auto",
               "auto: HTTP/2 with clients that ask for it, by ALPN or by its preface; or one alone",
               .choices = protocols),
    OPT_TEXT(cert, NULL, "certificate chain, a PEM file; without it one is made for this run"),
    OPT_TEXT(key, NULL, "key of the certificate, a PEM file"),
    OPT_TEXTS(names, "names and addresses in the certificate that is made (localhost, 127.0.0.1)"),
    OPT_TEXT(ca_out, NULL, "write the CA of the certificate that is made to this file"),
    OPT_TEXT(port_file, NULL, "write the port to this file when ready, one line for each address"),
    OPT_TEXT(latency, "0", "from a request's head to the end of its answer",
             .example = "mix(90% 1ms, 9% 5ms, 1% exp(50ms))"),
    OPT_TEXT(first_byte, NULL, "from a request's head to the first byte of its answer",
             .example = "200ms"),
    OPT_TEXT(stall, NULL, "times at which the whole server stands still",
             .example = "2s every 10s"),
    OPT_TEXT(errors, NULL, "share of requests answered with an error", .example = "1% 503"),
    OPT_RATIO(resets, "0", "share of requests that meet a TCP reset", .example = "0.5%"),
    OPT_SIZE(size, NULL, "answer with a body of this many bytes", OPT_GIVEN(sized)),
    OPT_BOOL(chunked, "false", "send bodies in chunks"),
    OPT_BOOL(close, "false", "close the connection after each answer"),
    OPT_BOOL(stamps, "false", "tell in each answer when its request arrived and how long it took"),
    OPT_DURATION(header_timeout, "10s", "for a handshake and for a request's head", .min = 1,
                 .max = 86400 * S),
    OPT_DURATION(idle_timeout, "60s", "for a connection that neither sends nor reads", .min = 1,
                 .max = 86400 * S),
    OPT_DURATION(grace, "5s",
                 "for what is in flight when a signal ends the server; with --ingest 30s", .min = 0,
                 .max = 86400 * S, OPT_GIVEN(graced)),
    OPT_SIZE(max_body, "1MiB", "a larger request body is answered with 413", .min = 0,
             .max = INT64_C(1) << 30),
    OPT_INT(max_connections, "100000", "at most this many at a time; more wait to be accepted",
            .min = 1, .max = 10000000),
    OPT_INT(threads, "1", "worker threads", .min = 1, .max = 64),
    OPT_INT(seed, "1", "of random latencies", .min = 0, .max = INT64_MAX),
    OPT_TEXT(log, NULL, "write each request's arrival, departure, programmed time and status"),
    OPT_TEXT(nexus_url, NULL, "be a backend of the hub at this url, too",
             .example = "wss://hub.example.com:8443/connect"),
    OPT_TEXTS(nexus_hostname, "name to serve behind the hub, repeatable"),
    OPT_TEXT(secret_file, NULL,
             "file with the secret that tokens for the hub are signed with; without it "
             "HMAC_SECRET of the environment is used"),
    OPT_TEXT(nexus_ca, NULL, "PEM file of certificates to trust as the hub's"),
    OPT_BOOL(nexus_insecure, "false", "do not check the hub's certificate"),
    OPT_TEXT(nexus_name, "nexus-stress", "the backend's name in its tokens"),
    OPT_INT(nexus_weight, "1", "share of the visitors, in proportion to other backends", .min = 0,
            .max = 1000000),
    OPT_INT(nexus_backends, "1", "backends to register, each on a connection of its own", .min = 1,
            .max = 10000),
    OPT_DURATION(nexus_ttl, "60s", "how long a token is valid", .min = S, .max = 86400 * S),
    OPT_DURATION(nexus_reauth_interval, "600s", "ask the hub to challenge again this often",
                 .min = S, .max = 86400 * S),
    OPT_DURATION(nexus_reauth_grace, "30s", "ask for this long to answer such a challenge",
                 .min = S, .max = 86400 * S),
    OPT_DURATION(nexus_retry, "5s", "pause before the hub is tried again; it doubles each time",
                 .min = S / 1000, .max = 86400 * S),
    OPT_DURATION(nexus_retry_max, "60s", "the longest such pause", .min = S / 1000,
                 .max = 86400 * S),
#undef OPT_OF
#define OPT_OF struct certctl_opts
    CERTCTL_ROWS,
#undef OPT_OF
#define OPT_OF struct target_args
    OPT_BOOL(f5, "false",
             "serve a BIG-IP's iControl REST below /mgmt/, as far as deployments use it"),
    CA_ROWS,
    STATE_ROWS,
    INGEST_ROWS,
    OPT_BOOL(quiet, "false", "do not tell every 10s how much was served"),
    {0},
};
#undef OPT_OF

static struct server *running;

static void on_signal(int sig)
{
    (void)sig;
    server_stop(running);
}

/* The options that stand for knobs, by the knobs' own readers, so that both are written alike. */
static bool read_program(const struct target_args *a, struct server_config *c, struct err *e)
{
    struct program *p = &c->program;

    p->reset = a->resets;
    p->sized = a->sized;
    p->size = a->size;
    p->close = a->close;
    p->chunked = a->chunked;
    p->stamps = a->stamps;
    if (a->resets < 0 || a->resets > 1)
        return err_set(e, "resets: a share is at most 100%%");
    if (a->size > PROGRAM_SIZE_MAX)
        return err_set(e, "size: at most 1 TiB");
    return program_set(p, "latency", a->latency, e) &&
           (!a->first_byte || program_set(p, "first_byte", a->first_byte, e)) &&
           (!a->errors || program_set(p, "errors", a->errors, e)) &&
           (!a->stall || stall_parse(&c->stall, a->stall, e) || err_wrap(e, "stall"));
}

static bool read_config(const struct target_args *a, struct server_config *c, struct err *e)
{
    static const char *const loopback[] = {"127.0.0.1:0"};

    *c = (struct server_config){
        .listen = a->listen.n ? a->listen.v : loopback,
        .listen_count = a->listen.n ? a->listen.n : 1,
        .header_timeout = (uint64_t)a->header_timeout,
        .idle_timeout = (uint64_t)a->idle_timeout,
        .grace = a->ingest && !a->graced ? INGEST_GRACE : (uint64_t)a->grace,
        .max_body = (uint64_t)a->max_body,
        .max_connections = (uint64_t)a->max_connections,
        .threads = (int)a->threads,
        .protocol = (enum server_protocol)a->protocol,
        .seed = (uint64_t)a->seed,
    };
    if (a->certctl.certctl && a->f5)
        return err_set(e, "--certctl and --f5 are two servers: start one for each");
    if (a->ingest && a->ingest_state == INGEST_SQL && (a->certctl.certctl || a->f5))
        return err_set(e, "--ingest-state sql has tables of its own: start one server for each");
    if (c->listen_count > LISTEN_MAX)
        return err_set(e, "at most %d addresses", LISTEN_MAX);
    for (int i = 0; i < c->listen_count; i++)
        if (!server_check_address(c->listen[i], e))
            return err_wrap(e, "listen");
    if (!a->cert != !a->key)
        return err_set(e, "--cert and --key go together");
    if (a->plain && (a->cert || a->ca_out || a->names.n))
        return err_set(e, "--plain serves without a certificate");
    if (a->nexus_url ? !a->nexus_hostname.n : a->nexus_hostname.n || a->secret_file)
        return err_set(e, "--nexus-url and --nexus-hostname go together");
    if (a->ingest && a->protocol == SERVER_HTTP1)
        return err_set(e, "--ingest is served over HTTP/2; --protocol http1 leaves no room for it");
    if (a->ingest && a->plain && a->ingest_generation != INGEST_TLS)
        return err_set(e, "without TLS there are no client certificates (try --ingest-generation "
                          "tls)");
    if (a->cert && (a->ca_out || a->names.n))
        return err_set(e,
                       "--names and --ca-out are for a certificate that is made; --cert gives one");
    return state_check(&a->state, e) && ingest_check(&a->agents, e) && ca_check(&a->ca, e) &&
           read_program(a, c, e);
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

    if (!read_config(a, &c, &e))
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
    .opts = target_args,
    .opts_size = sizeof(struct target_args),
    .run = run,
};

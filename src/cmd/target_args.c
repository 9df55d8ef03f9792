#include "cmd/target_args.h"

#include "base/err.h"
#include "target/server.h"

#define S          INT64_C(1000000000)
#define LISTEN_MAX 64

static const char *const protocols[] = {
    [SERVER_AUTO] = "auto", [SERVER_HTTP1] = "http1", [SERVER_H2] = "h2", NULL};

#define OPT_OF struct target_args
const struct opt target_table[] = {
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

bool target_args_read(const struct target_args *a, struct server_config *c, struct err *e)
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

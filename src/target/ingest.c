#include "target/ingest.h"

#include <agent/v1/heartbeat.pb-c.h>
#include <ctype.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "spec/diag.h"
#include "target/ingest_keys.h"
#include "target/ingest_sql.h"
#include "target/ingest_state.h"

#define SECRET_MAX 4096

const char *const ingest_generations[] = {[INGEST_TLS] = "tls",
                                          [INGEST_MTLS_TERMINAL] = "mtls-terminal",
                                          [INGEST_MTLS] = "mtls",
                                          [INGEST_HEAD] = "head",
                                          NULL};
const char *const ingest_jwts[] = {[INGEST_RS256] = "RS256", [INGEST_HS256] = "HS256", NULL};
const char *const ingest_states[] = {[INGEST_MEMORY] = "memory", [INGEST_SQL] = "sql", NULL};

/* All of it lives in `arena`.  Its mistakes are told on stderr, and `e` says that there are some.
 */
static bool load_script(struct script *s, const char *path, struct arena *arena, struct err *e)
{
    struct diags d;
    struct buf text = {0};
    bool ok;

    if (!fs_read(path, SCRIPT_MAX, &text, e))
        return false;
    diags_init(&d, path, arena);
    ok = script_read(s, buf_text(&text), text.len, arena, &d);
    buf_free(&text);
    if (ok)
        return true;
    diags_print(&d, stderr);
    return err_set(e, "%s: %d mistake%s", path, d.errors, d.errors == 1 ? "" : "s");
}

bool ingest_check(const struct ingest_opts *o, struct err *e)
{
    struct arena arena = {0};
    struct script script;
    bool ok = !o->ingest || !o->ingest_pushes || load_script(&script, o->ingest_pushes, &arena, e);

    arena_free(&arena);
    return ok;
}

/* Without white space around it. */
static char *read_secret(const char *path, struct err *e)
{
    struct buf b = {0};
    char *secret = NULL;

    if (!fs_read(path, SECRET_MAX, &b, e))
        return NULL;
    while (b.len > 0 && isspace((unsigned char)b.data[b.len - 1]))
        b.data[--b.len] = '\0';
    if (b.len > 0)
        secret = mem_check(strdup(b.data));
    else
        err_set(e, "%s is empty", path);
    if (b.data)
        explicit_bzero(b.data, b.cap);
    buf_free(&b);
    return secret;
}

static void add_checks(const struct script *s, Agent__V1__HeartbeatResponse *r, struct arena *arena)
{
    Agent__V1__CheckDefinition *checks;

    r->n_checks = (size_t)s->check_count;
    r->checks = arena_array(arena, Agent__V1__CheckDefinition *, s->check_count + 1);
    checks = arena_array(arena, Agent__V1__CheckDefinition, s->check_count + 1);
    for (int i = 0; i < s->check_count; i++) {
        agent__v1__check_definition__init(&checks[i]);
        checks[i].check_id = (char *)s->checks[i].id;
        checks[i].check_type = (char *)s->checks[i].type;
        checks[i].config_json = (char *)s->checks[i].config;
        checks[i].interval_seconds = (int32_t)(s->checks[i].interval / (int64_t)NS_PER_S);
        r->checks[i] = &checks[i];
    }
}

/* The replies to beats are made once. */
static void make_reply(struct ingest *g, int variant)
{
    Agent__V1__HeartbeatResponse r = AGENT__V1__HEARTBEAT_RESPONSE__INIT;
    struct buf *out = &g->reply[variant];
    char prefix[GRPC_PREFIX];
    size_t len;

    r.ok = true;
    add_checks(&g->script, &r, &g->arena);
    if (variant & REPLY_UPDATE) {
        r.update_available = true;
        r.latest_version = (char *)g->opts.ingest_version;
        r.download_url = arena_printf(&g->arena, "/download/ct-ops-agent-%s", r.latest_version);
    }
    if (variant & REPLY_CERT)
        r.pending_server_cert_pem = (char *)buf_text(&g->server_cert);
    len = agent__v1__heartbeat_response__get_packed_size(&r);
    grpc_prefix(prefix, len);
    buf_add(out, prefix, sizeof(prefix));
    buf_reserve(out, len);
    out->len += agent__v1__heartbeat_response__pack(&r, (uint8_t *)out->data + out->len);
}

static bool open_crypto(struct ingest *g, struct ssl_ctx_st *tls, struct state *state,
                        struct err *e)
{
    const struct ingest_opts *o = &g->opts;

    g->mutual = o->ingest_generation != INGEST_TLS;
    if (!ingest_keys_open(g, state, e) || (g->mutual && !authority_trust(g->authority, tls, e)))
        return false;
    if (tls && o->ingest_server_cert && !authority_shown(tls, &g->server_cert, g->fingerprint))
        return err_set(e, "the server's certificate could not be read");
    return true;
}

static bool open_all(struct ingest *g, struct ssl_ctx_st *tls, struct state *state, struct err *e)
{
    const struct ingest_opts *o = &g->opts;

    script_nothing(&g->script);
    if (o->ingest_pushes && !load_script(&g->script, o->ingest_pushes, &g->arena, e))
        return false;
    if (o->ingest_token_file && !(g->token = read_secret(o->ingest_token_file, e)))
        return false;
    if (o->ingest_admin_key_file && !(g->admin_key = read_secret(o->ingest_admin_key_file, e)))
        return false;
    if (!open_crypto(g, tls, state, e))
        return false;
    for (int v = 0; v < INGEST_REPLIES; v++)
        make_reply(g, v);
    return true;
}

static void open_workers(struct ingest *g)
{
    size_t size = sizeof(*g->workers) * (size_t)g->threads;
    uint64_t log_size = (uint64_t)g->opts.ingest_beat_log;

    g->workers = mem_check(aligned_alloc(alignof(struct ingest_worker), size));
    memset(g->workers, 0, size);
    for (int i = 0; log_size > 0 && i < g->threads; i++) {
        g->workers[i].log_size = log_size;
        g->workers[i].log = xcalloc(log_size, sizeof(*g->workers[i].log));
    }
}

struct ingest *ingest_new(const struct ingest_opts *o, struct ssl_ctx_st *tls, struct state *state,
                          int threads, struct err *e)
{
    struct ingest *g = xcalloc(1, sizeof(*g));

    g->opts = *o;
    g->threads = threads;
    g->started_ns = now_ns();
    pthread_mutex_init(&g->lock, NULL);
    ingest_table_init(&g->table, wall_ns());
    open_workers(g);
    if (open_all(g, tls, state, e) && (!state || ingest_sql_open(g, state, e)))
        return g;
    ingest_free(g);
    return NULL;
}

int ingest_threads(int workers)
{
    return (get_nprocs() + workers - 1) / workers;
}

static void forget(char *secret)
{
    if (secret)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

void ingest_free(struct ingest *g)
{
    if (!g)
        return;
    ingest_sql_close(g->sql);
    for (int i = 0; i < g->threads; i++) {
        bump_free(&g->workers[i].bump);
        buf_free(&g->workers[i].pack);
        buf_free(&g->workers[i].text);
        free(g->workers[i].log);
    }
    free(g->workers);
    for (int v = 0; v < INGEST_REPLIES; v++)
        buf_free(&g->reply[v]);
    ingest_table_fini(&g->table);
    buf_free(&g->server_cert);
    authority_free(g->authority);
    jwt_key_free(g->jwt);
    forget(g->token);
    forget(g->admin_key);
    arena_free(&g->arena);
    pthread_mutex_destroy(&g->lock);
    free(g);
}

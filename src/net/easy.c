/*
 * easy.c - what a request of ours is in libcurl's options, and libcurl's failures in our words.
 *
 * Nothing but the address asked for is contacted: no proxy, no redirect, no .netrc.
 */
#include "net/easy.h"

#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/units.h"

static void init_curl(void)
{
    curl_global_init(CURL_GLOBAL_ALL);
}

bool easy_open(struct easy *t)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, init_curl);
    t->easy = curl_easy_init();
    return t->easy != NULL;
}

static void set_text(CURL *easy, CURLoption option, const char *text)
{
    if (text)
        curl_easy_setopt(easy, option, text);
}

static void add_header(struct easy *t, const char *line)
{
    struct curl_slist *list = curl_slist_append(t->headers, line);

    t->headers = list ? list : t->headers;
}

/* libcurl adds these by itself; an empty value takes them out, unless the caller has them. */
static void set_headers(struct easy *t, const struct attempt_request *r)
{
    static const char *const defaults[] = {"Expect:", "Content-Type:", "User-Agent: shakedown"};

    for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++) {
        size_t len = strcspn(defaults[i], ":") + 1;
        bool given = false;

        for (int h = 0; r->headers && r->headers[h]; h++)
            given = given || strncasecmp(r->headers[h], defaults[i], len) == 0;
        if (!given)
            add_header(t, defaults[i]);
    }
    for (int h = 0; r->headers && r->headers[h]; h++)
        add_header(t, r->headers[h]);
    curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers);
}

static bool part_of(CURLU *url, CURLUPart part, unsigned flags, char *out, size_t size)
{
    char *text = NULL;
    bool ok = curl_url_get(url, part, &text, flags) == CURLUE_OK;

    if (ok)
        snprintf(out, size, "%s", text);
    curl_free(text);
    return ok;
}

/*
 * libcurl takes SNI, the name to verify and the host: header from the URL.  With a server name of
 * its own, that name stands in the URL, the connection goes where the URL pointed, and the header
 * says what it would have said.
 */
static bool set_server_name(struct easy *t, const struct attempt_request *r, char *to, size_t size)
{
    char host[256], port[16], line[300];

    if (!part_of(t->url, CURLUPART_HOST, 0, host, sizeof(host)) ||
        !part_of(t->url, CURLUPART_PORT, CURLU_DEFAULT_PORT, port, sizeof(port)) ||
        curl_url_set(t->url, CURLUPART_HOST, r->server_name, 0) != CURLUE_OK)
        return false;
    if (to[0] == '\0')
        snprintf(to, size, "%s:%s", host, port);
    for (int h = 0; r->headers && r->headers[h]; h++)
        if (strncasecmp(r->headers[h], "host:", 5) == 0)
            return true;
    if (part_of(t->url, CURLUPART_PORT, 0, port, sizeof(port)))
        snprintf(line, sizeof(line), "Host: %s:%s", host, port);
    else
        snprintf(line, sizeof(line), "Host: %s", host);
    add_header(t, line);
    return true;
}

static bool set_url(struct easy *t, const struct attempt_request *r, struct err *e)
{
    char to[512] = "", entry[520];

    if (!t->url)
        t->url = curl_url();
    if (!t->url || curl_url_set(t->url, CURLUPART_URL, r->url, 0) != CURLUE_OK)
        return err_set(e, "not a URL");
    if (r->connect_to)
        snprintf(to, sizeof(to), "%s", r->connect_to);
    if (r->server_name && !set_server_name(t, r, to, sizeof(to)))
        return err_set(e, "server name \"%s\" is not a host name", r->server_name);
    if (to[0]) {
        snprintf(entry, sizeof(entry), "::%s", to);
        t->connect_to = curl_slist_append(NULL, entry);
        curl_easy_setopt(t->easy, CURLOPT_CONNECT_TO, t->connect_to);
    }
    curl_easy_setopt(t->easy, CURLOPT_CURLU, t->url);
    return true;
}

static long version_option(const char *text, long v12, long v13, long none)
{
    return !text ? none : strcmp(text, "1.3") == 0 ? v13 : v12;
}

static void set_tls(CURL *easy, const struct attempt_request *r)
{
    bool suites = r->ciphers && strncmp(r->ciphers, "TLS_", 4) == 0;

    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, r->verify ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, r->verify ? 2L : 0L);
    if (r->ca) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, r->ca);
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL); /* this file, not the system's as well */
    }
    set_text(easy, CURLOPT_SSLCERT, r->cert);
    set_text(easy, CURLOPT_SSLKEY, r->key);
    set_text(easy, suites ? CURLOPT_TLS13_CIPHERS : CURLOPT_SSL_CIPHER_LIST, r->ciphers);
    set_text(easy, CURLOPT_SSL_EC_CURVES, r->groups);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION,
                     version_option(r->min_version, CURL_SSLVERSION_TLSv1_2,
                                    CURL_SSLVERSION_TLSv1_3, CURL_SSLVERSION_DEFAULT) |
                         version_option(r->max_version, CURL_SSLVERSION_MAX_TLSv1_2,
                                        CURL_SSLVERSION_MAX_TLSv1_3, 0));
}

static void set_method(CURL *easy, const struct attempt_request *r)
{
    const char *method = r->method ? r->method : "GET";

    if (strcmp(method, "HEAD") == 0)
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    else
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
}

void easy_set_route(struct easy *t, const struct attempt_request *r)
{
    CURL *easy = t->easy;
    char source[256];

    set_tls(easy, r);
    set_method(easy, r);
    if (r->source) {
        snprintf(source, sizeof(source), "host!%s", r->source);
        curl_easy_setopt(easy, CURLOPT_INTERFACE, source);
    }
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->message);
}

static void set_body(CURL *easy, const struct attempt_request *r)
{
    if (!r->body)
        return;
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, r->body_len);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, r->body);
}

static size_t check_text(const struct buf *made_of, size_t at, const char *text, bool *same)
{
    size_t n = strlen(text) + 1;

    *same = *same && made_of->len - at >= n && memcmp(made_of->data + at, text, n) == 0;
    return at + n;
}

static bool is_made_of(const struct buf *made_of, const struct attempt_request *r)
{
    bool same = made_of->len > 0;
    size_t at = same ? check_text(made_of, 0, r->url, &same) : 0;

    at = same ? check_text(made_of, at, r->server_name ? r->server_name : "", &same) : 0;
    at = same ? check_text(made_of, at, r->connect_to ? r->connect_to : "", &same) : 0;
    for (int h = 0; same && r->headers && r->headers[h]; h++)
        at = check_text(made_of, at, r->headers[h], &same);
    return same && at == made_of->len;
}

static void remember(struct buf *made_of, const struct attempt_request *r)
{
    buf_add(made_of, r->url, strlen(r->url) + 1);
    buf_add(made_of, r->server_name ? r->server_name : "",
            r->server_name ? strlen(r->server_name) + 1 : 1);
    buf_add(made_of, r->connect_to ? r->connect_to : "",
            r->connect_to ? strlen(r->connect_to) + 1 : 1);
    for (int h = 0; r->headers && r->headers[h]; h++)
        buf_add(made_of, r->headers[h], strlen(r->headers[h]) + 1);
}

/* Most requests of one handle are to the same URL with the same fields: they are read once. */
static bool set_head(struct easy *t, const struct attempt_request *r, struct err *e)
{
    if (is_made_of(&t->made_of, r))
        return true;
    curl_slist_free_all(t->headers);
    curl_slist_free_all(t->connect_to);
    t->headers = t->connect_to = NULL;
    buf_clear(&t->made_of);
    if (!set_url(t, r, e))
        return false;
    set_headers(t, r);
    remember(&t->made_of, r);
    return true;
}

bool easy_set_request(struct easy *t, const struct attempt_request *r, struct err *e)
{
    CURL *easy = t->easy;

    t->message[0] = '\0';
    if (!set_head(t, r, e))
        return false;
    set_body(easy, r);
    if (r->userinfo) {
        curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
        curl_easy_setopt(easy, CURLOPT_USERPWD, r->userinfo);
    }
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)((r->timeout_ns + NS_PER_MS - 1) / NS_PER_MS));
    return true;
}

static enum attempt_failure failure_of(CURLcode code, long error)
{
    switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
        return ATTEMPT_TIMEOUT;
    case CURLE_COULDNT_CONNECT:
        return error ? attempt_failure_of((int)error) : ATTEMPT_UNREACHABLE;
    case CURLE_COULDNT_RESOLVE_HOST:
        return ATTEMPT_UNREACHABLE;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CIPHER:
        return ATTEMPT_TLS;
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_PARTIAL_FILE:
        return ATTEMPT_RESET;
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_INTERFACE_FAILED:
    case CURLE_OUT_OF_MEMORY:
    case CURLE_FAILED_INIT:
        return ATTEMPT_LOCAL;
    default:
        return ATTEMPT_PROTOCOL;
    }
}

static void uncapitalize(char *text)
{
    if (isupper((unsigned char)text[0]) && islower((unsigned char)text[1]))
        text[0] = (char)tolower((unsigned char)text[0]);
}

enum attempt_failure easy_explain(struct easy *t, CURLcode code, uint64_t timeout_ns, struct err *e)
{
    enum attempt_failure failure;
    long error = 0;
    char text[UNITS_MAX];

    curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &error);
    failure = failure_of(code, error);
    if (failure == ATTEMPT_TIMEOUT) {
        err_set(e, "no answer within %s", units_print_duration((double)timeout_ns, text));
        return failure;
    }
    if (code == CURLE_COULDNT_CONNECT && error != 0 && strerrordesc_np((int)error))
        snprintf(t->message, sizeof(t->message), "%s", strerrordesc_np((int)error));
    else if (code == CURLE_GOT_NOTHING)
        snprintf(t->message, sizeof(t->message), "connection closed without an answer");
    else if (code == CURLE_RECV_ERROR && strstr(t->message, "SSL"))
        failure = ATTEMPT_TLS; /* TLS 1.3 servers refuse a client after its handshake */
    else if (!t->message[0])
        snprintf(t->message, sizeof(t->message), "%s", curl_easy_strerror(code));
    uncapitalize(t->message);
    err_set(e, "%s", t->message);
    return failure;
}

void easy_close(struct easy *t)
{
    curl_easy_cleanup(t->easy);
    curl_slist_free_all(t->headers);
    curl_slist_free_all(t->connect_to);
    curl_url_cleanup(t->url);
    buf_free(&t->made_of);
    *t = (struct easy){0};
}

#include "net/url.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/units.h"

static const struct {
    const char *scheme;
    uint16_t port;
} usual_ports[] = {
    {"http", 80}, {"https", 443},     {"ws", 80},           {"wss", 443},
    {"grpc", 80}, {"postgres", 5432}, {"postgresql", 5432},
};

static const char *lower(struct arena *arena, const char *s, size_t len)
{
    char *out = arena_strndup(arena, s, len);

    for (char *p = out; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    return out;
}

static const char *part(CURLU *h, CURLUPart what, unsigned flags, struct arena *arena)
{
    const char *copy = NULL;
    char *text;

    if (curl_url_get(h, what, &text, flags) == CURLUE_OK) {
        copy = arena_strdup(arena, text);
        curl_free(text);
    }
    return copy;
}

static uint16_t usual_port(const char *scheme)
{
    for (size_t i = 0; i < sizeof(usual_ports) / sizeof(usual_ports[0]); i++)
        if (strcmp(scheme, usual_ports[i].scheme) == 0)
            return usual_ports[i].port;
    return 0;
}

const char *url_authority(const char *scheme, const char *host, uint16_t port, struct arena *arena)
{
    const char *open = strchr(host, ':') ? "[" : "", *shut = *open ? "]" : "";

    if (port == usual_port(scheme))
        return arena_printf(arena, "%s%s%s", open, host, shut);
    return arena_printf(arena, "%s%s%s:%u", open, host, shut, (unsigned)port);
}

static bool read_port(struct url *u, const char *text, struct err *e)
{
    int64_t port;

    if (text && (!units_int(text, &port) || port < 1 || port > 65535))
        return err_set(e, "port %s is not in 1 to 65535", text);
    u->port = text ? (uint16_t)port : usual_port(u->scheme);
    return true;
}

static bool read_parts(struct url *u, CURLU *h, struct arena *arena, struct err *e)
{
    const char *host = part(h, CURLUPART_HOST, 0, arena);
    const char *user = part(h, CURLUPART_USER, CURLU_URLDECODE, arena);
    const char *password = part(h, CURLUPART_PASSWORD, CURLU_URLDECODE, arena);
    const char *query = part(h, CURLUPART_QUERY, 0, arena);
    size_t len;

    if (!host || !*host)
        return err_set(e, "there is no host in it");
    if (part(h, CURLUPART_FRAGMENT, 0, arena))
        return err_set(e, "a fragment (#...) is never sent");
    len = strlen(host);
    u->host = host[0] == '[' ? lower(arena, host + 1, len - 2) : lower(arena, host, len);
    u->path = part(h, CURLUPART_PATH, 0, arena);
    if (query)
        u->path = arena_printf(arena, "%s?%s", u->path, query);
    if (user || password)
        u->userinfo = arena_printf(arena, "%s:%s", user ? user : "", password ? password : "");
    curl_url_set(h, CURLUPART_USER, NULL, 0);
    curl_url_set(h, CURLUPART_PASSWORD, NULL, 0);
    u->clean = part(h, CURLUPART_URL, CURLU_NON_SUPPORT_SCHEME, arena);
    return read_port(u, part(h, CURLUPART_PORT, 0, arena), e);
}

/* Words for what people get wrong; libcurl's own for the rest. */
static const char *words(CURLUcode code)
{
    switch (code) {
    case CURLUE_BAD_PORT_NUMBER:
        return "the port is not a number in 1 to 65535";
    case CURLUE_NO_HOST:
    case CURLUE_BAD_HOSTNAME:
        return "there is no valid host in it";
    case CURLUE_MALFORMED_INPUT:
    case CURLUE_BAD_LOGIN:
    case CURLUE_BAD_PASSWORD:
    case CURLUE_BAD_PATH:
    case CURLUE_BAD_QUERY:
    case CURLUE_BAD_USER:
        return "it is malformed (a space is written %20, and a / in a user or password %2F)";
    default:
        return curl_url_strerror(code);
    }
}

static size_t scheme_length(const char *text)
{
    size_t n = 0;

    if (!isalpha((unsigned char)*text))
        return 0;
    while (isalnum((unsigned char)text[n]) || text[n] == '+' || text[n] == '-' || text[n] == '.')
        n++;
    return text[n] == ':' ? n : 0;
}

bool url_parse(struct url *u, const char *text, struct arena *arena, struct err *e)
{
    size_t len = scheme_length(text);
    CURLUcode code;
    CURLU *h;
    bool ok;

    *u = (struct url){0};
    if (len == 0 || isdigit((unsigned char)text[len + 1]))
        return err_set(e, "it has no scheme (try \"https://%s\")", text);
    u->scheme = lower(arena, text, len);
    /* Without an authority the rest is the scheme's own affair, such as the file of sqlite:. */
    if (strncmp(text + len, "://", 3) != 0 || text[len + 3] == '/') {
        u->clean = arena_strdup(arena, text);
        u->host = "";
        u->path = arena_strdup(arena,
                               text + len + (text[len + 1] == '/' && text[len + 2] == '/' ? 3 : 1));
        return strncmp(u->scheme, "http", 4) != 0 || err_set(e, "there is no host in it");
    }
    h = curl_url();
    if (!h)
        abort();
    code = curl_url_set(h, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME);
    ok = code == CURLUE_OK ? read_parts(u, h, arena, e) : err_set(e, "%s", words(code));
    curl_url_cleanup(h);
    return ok;
}

bool url_host_port(const char *text, const char **host, uint16_t *port, struct arena *arena,
                   struct err *e)
{
    const char *colon = strrchr(text, ':');
    size_t len = colon ? (size_t)(colon - text) : 0;
    int64_t n;

    if (len == 0 || !units_int(colon + 1, &n) || n < 1 || n > 65535 ||
        (text[0] != '[' && memchr(text, ':', len)))
        return err_set(e, "\"%s\" is not host:port", text);
    if (text[0] == '[' && (len < 3 || text[len - 1] != ']'))
        return err_set(e, "\"%s\" is not [address]:port", text);
    *host = text[0] == '[' ? lower(arena, text + 1, len - 2) : lower(arena, text, len);
    *port = (uint16_t)n;
    return true;
}

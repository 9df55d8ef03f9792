/* ingest_head.c - what a call's head tells: its method, and whether it is gRPC that can be served.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "target/ingest_state.h"

#define TOKEN_MAX (JWT_MAX + 64)

static const char *find_field(const char *fields, const char *name, size_t *len)
{
    size_t n = strlen(name);

    for (const char *at = fields; *at;) {
        const char *end = strstr(at, "\r\n");

        if (!end)
            break;
        if (strncmp(at, name, n) == 0 && at[n] == ':') {
            at += n + 1 + (at[n + 1] == ' ');
            *len = (size_t)(end - at);
            return at;
        }
        at = end + 2;
    }
    return NULL;
}

static bool is_grpc(const char *fields)
{
    size_t len;
    const char *type = find_field(fields, "content-type", &len);

    return type && grpc_content_type(type, len);
}

static bool is_ours(const char *path)
{
    return strncmp(path, "/" INGEST_SERVICE "/", strlen(INGEST_SERVICE) + 2) == 0;
}

bool call_wanted(const char *path, const char *fields)
{
    return is_ours(path) || is_grpc(fields);
}

enum script_method call_method(const char *path)
{
    if (is_ours(path))
        for (int i = 0; i < METHOD_OTHER; i++)
            if (strcmp(path + strlen(INGEST_SERVICE) + 2, script_methods[i]) == 0)
                return (enum script_method)i;
    return METHOD_OTHER;
}

static void no_such_method(struct call *c, const char *path)
{
    const char *name = strrchr(path, '/');
    size_t len = name && name > path ? (size_t)(name - path) - 1 : 0;

    if (len == strlen(INGEST_SERVICE) && is_ours(path))
        call_finish(c, GRPC_UNIMPLEMENTED, "unknown method %.64s for service " INGEST_SERVICE,
                    name + 1);
    else
        call_finish(c, GRPC_UNIMPLEMENTED, "unknown service %.*s", (int)(len < 64 ? len : 64),
                    len ? path + 1 : "");
}

/* Kept for those who ask for it later; its bytes count as those of a message do. */
static void keep_authorization(struct call *c, const char *fields)
{
    size_t len;
    const char *value = find_field(fields, "authorization", &len);

    if (!value || c->number == METHOD_HEARTBEAT)
        return;
    if (len > TOKEN_MAX) {
        call_finish(c, GRPC_UNAUTHENTICATED, "an authorization of more than %d bytes", TOKEN_MAX);
        return;
    }
    call_more(c)->authorization = mem_check(strndup(value, len));
    call_hold(c, len);
}

void call_judge(struct call *c, const char *method, const char *path, const char *fields)
{
    size_t len, encoded;
    const char *encoding = find_field(fields, "grpc-encoding", &encoded);
    const char *type = find_field(fields, "content-type", &len);

    if (!is_grpc(fields)) {
        call_more(c)->unsupported = true;
        call_finish(c, GRPC_INVALID_ARGUMENT, "invalid gRPC request content-type: \"%.*s\"",
                    (int)(type ? len < 64 ? len : 64 : 0), type ? type : "");
    } else if (strcmp(method, "POST") != 0) {
        call_finish(c, GRPC_INTERNAL, "method %.16s is not POST", method);
    } else if (encoding && strncmp(encoding, "identity", encoded) != 0) {
        call_finish(c, GRPC_UNIMPLEMENTED,
                    "grpc: Decompressor is not installed for grpc-encoding \"%.*s\"",
                    (int)(encoded < 64 ? encoded : 64), encoding);
    } else if (c->number == METHOD_OTHER) {
        no_such_method(c, path);
    } else {
        keep_authorization(c, fields);
    }
}

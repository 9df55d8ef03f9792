/* cleanup_answer.c - what a bulk-delete endpoint has answered, in words for the operator. */
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "base/buf.h"
#include "driver/cleanup.h"

#define PREFIX_MAX 100

bool cleanup_is_prefix(const char *s)
{
    static const char root[] = "loadtest";
    size_t len = strlen(s);

    return strncmp(s, root, sizeof(root) - 1) == 0 && len <= PREFIX_MAX &&
           (len == sizeof(root) - 1 || (s[sizeof(root) - 1] == '-' && s[len - 1] != '-')) &&
           strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

static const char *error_of(const json_t *root)
{
    const char *text = json_string_value(json_object_get(root, "error"));

    return text ? text : "it does not say why";
}

static enum cleanup_verdict refused(long status, const char *location, const json_t *root,
                                    char *why, size_t size)
{
    if (status == 503)
        snprintf(why, size, "status 503: the endpoint is switched off at the server (%.100s)",
                 error_of(root));
    else if (status == 401 || status == 403)
        snprintf(why, size, "status %ld: the server does not take the key", status);
    else if (status / 100 == 3)
        snprintf(why, size,
                 "status %ld to %.60s: this server sends the request to its login page, and has "
                 "deleted nothing",
                 status, location && *location ? location : "nowhere");
    else
        snprintf(why, size, "status %ld: %.120s", status, error_of(root));
    return status >= 500 && status != 503 ? CLEANUP_ODD : CLEANUP_REFUSED;
}

static enum cleanup_verdict partial(const json_t *failed, int64_t deleted, char *why, size_t size)
{
    const char *first = json_string_value(json_array_get(failed, 0));

    snprintf(why, size, "%zu host%s could not be deleted, %lld %s: %.110s", json_array_size(failed),
             json_array_size(failed) == 1 ? "" : "s", (long long)deleted,
             deleted == 1 ? "was" : "were", first ? first : "it does not say why");
    return CLEANUP_REFUSED;
}

static enum cleanup_verdict compare(const struct cleanup_count *c, int64_t now, char *why,
                                    size_t size)
{
    if (c->created >= 0 && c->deleted > c->created) {
        snprintf(why, size,
                 "%lld hosts were deleted and %lld had been created: others had names that begin "
                 "like this run's",
                 (long long)c->deleted, (long long)c->created);
        return CLEANUP_REFUSED;
    }
    if (c->created >= 0 && c->deleted == c->created)
        return CLEANUP_DONE;
    if (now > 0)
        return CLEANUP_MORE;
    if (c->created < 0)
        return CLEANUP_DONE;
    snprintf(why, size, "%lld hosts were deleted, and %lld had been created", (long long)c->deleted,
             (long long)c->created);
    return CLEANUP_REFUSED;
}

static enum cleanup_verdict judge(long status, const char *location, const json_t *root,
                                  struct cleanup_count *c, char *why, size_t size)
{
    const json_t *deleted = json_object_get(root, "deleted");
    const json_t *failed = json_object_get(root, "failed");

    if (status != 200)
        return refused(status, location, root, why, size);
    if (!json_is_integer(deleted) || json_integer_value(deleted) < 0 || !json_is_array(failed)) {
        snprintf(why, size, "status 200, but no {\"deleted\": n, \"failed\": [...]}");
        return CLEANUP_ODD;
    }
    c->deleted += json_integer_value(deleted);
    c->failed = (int64_t)json_array_size(failed);
    if (c->failed > 0)
        return partial(failed, c->deleted, why, size);
    return compare(c, json_integer_value(deleted), why, size);
}

enum cleanup_verdict cleanup_judge(long status, const char *location, const struct buf *body,
                                   struct cleanup_count *count, char *why, size_t size)
{
    json_t *root = body->len ? json_loadb(body->data, body->len, 0, NULL) : NULL;
    enum cleanup_verdict v = judge(status, location, root, count, why, size);

    json_decref(root);
    return v;
}

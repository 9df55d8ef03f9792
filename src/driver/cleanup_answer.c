/* cleanup_answer.c - what a bulk-delete endpoint has answered, in words for the operator. */
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/redact.h"
#include "driver/cleanup.h"

#define PREFIX_MAX  100
#define QUOTED_MAX  121             /* bytes of the server's words, with the NUL */
#define DELETED_MAX 1000000000000LL /* in one answer; a sum of 1000 such is a number still */

bool cleanup_is_prefix(const char *s)
{
    static const char root[] = "loadtest";
    size_t len = strlen(s);

    return strncmp(s, root, sizeof(root) - 1) == 0 && len <= PREFIX_MAX &&
           (len == sizeof(root) - 1 || (s[sizeof(root) - 1] == '-' && s[len - 1] != '-')) &&
           strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

/* The server's words, without secrets: half of one, after the cut, would not be recognised. */
static const char *quote(const char *text, char out[QUOTED_MAX], size_t room)
{
    struct buf clean = {0};
    size_t len;

    redact(text, strlen(text), &clean);
    len = clean.len < room ? clean.len : room - 1;
    while (len < clean.len && len > 0 && ((unsigned char)clean.data[len] & 0xc0) == 0x80)
        len--;
    memcpy(out, buf_text(&clean), len);
    out[len] = '\0';
    buf_free(&clean);
    return out;
}

static const char *words_of(const json_t *text, char out[QUOTED_MAX], size_t room)
{
    const char *words = json_string_value(text);

    return words ? quote(words, out, room) : "it does not say why";
}

static enum cleanup_verdict refused(long status, const char *location, const json_t *root,
                                    char *why, size_t size)
{
    const json_t *error = json_object_get(root, "error");
    char words[QUOTED_MAX];

    if (status == 503)
        snprintf(why, size, "status 503: the endpoint is switched off at the server (%s)",
                 words_of(error, words, 101));
    else if (status == 401 || status == 403)
        snprintf(why, size, "status %ld: the server does not take the key", status);
    else if (status / 100 == 3)
        snprintf(why, size,
                 "status %ld to %s: this server sends the request to its login page, and has "
                 "deleted nothing",
                 status, location && *location ? quote(location, words, 61) : "nowhere");
    else
        snprintf(why, size, "status %ld: %s", status, words_of(error, words, QUOTED_MAX));
    return status >= 500 && status != 503 ? CLEANUP_ODD : CLEANUP_REFUSED;
}

static enum cleanup_verdict partial(const json_t *failed, int64_t deleted, char *why, size_t size)
{
    char words[QUOTED_MAX];

    snprintf(why, size, "%zu host%s could not be deleted, %lld %s: %s", json_array_size(failed),
             json_array_size(failed) == 1 ? "" : "s", (long long)deleted,
             deleted == 1 ? "was" : "were", words_of(json_array_get(failed, 0), words, 111));
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
    if (c->created < 0 || c->lost)
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
    if (!json_is_integer(deleted) || json_integer_value(deleted) < 0 ||
        json_integer_value(deleted) > DELETED_MAX || !json_is_array(failed)) {
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

/*
 * attempt.c - one HTTP request by libcurl.
 *
 * The multi interface is used for a single transfer because its wait can be left when the run is
 * interrupted.
 */
#include "net/attempt.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "net/easy.h"

#define KEEP_MAX (1 << 20) /* bytes of a body, and of all heads */
#define LOOK_MS  50

struct
try { /* what one transfer holds */
    struct easy easy;
    CURLM *multi;
};

static void keep(struct buf *b, size_t max, const char *data, size_t len)
{
    size_t room = b && b->len < max ? max - b->len : 0;

    if (room > 0)
        buf_add(b, data, len < room ? len : room);
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct attempt_answer *a = arg;

    keep(a->body, a->body_max ? a->body_max : KEEP_MAX, data, size * count);
    return a->whole && a->body->len == a->body_max ? CURL_WRITEFUNC_ERROR : size * count;
}

/* A 1xx head is followed by another; the last one is the answer's. */
static size_t on_head(char *data, size_t size, size_t count, void *arg)
{
    struct attempt_answer *a = arg;

    if (a->head && size * count > 5 && memcmp(data, "HTTP/", 5) == 0)
        buf_clear(a->head);
    keep(a->head, KEEP_MAX, data, size * count);
    return size * count;
}

static bool set_up(struct try *t, const struct attempt_request *r, struct attempt_answer *a,
                   struct err *e)
{
    CURL *easy = t->easy.easy;

    easy_set_route(&t->easy, r);
    if (!easy_set_request(&t->easy, r, e))
        return false;
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, a);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_head);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, a);
    return true;
}

static bool is_set(const volatile int *flag)
{
    return flag && __atomic_load_n(flag, __ATOMIC_RELAXED) != 0;
}

/* False if it was left before its end. */
static bool perform(struct try *t, const volatile int *interrupted, CURLcode *result)
{
    int running = 1, left;
    CURLMsg *message;

    *result = CURLE_FAILED_INIT;
    curl_multi_add_handle(t->multi, t->easy.easy);
    while (running && curl_multi_perform(t->multi, &running) == CURLM_OK && running) {
        if (is_set(interrupted))
            break;
        curl_multi_poll(t->multi, NULL, 0, LOOK_MS, NULL);
    }
    message = curl_multi_info_read(t->multi, &left);
    if (message)
        *result = message->data.result;
    curl_multi_remove_handle(t->multi, t->easy.easy);
    return message || !is_set(interrupted);
}

static double seconds(CURL *easy, CURLINFO what)
{
    curl_off_t us = 0;

    curl_easy_getinfo(easy, what, &us);
    return (double)us / 1e6;
}

static bool finish(struct try *t, CURLcode code, struct attempt_answer *a)
{
    curl_easy_getinfo(t->easy.easy, CURLINFO_RESPONSE_CODE, &a->status);
    a->connect_s = seconds(t->easy.easy, CURLINFO_CONNECT_TIME_T);
    a->tls_s = seconds(t->easy.easy, CURLINFO_APPCONNECT_TIME_T);
    a->first_byte_s = seconds(t->easy.easy, CURLINFO_STARTTRANSFER_TIME_T);
    return code == CURLE_OK;
}

static bool try_once(struct try *t, const struct attempt_request *r, struct attempt_answer *a,
                     struct err *e)
{
    CURLcode code;

    a->failure = ATTEMPT_LOCAL;
    t->multi = curl_multi_init();
    if (!easy_open(&t->easy) || !t->multi)
        return err_set(e, "could not set up libcurl");
    if (!set_up(t, r, a, e))
        return false;
    if (!perform(t, r->interrupted, &code)) {
        a->failure = ATTEMPT_INTERRUPTED;
        return err_set(e, "interrupted");
    }
    a->failure = finish(t, code, a) ? ATTEMPT_OK : easy_explain(&t->easy, code, r->timeout_ns, e);
    return code == CURLE_OK;
}

bool attempt_http(const struct attempt_request *r, struct attempt_answer *a, struct err *e)
{
    struct try t = {0};
    bool ok;

    ok = try_once(&t, r, a, e);
    easy_close(&t.easy);
    curl_multi_cleanup(t.multi);
    return ok || err_wrap(e, "%s", r->url);
}

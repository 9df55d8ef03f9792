/*
 * transfers.c - libcurl tells which sockets it wants watched and when it wants to be woken; it is
 * told when one is ready or the time has come.
 *
 * Finished transfers are taken out one by one, because done() may begin others.
 */
#include "net/transfers.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/timers.h"
#include "net/easy.h"

#define HEAD_MAX ((size_t)64 << 10)

struct transfers {
    struct timer timer; /* first: on_timer() casts */
    CURLM *multi;
    struct event_base *base;
    struct timers *timers;
};

struct transfer {
    struct transfers *owner;
    struct easy easy;
    struct buf head, body;
    struct transfer_options options;
    uint64_t timeout_ns;
    bool routed, running, cut;
};

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct transfer *t = arg;
    size_t len = size * count, room = t->options.max_body - t->body.len;

    t->cut |= len > room;
    buf_add(&t->body, data, len < room ? len : room);
    return len;
}

/* A 1xx head is followed by another; the last one is the answer's. */
static size_t on_head(char *data, size_t size, size_t count, void *arg)
{
    struct transfer *t = arg;
    size_t len = size * count;

    if (len > 5 && memcmp(data, "HTTP/", 5) == 0)
        buf_clear(&t->head);
    if (len > HEAD_MAX - t->head.len)
        return 0; /* libcurl then ends the transfer */
    buf_add(&t->head, data, len);
    return len;
}

static uint64_t time_of(CURL *easy, CURLINFO what)
{
    curl_off_t us = 0;

    curl_easy_getinfo(easy, what, &us);
    return us > 0 ? (uint64_t)us * NS_PER_US : 0;
}

static uint64_t after(uint64_t later, uint64_t earlier)
{
    return later > earlier ? later - earlier : 0;
}

/*
 * libcurl's times all run from the start of the transfer; 0 is one that it did not come to.  Its
 * own "pretransfer" is stamped when the request is already on its way, often when the answer wakes
 * it.
 */
static void read_times(CURL *easy, struct transfer_answer *a)
{
    uint64_t resolved = time_of(easy, CURLINFO_NAMELOOKUP_TIME_T);
    uint64_t connected = time_of(easy, CURLINFO_CONNECT_TIME_T);
    uint64_t secured = time_of(easy, CURLINFO_APPCONNECT_TIME_T);
    uint64_t ready = !a->fresh ? 0 : secured > connected ? secured : connected;
    uint64_t first = time_of(easy, CURLINFO_STARTTRANSFER_TIME_T);
    uint64_t end = time_of(easy, CURLINFO_TOTAL_TIME_T);

    if (a->fresh) {
        a->resolving = resolved;
        a->connecting = after(connected, resolved);
        a->securing = after(secured, connected);
    }
    if (a->failure == ATTEMPT_OK) {
        a->waiting = after(first, ready);
        a->receiving = after(end, first);
        a->duration = after(end, ready);
    }
}

static void read_answer(struct transfer *t, CURLcode code, struct err *e, struct transfer_answer *a)
{
    CURL *easy = t->easy.easy;
    long status = 0, connects = 0, sent = 0, head = 0;
    curl_off_t up = 0, down = 0;

    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &connects);
    curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &sent);
    curl_easy_getinfo(easy, CURLINFO_HEADER_SIZE, &head);
    curl_easy_getinfo(easy, CURLINFO_SIZE_UPLOAD_T, &up);
    curl_easy_getinfo(easy, CURLINFO_SIZE_DOWNLOAD_T, &down);
    *a = (struct transfer_answer){
        .status = (int)status,
        .head = buf_text(&t->head),
        .head_len = t->head.len,
        .body = buf_text(&t->body),
        .body_len = t->body.len,
        .cut = t->cut,
        .fresh = connects > 0,
        .began = t->head.len > 0,
        .sent = (uint64_t)sent + (uint64_t)up,
        .received = (uint64_t)head + (uint64_t)down,
    };
    if (code != CURLE_OK) {
        a->failure = easy_explain(&t->easy, code, t->timeout_ns, e);
        a->why = e->text;
    }
    read_times(easy, a);
}

static void finish(struct transfers *ts, CURL *easy, CURLcode code)
{
    struct transfer_answer a;
    struct transfer *t;
    struct err e;

    curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&t);
    curl_multi_remove_handle(ts->multi, easy);
    t->running = false;
    read_answer(t, code, &e, &a);
    t->options.done(t->options.arg, &a);
}

static void take_finished(struct transfers *ts)
{
    CURLMsg *m;
    int left;

    while ((m = curl_multi_info_read(ts->multi, &left)))
        if (m->msg == CURLMSG_DONE)
            finish(ts, m->easy_handle, m->data.result);
}

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
    struct transfers *ts = arg;
    int ready = (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0);
    int running;

    curl_multi_socket_action(ts->multi, fd, ready, &running);
    take_finished(ts);
}

static void on_timer(struct timer *timer, uint64_t now)
{
    struct transfers *ts = (struct transfers *)timer;
    int running;

    (void)now;
    curl_multi_socket_action(ts->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    take_finished(ts);
}

static int want_timer(CURLM *multi, long ms, void *arg)
{
    struct transfers *ts = arg;

    (void)multi;
    if (ms < 0)
        timers_cancel(ts->timers, &ts->timer);
    else
        timers_set(ts->timers, &ts->timer, now_ns() + (uint64_t)ms * NS_PER_MS);
    return 0;
}

static int want_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *event)
{
    struct transfers *ts = arg;
    struct event *ev = event;
    short events = EV_PERSIST;

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        curl_multi_assign(ts->multi, fd, NULL);
        if (ev)
            event_free(ev);
        return 0;
    }
    events = (short)(events | (what & CURL_POLL_IN ? EV_READ : 0));
    events = (short)(events | (what & CURL_POLL_OUT ? EV_WRITE : 0));
    if (ev) {
        event_del(ev);
        event_assign(ev, ts->base, fd, events, on_ready, ts);
    } else {
        ev = mem_check(event_new(ts->base, fd, events, on_ready, ts));
        curl_multi_assign(ts->multi, fd, ev);
    }
    return event_add(ev, NULL);
}

struct transfers *transfers_new(struct event_base *base, struct timers *timers)
{
    struct transfers *ts = xcalloc(1, sizeof(*ts));

    ts->base = base;
    ts->timers = timers;
    ts->timer.fire = on_timer;
    ts->multi = curl_multi_init();
    if (!ts->multi) {
        free(ts);
        return NULL;
    }
    curl_multi_setopt(ts->multi, CURLMOPT_SOCKETFUNCTION, want_socket);
    curl_multi_setopt(ts->multi, CURLMOPT_SOCKETDATA, ts);
    curl_multi_setopt(ts->multi, CURLMOPT_TIMERFUNCTION, want_timer);
    curl_multi_setopt(ts->multi, CURLMOPT_TIMERDATA, ts);
    return ts;
}

void transfers_free(struct transfers *ts)
{
    if (!ts)
        return;
    curl_multi_cleanup(ts->multi);
    timers_cancel(ts->timers, &ts->timer);
    free(ts);
}

struct transfer *transfer_new(struct transfers *ts)
{
    struct transfer *t = xcalloc(1, sizeof(*t));
    CURL *easy;

    t->owner = ts;
    if (!easy_open(&t->easy)) {
        free(t);
        return NULL;
    }
    easy = t->easy.easy;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, t);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_head);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L); /* each handshake is a full one */
    return t;
}

void transfer_free(struct transfer *t)
{
    if (!t)
        return;
    if (t->running)
        curl_multi_remove_handle(t->owner->multi, t->easy.easy);
    easy_close(&t->easy);
    buf_free(&t->head);
    buf_free(&t->body);
    free(t);
}

bool transfer_begin(struct transfer *t, const struct attempt_request *r,
                    const struct transfer_options *o, struct err *e)
{
    CURL *easy = t->easy.easy;

    if (!t->routed)
        easy_set_route(&t->easy, r);
    t->routed = true;
    t->options = *o;
    t->timeout_ns = r->timeout_ns;
    t->cut = false;
    buf_clear(&t->head);
    buf_clear(&t->body);
    if (!easy_set_request(&t->easy, r, e))
        return false;
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, o->fresh ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, o->fresh ? 1L : 0L);
    if (curl_multi_add_handle(t->owner->multi, easy) != CURLM_OK)
        return err_set(e, "libcurl does not take the request");
    t->running = true;
    return true;
}

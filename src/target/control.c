/*
 * control.c - the messages between a backend and its hub: what a visitor's connection does, and how
 * much may be sent on it.
 */
#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "target/link.h"

enum { KIND_DATA = 1, KIND_CONTROL = 2 };

/* The groups of a UUID's 32 digits end at these (RFC 9562 4). */
static bool is_dash(size_t i)
{
    return i == 8 || i == 13 || i == 18 || i == 23;
}

static int digit(char c)
{
    return isdigit((unsigned char)c)    ? c - '0'
           : isxdigit((unsigned char)c) ? (c | 0x20) - 'a' + 10
                                        : -1;
}

static bool read_uuid(const char *text, uint8_t id[TUNNEL_ID])
{
    size_t n = 0;

    if (!text || strlen(text) != TUNNEL_UUID - 1)
        return false;
    for (size_t i = 0; i < TUNNEL_UUID - 1; i++) {
        int d = digit(text[i]);

        if (is_dash(i) ? text[i] != '-' : d < 0)
            return false;
        if (is_dash(i))
            continue;
        id[n / 2] = (uint8_t)(n % 2 ? id[n / 2] << 4 | d : d);
        n++;
    }
    return true;
}

static void print_uuid(const uint8_t id[TUNNEL_ID], char out[TUNNEL_UUID])
{
    static const char digits[] = "0123456789abcdef";
    size_t n = 0;

    for (size_t i = 0; i < TUNNEL_UUID - 1; i++) {
        if (is_dash(i)) {
            out[i] = '-';
            continue;
        }
        out[i] = digits[n % 2 ? id[n / 2] & 15 : id[n / 2] >> 4];
        n++;
    }
    out[TUNNEL_UUID - 1] = '\0';
}

/* Takes `json`. */
static void send_control(struct link *l, json_t *json)
{
    char *text = mem_check(json_dumps(json, JSON_COMPACT));
    struct buf message = {0};

    buf_addc(&message, KIND_CONTROL);
    buf_adds(&message, text);
    wsconn_send(&l->hub.ws, WS_BINARY, message.data, message.len);
    buf_free(&message);
    free(text);
    json_decref(json);
}

static json_t *event_of(const char *event, const uint8_t id[TUNNEL_ID])
{
    char uuid[TUNNEL_UUID];

    print_uuid(id, uuid);
    return mem_check(json_pack("{s:s, s:s}", "event", event, "client_id", uuid));
}

void control_disconnect(struct link *l, const uint8_t id[TUNNEL_ID], const char *reason)
{
    json_t *json = event_of("disconnect", id);

    json_object_set_new(json, "reason", json_string(reason));
    send_control(l, json);
}

void control_grant(struct link *l, const uint8_t id[TUNNEL_ID], int credits)
{
    json_t *json = event_of("resume_stream", id);

    json_object_set_new(json, "credits", json_integer(credits));
    send_control(l, json);
}

static int64_t credits_of(const json_t *json)
{
    json_int_t n = json_integer_value(json_object_get(json, "credits"));

    return n > 0 && n < INT32_MAX ? n : 0;
}

static void connect_visitor(struct link *l, const json_t *json, const uint8_t id[TUNNEL_ID])
{
    const char *transport = json_string_value(json_object_get(json, "transport"));
    int64_t credits = credits_of(json);

    if (transport && strcmp(transport, "tcp") != 0)
        control_disconnect(l, id, "only tcp is served");
    else if (l->owner->draining)
        control_disconnect(l, id, "the backend stops");
    else if (!tunnel_find(l, id))
        tunnel_open(l, id, json_is_true(json_object_get(json, "is_tls")),
                    credits ? credits : TUNNEL_CREDITS);
}

/* Without credits it only ends a pause, as hubs without flow control by credits mean it. */
static void resume(struct tunnel *t, const json_t *json)
{
    t->paused = false;
    t->credits += credits_of(json);
    if (t->credits > INT32_MAX)
        t->credits = INT32_MAX;
    tunnel_pump(t);
}

static void handle(struct link *l, const json_t *json)
{
    const char *event = json_string_value(json_object_get(json, "event"));
    uint8_t id[TUNNEL_ID];
    struct tunnel *t;

    if (!event || !read_uuid(json_string_value(json_object_get(json, "client_id")), id))
        return;
    t = tunnel_find(l, id);
    if (strcmp(event, "connect") == 0)
        connect_visitor(l, json, id);
    else if (strcmp(event, "ping_client") == 0)
        send_control(l, event_of("pong_client", id));
    else if (t && strcmp(event, "disconnect") == 0)
        tunnel_end(t);
    else if (t && strcmp(event, "pause_stream") == 0)
        t->paused = true;
    else if (t && strcmp(event, "resume_stream") == 0)
        resume(t, json);
}

void control_read(struct link *l, const char *data, size_t len)
{
    struct tunnel *t;
    json_t *json;

    if (len > TUNNEL_ID && data[0] == KIND_DATA) {
        t = tunnel_find(l, (const uint8_t *)data + 1);
        if (t)
            tunnel_give(t, data + 1 + TUNNEL_ID, len - 1 - TUNNEL_ID);
    } else if (len > 1 && data[0] == KIND_CONTROL) {
        json = json_loadb(data + 1, len - 1, JSON_REJECT_DUPLICATES, NULL);
        if (json)
            handle(l, json);
        json_decref(json);
    }
}

/*
 * slow_end.c - how the server ended a connection, as a part of the operation, so that every metric
 * can be asked by it: evicted_after{part:status-408}.
 *
 * What the server said last counts more than how TCP closed: an HTTP status, a TLS alert, an HTTP/2
 * error code, and only then FIN or RST.
 */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "driver/slow.h"

/* RFC 8446 6.  A close_notify is an orderly end, as FIN is. */
static const struct {
    uint8_t code;
    const char *name;
} alerts[] = {
    {10, "unexpected_message"},
    {20, "bad_record_mac"},
    {22, "record_overflow"},
    {40, "handshake_failure"},
    {42, "bad_certificate"},
    {43, "unsupported_certificate"},
    {45, "certificate_expired"},
    {46, "certificate_unknown"},
    {47, "illegal_parameter"},
    {48, "unknown_ca"},
    {49, "access_denied"},
    {50, "decode_error"},
    {51, "decrypt_error"},
    {70, "protocol_version"},
    {71, "insufficient_security"},
    {80, "internal_error"},
    {86, "inappropriate_fallback"},
    {90, "user_canceled"},
    {109, "missing_extension"},
    {110, "unsupported_extension"},
    {112, "unrecognized_name"},
    {116, "certificate_required"},
    {120, "no_application_protocol"},
    {255, "other"},
};

static const char *const statuses[] = {
    "200", "204", "301", "302", "400", "401", "403", "404", "405", "408", "411", "413",   "414",
    "417", "421", "426", "429", "431", "500", "501", "502", "503", "504", "505", "other",
};

/* RFC 9113 7 */
static const char *const h2_codes[] = {
    "no_error",         "protocol_error",    "internal_error", "flow_control",
    "settings_timeout", "stream_closed",     "frame_size",     "refused_stream",
    "cancel",           "compression_error", "connect_error",  "enhance_your_calm",
    "inadequate_tls",   "http_1_1_required", "other",
};

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

enum {
    PART_FIN = 1,
    PART_RST,
    PART_ALERT,
    PART_STATUS = PART_ALERT + COUNT(alerts),
    PART_H2 = PART_STATUS + COUNT(statuses),
    PART_END = PART_H2 + COUNT(h2_codes),
};

const char *const *slow_parts(struct arena *arena, int *count)
{
    const char **names = arena_array(arena, const char *, PART_END);
    int n = 0;

    names[n++] = "fin";
    names[n++] = "rst";
    for (int i = 0; i < COUNT(alerts); i++)
        names[n++] = arena_printf(arena, "alert-%s", alerts[i].name);
    for (int i = 0; i < COUNT(statuses); i++)
        names[n++] = arena_printf(arena, "status-%s", statuses[i]);
    for (int i = 0; i < COUNT(h2_codes); i++)
        names[n++] = arena_printf(arena, "h2-%s", h2_codes[i]);
    *count = n;
    return names;
}

static int alert_by_code(uint8_t code)
{
    int i = 0;

    while (i < COUNT(alerts) - 1 && alerts[i].code != code)
        i++;
    return PART_ALERT + i;
}

/* In the words of tls_reason(): "alert handshake_failure received"; 0: there is none. */
static int alert_in(const char *why)
{
    const char *name = strstr(why, "alert "), *end = name ? strstr(name, " received") : NULL;

    if (!end)
        return 0;
    name += strlen("alert ");
    for (int i = 0; i < COUNT(alerts) - 1; i++)
        if (strncmp(name, alerts[i].name, (size_t)(end - name)) == 0 &&
            alerts[i].name[end - name] == '\0')
            return PART_ALERT + i;
    return alert_by_code(255);
}

/* "HTTP/1.1 408": RFC 9112 4 */
static int status_in(const char *head, size_t len)
{
    if (len < 12 || memcmp(head, "HTTP/1.", 7) != 0 || head[8] != ' ')
        return 0;
    for (int i = 0; i < COUNT(statuses) - 1; i++)
        if (memcmp(head + 9, statuses[i], 3) == 0)
            return PART_STATUS + i;
    return PART_STATUS + COUNT(statuses) - 1;
}

/* A record of type alert in the clear: RFC 8446 5.1 and 6 */
static int alert_record(const char *head, size_t len)
{
    return len >= 7 && head[0] == 0x15 && head[1] == 0x03 && head[6]
               ? alert_by_code((uint8_t)head[6])
               : 0;
}

int slow_part(const struct slow_conn *s, const struct conn_error *e, enum slow_metric *closed_by)
{
    int part;

    if (s->h2.code) {
        int code = s->h2.code - 1;

        *closed_by = SLOW_BY_H2;
        return PART_H2 + (code < COUNT(h2_codes) ? code : COUNT(h2_codes) - 1);
    }
    *closed_by = SLOW_BY_STATUS;
    if ((part = status_in(s->head, s->head_len)))
        return part;
    *closed_by = SLOW_BY_ALERT;
    if ((part = alert_record(s->head, s->head_len)) || (e && (part = alert_in(e->why))))
        return part;
    *closed_by = e && e->error ? SLOW_BY_RST : SLOW_BY_FIN;
    return e && e->error ? PART_RST : PART_FIN;
}

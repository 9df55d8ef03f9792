/* certctl_json.c - rows of the database as the JSON of the real server. */
#include <stdio.h>
#include <string.h>

#include "target/certctl_state.h"

/* "2026-11-26 22:10:05.12+00" is "2026-11-26T22:10:05.12Z". */
void json_add_time(struct buf *out, const char *time)
{
    size_t len = time ? strlen(time) : 0;

    if (len < 22 || time[10] != ' ' || strcmp(time + len - 3, "+00") != 0) {
        json_add_text(out, time);
        return;
    }
    buf_addc(out, '"');
    buf_add(out, time, 10);
    buf_addc(out, 'T');
    buf_add(out, time + 11, len - 14);
    buf_adds(out, "Z\"");
}

/* One element of {a,"b \"c\""}; where the next one begins. */
static const char *add_element(struct buf *out, const char *p)
{
    struct buf one = {0};
    bool quoted = *p == '"';

    if (quoted)
        p++;
    while (*p && (quoted ? *p != '"' : *p != ',' && *p != '}')) {
        if (*p == '\\' && p[1])
            p++;
        buf_addc(&one, *p++);
    }
    if (quoted && *p)
        p++;
    json_add_text(out, buf_text(&one));
    buf_free(&one);
    return p;
}

static void json_add_array(struct buf *out, const char *array)
{
    const char *p = array && *array == '{' ? array + 1 : "";

    buf_addc(out, '[');
    while (*p && *p != '}') {
        p = add_element(out, p);
        if (*p != ',')
            break;
        buf_addc(out, *p++);
    }
    buf_addc(out, ']');
}

void json_add_certificate(struct buf *out, const char *const *v)
{
    static const char *const names[] = {"name",        "common_name",       NULL,
                                        "environment", "owner_id",          "team_id",
                                        "issuer_id",   "renewal_policy_id", "status"};

    buf_adds(out, "{\"id\":");
    json_add_text(out, v[0]);
    for (int i = 0; i < 9; i++) {
        if (names[i]) {
            json_add_member(out, names[i], v[i + 1]);
            continue;
        }
        buf_adds(out, ",\"sans\":");
        json_add_array(out, v[i + 1]);
    }
    buf_adds(out, ",\"expires_at\":");
    json_add_time(out, v[10]);
    buf_printf(out, ",\"tags\":%s,\"created_at\":", v[11] && *v[11] == '{' ? v[11] : "{}");
    json_add_time(out, v[12]);
    buf_adds(out, ",\"updated_at\":");
    json_add_time(out, v[13]);
    buf_addc(out, '}');
}

#include "report/statuses_report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/units.h"
#include "report/document.h"
#include "run/result.h"

#define KEY_MAX 16

static const char *key_of(int code, char out[KEY_MAX])
{
    snprintf(out, KEY_MAX, "%d", code);
    return code == STATUS_OTHER ? "other" : out;
}

static int code_of(const char *key)
{
    char *end;
    long code = strtol(key, &end, 10);

    if (strcmp(key, "other") == 0)
        return STATUS_OTHER;
    return end == key + 3 && *end == '\0' && code >= 100 ? (int)code : 0;
}

static void add(json_t *to, const struct status_count *s)
{
    char key[KEY_MAX];
    json_t *so_far = json_object_get(to, key_of(s->code, key));
    uint64_t before = (uint64_t)json_integer_value(so_far);

    json_object_set_new(to, key_of(s->code, key), document_count(before + s->count));
}

json_t *statuses_report_json(const struct step_result *sr)
{
    json_t *all = json_object();

    for (int i = 0; i < sr->status_count; i++)
        add(all, &sr->statuses[i]);
    return all;
}

json_t *statuses_report_parts_json(const struct step_result *sr)
{
    json_t *parts = json_object();

    for (int i = 0; i < sr->status_count; i++) {
        const struct status_count *s = &sr->statuses[i];

        if (!s->part)
            continue;
        if (!document_get(parts, s->part))
            document_set(parts, s->part, json_object());
        add(document_get(parts, s->part), s);
    }
    return parts;
}

static void read_codes(struct reading *rd, const json_t *from, const char *part,
                       struct step_result *sr)
{
    struct status_count *all = arena_array(rd->arena, struct status_count,
                                           (size_t)sr->status_count + json_object_size(from) + 1);
    const char *key;
    json_t *value;

    if (sr->status_count)
        memcpy(all, sr->statuses, sizeof(*all) * (size_t)sr->status_count);
    sr->statuses = all;
    json_object_foreach((json_t *)from, key, value)
    {
        int code = code_of(key);

        if (!code || !json_is_integer(value) || json_integer_value(value) < 0) {
            read_fault(rd, "\"%.20s\" is no status code with its count", key);
            return;
        }
        all[sr->status_count++] =
            (struct status_count){part, code, (uint64_t)json_integer_value(value)};
    }
}

/* A step has parts for all its answers, or for none. */
void statuses_report_read(struct reading *rd, const json_t *from, struct step_result *sr)
{
    const json_t *parts = json_object_get(from, "status_codes_by_part");
    const char *part;
    json_t *codes;

    if (json_object_size(parts) == 0)
        read_codes(rd, json_object_get(from, "status_codes"), NULL, sr);
    json_object_foreach((json_t *)parts, part, codes)
        read_codes(rd, codes, arena_strdup(rd->arena, part), sr);
}

/* The least code above `last`; 0: there is none. */
static int next_code(const struct step_result *sr, int last)
{
    int next = 0;

    for (int i = 0; i < sr->status_count; i++) {
        int code = sr->statuses[i].code;

        if (code > last && (next == 0 || code < next))
            next = code;
    }
    return next;
}

void statuses_report_text(const struct step_result *sr, struct buf *out)
{
    char key[KEY_MAX], shown[UNITS_MAX];
    const char *separator = "";

    for (int code = next_code(sr, 0); code; code = next_code(sr, code)) {
        uint64_t count = 0;

        for (int i = 0; i < sr->status_count; i++)
            count += sr->statuses[i].code == code ? sr->statuses[i].count : 0;
        buf_printf(out, "%s%s x %s", separator, key_of(code, key),
                   units_print_count((double)count, shown));
        separator = ", ";
    }
}

#include "target/ingest_skim.h"

#include <string.h>

#include "base/utf8.h"

#define FIELD_MAX  ((1u << 29) - 1) /* the largest number of a field */
#define VARINT_MAX 10               /* bytes */
#define FIELDS_MAX 18

/*
 * A field that comes in another wire type than its own is skipped like an unknown one.  Groups are
 * not known to proto3's definitions and are refused.
 */
enum shape_kind {
    SHAPE_NONE,
    SHAPE_STRING,
    SHAPE_NAME, /* a text that is kept: without NULs, at most SKIM_NAME_MAX bytes */
    SHAPE_MESSAGE
};

struct shape {
    struct {
        enum shape_kind kind; /* of what is not a number */
        const struct shape *message;
    } field[FIELDS_MAX];
};

#define TEXT \
    { \
        SHAPE_STRING, 0 \
    }
#define NAME \
    { \
        SHAPE_NAME, 0 \
    }
#define NESTED(of) \
    { \
        SHAPE_MESSAGE, &(of) \
    }

static const struct shape disk = {.field = {[1] = TEXT, [2] = TEXT, [3] = TEXT}};
static const struct shape interface = {.field = {[1] = TEXT, [2] = TEXT, [3] = TEXT}};
static const struct shape check_result = {.field = {[1] = TEXT, [2] = TEXT, [3] = TEXT}};
static const struct shape port = {.field = {[2] = TEXT, [3] = TEXT}};
static const struct shape service = {.field = {[1] = TEXT, [2] = TEXT, [3] = TEXT}};
static const struct shape query_result = {
    .field = {
        [1] = TEXT, [2] = TEXT, [3] = TEXT, [4] = TEXT, [5] = NESTED(port), [6] = NESTED(service)}};
static const struct shape progress = {.field = {[1] = TEXT, [2] = TEXT}};
static const struct shape task_result = {.field = {[1] = TEXT, [2] = TEXT, [4] = TEXT, [5] = TEXT}};
static const struct shape request = {.field = {[1] = TEXT,
                                               [7] = TEXT,
                                               [8] = TEXT,
                                               [9] = NESTED(disk),
                                               [10] = NESTED(interface),
                                               [11] = TEXT,
                                               [12] = TEXT,
                                               [13] = NESTED(check_result),
                                               [14] = NESTED(query_result),
                                               [15] = NESTED(progress),
                                               [16] = NESTED(task_result),
                                               [17] = TEXT}};

static const struct shape platform = {.field = {[1] = NAME, [2] = NAME, [3] = NAME, [4] = NAME}};
static const struct shape agent_info = {.field = {[1] = NAME, [2] = NAME, [3] = NAME}};
static const struct shape tag = {.field = {[1] = NAME, [2] = NAME}};
static const struct shape registration = {.field = {[1] = NAME,
                                                    [2] = NAME,
                                                    [3] = NESTED(platform),
                                                    [4] = NESTED(agent_info),
                                                    [5] = NESTED(tag)}};

struct reader {
    const unsigned char *at, *end;
};

static bool varint(struct reader *r, uint64_t *value)
{
    uint64_t v = 0;

    for (int i = 0; i < VARINT_MAX && r->at < r->end; i++) {
        unsigned char c = *r->at++;

        if (i == VARINT_MAX - 1 && c > 1)
            return false;
        v |= (uint64_t)(c & 0x7f) << (7 * i);
        if (!(c & 0x80)) {
            *value = v;
            return true;
        }
    }
    return false;
}

static bool skip(struct reader *r, uint64_t n)
{
    if (n > (uint64_t)(r->end - r->at))
        return false;
    r->at += n;
    return true;
}

static void note(struct skim *out, uint32_t field, struct skim_span value)
{
    switch (field) {
    case 1:
        out->agent_id = value;
        break;
    case 7:
        out->version = value;
        break;
    case 13:
        out->checks++;
        break;
    case 14:
        out->queries++;
        break;
    case 15:
        out->progress++;
        break;
    case 16:
        out->tasks++;
        break;
    case 17:
        out->pinned = value;
        break;
    }
}

static bool walk(struct reader r, const struct shape *s, struct skim *out);

static bool take_bytes(struct reader *r, const struct shape *s, uint32_t field, struct skim *out)
{
    const unsigned char *from;
    uint64_t len;

    if (!varint(r, &len))
        return false;
    from = r->at;
    if (!skip(r, len))
        return false;
    if (field >= FIELDS_MAX)
        return true;
    if ((s->field[field].kind == SHAPE_STRING || s->field[field].kind == SHAPE_NAME) &&
        !utf8_is(from, len))
        return false;
    if (s->field[field].kind == SHAPE_NAME && (len > SKIM_NAME_MAX || memchr(from, 0, len)))
        return false;
    if (s->field[field].kind == SHAPE_MESSAGE &&
        !walk((struct reader){from, r->at}, s->field[field].message, NULL))
        return false;
    if (out)
        note(out, field, (struct skim_span){(const char *)from, (size_t)len});
    return true;
}

static bool walk(struct reader r, const struct shape *s, struct skim *out)
{
    while (r.at < r.end) {
        uint64_t key, value;
        uint64_t field;
        bool ok;

        if (!varint(&r, &key))
            return false;
        field = key >> 3;
        if (field == 0 || field > FIELD_MAX)
            return false;
        switch (key & 7) {
        case 0:
            ok = varint(&r, &value);
            break;
        case 1:
            ok = skip(&r, 8);
            break;
        case 2:
            ok = take_bytes(&r, s, (uint32_t)field, out);
            break;
        case 5:
            ok = skip(&r, 4);
            break;
        default:
            ok = false;
        }
        if (!ok)
            return false;
    }
    return true;
}

bool ingest_skim(const void *message, size_t len, struct skim *out)
{
    const unsigned char *from = message;

    *out = (struct skim){0};
    return walk((struct reader){from, from + len}, &request, out);
}

bool ingest_skim_registration(const void *message, size_t len)
{
    const unsigned char *from = message;

    return walk((struct reader){from, from + len}, &registration, NULL);
}

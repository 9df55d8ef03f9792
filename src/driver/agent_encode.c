/*
 * agent_encode.c - the bytes of a HeartbeatRequest, written straight into the frame that carries
 * them.
 *
 * Tens of thousands of these are made a second and nearly all of a message is the same every time,
 * so it is not built as a tree of objects first: fields that never change are encoded once for all
 * agents, and the others follow.  Protobuf lets fields come in any order, and a repeated field in
 * pieces, so that results of checks and the like are simply appended.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "driver/agent.h"

#define GIB (UINT64_C(1) << 30)

enum wire { WIRE_VARINT = 0, WIRE_BYTES = 2, WIRE_FLOAT = 5 };

static char *put_varint(char *p, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        *p++ = (char)(v | 0x80);
    *p++ = (char)v;
    return p;
}

static char *put_tag(char *p, unsigned field, enum wire wire)
{
    return put_varint(p, field << 3 | wire);
}

static char *put_int(char *p, unsigned field, uint64_t v)
{
    return v ? put_varint(put_tag(p, field, WIRE_VARINT), v) : p;
}

static char *put_float(char *p, unsigned field, float v)
{
    if (v == 0)
        return p;
    p = put_tag(p, field, WIRE_FLOAT);
    memcpy(p, &v, sizeof(v)); /* little endian, as this program's machines are */
    return p + sizeof(v);
}

static char *put_bytes(char *p, unsigned field, const void *data, size_t len)
{
    if (len == 0)
        return p;
    p = put_varint(put_tag(p, field, WIRE_BYTES), len);
    memcpy(p, data, len);
    return p + len;
}

static char *put_text(char *p, unsigned field, const char *text)
{
    return put_bytes(p, field, text, strlen(text));
}

void beat_profile(struct fleet *f)
{
    char *p = f->profile;

    p = put_text(p, 7, f->job->opts->version);
    p = put_text(p, 8, "Loadtest Linux 1.0");
    p = put_text(p, 11, "linux");
    p = put_text(p, 12, "amd64");
    p = put_text(p, 17, f->pin);
    f->profile_len = (uint32_t)(p - f->profile);
}

static char *put_disk(char *p, const char *mount, const char *device, uint64_t total, float percent)
{
    uint64_t used = (uint64_t)((double)total * (double)percent / 100);
    char disk[128], *q = disk;

    q = put_text(q, 1, mount);
    q = put_text(q, 2, device);
    q = put_text(q, 3, "ext4");
    q = put_int(q, 4, total);
    q = put_int(q, 5, used);
    q = put_int(q, 6, total - used);
    q = put_float(q, 7, percent);
    return put_bytes(p, 9, disk, (size_t)(q - disk));
}

static char *decimal(char *p, uint32_t byte)
{
    if (byte >= 100)
        *p++ = (char)('0' + byte / 100);
    if (byte >= 10)
        *p++ = (char)('0' + byte / 10 % 10);
    *p++ = (char)('0' + byte % 10);
    return p;
}

static char *hexadecimal(char *p, uint32_t byte)
{
    static const char digits[] = "0123456789abcdef";

    *p++ = digits[byte >> 4];
    *p++ = digits[byte & 15];
    return p;
}

/* Both addresses carry the agent's number; printf() would take longer than the rest of the beat. */
static char *put_interface(char *p, uint32_t number)
{
    char text[32] = "10.255.", nic[96], *q = nic, *t;

    q = put_text(q, 1, "eth0");
    t = decimal(text + 7, number >> 8 & 255);
    *t++ = '.';
    t = decimal(t, number & 255);
    q = put_bytes(q, 2, text, (size_t)(t - text));
    memcpy(text, "02:00", 5);
    t = text + 5;
    for (int shift = 24; shift >= 0; shift -= 8) {
        *t++ = ':';
        t = hexadecimal(t, number >> shift & 255);
    }
    q = put_bytes(q, 3, text, (size_t)(t - text));
    q = put_int(q, 4, 1);
    return put_bytes(p, 10, nic, (size_t)(q - nic));
}

/* Roughly normal, by the sum of four uniform ones; variance 1. */
static double normal(uint64_t bits)
{
    double sum = 0;

    for (int i = 0; i < 4; i++)
        sum += (double)(bits >> 16 * i & 0xffff) / 65536 - 0.5;
    return sum * sqrt(3);
}

static uint16_t step(uint16_t at, double by, double low, double high)
{
    double to = at + by * 100;

    return (uint16_t)(to < low * 100 ? low * 100 : to > high * 100 ? high * 100 : to);
}

void beat_walk(struct fleet *f, struct agent *a)
{
    uint64_t number = fleet_agent_number(f, a);
    double by = f->job->opts->metrics_jitter * 5;

    if (a->steps++ == 0) {
        a->cpu = (uint16_t)(rng_hash(number, 1, f->start_ns) % 10001);
        a->memory = (uint16_t)(rng_hash(number, 2, f->start_ns) % 10001);
        a->disk = (uint16_t)(4000 + rng_hash(number, 3, f->start_ns) % 2901);
        return;
    }
    a->cpu = step(a->cpu, by * normal(rng_next(&f->rng)), 0, 100);
    a->memory = step(a->memory, by * 0.6 * normal(rng_next(&f->rng)), 0, 100);
    a->disk = step(a->disk, by * 0.1 * normal(rng_next(&f->rng)), 0, 100);
}

/* Between an hour and a week at the start, by the agent's number alone. */
static uint64_t uptime(const struct fleet *f, uint32_t number)
{
    uint64_t start = 3600 + rng_hash(number, 4, 0) % (7 * 86400 - 3600);

    return start + (f->links.flush_ns - f->start_ns) / NS_PER_S;
}

size_t beat_encode(struct fleet *f, struct agent *a, const char *id, size_t id_len, char *out)
{
    uint32_t number = fleet_agent_number(f, a);
    float disk = (float)a->disk / 100;
    char *p = out + GRPC_PREFIX;

    p = put_bytes(p, 1, id, id_len);
    p = put_float(p, 2, (float)a->cpu / 100);
    p = put_float(p, 3, (float)a->memory / 100);
    p = put_float(p, 4, disk);
    p = put_int(p, 5, uptime(f, number));
    p = put_int(p, 6, clock_read(CLOCK_REALTIME_COARSE) / NS_PER_S);
    p = put_disk(p, "/", "/dev/sda1", 50 * GIB, disk);
    p = put_disk(p, "/var", "/dev/sdb1", 100 * GIB, disk);
    p = put_interface(p, number);
    memcpy(p, f->profile, f->profile_len);
    p += f->profile_len;
    grpc_prefix(out, (size_t)(p - out) - GRPC_PREFIX);
    return (size_t)(p - out);
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* 8-4-4-4-12 lower-case digits (RFC 9562 4), so that it can be written back as it was. */
static bool read_uuid(const char *text, uint8_t out[16])
{
    int n = 0;

    for (int i = 0; i < 36; i++) {
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (text[i] != '-')
                return false;
            continue;
        }
        if (digit(text[i]) < 0)
            return false;
        out[n / 2] = (uint8_t)(out[n / 2] << 4 | digit(text[i]));
        n++;
    }
    return text[36] == '\0';
}

void agent_id_set(struct agent *a, const char *text)
{
    struct agent_id id = {0};
    size_t len = strlen(text);

    if (!a->id_is_uuid)
        free(a->id.text);
    a->id_is_uuid = len == 36 && read_uuid(text, id.uuid);
    if (!a->id_is_uuid) {
        if (len >= AGENT_NAME_MAX)
            len = AGENT_NAME_MAX - 1;
        id.text = xcalloc(len + 1, 1);
        memcpy(id.text, text, len);
    }
    a->id = id;
}

size_t agent_id_text(const struct agent *a, char out[AGENT_NAME_MAX])
{
    static const char digits[] = "0123456789abcdef";
    char *p = out;

    if (!a->id_is_uuid)
        return (size_t)snprintf(out, AGENT_NAME_MAX, "%s", a->id.text ? a->id.text : "");
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *p++ = '-';
        *p++ = digits[a->id.uuid[i] >> 4];
        *p++ = digits[a->id.uuid[i] & 15];
    }
    *p = '\0';
    return 36;
}

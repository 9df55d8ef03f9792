/*
 * messages.c - messages MESSAGE: one message of agent.v1 through protobuf-c and back.
 *
 * Reads its encoding from standard input, writes what protobuf-c packs of it to standard output
 * and, to standard error, one line for each value that the struct holds: "field[.field...] type
 * value", with text and bytes in hexadecimal.  tests/peers/messages.py holds both against Google's
 * protobuf.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/v1/agent.pb-c.h"
#include "agent/v1/heartbeat.pb-c.h"
#include "agent/v1/ingest.pb-c.h"
#include "agent/v1/registration.pb-c.h"
#include "agent/v1/terminal.pb-c.h"

static const ProtobufCMessageDescriptor *const known[] = {
    &agent__v1__platform_info__descriptor,
    &agent__v1__agent_info__descriptor,
    &agent__v1__disk_info__descriptor,
    &agent__v1__network_interface__descriptor,
    &agent__v1__check_definition__descriptor,
    &agent__v1__check_result__descriptor,
    &agent__v1__agent_query__descriptor,
    &agent__v1__port_info__descriptor,
    &agent__v1__service_info__descriptor,
    &agent__v1__agent_query_result__descriptor,
    &agent__v1__agent_task__descriptor,
    &agent__v1__agent_task_progress__descriptor,
    &agent__v1__agent_task_result__descriptor,
    &agent__v1__heartbeat_request__descriptor,
    &agent__v1__heartbeat_response__descriptor,
    &agent__v1__software_package__descriptor,
    &agent__v1__software_inventory_chunk__descriptor,
    &agent__v1__software_inventory_ack__descriptor,
    &agent__v1__renew_certificate_request__descriptor,
    &agent__v1__renew_certificate_response__descriptor,
    &agent__v1__tag__descriptor,
    &agent__v1__register_request__descriptor,
    &agent__v1__register_response__descriptor,
    &agent__v1__terminal_session_request__descriptor,
    &agent__v1__terminal_resize_msg__descriptor,
    &agent__v1__terminal_closed_msg__descriptor,
    &agent__v1__terminal_agent_message__descriptor,
    &agent__v1__terminal_server_message__descriptor,
};

static const ProtobufCMessageDescriptor *find(const char *name)
{
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strcmp(known[i]->short_name, name) == 0)
            return known[i];
    fprintf(stderr, "messages: no message \"%s\"\n", name);
    exit(2);
}

static void print_hex(const void *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        fprintf(stderr, "%02x", ((const unsigned char *)data)[i]);
    fputc('\n', stderr);
}

static void print_message(const ProtobufCMessage *m, const char *prefix);

static void print_value(const ProtobufCFieldDescriptor *f, const void *at, const char *path)
{
    switch (f->type) {
    case PROTOBUF_C_TYPE_MESSAGE:
        print_message(*(ProtobufCMessage *const *)at, path);
        break;
    case PROTOBUF_C_TYPE_STRING:
        fprintf(stderr, "%s string ", path);
        print_hex(*(char *const *)at, strlen(*(char *const *)at));
        break;
    case PROTOBUF_C_TYPE_BYTES:
        fprintf(stderr, "%s bytes ", path);
        print_hex(((const ProtobufCBinaryData *)at)->data, ((const ProtobufCBinaryData *)at)->len);
        break;
    case PROTOBUF_C_TYPE_FLOAT:
        fprintf(stderr, "%s float %a\n", path, (double)*(const float *)at);
        break;
    case PROTOBUF_C_TYPE_INT32:
        fprintf(stderr, "%s int32 %" PRId32 "\n", path, *(const int32_t *)at);
        break;
    case PROTOBUF_C_TYPE_INT64:
        fprintf(stderr, "%s int64 %" PRId64 "\n", path, *(const int64_t *)at);
        break;
    case PROTOBUF_C_TYPE_UINT32:
        fprintf(stderr, "%s uint32 %" PRIu32 "\n", path, *(const uint32_t *)at);
        break;
    case PROTOBUF_C_TYPE_UINT64:
        fprintf(stderr, "%s uint64 %" PRIu64 "\n", path, *(const uint64_t *)at);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        fprintf(stderr, "%s bool %d\n", path, *(const protobuf_c_boolean *)at);
        break;
    default:
        fprintf(stderr, "messages: field \"%s\" has a type that no message of agent.v1 has\n",
                path);
        exit(2);
    }
}

static size_t value_size(const ProtobufCFieldDescriptor *f)
{
    switch (f->type) {
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    default:
        return sizeof(uint64_t); /* no other type is repeated */
    }
}

static void print_field(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f,
                        const char *prefix)
{
    const char *at = (const char *)m + f->offset;
    const int *chosen = (const int *)((const char *)m + f->quantifier_offset);
    char path[256];

    snprintf(path, sizeof(path), "%s%s%u", prefix, *prefix ? "." : "", f->id);
    if (f->label == PROTOBUF_C_LABEL_REPEATED) {
        size_t n = *(const size_t *)(const void *)chosen;
        const char *items = *(char *const *)(const void *)at;

        for (size_t i = 0; i < n; i++)
            print_value(f, items + i * value_size(f), path);
    } else if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
        if (*chosen == (int)f->id)
            print_value(f, at, path);
    } else if (f->type != PROTOBUF_C_TYPE_MESSAGE || *(void *const *)(const void *)at) {
        print_value(f, at, path);
    }
}

static void print_message(const ProtobufCMessage *m, const char *prefix)
{
    for (unsigned i = 0; i < m->descriptor->n_fields; i++)
        print_field(m, &m->descriptor->fields[i], prefix);
}

int main(int argc, char **argv)
{
    static uint8_t in[1 << 20], out[1 << 20];
    const ProtobufCMessageDescriptor *d = find(argc == 2 ? argv[1] : "");
    size_t len = fread(in, 1, sizeof(in), stdin);
    ProtobufCMessage *m = protobuf_c_message_unpack(d, NULL, len, in);

    if (!m) {
        fprintf(stderr, "messages: that is no %s\n", d->short_name);
        return 1;
    }
    print_message(m, "");
    len = protobuf_c_message_get_packed_size(m);
    if (len > sizeof(out) || protobuf_c_message_pack(m, out) != len)
        return 1;
    fwrite(out, 1, len, stdout);
    protobuf_c_message_free_unpacked(m, NULL);
    return 0;
}

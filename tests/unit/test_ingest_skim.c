/* test_ingest_skim.c - skimming a beat, held against protobuf-c's own encoding and decoding. */
#include "unit.h"

#include <agent/v1/heartbeat.pb-c.h>
#include <stdlib.h>
#include <string.h>

#include "target/ingest_bump.h"
#include "target/ingest_skim.h"

#define MESSAGE_MAX 4096

static size_t pack_beat(uint8_t out[MESSAGE_MAX])
{
    Agent__V1__HeartbeatRequest r = AGENT__V1__HEARTBEAT_REQUEST__INIT;
    Agent__V1__DiskInfo disk = AGENT__V1__DISK_INFO__INIT, *disks[] = {&disk, &disk};
    Agent__V1__CheckResult check = AGENT__V1__CHECK_RESULT__INIT,
                           *checks[] = {&check, &check, &check};
    Agent__V1__PortInfo port = AGENT__V1__PORT_INFO__INIT, *ports[] = {&port};
    Agent__V1__AgentQueryResult query = AGENT__V1__AGENT_QUERY_RESULT__INIT, *queries[] = {&query};
    Agent__V1__AgentTaskResult task = AGENT__V1__AGENT_TASK_RESULT__INIT, *tasks[] = {&task};

    disk.mount_point = "/var";
    disk.total_bytes = UINT64_MAX;
    check.check_id = "cpu";
    check.duration_ms = -1;
    port.process = "sshd";
    query.n_ports = 1;
    query.ports = ports;
    task.task_id = "t";
    r.agent_id = "the-agent";
    r.agent_version = "dev";
    r.pinned_server_cert_fingerprint = "abc";
    r.os = "l\xc3\xadnux";
    r.cpu_percent = 1.5f;
    r.n_disks = 2;
    r.disks = disks;
    r.n_check_results = 3;
    r.check_results = checks;
    r.n_query_results = 1;
    r.query_results = queries;
    r.n_task_results = 1;
    r.task_results = tasks;
    return agent__v1__heartbeat_request__pack(&r, out);
}

static void a_beat_is_read(void **state)
{
    uint8_t bytes[MESSAGE_MAX];
    size_t len = pack_beat(bytes);
    struct skim m;

    (void)state;
    assert_true(ingest_skim(bytes, len, &m));
    assert_int_equal(m.agent_id.len, 9);
    assert_memory_equal(m.agent_id.data, "the-agent", 9);
    assert_memory_equal(m.version.data, "dev", m.version.len);
    assert_memory_equal(m.pinned.data, "abc", m.pinned.len);
    assert_int_equal(m.checks, 3);
    assert_int_equal(m.queries, 1);
    assert_int_equal(m.progress, 0);
    assert_int_equal(m.tasks, 1);
    assert_true(ingest_skim("", 0, &m));
    assert_int_equal(m.agent_id.len, 0);
}

/* A message that is cut anywhere is one only where a field ends. */
static void cuts_are_told_as_protobuf_tells_them(void **state)
{
    uint8_t bytes[MESSAGE_MAX];
    size_t len = pack_beat(bytes);
    struct bump bump = {0};
    struct skim m;

    (void)state;
    for (size_t n = 0; n <= len; n++) {
        uint8_t *exact = malloc(n + 1);

        memcpy(exact, bytes, n);
        assert_int_equal(ingest_skim(exact, n, &m),
                         agent__v1__heartbeat_request__unpack(bump_start(&bump), n, exact) != NULL);
        free(exact);
    }
    bump_free(&bump);
}

static void what_is_malformed_is_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        bool good;
    } cases[] = {
        {"\xff\xff\xff\xff", 4, false},
        {"\x00\x01", 2, false},                                          /* field 0 */
        {"\x0b\x0c", 2, false},                                          /* a group */
        {"\x0a\x02\xc3\x28", 4, false},                                  /* no UTF-8 */
        {"\x0a\x03\xed\xa0\x80", 5, false},                              /* a surrogate */
        {"\x4a\x02\x0a\x05", 4, false},                                  /* a disk's name, cut */
        {"\x08\x01", 2, true},                                           /* another wire type */
        {"\x28\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, true},      /* -1 */
        {"\x28\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11, false},     /* beyond 64 bits */
        {"\x28\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12, false}, /* eleven bytes */
        {"\xfa\xff\xff\xff\x0f\x01\xff", 7, true},                       /* field 2^29 - 1 */
        {"\x0a\xff\xff\xff\xff\x0f", 6, false},                          /* longer than it is */
    };
    struct skim m;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (ingest_skim(cases[i].bytes, cases[i].len, &m) != cases[i].good)
            fail_msg("case %zu", i);
}

static void a_registration_has_texts_that_can_be_kept(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        bool good;
    } cases[] = {
        {"", 0, true},
        {"\x0a\x02\xc3\xa4", 4, true},              /* the token */
        {"\x12\x02\xc3\x28", 4, false},             /* the key is no UTF-8 */
        {"\x1a\x04\x22\x02\x31\x00", 6, false},     /* an address with a NUL */
        {"\x22\x05\x1a\x03\xed\xa0\x80", 7, false}, /* a hostname with a surrogate */
        {"\x2a\x05\x0a\x01k\x12\x00", 7, true},     /* a tag */
        {"\x2a\x04\x12\x02\xff\xff", 6, false},     /* its value */
        {"\x32\x02\xff\x00", 4, true},              /* the request for a certificate */
        {"\x0a\x05x", 3, false},                    /* cut */
    };
    char text[SKIM_NAME_MAX + 8] = "\x0a\x80\x20";

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (ingest_skim_registration(cases[i].bytes, cases[i].len) != cases[i].good)
            fail_msg("case %zu", i);
    memset(text + 3, 'x', SKIM_NAME_MAX + 1);
    assert_true(ingest_skim_registration(text, 3 + SKIM_NAME_MAX));
    text[1] = (char)0x81;
    assert_false(ingest_skim_registration(text, 4 + SKIM_NAME_MAX));
}

static void memory_for_messages_is_bounded(void **state)
{
    struct bump bump = {0};
    ProtobufCAllocator *a = bump_start(&bump);
    char *small = a->alloc(a->allocator_data, 3), *large = a->alloc(a->allocator_data, 1 << 20);

    (void)state;
    memset(small, 1, 3);
    memset(large, 2, 1 << 20);
    assert_int_equal((uintptr_t)large % 16, 0);
    assert_null(a->alloc(a->allocator_data, BUMP_MAX));
    a = bump_start(&bump);
    assert_non_null(a->alloc(a->allocator_data, 1 << 20));
    assert_non_null(a->alloc(a->allocator_data, BUMP_MAX - (2 << 20)));
    assert_null(a->alloc(a->allocator_data, 2 << 20));
    bump_free(&bump);
}

UNIT_GROUP(ingest_skim, cmocka_unit_test(a_beat_is_read),
           cmocka_unit_test(cuts_are_told_as_protobuf_tells_them),
           cmocka_unit_test(what_is_malformed_is_refused),
           cmocka_unit_test(a_registration_has_texts_that_can_be_kept),
           cmocka_unit_test(memory_for_messages_is_bounded))

/* test_ingest_table.c - agents by id, key and name, and what the script's file may say. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/grpc.h"
#include "spec/diag.h"
#include "target/ingest_script.h"
#include "target/ingest_table.h"

#define MANY 5000

static struct ingest_agent *add(struct ingest_table *t, int n)
{
    unsigned char key[AGENT_KEY] = {0};
    char host[32];

    memcpy(key, &n, sizeof(n));
    snprintf(host, sizeof(host), "loadtest-%d", n);
    return ingest_table_add(t, NULL, key, host, strlen(host));
}

static void agents_are_found_by_all_that_is_theirs(void **state)
{
    struct ingest_table t;
    char id[AGENT_ID_TEXT];

    (void)state;
    ingest_table_init(&t, 7);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(add(&t, i)->number, i);
    for (int i = 0; i < MANY; i++) {
        struct ingest_agent *a = t.all[i];

        ingest_agent_id(a, id);
        assert_int_equal(strlen(id), 36);
        assert_int_equal(id[14], '4');
        assert_ptr_equal(ingest_table_id(&t, id, 36), a);
        assert_ptr_equal(ingest_table_key(&t, a->key), a);
        assert_ptr_equal(
            ingest_table_name(&t, ingest_agent_host(a), strlen(ingest_agent_host(a)), NULL)->agent,
            a);
    }
    assert_null(ingest_table_id(&t, "00000000-0000-4000-8000-000000000000", 36));
    assert_null(ingest_table_id(&t, "0", 1));
    assert_null(ingest_table_name(&t, "loadtest-", 9, NULL));
    ingest_table_fini(&t);
}

static void a_deleted_agent_lives_as_long_as_its_streams(void **state)
{
    struct ingest_table t;
    struct ingest_agent *a, *b;
    unsigned char key[AGENT_KEY] = {9};

    (void)state;
    ingest_table_init(&t, 7);
    a = add(&t, 1);
    b = add(&t, 2);
    ingest_table_claim(&t, a, "/10.0.0.1", 9);
    assert_string_equal(ingest_agent_host(a), "loadtest-1");
    assert_ptr_equal(ingest_table_name(&t, "/10.0.0.1", 9, NULL)->agent, a);
    ingest_table_rekey(&t, b, key);
    assert_ptr_equal(ingest_table_key(&t, key), b);
    a->streams = 1;
    ingest_table_delete(&t, a);
    assert_int_equal(a->status, INGEST_DELETED);
    assert_int_equal(t.alive, 1);
    assert_null(ingest_table_name(&t, "/10.0.0.1", 9, NULL));
    assert_null(ingest_table_name(&t, "loadtest-1", 10, NULL));
    assert_null(ingest_table_key(&t, a->key));
    ingest_agent_release(a);
    ingest_table_fini(&t);
}

static bool load(struct script *s, const char *text, struct arena *arena)
{
    struct diags d;

    diags_init(&d, "script.yaml", arena);
    return script_read(s, text, strlen(text), arena, &d);
}

static void a_script_is_read(void **state)
{
    static const char text[] = "tick: 500ms\n"
                               "checks:\n- {id: cpu, interval: 30s}\n"
                               "pushes:\n"
                               "- {after_beat: 2, every: 3, query: list_ports}\n"
                               "- {at: 10s, times: 2, task: software_inventory}\n"
                               "- {after_beat: 5, end: NOT_FOUND, message: gone}\n"
                               "- {after_beat: 6, drop: connection}\n"
                               "faults:\n- {method: Register, every: 10, code: INTERNAL}\n";
    struct arena arena = {0};
    struct script s;

    (void)state;
    assert_true(load(&s, text, &arena));
    assert_int_equal(s.tick, 500000000);
    assert_int_equal(s.check_count, 1);
    assert_int_equal(s.checks[0].interval, INT64_C(30000000000));
    assert_int_equal(s.push_count, 4);
    assert_int_equal(s.pushes[0].what, PUSH_QUERY);
    assert_int_equal(s.pushes[1].what, PUSH_TASK);
    assert_int_equal(s.pushes[2].end, GRPC_NOT_FOUND);
    assert_int_equal(s.pushes[3].drop, SCRIPT_CONNECTION);
    assert_true(s.timed);
    assert_int_equal(s.faults[0].code, GRPC_INTERNAL);
    assert_true(load(&s, "{\"tick\": \"1s\"}", &arena));
    arena_free(&arena);
}

static void mistakes_in_a_script_are_told(void **state)
{
    static const char *const texts[] = {
        "",
        "- a\n",
        "tick: 1\n",
        "pushed: []\n",
        "pushes: 1\n",
        "pushes: [1]\n",
        "pushes: [{after_beat: 1}]\n",
        "pushes: [{query: list_ports}]\n",
        "pushes: [{after_beat: 1, at: 1s, query: x}]\n",
        "pushes: [{after_beat: 1, query: x, task: y}]\n",
        "pushes: [{at: 1s, delay: 1s}]\n",
        "pushes: [{after_beat: 1, end: NO_SUCH_CODE}]\n",
        "checks: [{type: port}]\n",
        "faults: [{method: Deregister}]\n",
    };
    struct arena arena = {0};
    struct script s;

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (load(&s, texts[i], &arena))
            fail_msg("\"%s\" is taken", texts[i]);
    }
    arena_free(&arena);
}

UNIT_GROUP(ingest_table, cmocka_unit_test(agents_are_found_by_all_that_is_theirs),
           cmocka_unit_test(a_deleted_agent_lives_as_long_as_its_streams),
           cmocka_unit_test(a_script_is_read), cmocka_unit_test(mistakes_in_a_script_are_told))

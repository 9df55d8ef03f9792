/*
 * Any bytes as a beat: the server's own walk stays inside of them, and what it reads is what
 * protobuf-c reads, where that takes the message, too (it refuses a known field that comes in
 * another wire type, and lets pass what is no UTF-8).
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <agent/v1/heartbeat.pb-c.h>
#include <agent/v1/registration.pb-c.h>

#include "base/utf8.h"
#include "target/ingest_bump.h"
#include "target/ingest_skim.h"

static void hold(bool good)
{
    if (!good)
        abort();
}

/* A C string ends at its first NUL; a span does not. */
static void same(struct skim_span s, const char *text)
{
    size_t len = strlen(text);

    hold(s.len >= len && memcmp(s.data ? s.data : "", text, len) == 0);
    hold(s.len == len || s.data[len] == '\0');
}

static void inside(struct skim_span s, const uint8_t *data, size_t size)
{
    const char *from = (const char *)data;

    hold(s.len == 0 || (s.data >= from && s.data + s.len <= from + size));
}

/* Whatever passes as a registration has texts of at most so many bytes. */
static void registration(const uint8_t *data, size_t size)
{
    struct bump bump = {.first = 64};
    const Agent__V1__RegisterRequest *r =
        agent__v1__register_request__unpack(bump_start(&bump), size, data);

    if (ingest_skim_registration(data, size) && r) {
        hold(strlen(r->org_token) <= SKIM_NAME_MAX && strlen(r->public_key) <= SKIM_NAME_MAX);
        hold(utf8_is(r->org_token, strlen(r->org_token)));
        for (size_t i = 0; i < r->n_tags; i++)
            hold(utf8_is(r->tags[i]->value, strlen(r->tags[i]->value)) &&
                 strlen(r->tags[i]->key) <= SKIM_NAME_MAX);
    }
    bump_free(&bump);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bump bump = {0};
    struct skim m;

    registration(data, size);
    if (ingest_skim(data, size, &m)) {
        const Agent__V1__HeartbeatRequest *r =
            agent__v1__heartbeat_request__unpack(bump_start(&bump), size, data);

        inside(m.agent_id, data, size);
        inside(m.version, data, size);
        inside(m.pinned, data, size);
        if (r) {
            same(m.agent_id, r->agent_id);
            same(m.version, r->agent_version);
            same(m.pinned, r->pinned_server_cert_fingerprint);
            hold(m.checks == r->n_check_results && m.queries == r->n_query_results);
            hold(m.progress == r->n_task_progress && m.tasks == r->n_task_results);
        }
    }
    bump_free(&bump);
    return 0;
}

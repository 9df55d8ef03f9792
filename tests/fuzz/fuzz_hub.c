/*
 * What a hub says to a backend: by the first byte the answer to the upgrade, a challenge, or the
 * messages of a conversation, each with its length in front of it.  A nonce that is let through can
 * stand in a JSON string as it is.  No visitor has room, so that all of them are turned away.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "driver/attest.h"
#include "net/http1.h"
#include "net/ws.h"
#include "target/ledger.h"
#include "target/link.h"
#include "target/server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void answer(const char *data, size_t size)
{
    static const char key[] = "dGhlIHNhbXBsZSBub25jZQ==";
    char *copy = malloc(size + 1);
    struct http1_span head;
    enum http1_event event;
    struct http1 p;
    size_t used;

    memcpy(copy, data, size);
    http1_init(&p, HTTP1_RESPONSE, 16384);
    event = http1_next(&p, copy, size, &used, &head);
    if (used > size)
        abort();
    if (event == HTTP1_HEAD && !ws_refusal(&p, &head, key) && p.status != 101)
        abort();
    free(copy);
}

static void challenge(const char *data, size_t size)
{
    char nonce[NONCE_MAX + 1];

    if (attest_challenge(data, size, nonce) == CHALLENGE_NONE)
        return;
    if (strlen(nonce) == 0 || strpbrk(nonce, "\"\\ \n"))
        abort();
}

static void converse(const char *data, size_t size)
{
    static struct server server;
    static struct worker worker = {.server = &server};
    static struct links links = {.worker = &worker};
    struct link link = {.owner = &links};

    if (!server.ledger)
        server.ledger = ledger_new(NULL, 0);
    while (size > 0) {
        size_t len = (uint8_t)data[0] < size - 1 ? (uint8_t)data[0] : size - 1;
        char *copy = malloc(len + 1);

        memcpy(copy, data + 1, len);
        control_read(&link, copy, len);
        free(copy);
        data += 1 + len;
        size -= 1 + len;
    }
    if (link.tunnel_count || wsconn_waiting(&link.hub.ws))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const kinds[])(const char *, size_t) = {answer, challenge, converse};

    if (size > 0)
        kinds[data[0] % 3]((const char *)data + 1, size - 1);
    return 0;
}

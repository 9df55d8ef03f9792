/*
 * The first byte says how the rest is cut.  However it is cut, the same messages come out, within
 * the bound; and the rest read as the values of fields does not go beyond its buffers.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/grpc.h"

#define MAX 300

struct trace {
    uint64_t hash;
    int messages, end;
};

static struct trace run(const uint8_t *data, size_t size, size_t step)
{
    struct grpc_reader r = {0};
    struct trace t = {0};

    for (size_t at = 0; at < size && t.end == 0; at += step) {
        size_t len = size - at < step ? size - at : step;
        char *copy = malloc(len);
        struct grpc_span in = {memcpy(copy, data + at, len), len}, m;
        enum grpc_event what;

        while ((what = grpc_next(&r, &in, MAX, &m)) == GRPC_MESSAGE) {
            if (m.len > MAX)
                abort();
            t.messages++;
            t.hash = t.hash * 31 + m.len;
            for (size_t i = 0; i < m.len; i++)
                t.hash = t.hash * 31 + (uint8_t)m.data[i];
        }
        if (in.len != 0)
            abort();
        t.end = what == GRPC_MORE ? 0 : (int)what;
        free(copy);
    }
    if (t.end == 0 && !grpc_reader_is_clean(&r))
        t.end = -1;
    grpc_reader_free(&r);
    return t;
}

static void fields(const char *text, size_t len)
{
    char *out = malloc(17), *wide = malloc(3 * len + 1);
    enum grpc_code code;
    int64_t ns;
    size_t n = grpc_message_decode(text, len, out, 17);

    if (strlen(out) != n || n > 16)
        abort();
    n = grpc_message_encode(text, len, wide, 3 * len + 1);
    if (strlen(wide) != n)
        abort();
    if (grpc_code_parse(text, len, &code) && code >= GRPC_CODES)
        abort();
    if (grpc_timeout_parse(text, len, &ns) && ns < 0)
        abort();
    grpc_content_type(text, len);
    free(out);
    free(wide);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct trace whole, cut;

    if (size < 2)
        return 0;
    whole = run(data + 1, size - 1, size);
    cut = run(data + 1, size - 1, 1 + data[0] % 16);
    if (whole.hash != cut.hash || whole.messages != cut.messages || whole.end != cut.end)
        abort();
    fields((const char *)data + 1, size - 1);
    return 0;
}

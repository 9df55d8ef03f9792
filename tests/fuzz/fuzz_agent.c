/*
 * Any bytes as what a server says on a heartbeat stream: an agent takes them in, does what they
 * ask, and makes its next message.  The first byte says how long each message is.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "driver/agent_rpc.h"

static const struct agent_opts opts = {.version = "dev",
                                       .hostname_prefix = "loadtest",
                                       .token = "token",
                                       .check_failure_rate = 0.5,
                                       .timeout = 1000000000};

static void make(struct fleet *f, struct timers *timers, struct link *links, struct agent_job *j)
{
    j->opts = &opts;
    j->stem = "fuzz";
    j->answer = 31;
    j->authority = "localhost";
    j->keep_tokens = true;
    *f = (struct fleet){.job = j, .agent_count = 1, .lanes = 1, .link_count = 1, .desk_count = 1};
    f->links.timers = timers;
    f->link = &links[0];
    f->desks = &links[1];
    f->agents = calloc(1, sizeof(*f->agents));
    f->agents->token = strdup("jwt");
    agent_id_set(f->agents, "3f2504e0-4f89-41d3-9a0c-0305e82c3301");
    for (int i = 0; i < 2; i++)
        link_init(&links[i], &f->links, (uint32_t)i);
    f->scratch = malloc(SCRATCH_BYTES);
    f->bump = objects_new();
    beats_init(f);
    beat_profile(f);
}

static void unmake(struct fleet *f, struct timers *timers)
{
    rpcs_free(f);
    duty_free(f, f->agents);
    agent_forget(f->agents);
    beats_free(f);
    objects_free(f->bump);
    timers_free(timers);
    free(f->scratch);
    free(f->agents);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct timers timers = {0};
    struct link links[2] = {0};
    struct agent_job j = {0};
    struct fleet f;
    size_t step = size ? (data[0] ? data[0] * 4U : size) : 1, len;

    if (size < 2)
        return 0;
    make(&f, &timers, links, &j);
    for (size_t at = 1; at < size; at += step) {
        size_t n = size - at < step ? size - at : step;
        char *copy = malloc(n);

        memcpy(copy, data + at, n);
        push_take(&f, f.agents, (struct grpc_span){copy, n});
        free(copy);
    }
    duty_before_beat(&f, f.agents);
    len = beat_encode(&f, f.agents, "id", 2, f.scratch);
    len += duty_take_extra(f.agents, f.scratch + len, SCRATCH_BYTES - len);
    if (len > SCRATCH_BYTES || len < GRPC_PREFIX)
        abort();
    unmake(&f, &timers);
    return 0;
}

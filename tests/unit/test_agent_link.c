/* How long a connection of agents waits before it is opened again, and between two pings. */
#include "unit.h"

#include <stdio.h>

#include "base/clock.h"
#include "driver/agent.h"
#include "driver/agent_link.h"

static void the_wait_doubles_from_1_s_to_60_s(void **state)
{
    static const double least[] = {1, 2, 4, 8, 16, 32, 40, 40};

    (void)state;
    for (uint64_t seed = 0; seed < 1000; seed++) {
        uint64_t rng = seed;
        uint8_t tries = 0;

        for (int i = 0; i < 8; i++) {
            double s = (double)link_backoff(&rng, &tries) / NS_PER_S;

            assert_true(s >= least[i] && s <= least[i] * 1.5 && s >= 1 && s <= 60);
        }
    }
}

static void waits_are_spread(void **state)
{
    uint64_t rng = 1;
    double least = 60, most = 0;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        uint8_t tries = 0;
        double s = (double)link_backoff(&rng, &tries) / NS_PER_S;

        least = s < least ? s : least;
        most = s > most ? s : most;
    }
    assert_true(least < 1.05 && most > 1.45);
}

static void an_answer_begins_again_at_1_s(void **state)
{
    struct link l = {0};
    uint64_t rng = 1;

    (void)state;
    for (int i = 0; i < 5; i++)
        link_backoff(&rng, &l.tries);
    link_answered(&l);
    assert_true(link_backoff(&rng, &l.tries) <= 3 * NS_PER_S / 2);
}

/* However many connections are told so at the same time. */
static void too_many_pings_double_the_time_between_them(void **state)
{
    struct links all = {.keepalive_ns = 30 * NS_PER_S};
    struct link a = {.all = &all, .keepalive_ns = 30 * NS_PER_S}, b = a;

    (void)state;
    link_calm(&a);
    link_calm(&b);
    assert_int_equal(all.keepalive_ns, 60 * NS_PER_S);
    a.keepalive_ns = all.keepalive_ns;
    link_calm(&a);
    assert_int_equal(all.keepalive_ns, 120 * NS_PER_S);
}

/* So that one reason counts once, however many agents, hosts and streams it names. */
static void what_differs_from_agent_to_agent_is_masked(void **state)
{
    static const char *const words[][2] = {
        {"agent agent-17 is gone.", "agent # is gone."},
        {"no agent 0b5c9a34-66f1-4d0e-9a3e-2f1d7c2b9e10", "no agent #"},
        {"host loadtest-20260101-000000-deadbeef-0007, stream 4711: bad", "host #, stream #: bad"},
        {"(id=cafebabe)", "(id=#)"},
        {"node7.example.org refused", "# refused"},
        {"client certificate required for this RPC", "client certificate required for this RPC"},
        {"decade", "decade"},
        {"...", "..."},
        {"", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        char text[AGENT_WHY];

        snprintf(text, sizeof(text), "%s", words[i][0]);
        stream_mask(text);
        assert_string_equal(text, words[i][1]);
    }
}

UNIT_GROUP(agent_link, cmocka_unit_test(what_differs_from_agent_to_agent_is_masked),
           cmocka_unit_test(the_wait_doubles_from_1_s_to_60_s), cmocka_unit_test(waits_are_spread),
           cmocka_unit_test(an_answer_begins_again_at_1_s),
           cmocka_unit_test(too_many_pings_double_the_time_between_them))

/*
 * attest.h - how a backend proves to a hub that it may serve its hostnames.
 *
 * After the upgrade the backend sends a signed token (stage 0); the hub answers with a challenge,
 * which has a nonce; the backend sends a second token (stage 1) that repeats the first one's claims
 * and has the nonce in it.  From then on the hub may challenge again at any time.  There is no
 * acknowledgement: what is refused is closed with code 1008 and a reason.
 *
 * Some options make tokens that have to be refused: that is how a hub is tested.
 */
#pragma once

#include "spec/opt.h"

struct arena;
struct buf;
struct err;

enum attest_nonce { NONCE_ECHO, NONCE_OTHER, NONCE_NONE };
enum attest_reauth { REAUTH_ANSWER, REAUTH_IGNORE, REAUTH_OTHER_NONCE };
enum attest_algorithm { ALGORITHM_HS256, ALGORITHM_NONE };

struct attest_opts { /* what is asked for */
    const char *secret, *name, *issuer, *audience;
    struct texts hostnames, stage1_hostnames;
    int64_t weight, ttl, age, reauth_interval, reauth_grace, handshake_max_age;
    int algorithm, nonce, reauth;
    bool given;
};
extern const struct opt attest_table[];

enum attest_stage { STAGE_0, STAGE_1, STAGE_REAUTH, STAGES };

struct attest { /* immutable; shared by all conversations */
    const char *key;
    size_t key_len;
    const char *claims[STAGES]; /* JSON without its closing brace and without what changes */
    int64_t ttl_s, age_s;
    enum attest_algorithm algorithm;
    enum attest_nonce nonce;
    enum attest_reauth reauth;
};

/* The key is the secret's bytes without the white space around it; false if none are left. */
bool attest_init(struct attest *a, const struct attest_opts *o, struct arena *arena, struct err *e);

#define NONCE_MAX 128

/*
 * Appends the token of a stage, made at `unix_s`.  `nonce` is the challenge's, "" in stage 0.
 */
void attest_token(const struct attest *a, enum attest_stage stage, const char *nonce,
                  uint64_t unix_s, struct buf *out);

enum challenge { CHALLENGE_NONE, CHALLENGE_HANDSHAKE, CHALLENGE_REAUTH };

/* What a text message of the hub asks for; CHALLENGE_NONE if it is not one, or malformed. */
enum challenge attest_challenge(const char *text, size_t len, char nonce[NONCE_MAX + 1]);

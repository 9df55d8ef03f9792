/* ingest_enrol.h - one registration, from a request to the answer that it gets. */
#pragma once

#include "target/ingest_bump.h"
#include "target/ingest_state.h"

struct Agent__V1__RegisterRequest;

struct enrolment {
    struct call_task task; /* first; where it is done off the loop */
    struct ingest *ingest;
    struct bump bump; /* what the request has been unpacked into */
    const struct Agent__V1__RegisterRequest *request;
    struct ingest_token token;
    unsigned char key[AGENT_KEY], cert_key[AUTHORITY_KEY_MAX];
    size_t cert_key_len; /* 0: no request for a certificate, or a bad one */
    enum agent_status status;
    char agent[AGENT_ID_TEXT];
    bool fresh, rekeyed, queued;
    enum grpc_code code;
    const char *why; /* with a code other than GRPC_OK */
};

/* Is the request one that can be judged?  Otherwise `code` and `why` say what is wrong with it. */
bool enrolment_check(struct enrolment *n);

/* Sets `code`, and with GRPC_OK all else.  With a database behind the service it waits for it. */
void enrolment_judge(struct enrolment *n);

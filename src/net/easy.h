/* easy.h - one libcurl handle and what is set in it; for the files of net/ that use libcurl. */
#pragma once

#include <curl/curl.h>

#include "base/buf.h"
#include "net/attempt.h"

struct err;

struct easy { /* {0} is closed */
    CURL *easy;
    struct curl_slist *headers, *connect_to;
    struct buf made_of; /* what URL and header fields that are set were made of; len 0: none are */
    CURLU *url;
    char message[CURL_ERROR_SIZE];
};

bool easy_open(struct easy *t);
void easy_close(struct easy *t);

/* What stays the same over the requests of one handle: method, TLS, source address. */
void easy_set_route(struct easy *t, const struct attempt_request *r);

/* URL, header fields, body and time-out; the body is not copied. */
bool easy_set_request(struct easy *t, const struct attempt_request *r, struct err *e);

enum attempt_failure easy_explain(struct easy *t, CURLcode code, uint64_t timeout_ns,
                                  struct err *e);

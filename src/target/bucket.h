/*
 * bucket.h - a token bucket: so many requests a second, and so many at once.
 *
 * Time is passed in; it may not go back.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct bucket {
    double rate, burst; /* tokens a second; tokens at most.  rate 0: no limit */
    double tokens;
    uint64_t then; /* ns; when `tokens` was true */
};

void bucket_init(struct bucket *b, double rate, double burst, uint64_t now); /* full */
bool bucket_take(struct bucket *b, uint64_t now);                            /* one token */

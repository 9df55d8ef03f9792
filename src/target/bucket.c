#include "target/bucket.h"

#include "base/clock.h"

void bucket_init(struct bucket *b, double rate, double burst, uint64_t now)
{
    *b = (struct bucket){rate, burst, burst, now};
}

bool bucket_take(struct bucket *b, uint64_t now)
{
    if (b->rate <= 0)
        return true;
    if (now > b->then) {
        b->tokens += (double)(now - b->then) / (double)NS_PER_S * b->rate;
        b->then = now;
    }
    if (b->tokens > b->burst)
        b->tokens = b->burst;
    if (b->tokens < 1)
        return false;
    b->tokens -= 1;
    return true;
}

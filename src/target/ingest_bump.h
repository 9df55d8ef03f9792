/*
 * ingest_bump.h - memory for one unpacked message at a time, for protobuf-c.
 *
 * It grows to what the largest message so far has needed; a message that would unpack to more than
 * BUMP_MAX is refused.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

#define BUMP_MAX (64 << 20)

struct bump {
    ProtobufCAllocator allocator;
    char *block;
    size_t first;              /* bytes of the first block; 0: 16 KiB */
    size_t size, used, wanted; /* wanted: by this message, if the block was too small */
    struct bump_more *more;    /* further blocks of this message */
};

/* For the next message; what was unpacked before is gone. */
ProtobufCAllocator *bump_start(struct bump *b);
void bump_free(struct bump *b);

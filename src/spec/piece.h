/* piece.h - a compiled template, shared by the two files that make it and render it. */
#pragma once

#include "spec/template.h"

enum {
    NUMBER_MAX = 20, /* digits of 2^64 - 1, or a sign and those of -2^63 */
    WIDTH_MAX = 64,
    UUID_LEN = 36,
};

enum piece_type {
    PIECE_TEXT,
    PIECE_ITERATION,
    PIECE_VU,
    PIECE_AGENT,
    PIECE_UUID,
    PIECE_UNIX_MS,
    PIECE_RANDOM,
    PIECE_CYCLE,
    PIECE_DATA,
    PIECE_CAPTURE,
};

struct piece {
    enum piece_type type;
    int width;        /* zeros are added up to it; 0: none */
    int index;        /* column or capture */
    const char *text; /* PIECE_TEXT */
    size_t len;       /* of the text; else the longest that the value can be, without captures */
    int64_t lo, hi;   /* RANDOM, CYCLE */
};

struct template
{
    const struct template_scope *scope;
    const char *constant; /* the whole text; NULL if there is more than text */
    struct piece *pieces;
    int count;
};

/*
 * unit.h - cmocka groups that register themselves: a test file includes this, ends with
 * UNIT_GROUP(), and is found by the Makefile's wildcard.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct unit_group {
    const char *name;
    const struct CMUnitTest *tests;
    size_t count;
    struct unit_group *next;
};

void unit_register(struct unit_group *g);

/* UNIT_GROUP(hist, cmocka_unit_test(quantiles_are_close), ...); */
#define UNIT_GROUP(id, ...) \
    static const struct CMUnitTest id##_tests[] = {__VA_ARGS__}; \
    static struct unit_group id##_group = {#id, id##_tests, \
                                           sizeof(id##_tests) / sizeof(id##_tests[0]), NULL}; \
    __attribute__((constructor)) static void id##_register(void) \
    { \
        unit_register(&id##_group); \
    }

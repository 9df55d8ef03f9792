/*
 * units.h - quantities as people write them, read and printed.
 *
 * Readers take the whole string or nothing: false leaves the output untouched.  No reader accepts
 * a sign, white space, hexadecimal, "nan" or "inf".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Go's duration syntax and k6's leading days: "250ms", "1.5s", "1m30s", "2d12h", bare "0". */
bool units_duration(const char *s, int64_t *ns);
bool units_rate(const char *s, double *per_s);   /* "200/s", "12k/m", "5/h" */
bool units_size(const char *s, int64_t *bytes);  /* "512", "64KiB", "1MB" */
bool units_ratio(const char *s, double *ratio);  /* "1%", "0.01"; not limited to 0..1 */
bool units_number(const char *s, double *value); /* "0.5", "1e6" */
bool units_int(const char *s, int64_t *value);   /* decimal; this one does take a leading '-' */

/* Printers write a short form with three significant digits and return `buf`. */
#define UNITS_MAX 32
const char *units_print_duration(double ns, char buf[UNITS_MAX]); /* "12.3ms" */
const char *units_print_count(double n, char buf[UNITS_MAX]);     /* "12,345", "0.25" */
const char *units_print_rate(double per_s, char buf[UNITS_MAX]);  /* "1000/s", "0.5/s" */
const char *units_print_ratio(double ratio, char buf[UNITS_MAX]); /* "1.25%" */
const char *units_print_size(double bytes, char buf[UNITS_MAX]);  /* "64 KiB" */

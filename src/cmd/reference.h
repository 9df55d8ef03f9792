/* reference.h - every option table of the program as one Markdown document: docs/reference.md. */
#pragma once

#include <stdio.h>

void reference_print(FILE *out);
